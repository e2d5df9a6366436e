//! A normal day of a proxy: health checks, clients that come and go, a rolling restart of the brokers, its own replacement. Whoever is on
//! call must not be told anything about it that needs nobody.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafka_protocol::messages::MetadataRequest;
use serde_json::{Value, json};
use socket2::SockRef;

use crate::client::Program;
use crate::cluster::{self, Cluster, Listener};
use crate::common::proxy::{PATIENCE, wait_until};
use crate::front::{Front, NAME};
use crate::round_trip::round_trip_by;
use crate::running::Traffic;
use crate::toolchain::KAFKA_4;
use crate::wire::Wire;

#[test]
fn on_a_normal_day_nobody_is_called() {
    let Some((cluster, _one_at_a_time)) = cluster::own() else {
        return;
    };
    let java = Program::java(KAFKA_4);
    cluster.create_topic("day", 6);
    let mut front = Front::start(&cluster, Listener::Plaintext);
    let day = Day::begin(&front, &cluster);
    let traffic = java.start_traffic(&front, "day", None);
    goes_on(&traffic);
    round_trip_by(&front.access(None), &java, "day-morning");
    front.proxy.assert_calm();

    for &id in cluster.ids() {
        restart(&cluster, id, &front, &day, &traffic);
    }
    round_trip_by(&front.access(None), &java, "day-noon");

    let mut old = front.replace_proxy();
    let evening = Day::begin(&front, &cluster);
    goes_on(&traffic);
    old.terminate();
    assert!(old.wait().success(), "{}", old.log_text());
    drop(day);
    goes_on(&traffic);
    evening.goes_on();
    drop(evening);
    let result = traffic.finish();
    for wrong in ["missing", "duplicates", "failed"] {
        assert_eq!(result[wrong], json!([]), "{wrong} in {result}");
    }

    // Or nobody would know whether the restarts were seen at all.
    assert_eq!(judge(&old.log()), Ok(cluster.ids().len()));
    front.proxy.assert_calm();
    assert!(old.log_has("drained"), "{}", old.log_text());
}

/// Restarts a node while clients want it: until they have failed, and until they have come through again.
fn restart(cluster: &Cluster, id: i32, front: &Front, day: &Day, traffic: &Traffic) {
    let failures = || {
        front.proxy.metric(&format!(
            "portolan_upstream_connect_failures_total{{cluster=\"{NAME}\",node=\"{id}\",reason=\"refused\"}}"
        ))
    };
    let before = failures();
    cluster.stop_node(id);
    wait_until("clients that do not get through", || {
        failures() >= before + 10.0
    });
    goes_on(traffic);
    cluster.start_node(id);
    cluster.wait_for_node(id);
    cluster.wait_for_replicas();
    let route = format!("node-{id}");
    wait_until("the end of the fault in the log", || {
        let log = front.proxy.log();
        let last = log.iter().rfind(|line| is_about(line, &route));
        last.is_some_and(|line| line["message"] == AGAIN)
    });
    day.goes_on();
}

const CANNOT: &str = "cannot connect: ";
const AGAIN: &str = "connected again";

/// Whether a line tells of whether the broker of this route can be reached.
fn is_about(line: &Value, route: &str) -> bool {
    line["route"] == route && (is(line, CANNOT) || is(line, AGAIN))
}

fn is(line: &Value, words: &str) -> bool {
    let message = line["message"].as_str().unwrap_or_default();
    message.starts_with(words)
}

/// Of how many nodes the log tells that they could not be reached, and then that they can be again: once until a minute is over, when a
/// restart that takes longer is told again, with a count. An error where it says anything that nobody expects.
fn judge(log: &[Value]) -> Result<usize, String> {
    let mut down: BTreeMap<&str, &Value> = BTreeMap::new();
    for line in log {
        let route = line["route"].as_str().unwrap_or_default();
        let is_expected = match line["level"].as_str().unwrap_or("no JSON") {
            "DEBUG" | "TRACE" => true,
            "INFO" => USUAL.iter().any(|usual| is(line, usual)),
            "WARN" if is(line, CANNOT) => {
                let last = down.insert(route, line);
                let since = last.map(|last| (seconds(line) - seconds(last)).rem_euclid(86_400));
                let is_node = route.starts_with("node-") && line["reason"] == "refused";
                is_node && since.is_none_or(|since| since >= 59)
            }
            _ => false,
        };
        if !is_expected {
            return Err(line.to_string());
        }
    }
    for route in down.keys() {
        let last = log.iter().rfind(|line| is_about(line, route));
        if !last.is_some_and(|line| is(line, AGAIN)) {
            return Err(format!("the end of {last:?}"));
        }
    }
    Ok(down.len())
}

