//! `bench`: what the proxy costs its user. The same load through the proxy and past it, in turns, measured from here.
//!
//! - [`arguments`] and [`plan`]: what is to be measured.
//! - [`topic`]: the topic is made, filled, and deleted at the end, however that comes.
//! - [`rounds`]: a warm-up, then rounds in which the two ways take turns in being first.
//! - [`run`]: one workload on one way, on threads of its own; [`worker`]: one connection; [`traffic`]: its two halves.
//! - [`report`]: a table, JSON, or a picture.

mod answers;
mod arguments;
mod batch;
mod frames;
mod load;
mod measure;
mod pace;
mod plan;
mod progress;
mod report;
mod requests;
mod rounds;
mod run;
mod session;
mod targets;
mod topic;
mod traffic;
mod worker;

use std::time::SystemTime;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) use arguments::Bench;

use self::arguments::Output;
use self::plan::{Plan, Workload};
use self::report::Report;
use self::rounds::Results;
use super::{Failure, print, tell};
use crate::limits::raise_fd_limit;

/// What `--help` says of it.
pub(super) const ABOUT: &str = "\
Measure what the proxy costs: load through it, and past it with --direct

The load speaks Kafka's protocol itself: it makes a topic, connects to the leader of each partition at the address that \
the metadata names, and deletes the topic at the end. With --direct the same load goes straight to the brokers in turns \
with the other: a warm-up of each, then rounds in which the two take turns in being first. The ratio is the median over \
the rounds of proxied / direct.

Latency is from sending a request to having its whole answer; with --rate it is from the moment when the request was due, \
so that waiting for a stalled broker counts (no coordinated omission).

It cannot see how much CPU the proxy takes: `cargo bench --bench throughput` in Portolan's source does. Produce writes as \
much as the brokers take, unless --rate says less: mind their disks.";

/// What remains to be said after the topic was taken care of.
enum End {
    Done,
    /// By a signal.
    Interrupted,
    Failed(String),
}

pub(super) fn bench(bench: &Bench) -> Result<(), Failure> {
    let plan = bench.plan().map_err(Failure::Usage)?;
    raise_fd_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let started = SystemTime::now();
    let mut results = Results::default();
    let end = runtime.block_on(measure(&plan, &mut results));
    let report = Report {
        plan: &plan,
        results: &results,
        started,
    };
    // Also what was measured before it failed.
    let printed = match results.is_empty() {
        true => Ok(()),
        false => print(&match bench.output {
            Output::Table => report.table(),
            Output::Json => report.json().map_err(Failure::Failed)?,
            Output::Svg => report.svg(),
        }),
    };
    if let End::Failed(error) = end {
        return Err(Failure::Failed(error));
    }
    printed?;
    match (end, results.failed()) {
        (End::Interrupted, _) if results.is_empty() => Err(Failure::Failed(
            "interrupted before the first round was over: there are no results".into(),
        )),
        (End::Interrupted, _) => Err(Failure::Failed(
            "interrupted: only the rounds before were measured".into(),
        )),
        (_, 0) => Ok(()),
        (_, failed) => Err(Failure::Failed(format!(
            "{failed} requests failed: the results name the errors"
        ))),
    }
}

/// Makes the topic, measures, and deletes the topic, however the measuring ended.
async fn measure(plan: &Plan, results: &mut Results) -> End {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return End::Failed(format!("cannot listen for signals: {error}")),
    };
    let own = plan.topic.is_none().then(topic::own_name);
    let name = own.as_deref().or(plan.topic.as_deref()).unwrap_or_default();
    let mut asked_for = false;
    let outcome = tokio::select! {
        outcome = prepare_and_run(plan, name, &mut asked_for, results) => Some(outcome),
        () = signals.next() => None,
    };
    let end = match outcome {
        Some(Ok(())) => End::Done,
        Some(Err(error)) => End::Failed(error),
        None => End::Interrupted,
    };
    if asked_for {
        let deleted = tokio::select! {
            deleted = topic::delete(&plan.proxied, name) => deleted.map_err(|e| e.to_string()),
            () = signals.next() => Err("interrupted".into()),
        };
        if let Err(error) = deleted {
            tell(format_args!(
                "portolan: the topic {name} was not deleted: {error}\n    delete it by hand"
            ));
        }
    }
    end
}

/// SIGINT, as Ctrl-C sends it, and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// `asked_for` becomes true with the first request to make the topic: from then on it may be there.
async fn prepare_and_run(
    plan: &Plan,
    topic: &str,
    asked_for: &mut bool,
    results: &mut Results,
) -> Result<(), String> {
    if plan.topic.is_none() {
        topic::create(plan, topic, asked_for)
            .await
            .map_err(|error| error.to_string())?;
        if plan.workloads.contains(&Workload::Fetch) {
            topic::fill(plan, topic)
                .await
                .map_err(|error| error.to_string())?;
        } else {
            topic::settle(plan, topic)
                .await
                .map_err(|error| error.to_string())?;
        }
    }
    rounds::all(plan, topic, results).await
}
