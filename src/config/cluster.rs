//! Reads the `[clusters.<name>]` tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use toml::de::DeValue;

pub(super) use super::claims::Claims;
use super::claims::Told;
use super::nodes::{self, Modes};
use super::ports::Ports;
use super::reader::{Reader, Section, Unfit};
use super::{Advertise, BrokerAddress, FetchEndpoints, ServiceName, UnknownApis, VirtualCluster};
use super::{address, clients, keys, service, sni, tls, value};
use crate::port_map::{NodePort, PortMap};

const DEFAULT_BOOTSTRAP_PORT: u16 = 9092;

const LONGEST_NAME: usize = 63;

/// All clusters by name. Where it is not as configured there is a fault.
pub(super) fn read_all(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    claims: &mut Claims,
) -> BTreeMap<String, VirtualCluster> {
    let mut clusters = BTreeMap::new();
    let sections = reader.section(root, "clusters");
    let entries = sections.entries();
    if entries.is_empty() && !sections.is_broken {
        let remedy = "add [clusters.main] with bootstrap_servers, advertised_host and [[clusters.main.nodes]]";
        reader.fault(
            "clusters",
            sections.line,
            "no cluster is configured",
            remedy,
        );
    }
    for (name, at, table) in entries {
        let path = sections.join(name);
        refuse_name(reader, name, &path, at);
        let header = format!("[{path}]");
        let section = reader.as_section(path, table, &header);
        if let Some(cluster) = read_cluster(reader, &section, name, claims) {
            clusters.insert(name.to_owned(), cluster);
        }
    }
    claims.refuse_loops(reader);
    clusters
}

fn refuse_name(reader: &mut Reader<'_>, name: &str, path: &str, at: usize) {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
        let line = reader.line(at);
        reader.fault(
            path,
            Some(line),
            "the name does not do for logs and metrics",
            "use letters, digits, '-', '_' and '.', at most 63 of them",
        );
    }
}

fn read_cluster(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    name: &str,
    claims: &mut Claims,
) -> Option<VirtualCluster> {
    if section.is_broken {
        return None;
    }
    reader.known(section, &keys::CLUSTER);
    let modes = nodes::modes(section);
    let bootstrap_servers = read_bootstrap_servers(reader, section, claims);
    let Advertised {
        advertise,
        host: advertised_host,
        service: advertised_from_service,
    } = read_advertised(reader, section, modes);
    let anywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let listen_address = reader.get_or(section, "listen_address", value::ip, anywhere);
    let tls = tls::read(reader, section);
    let upstream_tls = tls::read_upstream(reader, section);
    let proxy_protocol = clients::read_proxy_protocol(reader, section);
    let access = clients::read_access(reader, section);
    let unknown_apis = reader.get_or(section, "unknown_apis", unknown_apis, UnknownApis::Hide);
    let fetch_endpoints = reader.get_or(
        section,
        "fetch_endpoints",
        fetch_endpoints,
        FetchEndpoints::Neutralise,
    );
    let told = match (&advertised_host, &advertised_from_service) {
        (Some(host), _) => Told::Host(host),
        (None, Some(service)) => Told::Service(service),
        (None, None) => Told::Dialled(&section.path),
    };
    let mut ports = Ports {
        claims,
        listen_address,
        told,
    };
    let bootstrap = read_bootstrap(reader, section, modes, &mut ports);
    let mut nodes = nodes::read(reader, section, modes, &mut ports);
    let sni = sni::read(reader, section, &nodes.members, &mut ports);
    let ports = bootstrap.map(|bootstrap| {
        let ports = std::mem::take(&mut nodes.ports);
        let ports = PortMap::new(advertised_host.as_deref(), bootstrap, ports);
        ports.map_err(|taken| {
            // Only where it was reported above already.
            let problem = format!(
                "{} and {} share port {}",
                taken.first, taken.second, taken.port
            );
            if reader.faults.is_empty() {
                reader.fault(&section.path, section.line, problem, "choose another port");
            }
        })
    });
    Some(VirtualCluster {
        name: name.to_owned(),
        bootstrap_servers,
        listen_address,
        ports: ports.transpose().ok()?,
        sni,
        advertise,
        advertised_host,
        advertised_from_service,
        tls,
        upstream_tls,
        proxy_protocol,
        access,
        nodes: nodes.addresses,
        entries: nodes.entries,
        unknown_apis,
        fetch_endpoints,
    })
}

