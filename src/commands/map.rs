//! `map`: the port table, for people, for programs, and as the `ports` of a Kubernetes Service.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Failure, File, print};
use crate::config::{Advertise, Config, NodeAddress, VirtualCluster};
use crate::port_map::Route;

/// Which table to print, and how.
#[derive(Args, Debug)]
pub(super) struct Map {
    #[command(flatten)]
    file: File,
    /// Only this cluster
    #[arg(long, value_name = "NAME", env = "PORTOLAN_CLUSTER")]
    cluster: Option<String>,
    /// How to print it
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "table",
        env = "PORTOLAN_OUTPUT"
    )]
    output: Output,
}

/// How to print the table.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Columns for people
    Table,
    /// A list of objects
    Json,
    /// The `ports:` of a Kubernetes Service, in YAML
    Service,
}

/// More than a Service's port name may have.
const LONGEST_PORT_NAME: usize = 15;

pub(super) fn map(map: &Map) -> Result<(), Failure> {
    let config = map.file.read()?;
    let mut rows = rows(&config);
    if let Some(name) = &map.cluster {
        rows.retain(|row| row.cluster == name);
        if rows.is_empty() {
            let names: Vec<&str> = config.clusters.keys().map(String::as_str).collect();
            return Err(Failure::Usage(format!(
                "there is no cluster \"{name}\" in the file: write one of {}",
                names.join(", ")
            )));
        }
    }
    let text = match map.output {
        Output::Table => columns(&rows),
        Output::Json => json(&rows)?,
        Output::Service => service(&rows)?,
    };
    print(&text)
}

/// The table of all clusters.
pub(super) fn table(config: &Config) -> String {
    columns(&rows(config))
}

/// One route of one mode.
#[derive(Serialize)]
struct Row<'a> {
    cluster: &'a str,
    mode: Mode,
    route: String,
    node_id: Option<i32>,
    listen: String,
    bound: u16,
    /// `None` where it is what each client dialled, and nothing else.
    advertised_host: Option<&'a str>,
    /// Of which Service it is the address; left out where it is of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    advertised_from_service: Option<String>,
    advertised_port: u16,
    /// Clients are told the host that they dialled, and `advertised_host` where that is not known.
    dialled: bool,
    broker: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// The port tells the route.
    Port,
    /// The TLS server name tells it.
    Sni,
}

fn rows(config: &Config) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for cluster in config.clusters.values() {
        let sni = cluster.sni.as_ref().map(|sni| (Mode::Sni, &sni.ports));
        let ports = cluster.ports.as_ref().map(|ports| (Mode::Port, ports));
        for (mode, ports) in ports.into_iter().chain(sni) {
            let routes = [(Route::Bootstrap, ports.bootstrap())].into_iter();
            let nodes = ports.nodes().map(|(id, port)| (Route::Node(id), port));
            rows.extend(routes.chain(nodes).map(|(route, port)| Row {
                cluster: &cluster.name,
                mode,
                route: route.to_string(),
                node_id: match route {
                    Route::Bootstrap => None,
                    Route::Node(id) => Some(id.0),
                },
                listen: SocketAddr::new(cluster.listen_address, port.bound).to_string(),
                bound: port.bound,
                advertised_host: ports.host_of(route),
                advertised_from_service: match (mode, &cluster.advertised_from_service) {
                    (Mode::Port, Some(service)) => Some(service.to_string()),
                    _ => None,
                },
                advertised_port: port.advertised,
                dialled: mode == Mode::Port && cluster.advertise == Advertise::Dialled,
                broker: brokers(cluster, route),
            }));
        }
    }
    rows
}

/// Where a route leads to; empty where it is not known yet.
fn brokers(cluster: &VirtualCluster, route: Route) -> Vec<String> {
    match route {
        Route::Bootstrap => {
            let servers = cluster.bootstrap_servers.iter();
            servers.map(ToString::to_string).collect()
        }
        Route::Node(id) => match cluster.nodes.get(&id) {
            Some(NodeAddress::Configured(address)) => vec![address.to_string()],
            Some(NodeAddress::Learned) | None => Vec::new(),
        },
    }
}

