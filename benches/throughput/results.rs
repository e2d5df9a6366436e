//! The runs by case, route and round; medians, ratios within a round, and the goals.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cases::Case;
use crate::goals::{Base, Goal, Measure};
use crate::rounds::Run;
use crate::routes::RouteId;
use crate::statistics::{Spread, median, ratios};

/// All runs of all cases.
pub struct Results<'a> {
    runs: BTreeMap<(&'a str, RouteId, usize), &'a Run>,
}

/// A goal beside what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub case: String,
    pub measure: &'static str,
    pub base: &'static str,
    /// `None`: the base was not measured, or nothing could be divided by it.
    pub ratio: Option<Ratio>,
    /// The same of the relay, where it was measured.
    pub relay: Option<Ratio>,
    pub must: f64,
    pub stretch: Option<f64>,
    pub holds: &'static str,
}

/// [`Spread`] for JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ratio {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub rounds: usize,
}

impl From<Spread> for Ratio {
    fn from(spread: Spread) -> Self {
        Ratio {
            median: spread.median,
            least: spread.least,
            most: spread.most,
            rounds: spread.count,
        }
    }
}

impl<'a> Results<'a> {
    pub fn new(runs: &'a [Run]) -> Self {
        let key = |run: &'a Run| ((&*run.case, run.id, run.round), run);
        Results {
            runs: runs.iter().map(key).collect(),
        }
    }

    /// The median over the rounds of something that a run tells.
    pub fn median(&self, case: &str, id: RouteId, value: impl Fn(&Run) -> f64) -> Option<f64> {
        let rounds = self.of(case, id);
        median(&rounds.map(|(_, run)| value(run)).collect::<Vec<f64>>())
    }

    /// The median of what a route adds to the direct one of the same round.
    pub fn added(&self, case: &str, id: RouteId, value: impl Fn(&Run) -> f64) -> Option<f64> {
        let rounds = self.of(case, id);
        let added = rounds.filter_map(|(round, run)| {
            let direct = self.runs.get(&(case, RouteId::Direct, round))?;
            Some(value(run) - value(direct))
        });
        median(&added.collect::<Vec<f64>>())
    }

    /// The median of what one case takes of a route beyond another case in the same round.
    pub fn beyond(
        &self,
        case: &str,
        other: &str,
        id: RouteId,
        value: impl Fn(&Run) -> f64,
    ) -> Option<f64> {
        let rounds = self.of(case, id);
        let beyond = rounds.filter_map(|(round, run)| {
            let other = self.runs.get(&(other, id, round))?;
            Some(value(run) - value(other))
        });
        median(&beyond.collect::<Vec<f64>>())
    }

    /// The ratios of a measure between two routes in the same round.
    pub fn ratio(&self, case: &Case, measure: Measure, id: RouteId, base: Base) -> Option<Spread> {
        let rounds = self.of(&case.name, id);
        let pairs = rounds.filter_map(|(round, _)| {
            let of = |id| self.measured(case, measure, id, round);
            let base = match base {
                Base::Route(base) => of(base)?,
                Base::BetterHaproxy => of(RouteId::HaproxyForced)?.min(of(RouteId::HaproxyAuto)?),
            };
            Some((of(id)?, base))
        });
        ratios(pairs.collect::<Vec<_>>())
    }

    /// Every goal of these cases.
    pub fn verdicts(&self, cases: &[Case]) -> Vec<Verdict> {
        let goals = cases
            .iter()
            .flat_map(|case| case.goals.iter().map(move |goal| (case, goal)));
        goals.map(|(case, goal)| self.verdict(case, goal)).collect()
    }

    fn verdict(&self, case: &Case, goal: &Goal) -> Verdict {
        let ratio = |id| self.ratio(case, goal.measure, id, goal.base);
        let (ratio, relay) = (ratio(RouteId::Portolan), ratio(RouteId::Relay));
        Verdict {
            case: case.name.clone(),
            measure: goal.measure.label(),
            base: goal.base.label(),
            ratio: ratio.map(Ratio::from),
            relay: relay.map(Ratio::from),
            must: goal.must,
            stretch: goal.stretch,
            holds: holds(ratio.map(|spread| spread.median), goal.must, goal.stretch),
        }
    }

    fn measured(&self, case: &Case, measure: Measure, id: RouteId, round: usize) -> Option<f64> {
        let run = self.runs.get(&(&*case.name, id, round))?;
        let direct = || self.runs.get(&(&*case.name, RouteId::Direct, round));
        Some(match measure {
            Measure::Cpu => run.proxy_price(case.unit),
            Measure::AddedP50 => run.p50_us - direct()?.p50_us,
            Measure::AddedP99 => run.p99_us - direct()?.p99_us,
        })
    }

    fn of(&self, case: &str, id: RouteId) -> impl Iterator<Item = (usize, &'a Run)> {
        let mine = self
            .runs
            .iter()
            .filter(move |((name, route, _), _)| *name == case && *route == id);
        mine.map(|((_, _, round), run)| (*round, *run))
    }
}

/// What to say of a figure for which less is better.
pub fn holds(value: Option<f64>, must: f64, stretch: Option<f64>) -> &'static str {
    match (value, stretch) {
        (None, _) => "not measured",
        (Some(value), Some(stretch)) if value <= stretch => "stretch",
        (Some(value), _) if value <= must => "must",
        _ => "**missed**",
    }
}
