//! For programs. The keys are documented in docs/bench.md: they are a promise.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Report;
use crate::commands::bench::measure::{Measured, PERCENTILES};
use crate::commands::bench::plan::{Plan, Rate, Side, Workload};
use crate::commands::bench::rounds::{Round, WorkloadResult};
use crate::commands::client::codes;

#[derive(Serialize)]
struct Document {
    portolan: &'static str,
    started: String,
    proxied: String,
    direct: Option<String>,
    parameters: Parameters,
    workloads: Vec<Outcome>,
}

#[derive(Serialize)]
struct Parameters {
    acks: String,
    record_size_bytes: usize,
    batch_size_bytes: usize,
    fetch_size_bytes: usize,
    connections: usize,
    in_flight: usize,
    rate_requests_per_second: Option<u64>,
    rate_bytes_per_second: Option<u64>,
    duration_seconds: f64,
    rounds: usize,
    topic: Option<String>,
    partitions: Option<u16>,
    replication_factor: Option<u16>,
    tls: bool,
    sasl: bool,
}

#[derive(Serialize)]
struct Outcome {
    workload: String,
    proxied: Option<Figures>,
    direct: Option<Figures>,
    ratio: Option<Ratio>,
    rounds: Vec<RoundFigures>,
}

#[derive(Serialize)]
struct Figures {
    requests: u64,
    record_bytes: u64,
    seconds: f64,
    requests_per_second: f64,
    megabytes_per_second: Option<f64>,
    latency_microseconds: Option<BTreeMap<&'static str, f64>>,
    errors: BTreeMap<String, u64>,
    moved: u64,
    unsent: u64,
}

#[derive(Serialize)]
struct Ratio {
    requests_per_second: Option<f64>,
    #[serde(flatten)]
    latency: BTreeMap<&'static str, Option<f64>>,
}

#[derive(Serialize)]
struct RoundFigures {
    first: String,
    proxied: Figures,
    direct: Option<Figures>,
    ratio: Option<Ratio>,
}

impl Report<'_> {
    /// One object.
    pub(in crate::commands::bench) fn json(&self) -> Result<String, String> {
        let plan = self.plan;
        let document = Document {
            portolan: env!("CARGO_PKG_VERSION"),
            started: self.date(),
            proxied: plan.proxied.address.to_string(),
            direct: plan.direct.as_ref().map(|leg| leg.address.to_string()),
            parameters: parameters(plan),
            workloads: self.results.workloads.iter().map(outcome).collect(),
        };
        serde_json::to_string_pretty(&document)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string())
    }
}

fn parameters(plan: &Plan) -> Parameters {
    let own = plan.topic.is_none();
    Parameters {
        acks: plan.acks.to_string(),
        record_size_bytes: plan.record_size,
        batch_size_bytes: plan.batch_size,
        fetch_size_bytes: plan.fetch_size,
        connections: plan.connections,
        in_flight: plan.in_flight,
        rate_requests_per_second: match plan.rate {
            Some(Rate::Requests(n)) => Some(n),
            _ => None,
        },
        rate_bytes_per_second: match plan.rate {
            Some(Rate::Bytes(n)) => Some(n),
            _ => None,
        },
        duration_seconds: plan.duration.as_secs_f64(),
        rounds: plan.rounds,
        topic: plan.topic.clone(),
        partitions: own.then_some(plan.partitions),
        replication_factor: plan.replication_factor.filter(|_| own),
        tls: plan.proxied.settings.tls.is_some(),
        sasl: plan.proxied.settings.sasl.is_some(),
    }
}

fn outcome(result: &WorkloadResult) -> Outcome {
    let workload = result.workload;
    let direct = result.all(Side::Direct);
    let ratio = direct.is_some().then(|| Ratio {
        requests_per_second: result.ratio(|m| Some(m.requests_per_second())),
        latency: PERCENTILES
            .map(|(name, quantile)| (name, result.ratio(|m| m.latency_at(quantile))))
            .into(),
    });
    Outcome {
        workload: workload.to_string(),
        proxied: result.all(Side::Proxied).map(|m| figures(workload, &m)),
        direct: direct.map(|m| figures(workload, &m)),
        ratio,
        rounds: result
            .rounds
            .iter()
            .map(|round| round_figures(workload, round))
            .collect(),
    }
}

fn round_figures(workload: Workload, round: &Round) -> RoundFigures {
    let ratio = round.direct.is_some().then(|| Ratio {
        requests_per_second: round.ratio(|m| Some(m.requests_per_second())),
        latency: PERCENTILES
            .map(|(name, quantile)| (name, round.ratio(|m| m.latency_at(quantile))))
            .into(),
    });
    RoundFigures {
        first: round.first.to_string(),
        proxied: figures(workload, &round.proxied),
        direct: round.direct.as_ref().map(|m| figures(workload, m)),
        ratio,
    }
}

fn figures(workload: Workload, measured: &Measured) -> Figures {
    let latency = PERCENTILES.map(|(name, quantile)| Some((name, measured.latency_at(quantile)?)));
    let latency: BTreeMap<_, _> = latency.into_iter().flatten().collect();
    let errors = measured.errors.iter();
    Figures {
        requests: measured.requests,
        record_bytes: measured.bytes,
        seconds: measured.elapsed.as_secs_f64(),
        requests_per_second: measured.requests_per_second(),
        megabytes_per_second: match workload {
            Workload::Ping => None,
            _ => Some(measured.megabytes_per_second()),
        },
        latency_microseconds: Some(latency).filter(|latency| !latency.is_empty()),
        errors: errors.map(|(code, n)| (codes::name(*code), *n)).collect(),
        moved: measured.moved,
        unsent: measured.unsent,
    }
}
