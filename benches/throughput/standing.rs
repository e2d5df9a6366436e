//! The routes that stand between client and broker while it is measured.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::broker::Broker;
use crate::cases::Case;
use crate::frames;
use crate::front::Front;
use crate::process::Process;
use crate::routes::{Route, RouteId};
use crate::tls::{Legs, Tls};

/// A route that stands: where the load goes, and whose CPU time counts.
pub struct Standing {
    pub id: RouteId,
    pub legs: Legs,
    pub address: SocketAddr,
    pub process: Option<Process>,
}

impl Standing {
    /// The CPU time of its process so far; none without one.
    pub fn cpu(&self) -> Duration {
        self.process.as_ref().map_or(Duration::ZERO, Process::cpu)
    }
}

/// Where routes are made to stand.
pub struct Place<'a> {
    pub broker: &'a Broker,
    pub tls: &'a Tls,
    /// For the files of the proxies.
    pub directory: &'a Path,
    /// The CPU of each proxy.
    pub cpu: Option<usize>,
}

/// Starts every route once for each choice of encrypted legs among the cases, and tells what cannot stand: a route is absent that
/// cannot in plaintext, but it may do without TLS.
pub fn all(routes: &mut [Route], cases: &[Case], place: &Place) -> (Vec<Standing>, Vec<String>) {
    let legs: BTreeSet<Legs> = cases.iter().map(|case| case.legs).collect();
    let (mut standing, mut faults) = (Vec::new(), Vec::new());
    for route in routes {
        for &legs in &legs {
            match stand(route, legs, place) {
                Ok(up) => standing.extend(up),
                Err(reason) if legs == Legs::None => route.program = Err(one_line(&reason)),
                Err(reason) => {
                    let (name, legs) = (route.id.name(), legs.label());
                    let fault = format!("{name}, {legs}: {}", one_line(&reason));
                    eprintln!("{fault}");
                    faults.push(fault);
                }
            }
        }
        if let Err(reason) = &route.program {
            eprintln!("absent: {}: {reason}", route.id.name());
        }
    }
    (standing, faults)
}

fn stand(route: &Route, legs: Legs, place: &Place) -> Result<Option<Standing>, String> {
    if !route.is_present() || !route.id.encrypts(legs) {
        return Ok(None);
    }
    if route.id == RouteId::Direct {
        return Ok(Some(Standing {
            id: route.id,
            legs,
            address: match legs {
                Legs::None => place.broker.address(),
                Legs::Client | Legs::Both => place.broker.tls_address(),
            },
            process: None,
        }));
    }
    let front = front(legs, place);
    Ok(Some(Standing {
        id: route.id,
        legs,
        address: front.address(),
        process: Some(route.start(&front, place.directory, place.cpu)?),
    }))
}

/// New ports in front of the broker, for a proxy that encrypts these legs.
pub fn front(legs: Legs, place: &Place) -> Front {
    let target = match legs {
        Legs::None | Legs::Client => place.broker.address(),
        Legs::Both => place.broker.tls_address(),
    };
    let front = Front::new(frames::NODES.map(|node| (node, target.to_string())));
    let files = &place.tls.files;
    Front {
        client_tls: (legs != Legs::None).then(|| files.clone()),
        broker_tls: (legs == Legs::Both).then(|| files.clone()),
        ..front
    }
}

/// What a program said, for a line of a table or of a list.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
