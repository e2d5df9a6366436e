//! `map`: the port table, for people, for programs, and as the `ports` of a Kubernetes Service.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Failure, File, print};
use crate::config::{Config, NodeAddress};
use crate::port_map::{NodePort, Route};

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

/// One port.
#[derive(Serialize)]
struct Row<'a> {
    cluster: &'a str,
    route: String,
    node_id: Option<i32>,
    listen: String,
    bound: u16,
    advertised_host: &'a str,
    advertised_port: u16,
    broker: Vec<String>,
}

fn rows(config: &Config) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for cluster in config.clusters.values() {
        let Some(ports) = &cluster.ports else {
            continue;
        };
        let mut row = |route: Route, port: NodePort, broker| {
            rows.push(Row {
                cluster: &cluster.name,
                route: route.to_string(),
                node_id: match route {
                    Route::Bootstrap => None,
                    Route::Node(id) => Some(id.0),
                },
                listen: std::net::SocketAddr::new(cluster.listen_address, port.bound).to_string(),
                bound: port.bound,
                advertised_host: ports.host_of(route).unwrap_or_default(),
                advertised_port: port.advertised,
                broker,
            });
        };
        let servers = cluster.bootstrap_servers.iter();
        let servers = servers.map(ToString::to_string).collect();
        row(Route::Bootstrap, ports.bootstrap(), servers);
        for (id, port) in ports.nodes() {
            let broker = match cluster.nodes.get(&id) {
                Some(NodeAddress::Configured(address)) => vec![address.to_string()],
                Some(NodeAddress::Learned) | None => Vec::new(),
            };
            row(Route::Node(id), port, broker);
        }
    }
    rows
}

/// Columns, as wide as their widest cell.
fn columns(rows: &[Row<'_>]) -> String {
    let mut cells = vec![["CLUSTER", "ROUTE", "BOUND", "ADVERTISED", "BROKER"].map(str::to_owned)];
    for row in rows {
        let host = match row.advertised_host.contains(':') {
            true => format!("[{}]", row.advertised_host),
            false => row.advertised_host.to_owned(),
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
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    for row in rows {
        if let Some(other) = ports.insert(row.advertised_port, row.cluster) {
            return Err(Failure::Usage(format!(
                "the clusters {other} and {} both advertise port {}, and a Service can have it once: make a Service of \
                 each cluster, with --cluster {other} and --cluster {}",
                row.cluster, row.advertised_port, row.cluster
            )));
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
        let name = match (several, row.node_id) {
            (false, None) => "bootstrap".to_owned(),
            (false, Some(id)) => format!("node-{id}"),
            (true, None) => format!("c{}-bootstrap", cluster.0),
            (true, Some(id)) => format!("c{}-n{id}", cluster.0),
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
