//! The configuration as understood, all defaults filled in, as TOML that reads back to the same.

use std::fmt::Write;
use std::time::Duration;

use super::reader::bare_or_quoted;
use super::{Config, FetchEndpoints, LogFormat, LogLevel, UnknownApis, VirtualCluster};

impl Config {
    /// TOML text with every key.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        for cluster in self.clusters.values() {
            self::cluster(&mut out, cluster);
        }
        let admin = self
            .admin
            .map_or(String::new(), |address| address.to_string());
        section(&mut out, "admin", &[("listen", quoted(&admin))]);
        let hosts_file = self
            .dns
            .hosts_file
            .as_deref()
            .map(|path| path.display().to_string());
        let servers = list(self.dns.servers.iter().map(ToString::to_string));
        section(
            &mut out,
            "dns",
            &[
                ("servers", servers),
                ("hosts_file", quoted(&hosts_file.unwrap_or_default())),
            ],
        );
        let limits = &self.limits;
        section(
            &mut out,
            "limits",
            &[
                ("connections", auto(limits.connections)),
                ("in_flight", limits.in_flight.to_string()),
                ("request_bytes", size(limits.request_bytes)),
                (
                    "response_rewrite_bytes",
                    size(limits.response_rewrite_bytes),
                ),
                ("sasl_bytes", size(limits.sasl_bytes)),
            ],
        );
        let timeouts = &self.timeouts;
        section(
            &mut out,
            "timeouts",
            &[
                ("connect", duration(timeouts.connect)),
                ("first_bytes", duration(timeouts.first_bytes)),
                ("stalled_write", duration(timeouts.stalled_write)),
                ("idle", off(timeouts.idle)),
                ("keepalive", off(timeouts.keepalive)),
            ],
        );
        section(&mut out, "drain", &[("grace", duration(self.drain.grace))]);
        section(
            &mut out,
            "runtime",
            &[
                ("threads", auto(self.runtime.threads)),
                ("splice", self.runtime.splice.to_string()),
            ],
        );
        section(
            &mut out,
            "log",
            &[
                ("level", word(&LogLevel::WORDS, self.log.level)),
                ("format", word(&LogFormat::WORDS, self.log.format)),
            ],
        );
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }
}

fn cluster(out: &mut String, cluster: &VirtualCluster) {
    let name = format!("clusters.{}", bare_or_quoted(&cluster.name));
    let Some(bootstrap) = cluster
        .ports
        .as_ref()
        .map(crate::port_map::PortMap::bootstrap)
    else {
        return;
    };
    let servers = list(cluster.bootstrap_servers.iter().map(ToString::to_string));
    section(
        out,
        &name,
        &[
            ("bootstrap_servers", servers),
            (
                "advertised_host",
                quoted(cluster.advertised_host.as_deref().unwrap_or_default()),
            ),
            (
                "listen_address",
                quoted(&cluster.listen_address.to_string()),
            ),
            ("bootstrap_port", bootstrap.bound.to_string()),
            (
                "bootstrap_advertised_port",
                bootstrap.advertised.to_string(),
            ),
            (
                "unknown_apis",
                word(&UnknownApis::WORDS, cluster.unknown_apis),
            ),
            (
                "fetch_endpoints",
                word(&FetchEndpoints::WORDS, cluster.fetch_endpoints),
            ),
        ],
    );
    for entry in &cluster.entries {
        let mut keys = vec![
            ("ids", quoted(&entry.ids)),
            ("port", entry.port.unwrap_or_default().to_string()),
            (
                "advertised_port",
                entry.advertised_port.unwrap_or_default().to_string(),
            ),
        ];
        if let Some(address) = &entry.address {
            keys.push(("address", quoted(address)));
        }
        section(out, &format!("[{name}.nodes]"), &keys);
    }
}

fn section(out: &mut String, name: &str, keys: &[(&str, String)]) {
    let width = keys.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "[{name}]");
    for (key, value) in keys {
        let _ = writeln!(out, "{key:width$} = {value}");
    }
    out.push('\n');
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|item| quoted(&item)).collect();
    format!("[{}]", items.join(", "))
}

fn auto(count: Option<usize>) -> String {
    count.map_or(quoted("auto"), |count| count.to_string())
}

fn off(time: Option<Duration>) -> String {
    time.map_or(quoted("off"), duration)
}

fn duration(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1_000 == 0 => quoted(&format!("{}s", ms / 1_000)),
        ms => quoted(&format!("{ms}ms")),
    }
}

fn size(bytes: u32) -> String {
    for (unit, factor) in [("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes.is_multiple_of(factor) {
            return quoted(&format!("{}{unit}", bytes / factor));
        }
    }
    bytes.to_string()
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> String {
    let found = words.iter().find(|(_, candidate)| *candidate == value);
    quoted(found.map_or("", |(word, _)| word))
}
