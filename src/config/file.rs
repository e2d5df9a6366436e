//! What was written -> what is true: reads a TOML file into a [`Config`] and reports every fault at once.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::address;
use super::fault::Faults;
use super::reader::{self, Reader, Section, Unfit};
use super::{
    Config, Dns, Drain, FetchEndpoints, Limits, Log, LogFormat, LogLevel, NodeAddress, NodeEntry,
    Runtime, Timeouts, UnknownApis, VirtualCluster,
};
use crate::port_map::{NodeId, NodePort, PortMap, Route};

/// What else may be written, beside what the file's format says.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions {
    /// Port 0, which lets the operating system choose: for tests.
    pub allow_port_zero: bool,
}

const DEFAULT_BOOTSTRAP_PORT: u16 = 9092;
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9644);

impl Config {
    /// Reads a file; `-` is standard input.
    pub fn from_file(path: &Path, options: &ParseOptions) -> Result<Self, Faults> {
        let mut bytes = Vec::new();
        let read = match path == Path::new("-") {
            true => std::io::stdin().read_to_end(&mut bytes).map(drop),
            false => std::fs::read(path).map(|content| bytes = content),
        };
        read.map_err(|error| {
            let problem = format!("cannot read {}: {error}", path.display());
            Faults::whole(
                problem,
                "give the path of a configuration file (config/minimal.toml is a start)",
            )
        })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Faults::whole(
                format!("{} is not UTF-8", path.display()),
                "save it as UTF-8 text",
            )
        })?;
        Self::from_toml(&text, options)
    }

    /// Reads TOML text.
    pub fn from_toml(text: &str, options: &ParseOptions) -> Result<Self, Faults> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader::new(text);
        for error in &errors {
            let line = error.span().map(|span| reader.line(span.start));
            reader.fault("", line, format!("not TOML: {}", error.message()), "");
        }
        if !reader.faults.is_empty() {
            return Err(Faults(reader.faults));
        }
        let root = reader.root(document.get_ref());
        let config = read_config(&mut reader, &root, *options);
        match config {
            Some(config) if reader.faults.is_empty() => Ok(config),
            _ => {
                reader.faults.sort_by_key(|fault| fault.line);
                Err(Faults(reader.faults))
            }
        }
    }
}

fn read_config(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    options: ParseOptions,
) -> Option<Config> {
    reader.known(
        root,
        &[
            "clusters", "admin", "dns", "limits", "timeouts", "drain", "runtime", "log",
        ],
    );
    let admin = reader.section(root, "admin");
    reader.known(&admin, &["listen"]);
    let admin_line = admin
        .value("listen")
        .map(|value| reader.line(value.span().start));
    let admin = reader.get_or(&admin, "listen", reader::listen, Some(DEFAULT_ADMIN));
    if let Some(address) = admin
        && address.port() == 0
        && !options.allow_port_zero
    {
        reader.fault("admin.listen", admin_line, PORT_ZERO.0, PORT_ZERO.1);
    }
    let clusters = read_clusters(reader, root, admin, options);
    let config = Config {
        clusters,
        admin,
        dns: read_dns(reader, root),
        limits: read_limits(reader, root),
        timeouts: read_timeouts(reader, root),
        drain: read_drain(reader, root),
        runtime: read_runtime(reader, root),
        log: read_log(reader, root),
    };
    (!config.clusters.is_empty()).then_some(config)
}

fn read_dns(reader: &mut Reader<'_>, root: &Section<'_>) -> Dns {
    let section = reader.section(root, "dns");
    reader.known(&section, &["servers", "hosts_file"]);
    Dns {
        servers: reader.get_or(&section, "servers", reader::name_servers, Vec::new()),
        hosts_file: reader
            .get(&section, "hosts_file", reader::text)
            .filter(|path| !path.is_empty())
            .map(Into::into),
    }
}

fn read_limits(reader: &mut Reader<'_>, root: &Section<'_>) -> Limits {
    let section = reader.section(root, "limits");
    let known = [
        "connections",
        "in_flight",
        "request_bytes",
        "response_rewrite_bytes",
        "sasl_bytes",
    ];
    reader.known(&section, &known);
    Limits {
        connections: reader.get_or(&section, "connections", reader::count_or_auto, None),
        in_flight: reader.get_or(&section, "in_flight", reader::count, 1024),
        // socket.request.max.bytes of a broker.
        request_bytes: reader.get_or(&section, "request_bytes", reader::size, 100 << 20),
        response_rewrite_bytes: reader.get_or(
            &section,
            "response_rewrite_bytes",
            reader::size,
            1 << 20,
        ),
        // sasl.server.max.receive.size of a broker.
        sasl_bytes: reader.get_or(&section, "sasl_bytes", reader::size, 512 << 10),
    }
}

