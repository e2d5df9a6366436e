//! Puts a changed configuration, and changed certificates, into force while clients are served.
//!
//! On SIGHUP, and when a file that is watched has changed ([`super::watch`]): the configuration and all files that it names
//! are read anew, away from the threads that serve. If anything is wrong with them nothing changes. Else everything that
//! they need is made, ports included, and then put into the place of what was there:
//!
//! - sessions whose route is still there go on with the new settings from their next frame on; those whose route is gone
//!   answer what is in flight and end ([`crate::session`]);
//! - ports stay open wherever there is a door for them ([`super::doors`]);
//! - new handshakes use the new certificates; what a session agreed upon stays.
//!
//! Where the file of the configuration cannot be used, certificates are still replaced when their files change, by the
//! configuration that is in force: a mistake in one must not let the other expire.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{error, info, warn};

use super::changes::{between, hold_back};
use super::in_force::{AllFiles, InForce, Previous, count_ports, load};
use super::pool::Pool;
use super::watch::{Looks, TICK, Watch, named};
use super::{certificates, warn_of_too_many_connections};
use crate::config::{Config, Faults};
use crate::limits::ConnectionLimit;
use crate::logging;
use crate::metrics::Metrics;

/// How long to wait for the sockets of ports that close.
const MOMENT: Duration = Duration::from_secs(1);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Where the configuration comes from, and who asks for it to be read again.
#[derive(Default)]
pub struct Source {
    file: Option<File>,
    /// SIGHUP; `None` where nobody asks.
    asked: Option<mpsc::Receiver<()>>,
}

struct File {
    path: PathBuf,
    read: Arc<Read>,
    /// Before it was read.
    look: Looks,
}

type Read = dyn Fn() -> Result<Config, Faults> + Send + Sync;

impl Source {
    /// A file, which is watched. Make this before the file is read for the first time. `read` blocks.
    pub fn file(
        path: PathBuf,
        read: impl Fn() -> Result<Config, Faults> + Send + Sync + 'static,
    ) -> Self {
        let look = Looks::at([&path]);
        let read = Arc::new(read);
        Source {
            file: Some(File { path, read, look }),
            asked: None,
        }
    }

    /// Reads everything again whenever something is sent.
    pub fn asked_by(mut self, asked: mpsc::Receiver<()>) -> Self {
        self.asked = Some(asked);
        self
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.file.as_ref().map(|file| &file.path);
        f.debug_struct("Source").field("file", &path).finish()
    }
}

/// Holds what is in force, and replaces it.
pub(super) struct Reloader {
    in_force: InForce,
    watch: Watch,
    source: Source,
    limit: ConnectionLimit,
}

/// What was read: the looks of files before that, and what is in them.
struct Attempt {
    looks: Looks,
    /// The configuration, as far as it could be understood.
    config: Option<Config>,
    files: Result<AllFiles, Faults>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Asked,
    Changed,
}

impl Reloader {
    pub(super) fn new(
        in_force: InForce,
        watch: Watch,
        source: Source,
        limit: ConnectionLimit,
    ) -> Self {
        let mut looks = watch.read().clone();
        if let Some(file) = &source.file {
            looks = looks.or(file.look.clone());
        }
        Reloader {
            in_force,
            watch: Watch::since(looks),
            source,
            limit,
        }
    }

    /// The configuration that is in force.
    pub(super) fn config(&self) -> &Config {
        self.in_force.config()
    }

