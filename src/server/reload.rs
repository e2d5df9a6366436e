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
//! Where the file of the configuration cannot be used, or a certificate of another cluster, certificates are still replaced
//! when their files change, by the configuration that is in force: a mistake in one must not let the other expire.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{error, info, warn};

use super::changes::{between, hold_back};
use super::in_force::{AllFiles, InForce, Previous, count_ports, load, load_good};
use super::pool::Pool;
use super::services::{Services, Told};
use super::source::{Read, Source, asked};
use super::watch::{Looks, TICK, Watch, named};
use super::{certificates, warn_of_too_many_connections};
use crate::config::{Config, Drain, Faults};
use crate::limits::ConnectionLimit;
use crate::logging;
use crate::metrics::Metrics;
use crate::service;
use crate::transport::tls::files::Files;

/// How long to wait for the sockets of ports that close.
const MOMENT: Duration = Duration::from_secs(1);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Holds what is in force, and replaces it.
pub(super) struct Reloader {
    in_force: InForce,
    watch: Watch,
    source: Source,
    limit: ConnectionLimit,
    drain: Arc<ArcSwap<Drain>>,
    services: Services,
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
            in_force.board().show_file(file.path.clone());
        }
        Reloader {
            drain: Arc::new(ArcSwap::from_pointee(in_force.config().drain)),
            in_force,
            watch: Watch::since(looks),
            source,
            limit,
            services: Services::new(),
        }
    }

    /// How the process is to go away, by what is in force when it is looked at.
    pub(super) fn drain(&self) -> Arc<ArcSwap<Drain>> {
        self.drain.clone()
    }

    /// The configuration that is in force.
    fn config(&self) -> &Config {
        self.in_force.config()
    }

    /// Does it until this is dropped.
    pub(super) async fn run(&mut self, pool: &Pool, metrics: &Metrics) -> Infallible {
        self.services.follow(&self.in_force, metrics);
        let now = Instant::now();
        let mut ticks = interval_at(now + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut days = interval_at(now + DAY, DAY);
        loop {
            let files = self.watch.files();
            let cause = tokio::select! {
                Some(()) = asked(&mut self.source.asked) => Cause::Asked,
                told = self.services.next() => {
                    self.take(told, pool, metrics);
                    continue;
                }
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
            service::reloading();
            self.reload(cause, pool, metrics).await;
            service::ready();
        }
    }

    /// Takes note of what was found out of a Service.
    fn take(&mut self, told: Told, pool: &Pool, metrics: &Metrics) {
        match self.services.take(told, &mut self.in_force, metrics) {
            Ok(true) => pool.changed(),
            Ok(false) => {}
            // All that it needs is there already.
            Err(error) => error!(%error, "cannot tell clients another address"),
        }
    }

    async fn reload(&mut self, cause: Cause, pool: &Pool, metrics: &Metrics) {
        let before = self.watch.read().clone();
        let Some(Attempt {
            looks,
            config,
            files,
        }) = self.read().await
        else {
            return;
        };
        let understood = config.is_some();
        let outcome = match (config, files) {
            (Some(config), Ok(files)) => self.put(config, files, pool, metrics).await,
            (_, Err(faults)) => Err(one_line(&faults.to_string())),
            // There are no files without a configuration.
            (None, Ok(_)) => Ok(()),
        };
        metrics.last_reload(outcome.is_ok());
        self.watch = Watch::since(looks.clone());
        let Err(faults) = outcome else {
            return;
        };
        let changed = self.clusters_of(|file| looks.differ(&before, file));
        let file = self.source.file.as_ref();
        let is_new = file.is_none_or(|file| looks.differ(&before, &file.path));
        // A certificate that was replaced is no reason to say once more what is wrong with the rest.
        if cause == Cause::Asked || understood || is_new || changed.is_empty() {
            self.refused(&faults, metrics);
        }
        self.renew(changed, pool, metrics).await;
    }

    /// Reads the source, and the files that it names.
    async fn read(&self) -> Option<Attempt> {
        let file = self.source.file.as_ref();
        let file = file.map(|file| (file.path.clone(), file.read.clone()));
        let (in_force, previous) = (self.config().clone(), self.in_force.previous());
        let attempt = spawn_blocking(move || read(file, in_force, &previous)).await;
        // It does not panic, and the runtime is there.
        attempt.ok()
    }

    /// The clusters in force that have such a file.
    fn clusters_of(&self, is_such: impl Fn(&Path) -> bool) -> BTreeSet<String> {
        let clusters = self.config().clusters.values();
        let such = clusters.filter(|cluster| Files::paths(cluster).iter().any(|f| is_such(f)));
        such.map(|cluster| cluster.name.clone()).collect()
    }

    /// Loads the files of these clusters by the configuration in force, where nothing is wrong with them.
    async fn renew(&mut self, clusters: BTreeSet<String>, pool: &Pool, metrics: &Metrics) {
        if clusters.is_empty() {
            return;
        }
        let (config, previous) = (self.config().clone(), self.in_force.previous());
        let good = spawn_blocking(move || {
            let good = load_good(&config, &previous, &clusters);
            (config, good)
        });
        let Ok((config, good)) = good.await else {
            return;
        };
        if good.renewed > 0
            && let Err(faults) = self.put(config, good.files, pool, metrics).await
        {
            self.refused(&faults, metrics);
        }
    }

    fn refused(&self, faults: &str, metrics: &Metrics) {
        metrics.reloaded(false);
        self.in_force.board().show_fault(faults);
        error!(faults, "not reloaded: what is in force stays");
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
        self.services.follow(&self.in_force, metrics);
        pool.listen(moved.listeners);
        pool.changed();
        let config = self.config();
        self.limit.resize(&config.limits, ports, pool.threads());
        self.drain.store(Arc::new(config.drain));
        metrics.connections_limited(self.limit.most());
        logging::set_level(config.log.level);
        metrics.reloaded(true);
        // One that waited for a permit does not hold the port for long.
        let _ = timeout(MOMENT, moved.closing.closed()).await;
        let changes = match changes.is_empty() {
            true => "none of the configuration".to_owned(),
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