fn read_timeouts(reader: &mut Reader<'_>, root: &Section<'_>) -> Timeouts {
    let section = reader.section(root, "timeouts");
    let known = [
        "connect",
        "first_bytes",
        "stalled_write",
        "idle",
        "keepalive",
    ];
    reader.known(&section, &known);
    let seconds = Duration::from_secs;
    Timeouts {
        connect: reader.get_or(&section, "connect", reader::duration, seconds(5)),
        first_bytes: reader.get_or(&section, "first_bytes", reader::duration, seconds(30)),
        stalled_write: reader.get_or(&section, "stalled_write", reader::duration, seconds(60)),
        idle: reader.get_or(&section, "idle", reader::duration_or_off, None),
        keepalive: reader.get_or(
            &section,
            "keepalive",
            reader::duration_or_off,
            Some(seconds(60)),
        ),
    }
}

fn read_drain(reader: &mut Reader<'_>, root: &Section<'_>) -> Drain {
    let section = reader.section(root, "drain");
    reader.known(&section, &["grace"]);
    let grace = reader.get_or(
        &section,
        "grace",
        reader::duration_or_zero,
        Duration::from_secs(30),
    );
    Drain { grace }
}

fn read_runtime(reader: &mut Reader<'_>, root: &Section<'_>) -> Runtime {
    let section = reader.section(root, "runtime");
    reader.known(&section, &["threads"]);
    let threads = reader.get_or(&section, "threads", reader::count_or_auto, None);
    if threads.is_some_and(|threads| threads > 1024) {
        reader.fault(
            "runtime.threads",
            None,
            "more than 1024 threads",
            "write \"auto\" for one per core",
        );
    }
    Runtime { threads }
}

fn read_log(reader: &mut Reader<'_>, root: &Section<'_>) -> Log {
    let section = reader.section(root, "log");
    reader.known(&section, &["level", "format"]);
    Log {
        level: reader.get_or(&section, "level", log_level, LogLevel::Info),
        format: reader.get_or(&section, "format", log_format, LogFormat::Text),
    }
}

fn log_level(value: &DeValue<'_>) -> Result<LogLevel, Unfit> {
    reader::choice(value, &LogLevel::WORDS)
}

fn log_format(value: &DeValue<'_>) -> Result<LogFormat, Unfit> {
    reader::choice(value, &LogFormat::WORDS)
}

fn unknown_apis(value: &DeValue<'_>) -> Result<UnknownApis, Unfit> {
    reader::choice(value, &UnknownApis::WORDS)
}

fn fetch_endpoints(value: &DeValue<'_>) -> Result<FetchEndpoints, Unfit> {
    reader::choice(value, &FetchEndpoints::WORDS)
}

/// Who has which port on which address, over all clusters and the admin listener.
#[derive(Default)]
struct Bound(HashMap<u16, Vec<(IpAddr, String)>>);

impl Bound {
    /// Takes a port; `Some`: who has it already. A wildcard address covers all others of its port.
    fn take(&mut self, ip: IpAddr, port: u16, owner: &str) -> Option<String> {
        let owners = self.0.entry(port).or_default();
        let clash = |(other, _): &&(IpAddr, String)| {
            *other == ip || other.is_unspecified() || ip.is_unspecified()
        };
        let found = owners.iter().find(clash).map(|(_, owner)| owner.clone());
        owners.push((ip, owner.to_owned()));
        found.filter(|_| port != 0)
    }
}

fn read_clusters(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    admin: Option<SocketAddr>,
    options: ParseOptions,
) -> BTreeMap<String, VirtualCluster> {
    let mut clusters = BTreeMap::new();
    let mut bound = Bound::default();
    if let Some(admin) = admin {
        bound.take(admin.ip(), admin.port(), "admin.listen");
    }
    let sections = reader.section(root, "clusters");
    let entries = sections.entries();
    if entries.is_empty() && reader.faults.iter().all(|fault| fault.key != "clusters") {
        let remedy = "add [clusters.main] with bootstrap_servers, advertised_host and [[clusters.main.nodes]]";
        reader.fault("clusters", None, "no cluster is configured", remedy);
    }
    for (name, at, value) in entries {
        let path = sections.join(name);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(fits) {
            let line = reader.line(at);
            let remedy = "use letters, digits, '-', '_' and '.'";
            reader.fault(
                &path,
                Some(line),
                "the name does not do for logs and metrics",
                remedy,
            );
        }
        let section = reader.as_section(path, value, &format!("clusters.{name}"));
        if let Some(cluster) = read_cluster(reader, &section, name, &mut bound, options) {
            clusters.insert(name.to_owned(), cluster);
        }
    }
    clusters
}

