//! What a route costs before any load: time to start, memory of the idle process and of each idle connection.

use std::time::Duration;

use serde::Serialize;

use crate::connects::{Open, Opening};
use crate::frames;
use crate::process::Process;
use crate::routes::{Route, RouteId};
use crate::standing::{self, Place};
use crate::statistics::median;
use crate::tls::Legs;
use crate::wire::Template;

const CONNECTIONS: usize = 1000;
const STARTS: usize = 5;
/// What a process still does after the last answer has time to end.
const SETTLE: Duration = Duration::from_millis(300);

/// One route's.
#[derive(Clone, Debug, Serialize)]
pub struct Footprint {
    pub route: &'static str,
    #[serde(skip)]
    pub legs: Legs,
    /// What of the route is encrypted.
    pub encrypted: &'static str,
    /// From the start of the process to its first accepted connection: the median of some starts.
    pub start_milliseconds: f64,
    pub resident_bytes: u64,
    pub resident_bytes_per_connection: f64,
}

/// Measures each of those that stood and have a process, in a fresh one.
pub fn measure(
    routes: &[Route],
    mut stood: Vec<(RouteId, Legs)>,
    place: &Place,
) -> (Vec<Footprint>, Vec<String>) {
    let (mut footprints, mut faults) = (Vec::new(), Vec::new());
    // What is compared comes together.
    stood.sort_by_key(|(_, legs)| *legs);
    for (id, legs) in stood {
        let found = routes.iter().find(|route| route.id == id);
        let Some(route) = found.filter(|_| id != RouteId::Direct) else {
            continue;
        };
        let name = format!("{}, {}", id.name(), legs.label());
        eprintln!("start time and memory: {name}");
        match of_route(route, legs, place) {
            Ok(footprint) => footprints.push(footprint),
            Err(error) => faults.push(format!("footprint of {name}: {error}")),
        }
    }
    (footprints, faults)
}

fn of_route(route: &Route, legs: Legs, place: &Place) -> Result<Footprint, String> {
    let Place { directory, cpu, .. } = *place;
    let front = || standing::front(legs, place);
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let plan = route.plan(&front(), directory);
        let process = Process::start_bare(&plan, cpu)?;
        starts.push(process.started_in.as_secs_f64() * 1e3);
    }
    let front = front();
    let process = route.start(&front, directory, cpu)?;
    std::thread::sleep(SETTLE);
    let idle = process.resident_bytes();
    let exchange = frames::ping();
    place
        .broker
        .answer_with(Template::answer(exchange.answer.clone()));
    let opening = match legs {
        Legs::None => Opening::Plain,
        Legs::Client | Legs::Both => Opening::Tls(place.tls.client()),
    };
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let open = Open::new(front.address(), &opening, &exchange);
        connections.push(open.map_err(|error| error.to_string())?);
    }
    std::thread::sleep(SETTLE);
    let grown = process.resident_bytes().saturating_sub(idle);
    Ok(Footprint {
        route: route.id.name(),
        legs,
        encrypted: legs.label(),
        start_milliseconds: median(&starts).unwrap_or(f64::NAN),
        resident_bytes: idle,
        resident_bytes_per_connection: grown as f64 / CONNECTIONS as f64,
    })
}
