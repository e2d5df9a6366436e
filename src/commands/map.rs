//! `map`: the port table, for people, for programs, and as the `ports` of a Kubernetes Service.

use std::fmt::Write;

use clap::ValueEnum;
use serde::Serialize;

use super::{Failure, File, print};
use crate::config::{Config, NodeAddress};
use crate::port_map::{NodePort, Route};

/// How to print the table.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    /// Columns for people
    Table,
    /// A list of objects
    Json,
    /// The `ports:` of a Kubernetes Service, in YAML
    Service,
}

pub(super) fn map(file: &File, output: Output) -> Result<(), Failure> {
    let config = file.read()?;
    let text = match output {
        Output::Table => table(&config),
        Output::Json => json(&config)?,
        Output::Service => service(&config),
    };
    print(&text)
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
                advertised_host: cluster.ports.advertised_host(),
                advertised_port: port.advertised,
                broker,
            });
        };
        let servers = cluster.bootstrap_servers.iter();
        let servers = servers.map(ToString::to_string).collect();
        row(Route::Bootstrap, cluster.ports.bootstrap(), servers);
        for (id, port) in cluster.ports.nodes() {
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
pub(super) fn table(config: &Config) -> String {
    let mut cells = vec![["CLUSTER", "ROUTE", "BOUND", "ADVERTISED", "BROKER"].map(str::to_owned)];
    for row in rows(config) {
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
            row.route,
            row.listen,
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

fn json(config: &Config) -> Result<String, Failure> {
    serde_json::to_string_pretty(&rows(config))
        .map(|text| text + "\n")
        .map_err(|error| Failure::Failed(error.to_string()))
}

/// Kubernetes wants port names that are unique, at most 15 characters, of lower case letters, digits and hyphens.
fn service(config: &Config) -> String {
    let several = config.clusters.len() > 1;
    let mut out = String::from("ports:\n");
    let mut cluster = (0, "");
    for row in rows(config) {
        if row.cluster != cluster.1 {
            cluster = (cluster.0 + 1, row.cluster);
        }
        let route = match row.node_id {
            None if several => "boot".to_owned(),
            None => "bootstrap".to_owned(),
            Some(id) if several || id > 9_999_999 => format!("n{id}"),
            Some(id) => format!("node-{id}"),
        };
        let name = match several {
            true => format!("c{}-{route}", cluster.0),
            false => route,
        };
        let (port, target) = (row.advertised_port, row.bound);
        let _ = write!(
            out,
            "  - name: {name}\n    port: {port}\n    targetPort: {target}\n    protocol: TCP\n"
        );
    }
    out
}
