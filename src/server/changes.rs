//! What is otherwise in a new configuration: in words for the log, and what of it has to wait for the next start.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Limits, Timeouts, VirtualCluster};
use crate::port_map::{NodeId, NodePort, PortMap};

/// Takes out of `new` what cannot change while this process runs, and puts in its place what is in force. Returns the keys.
pub(super) fn hold_back(in_force: &Config, new: &mut Config) -> Vec<String> {
    let mut held = Vec::new();
    hold(&mut held, "admin.listen", &in_force.admin, &mut new.admin);
    hold(&mut held, "dns", &in_force.dns, &mut new.dns);
    let (before, after) = (&in_force.runtime, &mut new.runtime);
    hold(
        &mut held,
        "runtime.threads",
        &before.threads,
        &mut after.threads,
    );
    hold(
        &mut held,
        "runtime.splice",
        &before.splice,
        &mut after.splice,
    );
    hold(
        &mut held,
        "log.format",
        &in_force.log.format,
        &mut new.log.format,
    );
    for (name, after) in &mut new.clusters {
        if let Some(before) = in_force.clusters.get(name) {
            let key = format!("clusters.{name}.listen_address");
            let (before, after) = (&before.listen_address, &mut after.listen_address);
            hold(&mut held, &key, before, after);
        }
    }
    held
}

fn hold<T: PartialEq + Clone>(held: &mut Vec<String>, key: &str, in_force: &T, new: &mut T) {
    if new != in_force {
        *new = in_force.clone();
        held.push(key.to_owned());
    }
}

/// What is otherwise in `after`: a phrase for each cluster and each table.
pub(super) fn between(before: &Config, after: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, cluster) in &after.clusters {
        match before.clusters.get(name) {
            None => changes.push(format!("clusters.{name} added")),
            Some(before) => {
                let of_cluster = of_cluster(before, cluster);
                if !of_cluster.is_empty() {
                    changes.push(format!("clusters.{name}: {}", of_cluster.join(", ")));
                }
            }
        }
    }
    let gone = before.clusters.keys();
    let gone = gone.filter(|name| !after.clusters.contains_key(*name));
    changes.extend(gone.map(|name| format!("clusters.{name} removed")));
    changes.extend(of_limits(&before.limits, &after.limits));
    changes.extend(of_timeouts(&before.timeouts, &after.timeouts));
    let others = [
        (
            "admin.allowed_hosts",
            before.admin_hosts != after.admin_hosts,
        ),
        ("drain", before.drain != after.drain),
        ("health", before.health != after.health),
        ("log.level", before.log.level != after.log.level),
    ];
    changes.extend(changed("", &others));
    changes
}

fn of_cluster(before: &VirtualCluster, after: &VirtualCluster) -> Vec<String> {
    let ids =
        |cluster: &VirtualCluster| -> BTreeSet<NodeId> { cluster.nodes.keys().copied().collect() };
    let (had, has) = (ids(before), ids(after));
    let moved = had
        .intersection(&has)
        .any(|id| before.nodes.get(id) != after.nodes.get(id));
    let added = has.difference(&had).copied().collect();
    let removed = had.difference(&has).copied().collect();
    let nodes = [(added, "added"), (removed, "removed")].into_iter();
    let nodes = nodes.filter(|(ids, _): &(Vec<NodeId>, _)| !ids.is_empty());
    let mut changes: Vec<String> = nodes
        .map(|(ids, what)| format!("nodes {} {what}", ranges(&ids)))
        .collect();
    let bootstrap = |cluster: &VirtualCluster| cluster.ports.as_ref().map(PortMap::bootstrap);
    let (had_ports, has_ports) = (ports(before), ports(after));
    let mut same = had.intersection(&has);
    let ports = bootstrap(before) != bootstrap(after)
        || same.any(|id| had_ports.get(id) != has_ports.get(id));
    let keys = [
        ("ports", ports),
        ("addresses of nodes", moved),
        (
            "bootstrap_servers",
            before.bootstrap_servers != after.bootstrap_servers,
        ),
        ("advertise", before.advertise != after.advertise),
        (
            "advertised_host",
            before.advertised_host != after.advertised_host,
        ),
        (
            "advertised_from_service",
            before.advertised_from_service != after.advertised_from_service,
        ),
        ("sni", sni(before) != sni(after)),
        ("tls", before.tls != after.tls),
        ("upstream_tls", before.upstream_tls != after.upstream_tls),
        (
            "proxy_protocol",
            before.proxy_protocol != after.proxy_protocol,
        ),
        ("allow and deny", before.access != after.access),
        ("unknown_apis", before.unknown_apis != after.unknown_apis),
        (
            "fetch_endpoints",
            before.fetch_endpoints != after.fetch_endpoints,
        ),
    ];
    changes.extend(changed("", &keys));
    changes
}

fn ports(cluster: &VirtualCluster) -> BTreeMap<NodeId, NodePort> {
    cluster.ports.iter().flat_map(PortMap::nodes).collect()
}

/// What of SNI mode does not come from the nodes.
fn sni(cluster: &VirtualCluster) -> Option<(&str, &str, NodePort)> {
    let sni = cluster.sni.as_ref()?;
    Some((&sni.bootstrap_host, &sni.node_host, sni.ports.bootstrap()))
}

