//! The same load through Portolan and through its peers, in interleaved rounds: `cargo bench --bench throughput`.
//!
//! [`frames`] are what Kafka's clients and brokers would send; [`wire`] repeats them cheaply over a [`stream`], in plaintext or
//! through [`tls`]; [`client`] (or [`connects`], where connections are the load) and [`broker`] are the two ends. [`routes`] are the
//! ways between them, each a [`process`] with the configuration in [`configs`] (one of them is ourselves, [`relay`]), and [`standing`]
//! while it is measured. [`cases`] says
//! what is run and what is to be reached ([`goals`]); [`rounds`] runs it, [`syscalls`] and [`footprint`] measure what needs a pass of
//! its own. [`results`] compares within rounds, and [`report`], [`handshakes`], [`json`] and [`svg`] show it.
//! `--real-kafka` is in [`real_kafka`].
//! See benches/README.md for how to read the figures.

#![allow(
    unreachable_pub,
    reason = "a benchmark exports nothing; `pub` marks what other modules use"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do"
)]

mod broker;
mod cases;
mod client;
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
mod common;
mod configs;
mod connects;
mod footprint;
mod frames;
mod front;
mod goals;
mod handshakes;
mod json;
mod machine;
mod measured;
mod options;
mod parse;
mod passes;
mod process;
mod real_kafka;
mod relay;
mod report;
mod results;
mod rounds;
mod routes;
mod standing;
mod statistics;
mod stream;
mod svg;
mod syscalls;
mod tls;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::broker::Broker;
use crate::machine::Machine;
use crate::measured::Measured;
use crate::options::Options;
use crate::results::Results;
use crate::rounds::Prepared;
use crate::standing::Place;
use crate::tls::Tls;
use crate::wire::Template;

/// What directories with the proxies' files are called, before the process id.
const SCRATCH: &str = "run-";

fn main() -> ExitCode {
    let options = Options::parse();
    raise_fd_limit();
    if let Some(file) = &options.relay {
        return match relay::run(file) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let output = output_directory();
    remove_left_behind(&output);
    let scratch = tempfile::Builder::new()
        .prefix(&format!("{SCRATCH}{}-", std::process::id()))
        .tempdir_in(&output)
        .expect("the output directory can be written");
    if options.real_kafka {
        return match real_kafka::run(&options, scratch.path()) {
            Ok((table, json)) => {
                println!("{table}");
                write(&output, "real-kafka.md", &table);
                write(&output, "real-kafka.json", &json);
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let measured = measure(&options, scratch.path());
    let verdicts = Results::new(&measured.runs).verdicts(&measured.cases);
    let table = report::markdown(&measured, &verdicts);
    println!("{table}");
    write(&output, "throughput.md", &table);
    let json = json::document(&measured, &verdicts);
    write(&output, "throughput.json", &json);
    write(&output, "throughput.svg", &svg::picture(&measured));
    match measured.runs.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn write(directory: &Path, name: &str, content: &str) {
    let path = directory.join(name);
    fs::write(&path, content).expect("the output directory can be written");
    eprintln!("{}", path.display());
}

fn measure(options: &Options, scratch: &Path) -> Measured {
    let machine = Machine::look();
    let (proxy_cpu, load_cpu) = options.cpus();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let (rounds, seconds) = (options.rounds(), options.seconds());
    let mut routes = options.routes();
    let mut cases = options.cases();
    if options.quick {
        // strace makes every call slow, and the count hardly varies.
        for frames in cases.iter_mut().filter_map(|case| case.traced.as_mut()) {
            *frames /= 4;
        }
    }
    eprintln!("seed {seed}; {rounds} rounds of {seconds} s");
    process::pin_this_thread(load_cpu);
    let tls = Tls::new(scratch);
    let answer = Template::answer(frames::ping().answer);
    let broker = Broker::start(load_cpu, tls.server(), answer);
    let place = Place {
        broker: &broker,
        tls: &tls,
        directory: scratch,
        cpu: proxy_cpu,
    };
    let (standing, mut faults) = standing::all(&mut routes, &cases, &place);
    let prepared: Vec<Prepared> = cases.iter().cloned().map(Prepared::new).collect();
    let (runs, failed) = rounds::run(&prepared, &standing, &broker, &tls, rounds, seconds, seed);
    faults.extend(failed);
    let (mut calls, mut footprints) = (Vec::new(), Vec::new());
    if !options.only_rounds {
        match syscalls::count(&prepared, &standing, &broker, &tls, scratch) {
            Ok(counted) => calls = counted,
            Err(reason) => faults.push(format!("system calls: {reason}")),
        }
        let stood = standing.iter().map(|one| (one.id, one.legs)).collect();
        drop(standing);
        let (measured, failed) = footprint::measure(&routes, stood, &place);
        footprints = measured;
        faults.extend(failed);
    }
    Measured {
        machine,
        load_after: machine::load(),
        pinned: proxy_cpu.is_some(),
        seed,
        rounds,
        seconds,
        routes,
        cases,
        runs,
        calls,
        footprints,
        binary_bytes: fs::metadata(options.portolan()).ok().map(|file| file.len()),
        faults,
    }
}

/// `throughput` in cargo's target directory.
fn output_directory() -> PathBuf {
    // This program is TARGET/release/deps/throughput-HASH.
    let program = std::env::current_exe().expect("Linux tells");
    let target = program.ancestors().nth(3).expect("cargo's layout");
    let directory = target.join("throughput");
    fs::create_dir_all(&directory).expect("the target directory can be written");
    directory
}

/// What an invocation that was interrupted left: configurations and logs of proxies that the kernel has killed.
fn remove_left_behind(output: &Path) {
    for entry in fs::read_dir(output).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| {
            let (pid, _) = name.strip_prefix(SCRATCH)?.split_once('-')?;
            pid.parse::<u32>().ok()
        });
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A thousand connections have two thousand ends here.
fn raise_fd_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
}
