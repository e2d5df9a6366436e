//! `run`: serves until it is told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info};

use super::flags::Flags;
use super::{Failure, read};
use crate::config::{self, Config, Faults};
use crate::limits::raise_fd_limit;
use crate::logging;
use crate::server::{Server, Source, StartError};
use crate::service;

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
    let file = run.config.clone().filter(|path| path != Path::new("-"));
    // What is watched is looked at before it is read.
    let run = Arc::new(run);
    let source = file.map_or_else(Source::default, |path| {
        let run = run.clone();
        Source::file(path, move || run.read().map_err(Failure::into_faults))
    });
    let config = run.read()?;
    logging::start(&config.log);
    raise_fd_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let served = runtime.block_on(serve(config, source));
    // Else the end would wait for a file that is being read for a reload, which on a file system that is gone is for ever.
    runtime.shutdown_background();
    served.map_err(|error| {
        error!("{error}");
        match error {
            StartError::Files(_) => Failure::LoggedBadConfig,
            _ => Failure::Logged,
        }
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

async fn serve(config: Config, source: Source) -> Result<(), StartError> {
    let failed = |error: std::io::Error| StartError::Other(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let (ask, asked) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            info!(signal = "SIGHUP", "told to reload");
            // Where that is about to be done already, it will see what there is now.
            let _ = ask.try_send(());
        }
    });
    let server = Server::bind(config).await?;
    let server = server.reload_from(source.asked_by(asked));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = server.run(async {
        // The sender going away means the same.
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    let name = tokio::select! {
        outcome = &mut serving => return outcome,
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    info!(signal = name, "told to stop; a second signal stops at once");
    service::stopping();
    let _ = stop.send(());
    let first = Instant::now();
    loop {
        tokio::select! {
            outcome = &mut serving => return outcome,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if first.elapsed() >= ONE_SIGNAL {
            return Err(StartError::Other(CUT.into()));
        }
    }
}

/// Signals this close to the first one are the same: timeout(1) and other wrappers send each to the process and to its group.
const ONE_SIGNAL: Duration = Duration::from_millis(500);

const CUT: &str = "a second signal: stopped before all connections were drained";
