//! What a route costs before any load: time to start, memory of the idle process and of each idle connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::broker::Broker;
use crate::frames;
use crate::routes::{Front, Route, RouteId};
use crate::statistics::median;
use crate::wire::Template;

const CONNECTIONS: usize = 1000;
const STARTS: usize = 5;
/// What a process still does after the last answer has time to end.
const SETTLE: Duration = Duration::from_millis(300);

/// One route's.
#[derive(Clone, Debug, Serialize)]
pub struct Footprint {
    pub route: &'static str,
    /// From the start of the process to its first accepted connection: the median of some starts.
    pub start_milliseconds: f64,
    pub resident_bytes: u64,
    pub resident_bytes_per_connection: f64,
}

/// Measures each route that has a process, in a fresh one.
pub fn measure(
    routes: &[Route],
    broker: &Broker,
    directory: &Path,
    cpu: Option<usize>,
) -> (Vec<Footprint>, Vec<String>) {
    let (mut footprints, mut faults) = (Vec::new(), Vec::new());
    for route in routes {
        if route.id == RouteId::Direct || !route.is_present() {
            continue;
        }
        eprintln!("start time and memory: {}", route.id.name());
        match of_route(route, broker, directory, cpu) {
            Ok(footprint) => footprints.push(footprint),
            Err(error) => faults.push(format!("footprint of {}: {error}", route.id.name())),
        }
    }
    (footprints, faults)
}

fn of_route(
    route: &Route,
    broker: &Broker,
    directory: &Path,
    cpu: Option<usize>,
) -> Result<Footprint, String> {
    let front = || Front::new(frames::NODES.map(|node| (node, broker.address().to_string())));
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let plan = route.plan(&front(), directory);
        let process = crate::process::Process::start_bare(&plan, cpu)?;
        starts.push(process.started_in.as_secs_f64() * 1e3);
    }
    let front = front();
    let process = route.start(&front, directory, cpu)?;
    std::thread::sleep(SETTLE);
    let idle = process.resident_bytes();
    let exchange = frames::ping();
    broker.answer_with(Template::answer(exchange.answer.clone()));
    let mut answer = vec![0; exchange.answer.len()];
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut ask = || {
            let mut stream = TcpStream::connect(front.address())?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(&exchange.request)?;
            stream.read_exact(&mut answer)?;
            Ok::<_, std::io::Error>(stream)
        };
        connections.push(ask().map_err(|error| error.to_string())?);
    }
    std::thread::sleep(SETTLE);
    let grown = process.resident_bytes().saturating_sub(idle);
    Ok(Footprint {
        route: route.id.name(),
        start_milliseconds: median(&starts).unwrap_or(f64::NAN),
        resident_bytes: idle,
        resident_bytes_per_connection: grown as f64 / CONNECTIONS as f64,
    })
}