/// What is told of such a day, and is no more than good to know.
const USUAL: [&str; 8] = [
    "admin listening",
    "listening",
    "ready",
    "requests stayed unanswered: ",
    AGAIN,
    "told to stop; a second signal stops at once",
    "draining",
    "drained",
];

/// The second of the day of `2026-11-26T09:14:02.118003Z`.
fn seconds(line: &Value) -> i64 {
    let timestamp = line["timestamp"].as_str().expect("a timestamp");
    let parts = timestamp[11..19].split(':');
    let parts = parts.map(|part| part.parse::<i64>().expect("a number"));
    parts.fold(0, |sum, part| sum * 60 + part)
}

/// Waits until a program has moved some hundred more records.
fn goes_on(traffic: &Traffic) {
    traffic.wait_for(traffic.received() + 300);
}

/// What goes on all day around a proxy, until this is dropped.
struct Day {
    clock: Arc<Clock>,
    threads: Vec<JoinHandle<()>>,
}

/// How often each was done, and whether the day is over.
#[derive(Default)]
struct Clock {
    is_over: AtomicBool,
    checks: AtomicUsize,
    visits: AtomicUsize,
}

impl Day {
    fn begin(front: &Front, cluster: &Cluster) -> Self {
        let clock = Arc::new(Clock::default());
        let ids = cluster.ids();
        let ports = ids.iter().map(|&id| front.proxy.node(NAME, id));
        let ports: Vec<SocketAddr> = ports.chain([front.proxy.bootstrap(NAME)]).collect();
        let doors = ids.iter().map(|&id| front.node(id));
        let doors: Vec<String> = doors.chain([front.bootstrap()]).collect();
        let admin = front.proxy.admin();
        let (checks, visits) = (clock.clone(), clock.clone());
        let check = move || checks.tick(&checks.checks, || check(&ports, admin));
        let visit = move || visits.tick(&visits.visits, || visit(&doors));
        Day {
            clock,
            threads: vec![thread::spawn(check), thread::spawn(visit)],
        }
    }

    /// Waits until everybody has been there some more times.
    fn goes_on(&self) {
        for (what, count) in [
            ("checks", &self.clock.checks),
            ("visits", &self.clock.visits),
        ] {
            let before = count.load(Ordering::Relaxed);
            wait_until(what, || count.load(Ordering::Relaxed) >= before + 20);
        }
    }
}

impl Drop for Day {
    fn drop(&mut self) {
        self.clock.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Clock {
    /// Does it again and again, and counts how often it did something.
    fn tick(&self, count: &AtomicUsize, mut done: impl FnMut() -> usize) {
        while !self.is_over.load(Ordering::Relaxed) {
            count.fetch_add(done(), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Looks at each port as load balancers do, some of which reset what they have connected, and at the admin listener as Kubernetes does.
/// A proxy that has gone away is not there, which is what they want to know.
fn check(ports: &[SocketAddr], admin: SocketAddr) -> usize {
    let mut found = 0;
    for (n, port) in ports.iter().enumerate() {
        let Ok(stream) = TcpStream::connect(port) else {
            continue;
        };
        if n % 2 == 0 {
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        found += 1;
    }
    if let Ok(mut stream) = TcpStream::connect(admin) {
        let _ =
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.read_to_end(&mut Vec::new());
    }
    found
}

/// Comes to each node, asks one thing and goes. A node that is down does not answer.
fn visit(doors: &[String]) -> usize {
    let request = MetadataRequest::default().with_topics(None);
    let answers = doors.iter().filter(|door| {
        let answer = Wire::connect(door.as_str()).and_then(|mut wire| wire.ask(&request, 12));
        answer.is_ok()
    });
    answers.count()
}

#[test]
fn a_day_that_is_not_normal_is_known() {
    let line = |level: &str, message: &str, minute: usize| {
        json!({
            "timestamp": format!("2026-11-26T09:{minute:02}:30.118003Z"), "level": level, "message": message,
            "route": "node-1", "reason": "refused",
        })
    };
    let down = |minute| line("WARN", "cannot connect: kafka-1:9092 does not", minute);
    let again = |minute| line("INFO", AGAIN, minute);
    assert_eq!(judge(&[down(1), down(2), again(2)]), Ok(1));
    let mut elsewhere = down(1);
    elsewhere["route"] = json!("bootstrap");
    for wrong in [
        vec![down(1)],
        vec![again(1), down(2)],
        vec![down(1), again(1), down(1), again(1)],
        vec![elsewhere, again(1)],
        vec![line("WARN", "session ended: TLS handshake: alert", 1)],
        vec![line("ERROR", "not reloaded: what is in force stays", 1)],
        vec![line("INFO", "reloaded", 1)],
        vec![json!("thread panicked")],
    ] {
        assert!(judge(&wrong).is_err(), "{wrong:?}");
    }
}
