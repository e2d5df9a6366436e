//! The rounds: each case through each route, in random order within a round, and what was measured in each run.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

use crate::broker::Broker;
use crate::cases::{Case, Load, Unit};
use crate::client::{Client, Tally, Until};
use crate::connects::{Connects, Opening};
use crate::process;
use crate::routes::RouteId;
use crate::standing::Standing;
use crate::tls::{Legs, Tls};
use crate::wire::Template;

/// Before a run is measured: buffers and windows grow in this time.
const WARM_UP: Duration = Duration::from_millis(120);
/// For runs with fewer answers than this the percentiles would be those of a handful.
const FEWEST_FRAMES: u64 = 20;

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub round: usize,
    pub case: String,
    pub route: &'static str,
    #[serde(skip)]
    pub id: RouteId,
    /// Requests with their answers.
    pub frames: u64,
    pub seconds: f64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub proxy_cpu_seconds: f64,
    /// Of client and broker together.
    pub endpoint_cpu_seconds: f64,
    /// From when a request was to be sent to its whole answer, in microseconds.
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Run {
    fn bytes(&self) -> f64 {
        (self.request_bytes + self.response_bytes) as f64
    }

    /// 10^6 bytes in a second, both directions.
    pub fn megabytes_per_second(&self) -> f64 {
        self.bytes() / self.seconds / 1e6
    }

    pub fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.seconds
    }

    pub fn proxy_price(&self, unit: Unit) -> f64 {
        self.price(self.proxy_cpu_seconds, unit)
    }

    pub fn endpoint_price(&self, unit: Unit) -> f64 {
        self.price(self.endpoint_cpu_seconds, unit)
    }

    fn price(&self, seconds: f64, unit: Unit) -> f64 {
        match unit {
            Unit::PerGigabyte => seconds / self.bytes() * 1e9,
            Unit::PerRequest => seconds / self.frames as f64 * 1e6,
        }
    }
}

/// What is sent in a case, ready to go.
pub struct Prepared {
    pub case: Case,
    pub request: Arc<Template>,
    pub answer: Arc<Template>,
}

impl Prepared {
    pub fn new(case: Case) -> Self {
        let exchange = case.exchange();
        Prepared {
            case,
            request: Template::request(exchange.request),
            answer: Template::answer(exchange.answer),
        }
    }
}

/// Runs everything. A run that fails is told, and is missing from the results.
pub fn run(
    prepared: &[Prepared],
    routes: &[Standing],
    broker: &Broker,
    tls: &Tls,
    rounds: usize,
    seconds: f64,
    seed: u64,
) -> (Vec<Run>, Vec<String>) {
    let mut rng = Rng::with_seed(seed);
    let (mut runs, mut faults) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}: {} cases", prepared.len());
        for prepared in prepared {
            broker.answer_with(prepared.answer.clone());
            let fit = |route: &&Standing| route.legs == prepared.case.legs;
            let mut order: Vec<&Standing> = routes.iter().filter(fit).collect();
            rng.shuffle(&mut order);
            for route in order {
                match measure(prepared, route, tls, Duration::from_secs_f64(seconds)) {
                    Ok(run) => runs.push(Run { round, ..run }),
                    Err(error) => {
                        let (case, id) = (&prepared.case.name, route.id.name());
                        let fault = format!("round {round}, {case}, {id}: {error}");
                        eprintln!("{fault}");
                        faults.push(fault);
                    }
                }
            }
        }
    }
    (runs, faults)
}

fn measure(
    prepared: &Prepared,
    route: &Standing,
    tls: &Tls,
    window: Duration,
) -> Result<Run, String> {
    let case = &prepared.case;
    let mut load = load(prepared, route, tls)?;
    load(Until::Elapsed(WARM_UP))?;
    let cpu = || (route.cpu(), process::own_cpu());
    let before = cpu();
    let tally = load(Until::Elapsed(window))?;
    let after = cpu();
    if tally.frames < FEWEST_FRAMES {
        return Err(format!("only {} answers: measure longer", tally.frames));
    }
    let quantile = |q| tally.latency.value_at_quantile(q) as f64;
    Ok(Run {
        round: 0,
        case: case.name.clone(),
        route: route.id.name(),
        id: route.id,
        frames: tally.frames,
        seconds: tally.elapsed.as_secs_f64(),
        request_bytes: tally.frames * prepared.request.len() as u64,
        response_bytes: tally.frames * prepared.answer.len() as u64,
        proxy_cpu_seconds: (after.0 - before.0).as_secs_f64(),
        endpoint_cpu_seconds: (after.1 - before.1).as_secs_f64(),
        p50_us: quantile(0.5),
        p90_us: quantile(0.9),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
        max_us: tally.latency.max() as f64,
    })
}

type Running = Box<dyn FnMut(Until) -> Result<Tally, String>>;

/// What sends a case's requests along a route, once for each call.
fn load(prepared: &Prepared, route: &Standing, tls: &Tls) -> Result<Running, String> {
    let case = &prepared.case;
    let resumes = case.load == Load::Reconnect;
    let encrypted = match (case.legs, resumes) {
        (Legs::None, _) => None,
        (_, true) => Some(tls.resuming_client()),
        (_, false) => Some(tls.client()),
    };
    if matches!(case.load, Load::Connect | Load::Reconnect) {
        let opening = encrypted.map_or(Opening::Plain, Opening::Tls);
        let mut connects = Connects::new(route.address, opening, case.exchange(), resumes);
        return Ok(Box::new(move |until| connects.run(until)));
    }
    let client = Client::connect(
        route.address,
        encrypted.as_ref(),
        &prepared.request,
        case.shape,
    );
    let mut client = client.map_err(|error| error.to_string())?;
    Ok(Box::new(move |until| client.run(until)))
}
