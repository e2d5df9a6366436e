//! One cluster from flags and environment variables, without a file.

use std::fmt::Write;

use clap::Args;

use super::{Failure, parse_options};
use crate::config::{Config, Faults};

/// What stands in a file otherwise. All are strings, so that a bad one is reported together with the others.
#[derive(Args, Debug)]
pub(super) struct Flags {
    /// Where to find the cluster: HOST:PORT, several separated by commas
    #[arg(long, value_name = "LIST", env = "PORTOLAN_BOOTSTRAP_SERVERS")]
    bootstrap_servers: Option<String>,
    /// The host that clients outside use
    #[arg(long, value_name = "HOST", env = "PORTOLAN_ADVERTISED_HOST")]
    advertised_host: Option<String>,
    /// Instead: the Service of Kubernetes whose load balancer's address it is, NAMESPACE/NAME or NAME
    #[arg(long, value_name = "SERVICE", env = "PORTOLAN_ADVERTISED_FROM_SERVICE")]
    advertised_from_service: Option<String>,
    /// Node ids: "0-9" or "100-104,200"
    #[arg(long, value_name = "IDS", env = "PORTOLAN_NODES")]
    nodes: Option<String>,
    /// The port of the first node [default: the bootstrap port + 1]
    #[arg(long, value_name = "PORT", env = "PORTOLAN_NODE_PORT")]
    node_port: Option<String>,
    /// Template of the brokers' addresses, with {node_id} or {ordinal} [default: learned from the brokers]
    #[arg(long, value_name = "TEMPLATE", env = "PORTOLAN_NODE_ADDRESS")]
    node_address: Option<String>,
    /// The address to listen on [default: 0.0.0.0]
    #[arg(long, value_name = "IP", env = "PORTOLAN_LISTEN_ADDRESS")]
    listen_address: Option<String>,
    /// The port that clients bootstrap from [default: 9092]
    #[arg(long, value_name = "PORT", env = "PORTOLAN_BOOTSTRAP_PORT")]
    bootstrap_port: Option<String>,
    /// Where the admin endpoints listen; "" turns them off [default: 127.0.0.1:9644]
    #[arg(long, value_name = "ADDRESS", env = "PORTOLAN_ADMIN_LISTEN")]
    admin_listen: Option<String>,
}

/// A flag, its variable, the key of a file that says the same, and what to give.
struct Flag {
    flag: &'static str,
    variable: &'static str,
    key: &'static str,
    example: &'static str,
}

const fn flag(
    flag: &'static str,
    variable: &'static str,
    key: &'static str,
    example: &'static str,
) -> Flag {
    Flag {
        flag,
        variable,
        key,
        example,
    }
}

const FLAGS: [Flag; 9] = [
    flag(
        "--bootstrap-servers",
        "PORTOLAN_BOOTSTRAP_SERVERS",
        "clusters.main.bootstrap_servers",
        "kafka-headless:9092",
    ),
    flag(
        "--advertised-host",
        "PORTOLAN_ADVERTISED_HOST",
        "clusters.main.advertised_host",
        "kafka.example.com",
    ),
    flag(
        "--advertised-from-service",
        "PORTOLAN_ADVERTISED_FROM_SERVICE",
        "clusters.main.advertised_from_service",
        "kafka/portolan",
    ),
    flag(
        "--listen-address",
        "PORTOLAN_LISTEN_ADDRESS",
        "clusters.main.listen_address",
        "0.0.0.0",
    ),
    flag(
        "--bootstrap-port",
        "PORTOLAN_BOOTSTRAP_PORT",
        "clusters.main.bootstrap_port",
        "9092",
    ),
    flag(
        "--nodes",
        "PORTOLAN_NODES",
        "clusters.main.nodes[0].ids",
        "0-9",
    ),
    flag(
        "--node-port",
        "PORTOLAN_NODE_PORT",
        "clusters.main.nodes[0].port",
        "9093",
    ),
    flag(
        "--node-address",
        "PORTOLAN_NODE_ADDRESS",
        "clusters.main.nodes[0].address",
        "kafka-{node_id}.kafka-headless:9092",
    ),
    flag(
        "--admin-listen",
        "PORTOLAN_ADMIN_LISTEN",
        "admin.listen",
        "127.0.0.1:9644",
    ),
];

const DEFAULT_BOOTSTRAP_PORT: u16 = 9092;

