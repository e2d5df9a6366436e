//! `--real-kafka`: Kafka's own perf-test tools through every route to three real brokers.

#[path = "../../../tests/kafka/broker.rs"]
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
mod broker;
mod cluster;
#[path = "../../../tests/kafka/network.rs"]
mod network;
mod perf;
mod table;
#[path = "../../../tests/kafka/toolchain.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests, which need more of it"
)]
mod toolchain;
mod topics;
#[path = "../../../tests/kafka/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

use crate::front::Front;
use crate::machine::Machine;
use crate::options::Options;
use crate::parse;
use crate::process::{self, Process};
use crate::routes::{Route, RouteId};
use cluster::Brokers;
use perf::{Tools, Work};
use toolchain::KAFKA_4;

/// One call of a tool through one route.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub round: usize,
    pub case: String,
    pub route: &'static str,
    #[serde(skip)]
    pub id: RouteId,
    pub megabytes_per_second: f64,
    /// 10^9 bytes of records.
    pub gigabytes: f64,
    /// Of the proxy.
    pub cpu_seconds: f64,
    /// What portolan says of how it moved bytes; `None` where it does not say.
    pub spliced_bytes: Option<f64>,
    pub copied_bytes: Option<f64>,
}

/// All of it.
pub struct Outcome {
    pub machine: Machine,
    pub seed: u64,
    pub rounds: usize,
    pub megabytes: u64,
    /// What the load went to, in words.
    pub brokers: String,
    pub routes: Vec<Route>,
    pub works: Vec<Work>,
    pub runs: Vec<Run>,
    /// Resident bytes of each route's process before the first run and after the last.
    pub resident: Vec<(RouteId, u64, u64)>,
    pub faults: Vec<String>,
}

/// A route that stands.
struct Standing {
    id: RouteId,
    bootstrap: String,
    process: Option<Process>,
    admin: u16,
    resident: u64,
}

/// Runs it and returns what is to be written: a table and JSON.
pub fn run(options: &Options, scratch: &Path) -> Result<(String, String), String> {
    if let Some(missing) = ["java", "mvn"]
        .iter()
        .find(|tool| process::find(tool).is_none())
    {
        return Err(format!("--real-kafka needs {missing} in PATH"));
    }
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let mut outcome = Outcome {
        machine: Machine::look(),
        seed,
        rounds: options.rounds(),
        megabytes: options.megabytes,
        brokers: match options.bootstrap.len() {
            0 => format!("three brokers of Kafka {KAFKA_4}"),
            n => format!("{n} brokers that were there (tools of Kafka {KAFKA_4})"),
        },
        routes: options.routes(),
        works: options.works(Work::all(), Work::name),
        runs: Vec::new(),
        resident: Vec::new(),
        faults: Vec::new(),
    };
    let jars = cluster::jars();
    let blind = outcome.routes.iter().filter(|route| route.is_present());
    let blind = blind.map(|route| route.id).filter(|id| id.is_blind());
    // Before the proxies, so that it outlives them.
    let (brokers, _cluster) = match &*options.bootstrap {
        [] => {
            eprintln!("starting three brokers");
            let (brokers, cluster) = Brokers::start(jars.clone(), blind.collect());
            (brokers, Some(cluster))
        }
        given => (Brokers::given(given), None),
    };
    let mut standing = Vec::new();
    for route in &mut outcome.routes {
        match stand(route, &brokers, scratch) {
            Ok(up) => standing.extend(up),
            Err(reason) => route.program = Err(reason.trim().replace('\n', " ")),
        }
    }
    let addresses: Vec<String> = brokers.direct.iter().map(|(_, at)| at.clone()).collect();
    let tools = Tools { jars: &jars };
    let filled = fill(&outcome, &tools, &addresses);
    if filled.is_ok() {
        rounds(&mut outcome, &standing, &tools, &addresses);
    }
    take_away(&outcome, &addresses);
    filled?;
    outcome.resident = standing
        .iter()
        .filter_map(|route| {
            let process = route.process.as_ref()?;
            Some((route.id, route.resident, process.resident_bytes()))
        })
        .collect();
    Ok((table::markdown(&outcome), table::document(&outcome)))
}