fn of_limits(before: &Limits, after: &Limits) -> Vec<String> {
    let keys = [
        ("connections", before.connections != after.connections),
        (
            "connections_per_client",
            before.connections_per_client != after.connections_per_client,
        ),
        (
            "connection_rate_per_client",
            before.connection_rate_per_client != after.connection_rate_per_client,
        ),
        (
            "tls_handshakes",
            before.tls_handshakes != after.tls_handshakes,
        ),
        ("in_flight", before.in_flight != after.in_flight),
        ("request_bytes", before.request_bytes != after.request_bytes),
        (
            "response_rewrite_bytes",
            before.response_rewrite_bytes != after.response_rewrite_bytes,
        ),
        ("sasl_bytes", before.sasl_bytes != after.sasl_bytes),
    ];
    changed("limits.", &keys)
}

fn of_timeouts(before: &Timeouts, after: &Timeouts) -> Vec<String> {
    let keys = [
        ("connect", before.connect != after.connect),
        ("tls_handshake", before.tls_handshake != after.tls_handshake),
        ("first_bytes", before.first_bytes != after.first_bytes),
        ("stalled_write", before.stalled_write != after.stalled_write),
        ("idle", before.idle != after.idle),
        (
            "max_connection_age",
            before.max_connection_age != after.max_connection_age,
        ),
        ("keepalive", before.keepalive != after.keepalive),
    ];
    changed("timeouts.", &keys)
}

fn changed(table: &str, keys: &[(&str, bool)]) -> Vec<String> {
    let changed = keys.iter().filter(|(_, changed)| *changed);
    changed
        .map(|(key, _)| format!("{table}{key} changed"))
        .collect()
}

/// `1, 3-5`: ids in order as they are written in a configuration.
fn ranges(ids: &[NodeId]) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for &NodeId(id) in ids {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
            _ => runs.push((id, id)),
        }
    }
    let more = runs.len().saturating_sub(MOST_RUNS);
    let text = |&(first, last): &(i32, i32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let mut texts: Vec<String> = runs.iter().take(MOST_RUNS).map(text).collect();
    if more > 0 {
        texts.push(format!("and {more} more ranges"));
    }
    texts.join(", ")
}

/// More ranges of ids are not told in one line.
const MOST_RUNS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ParseOptions;

    const BASE: &str = "\
[clusters.main]
bootstrap_servers = [\"kafka:9092\"]
advertised_host = \"kafka.example.com\"
[[clusters.main.nodes]]
ids = \"0-2\"
port = 9093
";

    fn config(text: &str) -> Config {
        Config::from_toml(text, &ParseOptions::default()).unwrap()
    }

    fn changes(after: &str) -> String {
        between(&config(BASE), &config(after)).join("; ")
    }

    #[test]
    fn changes_are_told_by_the_words_of_the_configuration() {
        assert_eq!(changes(BASE), "");
        let more = BASE.replace("0-2", "1-4,7");
        assert_eq!(
            changes(&more.replace("kafka:9092", "other:9092")),
            "clusters.main: nodes 3-4, 7 added, nodes 0 removed, ports changed, bootstrap_servers changed"
        );
        let second = BASE.replace("main", "second").replace("9093", "9293");
        let second = second.replace("advertised_host", "bootstrap_port = 9292\nadvertised_host");
        assert_eq!(changes(&format!("{BASE}{second}")), "clusters.second added");
        assert_eq!(
            changes(&second),
            "clusters.second added; clusters.main removed"
        );
        let tables = "[limits]\nsasl_bytes = 1024\n[timeouts]\nidle = \"9m\"\n[drain]\ngrace = \"1s\"\n[log]\nlevel = \"warn\"\n";
        assert_eq!(
            changes(&format!("{BASE}{tables}")),
            "limits.sasl_bytes changed; timeouts.idle changed; drain changed; log.level changed"
        );
        let address = format!("{BASE}address = \"kafka-{{node_id}}:9092\"\n");
        assert_eq!(
            changes(&address),
            "clusters.main: addresses of nodes changed"
        );
    }

    #[test]
    fn what_cannot_change_is_held_back_and_the_rest_is_not() {
        let tables = "[admin]\nlisten = \"\"\n[dns]\nservers = [\"10.0.0.1\"]\n[runtime]\nthreads = 3\nsplice = false\n\
                      [log]\nformat = \"json\"\nlevel = \"debug\"\n";
        let text = format!("{BASE}{tables}");
        let text = text.replace(
            "advertised_host",
            "listen_address = \"127.0.0.1\"\nadvertised_host",
        );
        let mut new = config(&text);
        let before = config(BASE);
        let held = hold_back(&before, &mut new);
        assert_eq!(
            held,
            [
                "admin.listen",
                "dns",
                "runtime.threads",
                "runtime.splice",
                "log.format",
                "clusters.main.listen_address"
            ]
        );
        assert_eq!(between(&before, &new), ["log.level changed"]);
        assert!(hold_back(&before, &mut new).is_empty());
    }

    #[test]
    fn a_list_of_ids_is_bounded() {
        let ids: Vec<NodeId> = (0..1000).map(|id| NodeId(id * 2)).collect();
        assert!(ranges(&ids).ends_with("28, 30, and 984 more ranges"));
        assert_eq!(
            ranges(&[NodeId(i32::MAX - 1), NodeId(i32::MAX)]),
            "2147483646-2147483647"
        );
    }
}
