//! The process under pressure from its surroundings: no descriptors left, nobody reads its log, many connections that wait.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kafka_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use serde_json::Value;

use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Setup, answer_heartbeat, exchange, heartbeat, open, talking};

/// What [`start_by`] has started.
struct Started {
    child: Killed,
    bootstrap: SocketAddr,
    /// The log lines up to the one that says so.
    beginning: Vec<Value>,
    log: BufReader<std::process::ChildStderr>,
}

impl Started {
    /// How many connections there may be.
    fn connections(&self) -> &Value {
        &self.beginning.last().unwrap()["limits.connections"]
    }
}

/// The binary, started by a shell line in which `"$@"` is the command.
fn start_by(line: &str, setup: &Setup) -> Started {
    let mut toml = setup.toml();
    toml.push_str("[log]\nformat = \"json\"\n[health]\ninterval = \"off\"\n");
    if !toml.contains("[admin]") {
        toml.push_str("[admin]\nlisten = \"127.0.0.1:0\"\n");
    }
    let mut child = Command::new("sh")
        .args(["-c", line, "sh", env!("CARGO_BIN_EXE_portolan")])
        .args(["run", "--config", "-"])
        .env("PORTOLAN_TEST_ALLOW_PORT_ZERO", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(toml.as_bytes()).unwrap();
    drop(stdin);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let child = Killed(child);
    let mut bootstrap = None;
    let mut beginning = Vec::new();
    loop {
        let mut text = String::new();
        assert_ne!(log.read_line(&mut text).unwrap(), 0, "it ended");
        let line: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        let address = line["address"].as_str().map(|a| a.parse().unwrap());
        if line["route"] == "bootstrap" {
            bootstrap = address;
        }
        let ready = line["message"] == "ready";
        beginning.push(line);
        if ready {
            return Started {
                child,
                bootstrap: bootstrap.unwrap(),
                beginning,
                log,
            };
        }
    }
}

/// Killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn there_may_be_as_many_connections_as_there_are_descriptors_for() {
    let broker = Broker::start();
    // Of 200, 64 are in reserve, two are for each of the 12 pipes, three for each thread, two for each listening socket (of
    // which each of the two ports has one on each thread), and two for each connection. The soft limit is raised to the
    // hard one.
    for (threads, limit, connections) in [
        (1, "ulimit -n 200", 52),
        (2, "ulimit -n 200", 49),
        (2, "ulimit -S -n 100; ulimit -H -n 200", 49),
        (2, "ulimit -n 201", 49),
    ] {
        let setup = Setup::with(&broker).section(&format!("[runtime]\nthreads = {threads}"));
        let started = start_by(&format!("{limit}; exec \"$@\""), &setup);
        assert_eq!(*started.connections(), connections, "{limit}");
    }
}

#[test]
fn many_ports_on_many_threads_leave_descriptors_for_connections() {
    let broker = Broker::start();
    let setup = Setup::with(&broker)
        .nodes("1-98", Some("b{ordinal}.localhost:9"))
        .section("[runtime]\nthreads = 8");
    // A quarter of 1000 is two sockets for each of the 100 ports.
    let started = start_by("ulimit -n 1000; exec \"$@\"", &setup);
    let told = started.beginning.iter().find(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("file descriptors are too few for every port to listen on every thread")
    });
    let told = told.expect("it says so");
    assert_eq!(told["level"], "INFO");
    assert_eq!(told["ports"], 100);
    assert_eq!(told["threads_per_port"], 2);
    // An eighth in reserve, 62 pipes, 8 threads, 200 sockets.
    let left = (1000 - 125 - 2 * 62 - 3 * 8 - 2 * 200) / 2;
    assert_eq!(*started.connections(), left);
    // A thread without a socket of this port serves its connections, too: sixteen are two for each.
    let mut open: Vec<_> = (0..16)
        .map(|_| {
            let mut client = Client::connect(started.bootstrap);
            client.send(&heartbeat(1));
            let mut link = broker.accept();
            answer_heartbeat(&mut client, &mut link, 1);
            (client, link)
        })
        .collect();
    let pid = started.child.0.id();
    assert_eq!(sessions_of_threads(pid, &mut open), [2; 8]);
}

/// How often each worker thread has gone to sleep.
fn sleeps(pid: u32) -> BTreeMap<String, u64> {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let name = field("Name:");
        if name.starts_with("worker-") {
            threads.insert(name, field("voluntary_ctxt_switches:").parse().unwrap());
        }
    }
    threads
}

/// How many of these connections each worker thread serves: the thread that works while one is used.
fn sessions_of_threads(pid: u32, open: &mut [(Client, Link)]) -> Vec<usize> {
    let mut sessions: BTreeMap<String, usize> = sleeps(pid).into_keys().map(|t| (t, 0)).collect();
    for (client, link) in open {
        let before = sleeps(pid);
        let mut found = None;
        wait_until("one thread to work much more than the others", || {
            exchange(client, link, 1);
            let worked = sleeps(pid).into_iter().map(|(t, n)| (n - before[&t], t));
            let mut worked: Vec<_> = worked.collect();
            worked.sort();
            let most = worked.pop().unwrap();
            let clear = most.0 >= 10 + 2 * worked.last().map_or(0, |second| second.0);
            found = clear.then_some(most.1);
            clear
        });
        *sessions.get_mut(&found.unwrap()).unwrap() += 1;
    }
    sessions.into_values().collect()
}

