//! `run`: serves until it is told to stop.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::{Failure, LogFormat, LogLevel, parse_options};
use crate::config::{Config, Faults};
use crate::limits::raise_fd_limit;
use crate::logging;
use crate::server::Server;

/// Where the configuration comes from: a file, or flags for the simple case.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// The configuration file; `-` is standard input
    #[arg(long, value_name = "FILE", env = "PORTOLAN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

/// One cluster without a file.
#[derive(Args, Debug)]
struct Flags {
    /// Where to find the cluster: HOST:PORT, several separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        env = "PORTOLAN_BOOTSTRAP_SERVERS"
    )]
    bootstrap_servers: Vec<String>,
    /// The host that clients outside use
    #[arg(long, value_name = "HOST", env = "PORTOLAN_ADVERTISED_HOST")]
    advertised_host: Option<String>,
    /// Node ids: "0-9" or "100-104,200"
    #[arg(long, value_name = "IDS", env = "PORTOLAN_NODES")]
    nodes: Option<String>,
    /// The port of the first node [default: the bootstrap port + 1]
    #[arg(long, value_name = "PORT", env = "PORTOLAN_NODE_PORT")]
    node_port: Option<u16>,
    /// Template of the brokers' addresses, with {node_id} or {ordinal} [default: learned from the brokers]
    #[arg(long, value_name = "TEMPLATE", env = "PORTOLAN_NODE_ADDRESS")]
    node_address: Option<String>,
    /// The address to listen on [default: 0.0.0.0]
    #[arg(long, value_name = "IP", env = "PORTOLAN_LISTEN_ADDRESS")]
    listen_address: Option<String>,
    /// The port that clients bootstrap from [default: 9092]
    #[arg(long, value_name = "PORT", env = "PORTOLAN_BOOTSTRAP_PORT")]
    bootstrap_port: Option<u16>,
    /// Where the admin endpoints listen; "" turns them off [default: 127.0.0.1:9644]
    #[arg(long, value_name = "ADDRESS", env = "PORTOLAN_ADMIN_LISTEN")]
    admin_listen: Option<String>,
    /// The least severe level that is logged [default: info]
    #[arg(long, value_enum, env = "PORTOLAN_LOG_LEVEL")]
    log_level: Option<LogLevel>,
    /// How log lines look [default: text]
    #[arg(long, value_enum, env = "PORTOLAN_LOG_FORMAT")]
    log_format: Option<LogFormat>,
}

pub(super) fn run(run: Run) -> Result<(), Failure> {
    let config = match (&run.config, run.flags.first_given()) {
        (Some(path), None) => Config::from_file(path, &parse_options()),
        (Some(_), Some(flag)) => {
            let both = format!("--config and {flag} are given, and would contradict each other");
            return Err(Failure::BadConfig(Faults::whole(
                both,
                "write it into the file, or leave --config out",
            )));
        }
        (None, None) => {
            let remedy =
                "give --config FILE, or --bootstrap-servers, --advertised-host and --nodes";
            return Err(Failure::BadConfig(Faults::whole(
                "no configuration is given",
                remedy,
            )));
        }
        (None, Some(_)) => run.flags.read(),
    };
    let config = config.map_err(Failure::BadConfig)?;
    logging::start(&config.log);
    raise_fd_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| failed(&e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| failed(&e))?;
    let server = Server::bind(config).await.map_err(|e| failed(&e))?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = server.run(async {
        // The sender going away means the same.
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    let name = tokio::select! {
        outcome = &mut serving => return outcome.map_err(|e| failed(&e)),
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    info!(signal = name, "told to stop; a second signal stops at once");
    let _ = stop.send(());
    tokio::select! {
        outcome = &mut serving => outcome.map_err(|e| failed(&e)),
        _ = terminate.recv() => Err(cut()),
        _ = interrupt.recv() => Err(cut()),
    }
}

fn cut() -> Failure {
    warn!("a second signal: not waiting for requests in flight");
    Failure::Failed("stopped before all connections were drained".into())
}

impl Flags {
    /// The first flag that says something about the cluster.
    fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--bootstrap-servers", !self.bootstrap_servers.is_empty()),
            ("--advertised-host", self.advertised_host.is_some()),
            ("--nodes", self.nodes.is_some()),
            ("--node-port", self.node_port.is_some()),
            ("--node-address", self.node_address.is_some()),
            ("--listen-address", self.listen_address.is_some()),
            ("--bootstrap-port", self.bootstrap_port.is_some()),
            ("--admin-listen", self.admin_listen.is_some()),
            ("--log-level", self.log_level.is_some()),
            ("--log-format", self.log_format.is_some()),
        ];
        given
            .iter()
            .find(|(_, given)| *given)
            .map(|(flag, _)| *flag)
    }

    /// The same as a file that says so, with faults that name the flags.
    fn read(&self) -> Result<Config, Faults> {
        Config::from_toml(&self.to_toml(), &parse_options()).map_err(|mut faults| {
            for fault in &mut faults.0 {
                fault.line = None;
                let flag = FLAGS.iter().find(|(key, _)| *key == fault.key);
                fault.key = flag.map_or_else(|| fault.key.clone(), |(_, flag)| (*flag).to_owned());
                if let Some(flag) = flag
                    && fault.problem == "missing"
                {
                    fault.remedy = format!("add {} ...", flag.1);
                }
            }
            faults
        })
    }

    fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut out = String::from("[clusters.main]\n");
        let mut key = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = writeln!(out, "{name} = {value}");
            }
        };
        let text = |value: &Option<String>| value.as_deref().map(quoted);
        let servers: Vec<String> = self
            .bootstrap_servers
            .iter()
            .map(|s| quoted(s.trim()))
            .collect();
        key(
            "bootstrap_servers",
            (!servers.is_empty()).then(|| format!("[{}]", servers.join(", "))),
        );
        key("advertised_host", text(&self.advertised_host));
        key("listen_address", text(&self.listen_address));
        key(
            "bootstrap_port",
            self.bootstrap_port.map(|port| port.to_string()),
        );
        let first = self.bootstrap_port.unwrap_or(9092).wrapping_add(1);
        key(
            "[[clusters.main.nodes]]\nport",
            Some(self.node_port.unwrap_or(first).to_string()),
        );
        key("ids", text(&self.nodes));
        key("address", text(&self.node_address));
        key("[admin]\nlisten", text(&self.admin_listen));
        let word =
            |value: Option<clap::builder::PossibleValue>| value.map(|v| quoted(v.get_name()));
        let level = self.log_level.and_then(|level| level.to_possible_value());
        let format = self
            .log_format
            .and_then(|format| format.to_possible_value());
        if level.is_some() || format.is_some() {
            out.push_str("[log]\n");
            for (name, value) in [("level", word(level)), ("format", word(format))] {
                if let Some(value) = value {
                    let _ = writeln!(out, "{name} = {value}");
                }
            }
        }
        out
    }
}

/// Keys of the file and the flags that say the same.
const FLAGS: [(&str, &str); 8] = [
    ("clusters.main.bootstrap_servers", "--bootstrap-servers"),
    ("clusters.main.advertised_host", "--advertised-host"),
    ("clusters.main.listen_address", "--listen-address"),
    ("clusters.main.bootstrap_port", "--bootstrap-port"),
    ("clusters.main.nodes[0].ids", "--nodes"),
    ("clusters.main.nodes[0].port", "--node-port"),
    ("clusters.main.nodes[0].address", "--node-address"),
    ("admin.listen", "--admin-listen"),
];