const PORT_ZERO: (&str, &str) = (
    "port 0 would be another port after each start",
    "write a port from 1 to 65535",
);

fn read_cluster(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    name: &str,
    bound: &mut Bound,
    options: ParseOptions,
) -> Option<VirtualCluster> {
    let known = [
        "bootstrap_servers",
        "advertised_host",
        "listen_address",
        "bootstrap_port",
        "bootstrap_advertised_port",
        "unknown_apis",
        "fetch_endpoints",
        "nodes",
    ];
    reader.known(section, &known);
    let servers_example = "[\"kafka-headless.kafka.svc.cluster.local:9092\"]";
    let bootstrap_servers = reader.required(
        section,
        "bootstrap_servers",
        bootstrap_servers,
        servers_example,
    );
    let advertised_host = reader.required(
        section,
        "advertised_host",
        advertised_host,
        "\"kafka.example.com\"",
    );
    let listen_address = reader.get_or(
        section,
        "listen_address",
        reader::ip,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    );
    let bootstrap_port = reader.get_or(
        section,
        "bootstrap_port",
        reader::port,
        DEFAULT_BOOTSTRAP_PORT,
    );
    let advertised_port = reader.get(section, "bootstrap_advertised_port", reader::port);
    let unknown_apis = reader.get_or(section, "unknown_apis", unknown_apis, UnknownApis::Hide);
    let fetch_endpoints = reader.get_or(
        section,
        "fetch_endpoints",
        fetch_endpoints,
        FetchEndpoints::Neutralise,
    );
    if bootstrap_port == 0 && !options.allow_port_zero {
        let line = section
            .value("bootstrap_port")
            .map(|v| reader.line(v.span().start));
        reader.fault(
            section.join("bootstrap_port"),
            line,
            PORT_ZERO.0,
            PORT_ZERO.1,
        );
    }
    let bootstrap = NodePort {
        bound: bootstrap_port,
        advertised: advertised_port.unwrap_or(bootstrap_port),
    };
    take(
        reader,
        bound,
        section,
        "bootstrap_port",
        listen_address,
        bootstrap_port,
    );

    let mut nodes = Nodes::default();
    nodes
        .advertised
        .insert(bootstrap.advertised, Route::Bootstrap);
    read_nodes(reader, section, bound, listen_address, options, &mut nodes);
    let ports = PortMap::new(advertised_host.as_deref()?, bootstrap, nodes.ports).ok()?;
    Some(VirtualCluster {
        name: name.to_owned(),
        bootstrap_servers: bootstrap_servers?,
        listen_address,
        ports,
        nodes: nodes.addresses,
        entries: nodes.entries,
        unknown_apis,
        fetch_endpoints,
    })
}

fn bootstrap_servers(value: &DeValue<'_>) -> Result<Vec<super::BrokerAddress>, Unfit> {
    let texts = reader::texts(value)?;
    if texts.is_empty() {
        let remedy =
            "name one broker at least, such as \"kafka-headless.kafka.svc.cluster.local:9092\"";
        return Err(("the list is empty".into(), remedy.into()));
    }
    texts.iter().map(|text| address::broker(text)).collect()
}

fn advertised_host(value: &DeValue<'_>) -> Result<String, Unfit> {
    address::advertised_host(&reader::text(value)?)
}

fn node_ids(value: &DeValue<'_>) -> Result<(String, Vec<NodeId>), Unfit> {
    // A single id may be written as a number, too.
    let text = match value.as_integer() {
        Some(number) => number.as_str().to_owned(),
        None => reader::text(value)?,
    };
    let ids = address::node_ids(&text)?;
    Ok((text, ids))
}

fn take(
    reader: &mut Reader<'_>,
    bound: &mut Bound,
    section: &Section<'_>,
    key: &str,
    ip: IpAddr,
    port: u16,
) {
    if let Some(owner) = bound.take(ip, port, &section.join(key)) {
        let line = section
            .value(key)
            .map(|value| reader.line(value.span().start));
        let problem = format!("port {port} is taken by {owner}");
        reader.fault(section.join(key), line, problem, "choose another port");
    }
}