#[test]
fn connections_are_spread_evenly_over_the_threads() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[runtime]\nthreads = 3")
        .start();
    let mut open = Vec::new();
    for each in 1..=2 {
        open.extend((0..3).map(|_| talking(&proxy, &broker)));
        assert_eq!(sessions_of_threads(proxy.pid(), &mut open), [each; 3]);
    }
    // Where one thread has lost its connections the next ones go there.
    open.drain(..3);
    let gauge = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
    wait_until("three sessions to end", || proxy.metric(gauge) == 3.0);
    open.extend((0..3).map(|_| talking(&proxy, &broker)));
    assert_eq!(sessions_of_threads(proxy.pid(), &mut open), [2; 3]);
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let broker = Broker::start();
    let setup = Setup::with(&broker).section("[admin]\nlisten = \"\"");
    let Started {
        mut child,
        bootstrap,
        log,
        ..
    } = start_by("exec \"$@\"", &setup);
    drop(log);
    for _ in 0..4 {
        // Each of these is to be logged.
        let mut bad = Client::connect(bootstrap);
        bad.send(b"GET / HTTP/1.1\r\n\r\n");
        bad.end();
    }
    let mut client = Client::connect(bootstrap);
    client.send(&heartbeat(1));
    answer_heartbeat(&mut client, &mut broker.accept(), 1);
    drop(client);
    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut status = None;
    wait_until("the process to drain", || {
        status = child.0.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

/// Processor seconds that a process has used, by its own count.
fn processor_seconds(proxy: &Proxy) -> f64 {
    proxy.metric("process_cpu_seconds_total")
}

#[test]
fn connections_that_wait_use_no_processor_time() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 2")
        .start();
    // A half-closed client that waits for its answer.
    let (half_closed, mut half_closed_link) = open(&proxy, &broker, &heartbeat(1));
    half_closed.half_close();
    half_closed_link.request();
    // A full queue with more behind it, and one that is half-closed as well.
    let many: Vec<u8> = (0..2000).flat_map(heartbeat).collect();
    let full = open(&proxy, &broker, &many);
    let few: Vec<u8> = (0..5).flat_map(heartbeat).collect();
    let full_and_closed = open(&proxy, &broker, &few);
    full_and_closed.0.half_close();
    // A broker that half-closed.
    let half_closed_broker = talking(&proxy, &broker);
    half_closed_broker.1.half_close();
    // A client that does not read.
    let slow = Client::with_small_window(proxy.bootstrap("main"));
    let mut slow = slow;
    slow.send(&heartbeat(1));
    let mut slow_link = broker.accept();
    let request = slow_link.request();
    let size = 50_000_000i32.to_be_bytes();
    slow_link.send(&[size, request.correlation_id.to_be_bytes()].concat());
    slow_link.send_until_stuck(40_000_000);
    // A part of a frame on each side, an unanswered SASL handshake, silence.
    let (mut partial, mut partial_link) = talking(&proxy, &broker);
    partial.send(&heartbeat(1)[..6]);
    let (answered, mut answered_link) = open(&proxy, &broker, &heartbeat(1));
    answered_link.request();
    answered_link.send(&[0, 0, 0]);
    partial_link.send(&[0, 0]);
    let handshake = SaslHandshakeRequest::default().with_mechanism("GSSAPI".into());
    let handshake = frames::request(1, 0, &handshake);
    let pending = open(&proxy, &broker, &[handshake.clone(), heartbeat(2)].concat());
    let (mut tokens, mut tokens_link) = open(&proxy, &broker, &handshake);
    let request = tokens_link.request();
    tokens_link.answer(&request, &SaslHandshakeResponse::default());
    tokens.frame();
    tokens.send(&[frames::framed(b"\x60 token"), heartbeat(2)].concat());
    tokens_link.frame();
    tokens_link.send(&[0, 0, 0, 9, 1]);
    let silent = Client::connect(proxy.bootstrap("main"));
    proxy.wait_for_metric(
        "portolan_connections{cluster=\"main\",route=\"bootstrap\"}",
        10.0,
    );
    // There is nothing to wait for: that nothing happens is the fact. A session that spins uses all of this time.
    let period = Duration::from_millis(800);
    let quiet = |what: &str| {
        let before = processor_seconds(&proxy);
        std::thread::sleep(period);
        let used = processor_seconds(&proxy) - before;
        assert!(used < period.as_secs_f64() / 4.0, "{what}: {used} s");
    };
    quiet("serving");
    proxy.terminate();
    proxy.wait_for_log("draining");
    quiet("draining");
    drop((
        half_closed,
        half_closed_link,
        full,
        full_and_closed,
        half_closed_broker,
    ));
    drop((
        slow,
        slow_link,
        partial,
        partial_link,
        answered,
        answered_link,
    ));
    drop((pending, tokens, tokens_link, silent));
}