fn read_bootstrap_servers(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    claims: &mut Claims,
) -> Vec<BrokerAddress> {
    const KEY: &str = "bootstrap_servers";
    const EXAMPLE: &str = "kafka-headless.kafka.svc.cluster.local:9092";
    reader.require(section, KEY, &format!("[\"{EXAMPLE}\"]"));
    let faults = reader.faults.len();
    let Some(servers) = reader.list(section, KEY, address::broker, EXAMPLE) else {
        return Vec::new();
    };
    if servers.is_empty() && faults == reader.faults.len() {
        let remedy = format!("name one broker at least, such as [\"{EXAMPLE}\"]");
        reader.fault_at(section, KEY, "the list is empty", remedy);
    }
    for server in &servers {
        claims.broker(&server.path, Some(server.line), &server.value);
    }
    servers.into_iter().map(|server| server.value).collect()
}

/// Which host clients are told, and where that one stands which is not what they dialled.
#[derive(Default)]
struct Advertised {
    advertise: Advertise,
    host: Option<String>,
    service: Option<ServiceName>,
}

fn read_advertised(reader: &mut Reader<'_>, section: &Section<'_>, modes: Modes) -> Advertised {
    let has = |key: &str| section.value(key).is_some();
    let advertise = reader.get(section, "advertise", advertise);
    if !modes.ports {
        let problem = "it has no effect: no node has a port, and clients are told sni.node_host";
        for key in ["advertised_host", "advertised_from_service", "advertise"] {
            // What is so without the key may be written.
            if has(key) && (key != "advertise" || advertise == Some(Advertise::Dialled)) {
                let remedy = "take it out, or give the nodes a port";
                reader.fault_at(section, key, problem, remedy);
            }
        }
        return Advertised::default();
    }
    let has_fallback = has("advertised_host") || has("advertised_from_service");
    if has("advertised_host") && has("advertised_from_service") {
        let problem = "it stands in the place of advertised_host, which is there, too";
        let remedy = "take one of the two out";
        reader.fault_at(section, "advertised_from_service", problem, remedy);
    }
    if advertise == Some(Advertise::Dialled) {
        let is_off = |value: &DeValue<'_>| value.as_str() == Some("off");
        let has_header = section.value("proxy_protocol");
        let has_header = has_header.is_some_and(|value| !is_off(value.get_ref()));
        if !has("tls") && !has_header && !has_fallback {
            let remedy = format!(
                "add [{}.tls], for the TLS server name, or proxy_protocol, for the destination in its header; or else \
                 advertised_host",
                section.path
            );
            let problem = "nothing tells what a client dialled";
            reader.fault_at(section, "advertise", problem, remedy);
        }
    } else if advertise.is_some() || !has("advertise") {
        if has("sni") && !has_fallback {
            let problem = "missing, and nodes have ports beside sni";
            let remedy = "add: advertised_host = \"kafka.example.com\"; or take port out of all nodes, if clients are to come \
                          to sni.port alone";
            reader.fault(
                section.join("advertised_host"),
                section.line,
                problem,
                remedy,
            );
        } else if !has_fallback {
            reader.require(section, "advertised_host", "\"kafka.example.com\"");
        }
    }
    Advertised {
        advertise: advertise.unwrap_or_default(),
        host: reader.get(section, "advertised_host", advertised_host),
        service: reader.get(section, "advertised_from_service", service::read),
    }
}

/// The bootstrap port of port mode.
fn read_bootstrap(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    modes: Modes,
    ports: &mut Ports<'_>,
) -> Option<NodePort> {
    if !modes.ports {
        for key in ["bootstrap_port", "bootstrap_advertised_port"] {
            if section.value(key).is_some() {
                let problem = "it has no effect: no node has a port, and clients come to sni.port";
                let remedy = "take it out, or give the nodes a port";
                reader.fault_at(section, key, problem, remedy);
            }
        }
        return None;
    }
    let bound = reader.get_or(
        section,
        "bootstrap_port",
        value::port,
        DEFAULT_BOOTSTRAP_PORT,
    );
    let advertised = reader.get(section, "bootstrap_advertised_port", value::port);
    ports.claim(
        reader,
        section,
        ["bootstrap_port", "bootstrap_advertised_port"],
        bound,
        advertised,
        1,
    );
    Some(NodePort {
        bound,
        advertised: advertised.unwrap_or(bound),
    })
}

fn advertised_host(value: &DeValue<'_>) -> Result<String, Unfit> {
    address::advertised_host(&value::text(value)?)
}

fn advertise(value: &DeValue<'_>) -> Result<Advertise, Unfit> {
    value::choice(value, &Advertise::WORDS)
}

fn unknown_apis(value: &DeValue<'_>) -> Result<UnknownApis, Unfit> {
    value::choice(value, &UnknownApis::WORDS)
}

fn fetch_endpoints(value: &DeValue<'_>) -> Result<FetchEndpoints, Unfit> {
    value::choice(value, &FetchEndpoints::WORDS)
}
