//! The rounds: each case through each route, in random order within a round, and what was measured in each run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::broker::Broker;
use crate::cases::{Case, Load, Unit};
use crate::client::{Client, Tally, Until};
use crate::process::{self, Process};
use crate::routes::RouteId;
use crate::wire::Template;

/// Before a run is measured: buffers and windows grow in this time.
const WARM_UP: Duration = Duration::from_millis(120);
/// For runs with fewer answers than this the percentiles would be those of a handful.
const FEWEST_FRAMES: u64 = 20;

/// A route that stands: where the load goes, and whose CPU time counts.
pub struct Standing {
    pub id: RouteId,
    pub address: SocketAddr,
    pub process: Option<Process>,
}

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
            let mut order: Vec<&Standing> = routes.iter().collect();
            rng.shuffle(&mut order);
            for route in order {
                match measure(prepared, route, Duration::from_secs_f64(seconds)) {
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

fn measure(prepared: &Prepared, route: &Standing, window: Duration) -> Result<Run, String> {
    let case = &prepared.case;
    let mut load: Box<dyn FnMut(Until) -> Result<Tally, String>> = match case.load {
        Load::Connect => {
            let exchange = case.exchange();
            let address = route.address;
            let length = exchange.answer.len();
            Box::new(move |until| connect_and_ping(address, &exchange.request, length, until))
        }
        _ => {
            let client = Client::connect(route.address, &prepared.request, case.shape);
            let mut client = client.map_err(|error| error.to_string())?;
            Box::new(move |until| client.run(until))
        }
    };
    load(Until::Elapsed(WARM_UP))?;
    let cpu = || {
        let proxy = route.process.as_ref();
        (
            proxy.map_or(Duration::ZERO, Process::cpu),
            process::own_cpu(),
        )
    };
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

/// One connection after the other, with one question each.
fn connect_and_ping(
    address: SocketAddr,
    request: &[u8],
    answer: usize,
    until: Until,
) -> Result<Tally, String> {
    let failed = |error: std::io::Error| error.to_string();
    let begin = Instant::now();
    let mut latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
    let mut bytes = vec![0; answer];
    let mut frames = 0;
    loop {
        let one = Instant::now();
        let mut stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .map_err(failed)?;
        stream.write_all(request).map_err(failed)?;
        stream.read_exact(&mut bytes).map_err(failed)?;
        drop(stream);
        frames += 1;
        latency.saturating_record((one.elapsed().as_micros() as u64).max(1));
        let elapsed = begin.elapsed();
        let over = match until {
            Until::Elapsed(duration) => elapsed >= duration,
            Until::Frames(wanted) => frames >= wanted,
        };
        if over {
            return Ok(Tally {
                frames,
                elapsed,
                latency,
            });
        }
    }
}