/// Columns, as wide as their widest cell.
fn columns(rows: &[Row<'_>]) -> String {
    let mut cells = vec![["CLUSTER", "ROUTE", "BOUND", "ADVERTISED", "BROKER"].map(str::to_owned)];
    for row in rows {
        let host = row.advertised_host.map(|host| match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        });
        let of_service = row.advertised_from_service.as_ref();
        let host = host.or_else(|| of_service.map(|service| format!("(Service {service})")));
        let host = match (row.dialled, host) {
            (true, Some(host)) => format!("(dialled, else {host})"),
            (true, None) => "(dialled)".to_owned(),
            (false, host) => host.unwrap_or_default(),
        };
        let broker = match row.broker.is_empty() {
            true => "(learned)".to_owned(),
            false => row.broker.join(", "),
        };
        let advertised = format!("{host}:{}", row.advertised_port);
        cells.push([
            row.cluster.to_owned(),
            row.route.clone(),
            row.listen.clone(),
            advertised,
            broker,
        ]);
    }
    let mut widths = [0; 5];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut out = String::new();
    for row in &cells {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn json(rows: &[Row<'_>]) -> Result<String, Failure> {
    serde_json::to_string_pretty(rows)
        .map(|text| text + "\n")
        .map_err(|error| Failure::Failed(error.to_string()))
}

/// Kubernetes wants each port number once, and names that are unique, at most 15 characters, of lower case letters,
/// digits and hyphens.
fn service(rows: &[Row<'_>]) -> Result<String, Failure> {
    // The port of SNI mode is that of all routes.
    let is_own = |row: &&Row<'_>| row.mode == Mode::Port || row.node_id.is_none();
    let rows: Vec<&Row<'_>> = rows.iter().filter(is_own).collect();
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    for row in &rows {
        let port = row.advertised_port;
        match ports.insert(port, row.cluster) {
            Some(other) if other == row.cluster => {
                return Err(Failure::Usage(format!(
                    "{other} advertises port {port} twice, at different hosts, and a Service can have it once: choose \
                     another sni.advertised_port, or make two Services by hand"
                )));
            }
            Some(other) => {
                return Err(Failure::Usage(format!(
                    "the clusters {other} and {} both advertise port {port}, and a Service can have it once: make a \
                     Service of each cluster, with --cluster {other} and --cluster {}",
                    row.cluster, row.cluster
                )));
            }
            None => {}
        }
    }
    let several = rows
        .windows(2)
        .any(|pair| pair[0].cluster != pair[1].cluster);
    let mut out = String::from("ports:\n");
    let mut cluster = (0, "");
    for (n, row) in rows.iter().enumerate() {
        if row.cluster != cluster.1 {
            cluster = (cluster.0 + 1, row.cluster);
        }
        let name = match (several, row.mode, row.node_id) {
            (false, Mode::Sni, _) => "sni".to_owned(),
            (false, Mode::Port, None) => "bootstrap".to_owned(),
            (false, Mode::Port, Some(id)) => format!("node-{id}"),
            (true, Mode::Sni, _) => format!("c{}-sni", cluster.0),
            (true, Mode::Port, None) => format!("c{}-bootstrap", cluster.0),
            (true, Mode::Port, Some(id)) => format!("c{}-n{id}", cluster.0),
        };
        let name = match name.len() > LONGEST_PORT_NAME {
            // A hundred clusters, or ids of ten digits: not worth a nice name.
            true => format!("port-{n}"),
            false => name,
        };
        let (port, target) = (row.advertised_port, row.bound);
        let _ = write!(
            out,
            "  - name: {name}\n    port: {port}\n    targetPort: {target}\n    protocol: TCP\n"
        );
    }
    Ok(out)
}
