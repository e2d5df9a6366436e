//! What the proxy of a front is told.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::cluster::{Cluster, Listener};
use crate::common::certificates::Files;
use crate::common::mount::Mount;
use crate::door::{BOOTSTRAP_HOST, Door, node_host};
use crate::front::{NAME, Options};

/// The configuration for these nodes of a cluster, which the proxy reaches by this listener. `ports` are what clients are told.
pub fn of(
    cluster: &Cluster,
    listener: Listener,
    ids: &[i32],
    options: Options,
    ports: &BTreeMap<String, u16>,
    door: Option<&Door>,
    own: Option<&Mount>,
) -> String {
    let mut config = cluster_config(cluster, listener, ids, options, ports);
    config += &door.map(|door| door.config(NAME)).unwrap_or_default();
    config += &upstream_config(cluster, listener, own);
    for &id in ids {
        config += &node_config(cluster, listener, id, options.learned, ports);
    }
    config + options.sections
}

/// The section of the cluster, and that of SNI mode.
fn cluster_config(
    cluster: &Cluster,
    listener: Listener,
    ids: &[i32],
    options: Options,
    ports: &BTreeMap<String, u16>,
) -> String {
    let servers = ids.iter().map(|&id| cluster.internal(id, listener));
    let servers: Vec<String> = servers.collect();
    let mut config = format!(
        "[dns]\nhosts_file = {:?}\n[clusters.{NAME}]\nbootstrap_servers = {servers:?}\nlisten_address = \"127.0.0.1\"\n",
        cluster.hosts_file(),
    );
    if let Some(port) = ports.get("bootstrap") {
        let _ = writeln!(
            config,
            "bootstrap_port = 0\nbootstrap_advertised_port = {port}"
        );
        config += match options.dialled {
            true => "advertise = \"dialled\"\n",
            false => "advertised_host = \"127.0.0.1\"\n",
        };
    }
    let _ = writeln!(config, "{}", options.line);
    if let Some(port) = ports.get("sni") {
        let _ = writeln!(
            config,
            "[clusters.{NAME}.sni]\nport = 0\nadvertised_port = {port}\nbootstrap_host = {BOOTSTRAP_HOST:?}\nnode_host = {:?}",
            node_host("{node_id}"),
        );
    }
    config
}

/// What a listener of the brokers demands.
fn upstream_config(cluster: &Cluster, listener: Listener, own: Option<&Mount>) -> String {
    let identities = cluster.identities();
    let mut config = String::new();
    if listener.has_tls() {
        let _ = writeln!(
            config,
            "[clusters.{NAME}.upstream_tls]\nca = {:?}",
            identities.ca()
        );
    }
    if let Some(own) = own {
        let Files { certificate, key } = own.files();
        let _ = writeln!(config, "certificate = {certificate:?}\nkey = {key:?}");
    }
    config
}

fn node_config(
    cluster: &Cluster,
    listener: Listener,
    id: i32,
    learned: bool,
    ports: &BTreeMap<String, u16>,
) -> String {
    let mut config = format!("[[clusters.{NAME}.nodes]]\nids = \"{id}\"\n");
    if let Some(port) = ports.get(&format!("node-{id}")) {
        let _ = writeln!(config, "port = 0\nadvertised_port = {port}");
    }
    if !learned {
        let _ = writeln!(config, "address = {:?}", cluster.internal(id, listener));
    }
    config
}
