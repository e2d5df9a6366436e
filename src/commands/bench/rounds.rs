//! Warm-up and rounds. What drifts meanwhile (caches, clocks, neighbours) is to hit both ways alike, so they take turns.

use std::sync::Arc;

use super::load::{Load, Progress};
use super::measure::{Measured, median};
use super::plan::{Leg, Plan, Side, Workload};
use super::progress::Bar;
use super::{run, topic};

/// What is beside the records in an answer.
const ANSWER_HEAD: usize = 1 << 20;
/// The largest batch of a topic that we have not written ourselves: its broker's message.max.bytes.
const FOREIGN_BATCH: usize = 64 << 20;

/// All workloads.
#[derive(Default)]
pub(super) struct Results {
    pub(super) workloads: Vec<WorkloadResult>,
}

/// One workload.
pub(super) struct WorkloadResult {
    pub(super) workload: Workload,
    pub(super) rounds: Vec<Round>,
}

/// One round.
pub(super) struct Round {
    /// The way that came first.
    pub(super) first: Side,
    pub(super) proxied: Measured,
    pub(super) direct: Option<Measured>,
}

impl Results {
    /// Whether no round was finished.
    pub(super) fn is_empty(&self) -> bool {
        self.workloads.iter().all(|result| result.rounds.is_empty())
    }

    /// Requests that were answered with an error.
    pub(super) fn failed(&self) -> u64 {
        let rounds = self.workloads.iter().flat_map(|result| &result.rounds);
        let measured =
            rounds.flat_map(|round| std::iter::once(&round.proxied).chain(&round.direct));
        measured.map(Measured::failed).sum()
    }
}

impl WorkloadResult {
    /// All rounds of one way together; `None` where there are none.
    pub(super) fn all(&self, side: Side) -> Option<Measured> {
        let mut rounds = self.rounds.iter().filter_map(|round| round.side(side));
        let mut all = rounds.next()?.clone();
        for measured in rounds {
            all.add(measured);
        }
        Some(all)
    }

    /// The median over the rounds of proxied / direct.
    pub(super) fn ratio(&self, of: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        median(
            self.rounds
                .iter()
                .filter_map(|round| round.ratio(&of))
                .collect(),
        )
    }
}

impl Round {
    pub(super) fn side(&self, side: Side) -> Option<&Measured> {
        match side {
            Side::Proxied => Some(&self.proxied),
            Side::Direct => self.direct.as_ref(),
        }
    }

    /// Proxied / direct.
    pub(super) fn ratio(&self, of: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let direct = of(self.direct.as_ref()?).filter(|value| *value > 0.0)?;
        Some(of(&self.proxied)? / direct)
    }
}

/// Runs all of it. What was finished before a failure stays in the results.
pub(super) async fn all(plan: &Plan, topic: &str, results: &mut Results) -> Result<(), String> {
    let mut bar = Bar::new(plan);
    let records = topic::records(plan);
    for &workload in &plan.workloads {
        results.workloads.push(WorkloadResult {
            workload,
            rounds: Vec::new(),
        });
        let load = |leg: &Leg, duration| {
            let largest_batch = match plan.topic {
                None => records.len(),
                Some(_) => FOREIGN_BATCH,
            };
            Arc::new(Load {
                leg: leg.clone(),
                topic: topic.to_owned(),
                workload,
                acks: plan.acks,
                records: records.clone(),
                fetch_size: plan.fetch_size,
                largest_answer: match workload {
                    Workload::Fetch => plan.fetch_size.max(largest_batch) + ANSWER_HEAD,
                    _ => ANSWER_HEAD,
                },
                window: plan.window(workload),
                connections: plan.connections,
                rate: plan.requests_per_second(workload),
                duration,
                progress: Progress::default(),
            })
        };
        for leg in plan.legs() {
            let load = load(leg, plan.warm_up());
            bar.during(&load, "warm-up", run::run(&load)).await?;
        }
        for n in 0..plan.rounds {
            let mut order: Vec<&Leg> = plan.legs().collect();
            if n % 2 == 1 {
                order.reverse();
            }
            let first = order.first().map_or(Side::Proxied, |leg| leg.side);
            let (mut proxied, mut direct) = (None, None);
            for leg in order {
                let load = load(leg, plan.duration);
                let label = format!("round {}/{}", n + 1, plan.rounds);
                let measured = bar.during(&load, &label, run::run(&load)).await?;
                match leg.side {
                    Side::Proxied => proxied = Some(measured),
                    Side::Direct => direct = Some(measured),
                }
            }
            if let Some(result) = results.workloads.last_mut()
                && let Some(proxied) = proxied
            {
                result.rounds.push(Round {
                    first,
                    proxied,
                    direct,
                });
            }
        }
    }
    Ok(())
}
