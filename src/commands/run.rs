//! `run`: serves until it is told to stop.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::flags::Flags;
use super::{Failure, read};
use crate::config::{self, Config, Faults};
use crate::limits::{max_connections, raise_fd_limit, threads};
use crate::logging;
use crate::server::Server;

/// Where the configuration comes from: a file, or flags for the simple case.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// A file without `--config`, as the other commands take it: only to say what to write
    #[arg(hide = true)]
    file: Option<PathBuf>,
    /// The configuration file; `-` is standard input
    #[arg(long, value_name = "FILE", env = "PORTOLAN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    cluster: Flags,
    /// The least severe level that is logged; overrides the file's [default: info]
    #[arg(long, value_enum, value_name = "LEVEL", env = "PORTOLAN_LOG_LEVEL")]
    log_level: Option<LogLevel>,
    /// How log lines look; overrides the file's [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", env = "PORTOLAN_LOG_FORMAT")]
    log_format: Option<LogFormat>,
}

/// The levels of [`config::LogLevel`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The formats of [`config::LogFormat`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) fn run(run: Run) -> Result<(), Failure> {
    let config = run.read()?;
    logging::start(&config.log);
    raise_fd_limit();
    warn_of_too_many_connections(&config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(serve(config)).map_err(|error| {
        error!("{error}");
        Failure::Logged
    })
}

impl Run {
    fn read(&self) -> Result<Config, Failure> {
        if let Some(file) = &self.file {
            let file = file.display();
            return Err(Failure::Usage(format!(
                "run wants the flag before the file: portolan run --config {file}"
            )));
        }
        let mut config = match (&self.config, self.cluster.first_given()) {
            (Some(path), None) => read(path)?,
            (None, Some(_)) => self.cluster.read()?,
            (Some(_), Some((flag, variable))) => {
                let both = format!(
                    "--config (or PORTOLAN_CONFIG) and {flag} (or {variable}) are both given"
                );
                let remedy = "write it into the file and leave the flag out, or leave the file out";
                return Err(on_the_command_line(&both, remedy));
            }
            (None, None) => {
                let remedy =
                    "give --config FILE, or --bootstrap-servers, --advertised-host and --nodes";
                return Err(on_the_command_line("no configuration is given", remedy));
            }
        };
        if let Some(level) = self.log_level {
            config.log.level = match level {
                LogLevel::Error => config::LogLevel::Error,
                LogLevel::Warn => config::LogLevel::Warn,
                LogLevel::Info => config::LogLevel::Info,
                LogLevel::Debug => config::LogLevel::Debug,
                LogLevel::Trace => config::LogLevel::Trace,
            };
        }
        if let Some(format) = self.log_format {
            config.log.format = match format {
                LogFormat::Text => config::LogFormat::Text,
                LogFormat::Json => config::LogFormat::Json,
            };
        }
        Ok(config)
    }
}

fn on_the_command_line(problem: &str, remedy: &str) -> Failure {
    let source = "the flags and environment variables".to_owned();
    Failure::BadConfig(source, Faults::whole(problem, remedy))
}

fn warn_of_too_many_connections(config: &Config) {
    let clusters = config.clusters.values();
    let ports = clusters.map(config::VirtualCluster::count_ports).sum();
    let possible = max_connections(ports, threads(config.runtime.threads));
    if let Some(configured) = config.limits.connections
        && configured > possible
    {
        warn!(
            configured,
            possible,
            "limits.connections is more than the limit of open files has room for: raise that limit (ulimit -n), or lower it"
        );
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| failed(&e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| failed(&e))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(|e| failed(&e))?;
    tokio::spawn(async move {
        // Unless it is caught this signal would end the process, which nobody who sends it wants.
        while hangup.recv().await.is_some() {
            warn!(
                "SIGHUP: this version cannot reload its configuration; restart it to change something"
            );
        }
    });
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
    let first = Instant::now();
    loop {
        tokio::select! {
            outcome = &mut serving => return outcome.map_err(|e| failed(&e)),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if first.elapsed() >= ONE_SIGNAL {
            return Err(CUT.into());
        }
    }
}

/// Signals this close to the first one are the same: timeout(1) and other wrappers send each to the process and to its group.
const ONE_SIGNAL: Duration = Duration::from_millis(500);

const CUT: &str = "a second signal: stopped before all connections were drained";
