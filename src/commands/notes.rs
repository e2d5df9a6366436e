//! What a good configuration means that its author may not expect: no faults, but worth knowing before clients come.

use std::fmt::Write;

use crate::config::{Advertise, Config, ProxyProtocolMode, VirtualCluster};
use crate::port_map::Route;

/// A paragraph for each note, with an empty line before it; nothing where there is none.
pub(super) fn notes(config: &Config) -> String {
    let mut notes = Vec::new();
    for cluster in config.clusters.values() {
        let of_cluster = [
            identity(cluster),
            names_without_dots(cluster),
            nothing_is_dialled(cluster),
            headers_of_everybody(cluster),
        ];
        let name = &cluster.name;
        let of_cluster = of_cluster.into_iter().flatten();
        notes.extend(of_cluster.map(|note| format!("note on {name}: {note}")));
    }
    notes.extend(one_client_for_all(config).map(|note| format!("note: {note}")));
    let mut out = String::new();
    for note in notes {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n{note}");
    }
    out
}

/// Whom brokers see, where clients have TLS.
fn identity(cluster: &VirtualCluster) -> Option<String> {
    let tls = cluster.tls.as_ref()?;
    let identity = cluster
        .upstream_tls
        .as_ref()
        .and_then(|tls| tls.identity.as_ref());
    let (seen, principal) = match identity {
        Some((certificate, _)) => {
            let certificate = certificate.display();
            (
                format!("this proxy's address and its certificate {certificate}"),
                "the principal of that certificate",
            )
        }
        None => (
            "this proxy's address and no certificate".to_owned(),
            "User:ANONYMOUS",
        ),
    };
    let instead = match tls.client_ca {
        Some(_) => "allow, deny and client_ca",
        None => "allow and deny, or client_ca,",
    };
    Some(format!(
        "TLS of clients ends here; brokers see {seen}, never a client's.
  ACLs and quotas by principal: they work with SASL, which passes untouched. A client's certificate gives it no principal
  at the brokers: without SASL all clients are {principal} to them.
  ACLs by host, quotas and connection limits by IP address: brokers cannot tell clients apart by them. Instead use
  {instead} here."
    ))
}

/// Java and Netty send no server name where the host has no dot, and Java none with an underscore in it.
fn names_without_dots(cluster: &VirtualCluster) -> Option<String> {
    let ports = &cluster.sni.as_ref()?.ports;
    let nodes = ports.nodes().map(|(id, _)| Route::Node(id));
    let mut hosts = std::iter::once(Route::Bootstrap)
        .chain(nodes)
        .filter_map(|route| ports.host_of(route));
    let host = hosts.find(|host| !host.contains('.') || host.contains('_'))?;
    Some(format!(
        "Java clients send no TLS server name for a host such as {host}, and are refused at the port of SNI mode.
  Use names with a dot, and without an underscore."
    ))
}

fn nothing_is_dialled(cluster: &VirtualCluster) -> Option<String> {
    let is_unknown = cluster.tls.is_none() && cluster.proxy_protocol.mode == ProxyProtocolMode::Off;
    let instead = match &cluster.advertised_from_service {
        Some(service) => format!("the address of the Service {service}"),
        None => "advertised_host".to_owned(),
    };
    (cluster.advertise == Advertise::Dialled && is_unknown).then(|| {
        format!(
            "advertise = \"dialled\" has no effect yet: without TLS or PROXY protocol nothing tells what a client dialled, and
  all are told {instead}."
        )
    })
}

/// Who believes everybody's headers has no addresses of clients to go by.
fn headers_of_everybody(cluster: &VirtualCluster) -> Option<String> {
    let mut networks = cluster.proxy_protocol.from.iter();
    let all = networks.find(|network| network.is_everybody())?;
    Some(format!(
        "proxy_protocol_from has {all}: whoever reaches this port may claim to be any client, and so pass allow, deny and
  limits of each client. Name the load balancers' own addresses, unless nobody else reaches this port."
    ))
}

/// A limit for each client that a load balancer makes a limit for all.
fn one_client_for_all(config: &Config) -> Option<String> {
    let limits = &config.limits;
    limits
        .connections_per_client
        .map(|_| ())
        .or(limits.connection_rate_per_client.map(|_| ()))?;
    let is_off = |cluster: &&VirtualCluster| cluster.proxy_protocol.mode == ProxyProtocolMode::Off;
    let clusters = config.clusters.values().filter(is_off);
    let names: Vec<&str> = clusters.map(|cluster| cluster.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "limits of each client count by the address that connects. Behind a load balancer that hides clients' addresses all
  clients are one, unless it sends PROXY protocol headers and proxy_protocol is on; it is off for {}.",
            names.join(", ")
        )
    })
}