    /// Does it until this is dropped.
    pub(super) async fn run(&mut self, pool: &Pool, metrics: &Metrics) -> Infallible {
        let now = Instant::now();
        let mut ticks = interval_at(now + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut days = interval_at(now + DAY, DAY);
        loop {
            let files = self.watch.files();
            let cause = tokio::select! {
                Some(()) = asked(&mut self.source.asked) => Cause::Asked,
                _ = days.tick() => {
                    certificates::warn_of_expiry(&self.in_force);
                    continue;
                }
                _ = ticks.tick(), if !files.is_empty() => {
                    let looks = spawn_blocking(move || Looks::at(&files)).await;
                    // It does not panic, and the runtime is there.
                    let Ok(looks) = looks else { continue };
                    if !self.watch.look(looks) {
                        continue;
                    }
                    Cause::Changed
                }
            };
            self.reload(cause, pool, metrics).await;
        }
    }

    async fn reload(&mut self, cause: Cause, pool: &Pool, metrics: &Metrics) {
        let before = self.watch.read().clone();
        let Some(attempt) = self.read(true).await else {
            return;
        };
        let Attempt {
            mut looks,
            config,
            files,
        } = attempt;
        let is_other = config.as_ref().is_none_or(|config| {
            let mut config = config.clone();
            hold_back(self.config(), &mut config);
            config != *self.config()
        });
        let understood = config.is_some();
        let mut refused = match (config, files) {
            (Some(config), Ok(files)) => self.put(config, files, pool, metrics).await.err(),
            (_, Err(faults)) => Some(one_line(&faults.to_string())),
            // There are no files without a configuration.
            (None, Ok(_)) => None,
        };
        let own = named(self.config());
        let replaced = own.iter().any(|file| looks.differ(&before, file));
        if let Some(faults) = &refused {
            let file = self.source.file.as_ref();
            let is_new = file.is_none_or(|file| looks.differ(&before, &file.path));
            // A certificate that was replaced is no reason to say once more what is wrong with the rest.
            if cause == Cause::Asked || understood || is_new || !replaced {
                metrics.reloaded(false);
                error!(faults, "not reloaded: what is in force stays");
            }
        }
        if refused.is_some()
            && is_other
            && replaced
            && let Some(attempt) = self.read(false).await
        {
            refused = match (attempt.config, attempt.files) {
                (Some(config), Ok(files)) => self.put(config, files, pool, metrics).await.err(),
                (_, Err(faults)) => Some(one_line(&faults.to_string())),
                (None, Ok(_)) => None,
            };
            if let Some(faults) = refused {
                metrics.reloaded(false);
                error!(
                    faults,
                    "certificates were not reloaded: what is in force stays"
                );
            }
            looks = attempt.looks.or(looks);
        }
        self.watch = Watch::since(looks);
    }

    /// Reads the source and the files that it names, or those of the configuration in force.
    async fn read(&self, anew: bool) -> Option<Attempt> {
        let file = self.source.file.as_ref().filter(|_| anew);
        let file = file.map(|file| (file.path.clone(), file.read.clone()));
        let (in_force, previous) = (self.config().clone(), self.in_force.previous());
        let attempt = spawn_blocking(move || read(file, in_force, &previous)).await;
        attempt.ok()
    }

    /// Puts a configuration into force, or says in one line why not.
    async fn put(
        &mut self,
        mut config: Config,
        files: AllFiles,
        pool: &Pool,
        metrics: &Metrics,
    ) -> Result<(), String> {
        let held = hold_back(self.config(), &mut config);
        let changes = between(self.config(), &config);
        let certificates = certificates::replaced(&self.in_force, &files);
        let ports = count_ports(&config);
        let next = self.in_force.prepare(config, files);
        let next = next.map_err(|error| one_line(&error.to_string()))?;
        let limits = self.config().limits;
        let moved = self.in_force.put(next);
        pool.listen(moved.listeners);
        pool.changed();
        let config = self.config();
        self.limit.resize(&config.limits, ports, pool.threads());
        logging::set_level(config.log.level);
        metrics.reloaded(true);
        // One that waited for a permit does not hold the port for long.
        let _ = timeout(MOMENT, moved.closing.closed()).await;
        let changes = match changes.is_empty() {
            true => "none".to_owned(),
            false => changes.join("; "),
        };
        info!(changes, "reloaded");
        certificates::tell(&certificates);
        if !held.is_empty() {
            warn!("takes effect at the next start: {}", held.join(", "));
        }
        if limits.connections != config.limits.connections {
            warn_of_too_many_connections(config);
        }
        Ok(())
    }
}

/// The next time that somebody asks.
async fn asked(receiver: &mut Option<mpsc::Receiver<()>>) -> Option<()> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

fn read(file: Option<(PathBuf, Arc<Read>)>, in_force: Config, previous: &Previous) -> Attempt {
    // Each file is looked at before it is read: what is changed meanwhile is read again.
    let of_source = Looks::at(file.iter().map(|(path, _)| path));
    let of_in_force = named(&in_force);
    let config = match file {
        Some((_, read)) => read(),
        None => Ok(in_force),
    };
    match config {
        Ok(config) => {
            let looks = of_source.or(Looks::at(&named(&config)));
            let looks = looks.or(Looks::at(&of_in_force));
            let files = load(&config, previous);
            Attempt {
                looks,
                config: Some(config),
                files,
            }
        }
        Err(faults) => Attempt {
            looks: of_source.or(Looks::at(&of_in_force)),
            config: None,
            files: Err(faults),
        },
    }
}

/// Faults of several lines in one, as all of the log is.
fn one_line(faults: &str) -> String {
    let mut out = String::new();
    for line in faults.lines() {
        let is_remedy = line.starts_with(' ');
        match (out.is_empty(), is_remedy) {
            (true, _) => {}
            (false, true) => out.push_str(": "),
            (false, false) => out.push_str("; "),
        }
        if out.len() > LONGEST {
            return out + "and more";
        }
        out.push_str(line.trim());
    }
    out
}

/// Bytes of faults in one line, about.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_in_one_line_of_bounded_length() {
        let text = "line 1: a.b: wrong\n    write 1\nline 2: c: wrong too\n    add:\n    [x]";
        assert_eq!(
            one_line(text),
            "line 1: a.b: wrong: write 1; line 2: c: wrong too: add:: [x]"
        );
        let many = "a fault of some length\n".repeat(10_000);
        let line = one_line(&many);
        assert!(line.len() < LONGEST + 100 && line.ends_with("; and more"));
    }
}
