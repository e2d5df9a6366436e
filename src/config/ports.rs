//! Ports in a row, as clusters and their nodes take them.

use std::fmt;
use std::net::IpAddr;

use super::claims::{Claims, Told};
use super::reader::{Reader, Section};

/// Where the ports of one cluster are bound and what they are advertised as.
pub(super) struct Ports<'c> {
    pub(super) claims: &'c mut Claims,
    pub(super) listen_address: IpAddr,
    /// Where clients are told to go.
    pub(super) told: Told<'c>,
}

impl Ports<'_> {
    /// Takes `count` ports from `bound` on, and as many advertised ones.
    pub(super) fn claim(
        &mut self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        [key, advertised_key]: [&str; 2],
        bound: u16,
        advertised: Option<u16>,
        count: usize,
    ) {
        self.claims.refuse_zero(reader, section, key, bound);
        if let Some(advertised) = advertised {
            self.claims
                .refuse_zero(reader, section, advertised_key, advertised);
        }
        let remedy = || match count {
            1 => "choose another port".to_owned(),
            n => format!("choose a port from which on {n} ports are free"),
        };
        let path = section.join(key);
        let mut taken = Runs::default();
        for n in 0..count {
            let port = nth(bound, n);
            if let Some(owner) = self.claims.bind(self.listen_address, port, &path) {
                taken.add(port, owner);
            }
        }
        for run in &taken.0 {
            let problem = format!("{run} taken by {}", run.owner);
            reader.fault_at(section, key, problem, remedy());
        }
        let key = match advertised {
            Some(_) => advertised_key,
            None if taken.0.is_empty() => key,
            // It is the same fault.
            None => return,
        };
        let path = section.join(key);
        let mut told = Runs::default();
        for n in 0..count {
            let port = nth(advertised.unwrap_or(bound), n);
            if let Some(owner) = self.claims.advertise(self.told, port, &path) {
                told.add(port, owner);
            }
        }
        for run in &told.0 {
            let problem = format!("{run} advertised{} by {} already", self.told, run.owner);
            reader.fault_at(section, key, problem, remedy());
        }
    }
}

/// The n-th port from a first one on; 0 stays 0.
pub(super) fn nth(first: u16, n: usize) -> u16 {
    match first {
        0 => 0,
        first => first.saturating_add(n as u16),
    }
}

/// Ports in a row that somebody else has.
#[derive(Default)]
struct Runs(Vec<Run>);

struct Run {
    first: u16,
    last: u16,
    owner: String,
}

impl Runs {
    fn add(&mut self, port: u16, owner: String) {
        match self.0.last_mut() {
            Some(run) if run.owner == owner && run.last + 1 == port => run.last = port,
            _ => self.0.push(Run {
                first: port,
                last: port,
                owner,
            }),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "port {} is", self.first),
            false => write!(f, "ports {} to {} are", self.first, self.last),
        }
    }
}