fn stand(route: &Route, brokers: &Brokers, scratch: &Path) -> Result<Option<Standing>, String> {
    if !route.is_present() {
        return Ok(None);
    }
    let front = match route.id {
        RouteId::Direct => {
            return Ok(Some(Standing {
                id: route.id,
                bootstrap: brokers.direct[0].1.clone(),
                process: None,
                admin: 0,
                resident: 0,
            }));
        }
        RouteId::KafkaProxy => Front::new(brokers.direct.clone()),
        RouteId::Portolan | RouteId::PortolanNoSplice => Front {
            hosts_file: brokers.hosts_file.clone(),
            ..Front::new(brokers.internal.clone())
        },
        id => {
            let found = brokers.blind.iter().find(|(blind, _)| *blind == id);
            let reason = "these brokers advertise no listener that leads through it";
            found.ok_or(reason)?.1.clone()
        }
    };
    let process = route.start(&front, scratch, None)?;
    std::thread::sleep(Duration::from_millis(300));
    Ok(Some(Standing {
        id: route.id,
        bootstrap: front.address().to_string(),
        resident: process.resident_bytes(),
        process: Some(process),
        admin: front.admin,
    }))
}

fn records(outcome: &Outcome, work: &Work) -> u64 {
    // Records of 100 bytes cost the tools so much that a fifth of the bytes takes as long.
    let share = if work.record_size() < 1000 { 5 } else { 1 };
    (outcome.megabytes * 1_000_000 / share / work.record_size()).max(100)
}

/// What consumers read.
fn fill(outcome: &Outcome, tools: &Tools<'_>, brokers: &[String]) -> Result<(), String> {
    for work in &outcome.works {
        let (Some(topic), Work::Consume { record_size, batch }) = (work.filled_topic(), work)
        else {
            continue;
        };
        eprintln!("filling {topic}");
        topics::create(brokers, &topic)?;
        let batch = format!("batch.size={batch}");
        // Long enough that batches are full.
        let properties = ["acks=1", "linger.ms=200", &batch];
        let records = records(outcome, work);
        tools.produce(&brokers[0], &topic, records, *record_size, &properties)?;
    }
    Ok(())
}

/// The brokers may not be ours, and are to be left as they were.
fn take_away(outcome: &Outcome, brokers: &[String]) {
    for topic in outcome.works.iter().filter_map(Work::filled_topic) {
        if let Err(error) = topics::delete(brokers, &topic) {
            eprintln!("{error}");
        }
    }
}

fn rounds(outcome: &mut Outcome, standing: &[Standing], tools: &Tools<'_>, brokers: &[String]) {
    let mut rng = Rng::with_seed(outcome.seed);
    for round in 1..=outcome.rounds {
        for work in outcome.works.clone() {
            eprintln!("round {round} of {}: {}", outcome.rounds, work.name());
            let mut order: Vec<&Standing> = standing.iter().collect();
            rng.shuffle(&mut order);
            for route in order {
                let records = records(outcome, &work);
                match measure(&work, route, tools, brokers, records) {
                    Ok(run) => outcome.runs.push(Run { round, ..run }),
                    Err(error) => {
                        let fault = format!("{}, {}: {error}", work.name(), route.id.name());
                        eprintln!("{fault}");
                        outcome.faults.push(fault);
                    }
                }
            }
        }
    }
}

fn measure(
    work: &Work,
    route: &Standing,
    tools: &Tools<'_>,
    brokers: &[String],
    records: u64,
) -> Result<Run, String> {
    let topic = perf::own_topic("produced");
    if work.is_produce() {
        topics::create(brokers, &topic)?;
    }
    let look = || {
        let cpu = route.process.as_ref().map_or(Duration::ZERO, Process::cpu);
        let counters = match route.id {
            RouteId::Portolan | RouteId::PortolanNoSplice => scrape(route.admin),
            _ => String::new(),
        };
        (cpu, counters)
    };
    let before = look();
    let rate = match work {
        Work::Produce { record_size, acks } => {
            let acks = format!("acks={acks}");
            tools.produce(&route.bootstrap, &topic, records, *record_size, &[&acks])
        }
        Work::Consume { .. } => {
            let topic = work.filled_topic().expect("consumers have one");
            tools.consume(&route.bootstrap, &topic, records)
        }
    };
    let after = look();
    if work.is_produce() {
        topics::delete(brokers, &topic)?;
    }
    let grown = |name| Some(parse::counter(&after.1, name)? - parse::counter(&before.1, name)?);
    Ok(Run {
        round: 0,
        case: work.name(),
        route: route.id.name(),
        id: route.id,
        megabytes_per_second: rate?,
        gigabytes: (records * work.record_size()) as f64 / 1e9,
        cpu_seconds: (after.0 - before.0).as_secs_f64(),
        spliced_bytes: grown("portolan_spliced_bytes_total"),
        copied_bytes: grown("portolan_copied_bytes_total"),
    })
}

/// The metrics of a portolan; nothing where they cannot be had.
fn scrape(port: u16) -> String {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    ask().unwrap_or_default()
}
