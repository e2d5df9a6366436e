//! Reads the `[clusters.<name>]` tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use toml::de::DeValue;

pub(super) use super::claims::Claims;
use super::nodes::{self, Nodes};
use super::reader::{Reader, Section, Unfit};
use super::{
    Access, Advertise, BrokerAddress, FetchEndpoints, ProxyProtocol, UnknownApis, VirtualCluster,
};
use super::{address, keys, value};
use crate::port_map::{NodeId, NodePort, PortMap};

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
    let bootstrap_servers = read_bootstrap_servers(reader, section, claims);
    let advertised_host = reader.required(
        section,
        "advertised_host",
        advertised_host,
        "\"kafka.example.com\"",
    );
    let anywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let listen_address = reader.get_or(section, "listen_address", value::ip, anywhere);
    let unknown_apis = reader.get_or(section, "unknown_apis", unknown_apis, UnknownApis::Hide);
    let fetch_endpoints = reader.get_or(
        section,
        "fetch_endpoints",
        fetch_endpoints,
        FetchEndpoints::Neutralise,
    );
    let mut ports = Ports {
        claims,
        listen_address,
        advertised_host: advertised_host.as_deref(),
    };
    let bootstrap = read_bootstrap(reader, section, &mut ports);
    let mut nodes = Nodes::default();
    nodes::read(reader, section, &mut ports, &mut nodes);
    let ports = PortMap::new(advertised_host.as_deref(), bootstrap, nodes.ports);
    let ports = ports.map_err(|taken| {
        // Only where it was reported above already.
        let problem = format!(
            "{} and {} share port {}",
            taken.first, taken.second, taken.port
        );
        if reader.faults.is_empty() {
            reader.fault(&section.path, section.line, problem, "choose another port");
        }
    });
    Some(VirtualCluster {
        name: name.to_owned(),
        bootstrap_servers,
        listen_address,
        ports: Some(ports.ok()?),
        sni: None,
        advertise: Advertise::Configured,
        advertised_host: Some(advertised_host?),
        tls: None,
        upstream_tls: None,
        proxy_protocol: ProxyProtocol::default(),
        access: Access::default(),
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

fn advertised_host(value: &DeValue<'_>) -> Result<String, Unfit> {
    address::advertised_host(&value::text(value)?)
}

fn unknown_apis(value: &DeValue<'_>) -> Result<UnknownApis, Unfit> {
    value::choice(value, &UnknownApis::WORDS)
}

fn fetch_endpoints(value: &DeValue<'_>) -> Result<FetchEndpoints, Unfit> {
    value::choice(value, &FetchEndpoints::WORDS)
}

/// Where the ports of one cluster are bound and what they are advertised as.
pub(super) struct Ports<'c> {
    pub(super) claims: &'c mut Claims,
    listen_address: IpAddr,
    advertised_host: Option<&'c str>,
}

fn read_bootstrap(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    ports: &mut Ports<'_>,
) -> NodePort {
    let bound = reader.get_or(
        section,
        "bootstrap_port",
        value::port,
        DEFAULT_BOOTSTRAP_PORT,
    );
    let advertised = reader.get(section, "bootstrap_advertised_port", value::port);
    let ids = [NodeId(0)];
    ports.claim(
        reader,
        section,
        ["bootstrap_port", "bootstrap_advertised_port"],
        bound,
        advertised,
        &ids,
    );
    NodePort {
        bound,
        advertised: advertised.unwrap_or(bound),
    }
}

impl Ports<'_> {
    /// Takes one port for each id from `bound` on, and the advertised ones.
    pub(super) fn claim(
        &mut self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        [key, advertised_key]: [&str; 2],
        bound: u16,
        advertised: Option<u16>,
        ids: &[NodeId],
    ) {
        self.claims.refuse_zero(reader, section, key, bound);
        if let Some(advertised) = advertised {
            self.claims
                .refuse_zero(reader, section, advertised_key, advertised);
        }
        let remedy = || match ids.len() {
            1 => "choose another port".to_owned(),
            n => format!("choose a port from which on {n} ports are free"),
        };
        let path = section.join(key);
        let mut taken = Runs::default();
        for (n, _) in ids.iter().enumerate() {
            let port = nth(bound, n);
            if let Some(owner) = self.claims.bind(self.listen_address, port, &path) {
                taken.add(port, owner);
            }
        }
        for run in &taken.0 {
            let problem = format!("{run} taken by {}", run.owner);
            reader.fault_at(section, key, problem, remedy());
        }
        let Some(host) = self.advertised_host else {
            return;
        };
        let key = match advertised {
            Some(_) => advertised_key,
            None if taken.0.is_empty() => key,
            // It is the same fault.
            None => return,
        };
        let path = section.join(key);
        let mut told = Runs::default();
        for (n, _) in ids.iter().enumerate() {
            let port = nth(advertised.unwrap_or(bound), n);
            if let Some(owner) = self.claims.advertise(host, port, &path) {
                told.add(port, owner);
            }
        }
        for run in &told.0 {
            let problem = format!("{run} advertised at {host} by {} already", run.owner);
            reader.fault_at(section, key, problem, remedy());
        }
    }
}

/// The n-th port from a first one on; 0 stays 0.
pub(super) fn nth(first: u16, n: usize) -> u16 {
    match first {
        0 => 0,
        first => first.saturating_add(n as u16),
    }
}

/// Ports in a row that somebody else has.
#[derive(Default)]
struct Runs(Vec<Run>);

struct Run {
    first: u16,
    last: u16,
    owner: String,
}

impl Runs {
    fn add(&mut self, port: u16, owner: String) {
        match self.0.last_mut() {
            Some(run) if run.owner == owner && run.last + 1 == port => run.last = port,
            _ => self.0.push(Run {
                first: port,
                last: port,
                owner,
            }),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first == self.last {
            true => write!(f, "port {} is", self.first),
            false => write!(f, "ports {} to {} are", self.first, self.last),
        }
    }
}
