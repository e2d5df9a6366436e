//! Log lines go to standard error: as text for people, as JSON for machines.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{format::FmtSpan, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, LogLevel};

/// What lets the level change; empty where something else in this process logs.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging for the whole process. Libraries are heard from `warn` on only.
pub fn start(log: &Log) {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let registry = tracing_subscriber::registry().with(filter);
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    // If something else in this process logs already (a test, an example), that stays.
    let started = match log.format {
        LogFormat::Text => registry
            .with(
                layer()
                    .with_writer(io::stderr)
                    .with_ansi(colour)
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(
                layer()
                    .json()
                    .flatten_event(true)
                    .with_span_events(FmtSpan::NONE)
                    .with_target(false)
                    .with_writer(io::stderr),
            )
            .try_init(),
    };
    if started.is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Changes the level from now on.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = FILTER.get() {
        // It fails where logging has ended, and then nobody listens.
        let _ = handle.reload(filter(level));
    }
}

/// The level that is in force; `None` where something else in this process logs.
pub fn level() -> Option<LogLevel> {
    let handle = FILTER.get()?;
    let is_on = |level| handle.with_current(|filter| filter.would_enable(OURS, &of(level)));
    let mut levels = LogLevel::WORDS.into_iter().rev().map(|(_, level)| level);
    levels.find(|level| is_on(*level).unwrap_or_default())
}

/// Modules whose level it is.
const OURS: &str = "portolan";

fn filter(level: LogLevel) -> Targets {
    let level = of(level);
    Targets::new()
        .with_default(level.min(Level::WARN))
        .with_target(OURS, level)
        // What goes wrong there is told by us, and not with each try.
        .with_target("kube_client", LevelFilter::OFF)
}

fn of(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}
