//! The configuration as understood, all defaults filled in, as TOML that reads back to the same.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::VirtualCluster;
use super::reader::bare_or_quoted;
use super::{Advertise, ClientAuth, FetchEndpoints, LogFormat, LogLevel, ProxyProtocolMode};
use super::{Config, Network, Rate, Sni, Tls, TlsVersion, UnknownApis, UpstreamTls};
use crate::port_map::PortMap;

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
        let hosts = list(self.admin_hosts.iter().cloned());
        section(
            &mut out,
            "admin",
            &[("listen", quoted(&admin)), ("allowed_hosts", hosts)],
        );
        let servers = list(self.dns.servers.iter().map(ToString::to_string));
        section(
            &mut out,
            "dns",
            &[
                ("servers", servers),
                ("hosts_file", path(self.dns.hosts_file.as_deref())),
            ],
        );
        let limits = &self.limits;
        section(
            &mut out,
            "limits",
            &[
                ("connections", auto(limits.connections)),
                (
                    "connections_per_client",
                    limits
                        .connections_per_client
                        .map_or(quoted("off"), |count| count.to_string()),
                ),
                (
                    "connection_rate_per_client",
                    rate(limits.connection_rate_per_client),
                ),
                ("tls_handshakes", limits.tls_handshakes.to_string()),
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
                ("tls_handshake", duration(timeouts.tls_handshake)),
                ("first_bytes", duration(timeouts.first_bytes)),
                ("stalled_write", duration(timeouts.stalled_write)),
                ("idle", off(timeouts.idle)),
                ("max_connection_age", off(timeouts.max_connection_age)),
                ("keepalive", off(timeouts.keepalive)),
            ],
        );
        section(
            &mut out,
            "drain",
            &[
                ("lame_duck", duration(self.drain.lame_duck)),
                ("grace", duration(self.drain.grace)),
            ],
        );
        section(
            &mut out,
            "health",
            &[("interval", off(self.health.interval))],
        );
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
    let networks = |networks: &[Network]| list(networks.iter().map(ToString::to_string));
    let servers = list(cluster.bootstrap_servers.iter().map(ToString::to_string));
    let mut keys = vec![("bootstrap_servers", servers)];
    if let Some(host) = &cluster.advertised_host {
        keys.push(("advertised_host", quoted(host)));
    }
    if let Some(service) = &cluster.advertised_from_service {
        keys.push(("advertised_from_service", quoted(&service.to_string())));
    }
    keys.extend([
        ("advertise", word(&Advertise::WORDS, cluster.advertise)),
        (
            "listen_address",
            quoted(&cluster.listen_address.to_string()),
        ),
    ]);
    if let Some(bootstrap) = cluster.ports.as_ref().map(PortMap::bootstrap) {
        keys.extend([
            ("bootstrap_port", bootstrap.bound.to_string()),
            (
                "bootstrap_advertised_port",
                bootstrap.advertised.to_string(),
            ),
        ]);
    }
    let proxy_protocol = &cluster.proxy_protocol;
    let mode = word(&ProxyProtocolMode::WORDS, proxy_protocol.mode);
    let unknown_apis = word(&UnknownApis::WORDS, cluster.unknown_apis);
    let fetch_endpoints = word(&FetchEndpoints::WORDS, cluster.fetch_endpoints);
    keys.extend([
        ("proxy_protocol", mode),
        ("proxy_protocol_from", networks(&proxy_protocol.from)),
        ("allow", networks(&cluster.access.allow)),
        ("deny", networks(&cluster.access.deny)),
        ("unknown_apis", unknown_apis),
        ("fetch_endpoints", fetch_endpoints),
    ]);
    section(out, &name, &keys);
    if let Some(sni) = &cluster.sni {
        self::sni(out, &name, sni);
    }
    if let Some(tls) = &cluster.tls {
        self::tls(out, &name, tls);
    }
    if let Some(tls) = &cluster.upstream_tls {
        upstream_tls(out, &name, tls);
    }
    for entry in &cluster.entries {
        let mut keys = vec![("ids", quoted(&entry.ids))];
        let ports = [
            ("port", entry.port),
            ("advertised_port", entry.advertised_port),
        ];
        let ports = ports.into_iter();
        keys.extend(ports.filter_map(|(key, port)| Some((key, port?.to_string()))));
        if let Some(address) = &entry.address {
            keys.push(("address", quoted(address)));
        }
        section(out, &format!("[{name}.nodes]"), &keys);
    }
}

fn sni(out: &mut String, cluster: &str, sni: &Sni) {
    let port = sni.ports.bootstrap();
    section(
        out,
        &format!("{cluster}.sni"),
        &[
            ("port", port.bound.to_string()),
            ("advertised_port", port.advertised.to_string()),
            ("bootstrap_host", quoted(&sni.bootstrap_host)),
            ("node_host", quoted(&sni.node_host)),
        ],
    );
}

fn tls(out: &mut String, cluster: &str, tls: &Tls) {
    section(
        out,
        &format!("{cluster}.tls"),
        &[
            ("certificate", path(Some(&tls.certificate))),
            ("key", path(Some(&tls.key))),
            ("client_ca", path(tls.client_ca.as_deref())),
            ("client_auth", word(&ClientAuth::WORDS, tls.client_auth)),
            ("min_version", word(&TlsVersion::WORDS, tls.min_version)),
            ("crl", path(tls.crl.as_deref())),
            ("ticket_keys", path(tls.ticket_keys.as_deref())),
        ],
    );
}

fn upstream_tls(out: &mut String, cluster: &str, tls: &UpstreamTls) {
    let (certificate, key) = tls.identity.as_ref().map_or((None, None), |(c, k)| {
        (Some(c.as_path()), Some(k.as_path()))
    });
    section(
        out,
        &format!("{cluster}.upstream_tls"),
        &[
            ("ca", path(tls.ca.as_deref())),
            ("certificate", path(certificate)),
            ("key", path(key)),
            (
                "server_name",
                quoted(tls.server_name.as_deref().unwrap_or_default()),
            ),
        ],
    );
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

/// What comes from a TOML string can be shown as it is; none is the empty string.
fn path(path: Option<&Path>) -> String {
    let text = path.map(|path| path.display().to_string());
    quoted(&text.unwrap_or_default())
}

fn rate(rate: Option<Rate>) -> String {
    let Some(rate) = rate else {
        return quoted("off");
    };
    let unit = Rate::UNITS
        .iter()
        .find(|(_, seconds)| *seconds == rate.per.as_secs());
    let unit = unit.map_or("", |(unit, _)| unit);
    quoted(&format!("{}/{unit}", rate.connections))
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
