//! The command line.

use std::path::PathBuf;

use clap::Parser;
use regex_lite::Regex;

use crate::cases::{self, Case};
use crate::process;
use crate::routes::{Route, RouteId};
use crate::tls::Legs;

/// The same load against a scripted broker, through Portolan and through its peers
#[derive(Clone, Debug, Parser)]
#[command(
    name = "throughput",
    after_help = "Examples:\n  cargo bench --bench throughput -- --quick\n  \
                  cargo bench --bench throughput -- --cases 'produce (1 MB|64 KB)' --routes direct,portolan,haproxy-forced\n  \
                  cargo bench --bench throughput -- --real-kafka"
)]
pub struct Options {
    /// Fewer cases and shorter rounds: under 5 minutes
    #[arg(long)]
    pub quick: bool,
    /// How often each case is run through each route [default: 7, with --quick 5, with --real-kafka 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How long one run is measured [default: 0.7, with --quick 0.35]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Only the cases whose names this matches
    #[arg(long, value_name = "REGEX")]
    cases: Option<Regex>,
    /// Only the cases with TLS, and the plaintext connections that handshakes are compared with
    #[arg(long)]
    tls: bool,
    /// Only these routes, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = route)]
    routes: Vec<RouteId>,
    /// The seed of the order within rounds [default: a random one, which is printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Let proxies and load share all CPUs
    #[arg(long)]
    no_pin: bool,
    /// Leave out the passes for system calls, memory and start time
    #[arg(long)]
    pub only_rounds: bool,
    /// Kafka's own perf-test tools against a real three-broker cluster instead of the scripted broker; needs java and mvn
    #[arg(long)]
    pub real_kafka: bool,
    /// With --real-kafka: take these brokers instead of starting some, as ID=HOST:PORT,... with the addresses that they advertise
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = broker)]
    pub bootstrap: Vec<(i32, String)>,
    /// With --real-kafka: records of each run of a perf-test tool carry about this many megabytes
    #[arg(long, value_name = "MB", default_value_t = 100)]
    pub megabytes: u64,
    /// Another build of portolan than this tree's
    #[arg(long, value_name = "PATH")]
    portolan: Option<PathBuf>,
    #[arg(long, value_name = "PATH")]
    pub haproxy: Option<PathBuf>,
    #[arg(long, value_name = "PATH")]
    pub nginx: Option<PathBuf>,
    #[arg(long, value_name = "PATH")]
    pub kafka_proxy: Option<PathBuf>,
    /// Be the route `relay`
    #[arg(long, value_name = "FILE", hide = true)]
    pub relay: Option<PathBuf>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn route(name: &str) -> Result<RouteId, String> {
    let found = RouteId::ALL.into_iter().find(|id| id.name() == name);
    found.ok_or_else(|| {
        let known = RouteId::ALL.map(RouteId::name);
        format!("known are {}", known.join(", "))
    })
}

fn broker(text: &str) -> Result<(i32, String), String> {
    let parts = text.split_once('=');
    let parsed = parts.and_then(|(id, address)| Some((id.parse().ok()?, address.to_owned())));
    parsed.ok_or_else(|| "write ID=HOST:PORT, for example 0=kafka-0.example.com:9092".to_owned())
}

impl Options {
    pub fn rounds(&self) -> usize {
        let default = match (self.real_kafka, self.quick) {
            (true, _) => 3,
            (false, true) => 5,
            (false, false) => 7,
        };
        self.rounds.unwrap_or(default).max(1)
    }

    pub fn seconds(&self) -> f64 {
        let default = if self.quick { 0.35 } else { 0.7 };
        self.seconds.unwrap_or(default).clamp(0.05, 600.0)
    }

    pub fn portolan(&self) -> PathBuf {
        let ours = || PathBuf::from(env!("CARGO_BIN_EXE_portolan"));
        self.portolan.clone().unwrap_or_else(ours)
    }

    pub fn cases(&self) -> Vec<Case> {
        let wanted = |case: &Case| match &self.cases {
            Some(pattern) => pattern.is_match(&case.name),
            None => case.quick || !self.quick,
        };
        let fits = |case: &Case| case.belongs_to_tls() || !self.tls;
        let all = cases::all().into_iter();
        all.filter(|case| wanted(case) && fits(case)).collect()
    }

    /// The same choice among the perf-test tools' work.
    pub fn works<T>(&self, all: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
        let wanted = |work: &T| {
            let pattern = self.cases.as_ref();
            pattern.is_none_or(|pattern| pattern.is_match(&name(work)))
        };
        all.into_iter().filter(wanted).collect()
    }

    /// All that were asked for, those that cannot be had among them. The direct route is always there: latencies are told as what
    /// is added to it.
    pub fn routes(&self) -> Vec<Route> {
        let wanted = |id: &RouteId| match &*self.routes {
            [] => match self.tls {
                _ if self.quick && !id.is_quick() => false,
                true => id.encrypts(Legs::Client),
                false => !id.is_for_tls(),
            },
            named => *id == RouteId::Direct || named.contains(id),
        };
        let wanted = RouteId::ALL.into_iter().filter(wanted);
        wanted.map(|id| Route::find(id, self)).collect()
    }

    /// The CPU of the proxy and that of client and broker.
    pub fn cpus(&self) -> (Option<usize>, Option<usize>) {
        match (self.no_pin, &*process::cpus()) {
            (false, [proxy, load, ..]) => (Some(*proxy), Some(*load)),
            _ => (None, None),
        }
    }
}
