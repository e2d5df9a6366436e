//! What is to be measured, valid by construction.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use crate::commands::client::Settings;
use crate::config::BrokerAddress;

/// The whole of it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) proxied: Leg,
    pub(super) direct: Option<Leg>,
    /// Each once, in the order asked for.
    pub(super) workloads: Vec<Workload>,
    pub(super) acks: Acks,
    /// Bytes of a record's value.
    pub(super) record_size: usize,
    /// Bytes of records in a produce request.
    pub(super) batch_size: usize,
    /// Bytes of records that a fetch request asks for.
    pub(super) fetch_size: usize,
    pub(super) connections: usize,
    /// Of each connection; but see [`Plan::window`].
    pub(super) in_flight: usize,
    /// `None` is saturation.
    pub(super) rate: Option<Rate>,
    /// Of each workload in each round on each way.
    pub(super) duration: Duration,
    pub(super) rounds: usize,
    /// `None` makes one.
    pub(super) topic: Option<String>,
    pub(super) partitions: u16,
    pub(super) replication_factor: Option<u16>,
}

/// One way to the brokers.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) side: Side,
    pub(super) address: BrokerAddress,
    pub(super) settings: Settings,
}

/// Which way it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Through the address that clients use.
    Proxied,
    /// Straight to the brokers.
    Direct,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Workload {
    /// Batches of records
    Produce,
    /// Reads what is there, again and again
    Fetch,
    /// A small request and a small answer: ListOffsets
    Ping,
}

/// Which replicas confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Acks {
    /// Nobody: there is no answer, and no latency
    #[value(name = "0")]
    None,
    /// The leader
    #[value(name = "1")]
    Leader,
    /// All that are in sync
    #[value(name = "all", alias = "-1")]
    All,
}

/// How much is sent, all connections together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// A second.
    Requests(u64),
    /// Bytes of records a second.
    Bytes(u64),
}

impl Plan {
    /// The ways, proxied first.
    pub(super) fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.proxied).chain(&self.direct)
    }

    /// Requests in flight on one connection. Ping tells what one small request costs, so it has one.
    pub(super) fn window(&self, workload: Workload) -> usize {
        match workload {
            Workload::Ping => 1,
            _ => self.in_flight,
        }
    }

    /// Requests a second, all connections together. Where bytes are asked for, pings are as many as produce requests would be.
    pub(super) fn requests_per_second(&self, workload: Workload) -> Option<f64> {
        let size = match workload {
            Workload::Fetch => self.fetch_size,
            _ => self.batch_size,
        };
        self.rate.map(|rate| match rate {
            Rate::Requests(requests) => requests as f64,
            Rate::Bytes(bytes) => bytes as f64 / size as f64,
        })
    }

    /// How long each workload runs on each way before the rounds.
    pub(super) fn warm_up(&self) -> Duration {
        (self.duration / 2).min(Duration::from_secs(1))
    }

    /// How long all of it will run.
    pub(super) fn whole_time(&self) -> Duration {
        let runs = self.workloads.len() * self.legs().count();
        let runs = u32::try_from(runs).unwrap_or(u32::MAX);
        let rounds = u32::try_from(self.rounds).unwrap_or(u32::MAX);
        (self.warm_up() + self.duration.saturating_mul(rounds)).saturating_mul(runs)
    }
}

impl Acks {
    /// As the protocol says it.
    pub(super) fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

impl fmt::Display for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Acks::None => "0",
            Acks::Leader => "1",
            Acks::All => "all",
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Side::Proxied => "proxied",
            Side::Direct => "direct",
        })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Workload::Produce => "produce",
            Workload::Fetch => "fetch",
            Workload::Ping => "ping",
        })
    }
}
