//! System calls for each frame, both directions: a pass of its own, with strace attached to the proxy.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::broker::Broker;
use crate::client::{Client, Until};
use crate::parse;
use crate::process::{self, Process};
use crate::rounds::Prepared;
use crate::standing::Standing;
use crate::tls::{Legs, Tls};

/// How long strace may take to attach or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one route called in one case.
#[derive(Clone, Debug, Serialize)]
pub struct Calls {
    pub case: String,
    pub route: &'static str,
    pub frames: u64,
    pub per_frame: f64,
    /// The calls by name, for each frame.
    pub by_name: BTreeMap<String, f64>,
}

/// Counts in every case that is made for it, through every route with a process.
pub fn count(
    prepared: &[Prepared],
    routes: &[Standing],
    broker: &Broker,
    tls: &Tls,
    directory: &Path,
) -> Result<Vec<Calls>, String> {
    if process::find("strace").is_none() {
        return Err("strace is not in PATH".to_owned());
    }
    let mut counted = Vec::new();
    for prepared in prepared {
        let Some(frames) = prepared.case.traced else {
            continue;
        };
        broker.answer_with(prepared.answer.clone());
        for route in routes.iter().filter(|one| one.legs == prepared.case.legs) {
            if let Some(process) = &route.process {
                eprintln!("strace: {}, {}", prepared.case.name, route.id.name());
                counted.push(count_one(prepared, route, process, tls, frames, directory)?);
            }
        }
    }
    Ok(counted)
}

fn count_one(
    prepared: &Prepared,
    route: &Standing,
    process: &Process,
    tls: &Tls,
    frames: u64,
    directory: &Path,
) -> Result<Calls, String> {
    let case = &prepared.case;
    let encrypted = (case.legs != Legs::None).then(|| tls.client());
    let client = Client::connect(
        route.address,
        encrypted.as_ref(),
        &prepared.request,
        case.shape,
    );
    let mut client = client.map_err(|error| error.to_string())?;
    client.run(Until::Frames(frames / 10))?;
    let file = directory.join("strace");
    let tracer = Tracer::attach(process.pid(), &file)?;
    let tally = client.run(Until::Frames(frames))?;
    tracer.detach()?;
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let calls = parse::strace_calls(&text);
    let per_frame = |calls: u64| calls as f64 / tally.frames as f64;
    Ok(Calls {
        case: case.name.clone(),
        route: route.id.name(),
        frames: tally.frames,
        per_frame: per_frame(calls.values().sum()),
        by_name: calls
            .into_iter()
            .map(|(name, calls)| (name, per_frame(calls)))
            .collect(),
    })
}

struct Tracer(Child);

impl Tracer {
    fn attach(pid: u32, file: &Path) -> Result<Self, String> {
        let mut command = process::tied_to_us("strace".as_ref());
        command
            .args(["-f", "-c", "-o"])
            .arg(file)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().map_err(|error| error.to_string())?;
        let mut tracer = Tracer(child);
        let begin = Instant::now();
        while !all_traced(pid) {
            let ended = tracer.0.try_wait();
            if ended.is_ok_and(|status| status.is_some()) || begin.elapsed() > PATIENCE {
                return Err("strace cannot attach: it needs the right to trace".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(tracer)
    }

    /// Ends it as Ctrl-C does, upon which it writes what it counted.
    fn detach(mut self) -> Result<(), String> {
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let begin = Instant::now();
        while self.0.try_wait().is_ok_and(|status| status.is_none()) {
            if begin.elapsed() > PATIENCE {
                return Err("strace does not end".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether every thread of a process has a tracer.
fn all_traced(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let mut lines = status.lines();
        let tracer = lines.find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|pid| pid.trim() != "0")
    })
}