/// What the `[[nodes]]` entries of a cluster amount to.
#[derive(Default)]
struct Nodes {
    ports: BTreeMap<NodeId, NodePort>,
    addresses: BTreeMap<NodeId, NodeAddress>,
    entries: Vec<NodeEntry>,
    advertised: HashMap<u16, Route>,
}

fn read_nodes(
    reader: &mut Reader<'_>,
    cluster: &Section<'_>,
    bound: &mut Bound,
    listen_address: IpAddr,
    options: ParseOptions,
    nodes: &mut Nodes,
) {
    let path = cluster.join("nodes");
    let example = format!("[[{path}]]\\nids = \"0-9\"\\nport = 9093").replace("\\n", "\n    ");
    let value = cluster.value("nodes");
    let list = value.and_then(|value| value.get_ref().as_array());
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        let line = value.map(|value| reader.line(value.span().start));
        reader.fault(
            path,
            line,
            "no node has a port",
            format!("add:\n    {example}"),
        );
        return;
    };
    for (n, value) in list.iter().enumerate() {
        let section = reader.as_section(format!("{path}[{n}]"), value, &format!("[{path}]"));
        read_entry(reader, &section, bound, listen_address, options, nodes);
    }
}

fn read_entry(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    bound: &mut Bound,
    listen_address: IpAddr,
    options: ParseOptions,
    nodes: &mut Nodes,
) {
    reader.known(section, &["ids", "port", "advertised_port", "address"]);
    let ids = reader.required(section, "ids", node_ids, "\"0-9\"");
    let port = reader.required(section, "port", reader::port, "9093");
    let advertised_port = reader.get(section, "advertised_port", reader::port);
    let address = reader.get(section, "address", reader::text);
    let line = |reader: &Reader<'_>, key: &str| {
        section
            .value(key)
            .map(|value| reader.line(value.span().start))
    };
    let (Some((ids_text, ids)), Some(port)) = (ids, port) else {
        return;
    };
    if port == 0 && !options.allow_port_zero {
        let line = line(reader, "port");
        reader.fault(section.join("port"), line, PORT_ZERO.0, PORT_ZERO.1);
    }
    let addresses = match &address {
        None => vec![NodeAddress::Learned; ids.len()],
        Some(template) => match address::expand(template, &ids) {
            Ok(addresses) => addresses.into_iter().map(NodeAddress::Configured).collect(),
            Err((problem, remedy)) => {
                let line = line(reader, "address");
                reader.fault(section.join("address"), line, problem, remedy);
                vec![NodeAddress::Learned; ids.len()]
            }
        },
    };
    let advertised_key = match advertised_port {
        Some(_) => "advertised_port",
        None => "port",
    };
    for (first, key) in [
        (port, "port"),
        (advertised_port.unwrap_or(port), advertised_key),
    ] {
        if first != 0 && usize::from(first) + ids.len() - 1 > 65_535 {
            let line = line(reader, key);
            let problem = format!("{} ids from port {first} on run past port 65535", ids.len());
            reader.fault(
                section.join(key),
                line,
                problem,
                "choose a lower port, or fewer ids",
            );
            return;
        }
    }
    let nth = |first: u16, n: usize| if first == 0 { 0 } else { first + n as u16 };
    for ((n, &id), address) in ids.iter().enumerate().zip(addresses) {
        if nodes.ports.contains_key(&id) {
            let line = line(reader, "ids");
            let problem = format!("node {id} stands in another entry already");
            reader.fault(
                section.join("ids"),
                line,
                problem,
                "each node has one port: take it out of one of them",
            );
            continue;
        }
        let node = NodePort {
            bound: nth(port, n),
            advertised: nth(advertised_port.unwrap_or(port), n),
        };
        take(reader, bound, section, "port", listen_address, node.bound);
        if node.advertised != 0
            && let Some(other) = nodes.advertised.insert(node.advertised, Route::Node(id))
            && advertised_port.is_some()
        {
            let line = line(reader, "advertised_port");
            let problem = format!("port {} is advertised for {other} already", node.advertised);
            reader.fault(
                section.join("advertised_port"),
                line,
                problem,
                "choose another port",
            );
        }
        nodes.ports.insert(id, node);
        nodes.addresses.insert(id, address);
    }
    nodes.entries.push(NodeEntry {
        ids: ids_text,
        port,
        advertised_port: advertised_port.unwrap_or(port),
        address,
    });
}