impl Flags {
    /// The first of them that is given, with its variable.
    pub(super) fn first_given(&self) -> Option<(&'static str, &'static str)> {
        let mut given = FLAGS.iter().zip(self.values());
        let (flag, _) = given.find(|(_, value)| value.is_some())?;
        Some((flag.flag, flag.variable))
    }

    /// The same as a file that says so, with faults that name the flags.
    pub(super) fn read(&self) -> Result<Config, Failure> {
        Config::from_toml(&self.to_toml(), &parse_options()).map_err(|faults| {
            let source = "the flags and environment variables".to_owned();
            Failure::BadConfig(source, self.in_words_of_flags(faults))
        })
    }

    fn in_words_of_flags(&self, mut faults: Faults) -> Faults {
        for fault in &mut faults.0 {
            fault.line = None;
            let mut given = FLAGS.iter().zip(self.values());
            match given.find(|(flag, _)| flag.key == fault.key) {
                Some((flag, None)) if fault.problem == "missing" => {
                    fault.remedy = format!("add {} {}", flag.flag, flag.example);
                }
                Some((_, Some(value))) if fault.problem.ends_with("has a port") => {
                    let host = value.rsplit_once(':').map_or(value, |(host, _)| host);
                    fault.remedy = format!(
                        "write \"{host}\" alone; its ports are set by --bootstrap-port and --node-port"
                    );
                }
                // A port is a number in a file, and on a command line everything is a string.
                Some((_, Some(value))) if fault.problem.ends_with("a port number is wanted") => {
                    fault.problem = format!("\"{value}\" is no port");
                    fault.remedy = "write a port from 1 to 65535".into();
                }
                _ => {}
            }
            for flag in &FLAGS {
                fault.key = fault.key.replace(flag.key, flag.flag);
                fault.problem = fault.problem.replace(flag.key, flag.flag);
            }
        }
        faults
    }

    /// In the order of [`FLAGS`].
    fn values(&self) -> [Option<&str>; 9] {
        [
            self.bootstrap_servers.as_deref(),
            self.advertised_host.as_deref(),
            self.advertised_from_service.as_deref(),
            self.listen_address.as_deref(),
            unless_injected(self.bootstrap_port.as_deref()),
            self.nodes.as_deref(),
            unless_injected(self.node_port.as_deref()),
            self.node_address.as_deref(),
            self.admin_listen.as_deref(),
        ]
    }

    fn to_toml(&self) -> String {
        let [
            servers,
            host,
            service,
            listen,
            bootstrap,
            ids,
            port,
            address,
            admin,
        ] = self.values();
        let servers = servers.map(|servers| {
            let servers: Vec<String> = servers.split(',').map(|s| quoted(s.trim())).collect();
            format!("[{}]", servers.join(", "))
        });
        let next_port = || match bootstrap {
            None => Some((DEFAULT_BOOTSTRAP_PORT + 1).to_string()),
            Some(bootstrap) => {
                // A bootstrap port that is none is a fault of its own, and not one of this port.
                let bootstrap = bootstrap.trim().parse().unwrap_or(DEFAULT_BOOTSTRAP_PORT);
                Some(bootstrap.checked_add(1)?.to_string())
            }
        };
        let mut out = String::from("[clusters.main]\n");
        key(&mut out, "bootstrap_servers", servers);
        key(&mut out, "advertised_host", host.map(quoted));
        key(&mut out, "advertised_from_service", service.map(quoted));
        key(&mut out, "listen_address", listen.map(quoted));
        key(&mut out, "bootstrap_port", bootstrap.map(number));
        out.push_str("[[clusters.main.nodes]]\n");
        key(&mut out, "ids", ids.map(quoted));
        key(&mut out, "port", port.map(number).or_else(next_port));
        key(&mut out, "address", address.map(quoted));
        out.push_str("[admin]\n");
        key(&mut out, "listen", admin.map(quoted));
        out
    }
}

fn key(out: &mut String, name: &str, value: Option<String>) {
    if let Some(value) = value {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name} = {value}");
    }
}

/// Kubernetes sets `<SERVICE>_PORT` to `tcp://10.0.0.1:9092` for each Service of a namespace. One that is called
/// `portolan-bootstrap` or `portolan-node` hits variables of ours and means nothing by it.
fn unless_injected(port: Option<&str>) -> Option<&str> {
    port.filter(|port| !port.contains("://"))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A number where it is one; else a string, which is then refused.
fn number(text: &str) -> String {
    match text.trim().parse::<i64>() {
        Ok(number) => number.to_string(),
        Err(_) => quoted(text),
    }
}
