//! Portolan as a service of systemd: what it tells the service manager, and whether the unit is right.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use crate::common::proxy::{PATIENCE, wait_until};
use crate::common::tools::available;
use crate::serving::{FREE, Running, bound, unanswered};
use crate::{file, finish, path, portolan, run};

const UNIT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/systemd/portolan.service"
);

/// In tenths: the most that `systemd-analyze security` may find exposed, of 100.
const EXPOSURE: &str = "--threshold=15";

#[test]
fn the_service_manager_is_told_of_the_start_of_reloads_and_of_the_end() {
    let manager = Manager::new();
    let file = file(FREE);
    let mut command = portolan(["run", "--config", path(&file), "--log-format", "json"]);
    let running = Running::start(command.env("NOTIFY_SOCKET", manager.path()));
    assert_eq!(manager.heard(), "READY=1\n");
    let lines = running.until("ready");
    TcpStream::connect(bound(&lines, "bootstrap")).expect("by now it accepts");

    let begin = monotonic_microseconds();
    running.signal(Signal::HUP);
    let mut reloads = vec![manager.heard(), manager.heard()];
    running.until("reloaded");
    // What cannot be used is read as well, and put where the file was, so that nobody sees half of it.
    let broken = file.path().with_extension("broken");
    fs::write(&broken, "nonsense").expect("a file beside it");
    fs::rename(&broken, file.path()).expect("both are ours");
    running.until("not reloaded");
    reloads.extend([manager.heard(), manager.heard()]);
    for reload in reloads.chunks(2) {
        let time = reload[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let time = time.unwrap_or_else(|| panic!("{reload:?}")).trim();
        let time: i128 = time.parse().expect("a number");
        assert!((begin..=monotonic_microseconds()).contains(&time));
        assert_eq!(reload[1], "READY=1\n");
    }

    running.signal(Signal::TERM);
    assert_eq!(manager.heard(), "STOPPING=1\n");
    running.until("drained");
    assert_eq!(running.end(), (Some(0), String::new()));
    manager.heard_nothing_more();
}

#[test]
fn the_service_manager_hears_of_the_end_before_the_last_connection_is_drained() {
    let manager = Manager::new();
    let broker = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = broker.local_addr().expect("an address").to_string();
    let file = file(&FREE.replace("kafka.invalid:9092", &address));
    let mut command = portolan(["run", "--config", path(&file), "--log-format", "json"]);
    let running = Running::start(command.env("NOTIFY_SOCKET", manager.path()));
    assert_eq!(manager.heard(), "READY=1\n");
    let bootstrap = bound(&running.until("ready"), "bootstrap");
    let (client, at_broker) = unanswered(&bootstrap, &broker);
    running.signal(Signal::TERM);
    assert_eq!(manager.heard(), "STOPPING=1\n");
    running.until("draining");
    drop((client, at_broker));
    running.until("drained");
    assert_eq!(running.end(), (Some(0), String::new()));
}

#[test]
fn a_service_manager_that_does_not_listen_is_a_warning_and_no_more() {
    let file = file(FREE);
    let mut command = portolan(["run", "--config", path(&file)]);
    let running = Running::start(command.env("NOTIFY_SOCKET", "/nowhere/notify"));
    let lines = running.until("the service manager that NOTIFY_SOCKET names cannot be told");
    let last = lines.last().expect("a line");
    assert!(last.contains("WARN"), "{last}");
    assert!(last.contains("No such file or directory"), "{last}");
    running.signal(Signal::TERM);
    running.until("drained");
    assert_eq!(running.end(), (Some(0), String::new()));
}

#[test]
fn systemd_accepts_the_unit_and_finds_little_exposed() {
    if !available(&["systemd-analyze"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let unit = installed(&directory);
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        finish(command.args(arguments).arg(&unit), "")
    };
    // The page is not installed where this is tested.
    let verified = analyze(&["verify", "--man=no"]);
    let said = format!("{}{}", verified.stdout, verified.stderr);
    assert_eq!((verified.code, &*said), (Some(0), ""));
    let security = analyze(&["security", "--no-pager", "--offline=true", EXPOSURE]);
    assert_eq!(security.code, Some(0), "{}", security.stdout);
    assert!(security.stdout.contains("Overall exposure level"));
}

#[test]
fn the_unit_allows_what_portolan_calls() {
    if !available(&["systemd-analyze", "strace"]) {
        return;
    }
    let manager = Manager::new();
    let trace = manager.directory.path().join("trace");
    let broker = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = broker.local_addr().expect("an address").to_string();
    let file = file(&FREE.replace("kafka.invalid:9092", &address));
    let mut command = Command::new("strace");
    // The tracer is a child of what it traces, so that signals reach the latter.
    command.args(["-D", "-f", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_portolan"));
    command.args(["run", "--config", path(&file), "--log-format", "json"]);
    let running = Running::start(command.env("NOTIFY_SOCKET", manager.path()));
    let lines = running.until("ready");
    let ends = unanswered(&bound(&lines, "bootstrap"), &broker);
    scrape(&bound(&lines, "admin"));
    running.signal(Signal::HUP);
    running.until("reloaded");
    running.signal(Signal::TERM);
    running.until("draining");
    drop(ends);
    running.until("drained");
    assert_eq!(running.end(), (Some(0), String::new()));

    let mut text = String::new();
    wait_until("the trace is whole", || {
        text = fs::read_to_string(&trace).expect("strace has made it");
        text.ends_with("+++ exited with 0 +++\n")
    });
    let called: BTreeSet<String> = text.lines().filter_map(call).collect();
    for expected in ["accept4", "connect", "epoll_wait", "execve", "prlimit64"] {
        assert!(called.contains(expected), "no {expected} in {called:?}");
    }
    let allowed = &calls_of("@system-service") - &calls_of("@privileged");
    let refused = &called - &allowed;
    assert!(refused.is_empty(), "SystemCallFilter: {refused:?}");
    for line in text.lines() {
        let writable_code = line.contains("PROT_WRITE") && line.contains("PROT_EXEC");
        assert!(!writable_code, "MemoryDenyWriteExecute: {line}");
        if let Some((_, family)) = line.split_once(" socket(") {
            let family = family.split(',').next().unwrap_or_default();
            let is_allowed = ["AF_INET", "AF_INET6", "AF_UNIX"].contains(&family);
            assert!(is_allowed, "RestrictAddressFamilies: {line}");
        }
    }
}

#[test]
fn the_unit_gives_a_drain_more_time_than_it_takes_by_default() {
    let minimal = concat!(env!("CARGO_MANIFEST_DIR"), "/config/minimal.toml");
    let shown = run(["config", "show", minimal]);
    let config: toml::Table = shown.stdout.parse().expect("it is TOML");
    let seconds = |key: &str| -> u64 {
        let value = config["drain"].get(key).and_then(toml::Value::as_str);
        let number = value.map(|value| value.strip_suffix('s').expect("in seconds"));
        number.map_or(0, |number| number.parse().expect("a number"))
    };
    let drain = seconds("lame_duck") + seconds("grace");
    assert!(drain > 0, "{}", shown.stdout);
    let unit = fs::read_to_string(UNIT).expect("it is in the tree");
    let mut lines = unit.lines();
    let stop = lines.find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s'));
    let stop: u64 = stop.expect("a line").parse().expect("a number");
    assert!(stop > drain, "{stop} s for {drain} s");
}

/// The unit as if this program were installed, for systemd looks whether it is there.
fn installed(directory: &TempDir) -> PathBuf {
    let unit = fs::read_to_string(UNIT).expect("it is in the tree");
    let there = "\nExecStart=/usr/local/bin/portolan ";
    assert_eq!(unit.matches(there).count(), 1);
    let here = format!("\nExecStart={} ", env!("CARGO_BIN_EXE_portolan"));
    let path = directory.path().join("portolan.service");
    fs::write(&path, unit.replace(there, &here)).expect("it is ours");
    path
}

/// The name of the call in a line of strace, which begins with a process id.
fn call(line: &str) -> Option<String> {
    let (_, line) = line.split_once(' ')?;
    let (name, _) = line.trim_start().split_once('(')?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| name.to_owned())
}

/// The calls in a set of systemd's, and in the sets in it.
fn calls_of(set: &str) -> BTreeSet<String> {
    let mut command = Command::new("systemd-analyze");
    let outcome = finish(command.args(["syscall-filter", "--no-pager", set]), "");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let mut calls = BTreeSet::new();
    let lines = outcome.stdout.lines().skip(1).map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.starts_with('@') {
            true => calls.append(&mut calls_of(line)),
            false => drop(calls.insert(line.to_owned())),
        }
    }
    assert!(!calls.is_empty(), "{set}");
    calls
}

fn scrape(admin: &str) {
    let mut stream = TcpStream::connect(admin).expect("it accepts");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

fn monotonic_microseconds() -> i128 {
    let now = clock_gettime(ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000
}

/// A service manager, as far as its socket.
struct Manager {
    directory: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        let timeout = socket.set_read_timeout(Some(PATIENCE));
        timeout.expect("a timeout can be set");
        Manager { directory, socket }
    }

    fn path(&self) -> impl AsRef<Path> + AsRef<std::ffi::OsStr> {
        self.directory.path().join("notify")
    }

    /// The next thing that it is told.
    fn heard(&self) -> String {
        let mut buffer = [0; 4096];
        let n = self.socket.recv(&mut buffer).expect("it is told something");
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    }

    /// Once the process is gone.
    fn heard_nothing_more(&self) {
        self.socket.set_nonblocking(true).expect("it can be");
        let more = self.socket.recv(&mut [0; 4096]);
        assert!(more.is_err(), "it was told something after the end");
    }
}
