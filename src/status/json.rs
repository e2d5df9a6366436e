//! `/status`: everything at once, as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Board;
use super::cluster::ClusterStatus;
use crate::calendar::utc;
use crate::lifecycle::{Lifecycle, State};
use crate::metrics::Metrics;

const DAY: i64 = 24 * 3600;

#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    commit: Option<&'static str>,
    started: String,
    uptime_seconds: f64,
    state: &'static str,
    drain: Option<Drain>,
    config: Config,
    process: Process,
    clusters: Vec<ClusterStatus>,
}

#[derive(Debug, Serialize)]
struct Drain {
    since: String,
    connections_left: u64,
}

#[derive(Debug, Serialize)]
struct Config {
    file: Option<String>,
    loaded: Option<String>,
    reloads: Reloads,
    last_fault: Option<Fault>,
}

#[derive(Debug, Serialize)]
struct Reloads {
    success: u64,
    failure: u64,
}

#[derive(Debug, Serialize)]
struct Fault {
    at: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct Process {
    open_fds: u64,
    max_fds: u64,
    resident_bytes: u64,
    threads: usize,
    connections: u64,
    connection_limit: usize,
}

impl Board {
    /// The status as JSON; what went wrong if it cannot be written, which does not happen.
    pub fn json(
        &self,
        metrics: &Metrics,
        life: &Lifecycle,
        connection_limit: usize,
    ) -> Result<String, serde_json::Error> {
        let in_force = self.in_force();
        let reloads = self.reloads().clone();
        let services = self.services().clone();
        let connections = metrics.open_connections();
        let of_config = in_force.config.clusters.values();
        let clusters = of_config
            .filter_map(|config| {
                let cluster = in_force.clusters.get(&config.name)?.load();
                let service = services.get(&config.name);
                Some(ClusterStatus::of(config, &cluster, service))
            })
            .collect();
        let (success, failure) = metrics.reloads();
        let process = metrics.process();
        let status = Status {
            version: env!("CARGO_PKG_VERSION"),
            commit: crate::COMMIT,
            started: utc(self.started),
            uptime_seconds: (self.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            state: life.state().word(),
            drain: leaving_since(life).map(|since| Drain {
                since: utc(since),
                connections_left: connections,
            }),
            config: Config {
                file: reloads.file.map(|file| file.display().to_string()),
                loaded: reloads.loaded.map(utc),
                reloads: Reloads { success, failure },
                last_fault: reloads.fault.map(|(at, message)| Fault {
                    at: utc(at),
                    message,
                }),
            },
            process: Process {
                open_fds: process.open_fds,
                max_fds: process.max_fds,
                resident_bytes: process.resident_bytes,
                threads: self.threads,
                connections,
                connection_limit,
            },
            clusters,
        };
        serde_json::to_string(&status)
    }
}

fn leaving_since(life: &Lifecycle) -> Option<SystemTime> {
    let since = life.since(State::LameDuck);
    since.or_else(|| life.since(State::Draining))
}

/// Whole days; negative once it is over.
pub(super) fn days_until(end: i64, now: SystemTime) -> i64 {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let left = end - i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    left.div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_those_that_are_over_are_negative() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (end, days) in [
            (1_000_000, 0),
            (1_000_000 + DAY - 1, 0),
            (1_000_000 + DAY, 1),
            (999_999, -1),
        ] {
            assert_eq!(days_until(end, now), days);
        }
    }
}
