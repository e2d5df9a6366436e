//! HAProxy between real clients and the proxy, as a load balancer in front of it is: it says who clients are and what they dialled.

use std::net::SocketAddr;

use crate::client::Program;
use crate::cluster::{self, Listener};
use crate::common::haproxy::Haproxy;
use crate::common::proxy::wait_until;
use crate::common::tools;
use crate::front::{Clients, Front, Options};
use crate::librdkafka::librdkafka;
use crate::round_trip::round_trip_through;
use crate::toolchain::KAFKA_4;

/// The address from which HAProxy comes. Clients come from 127.0.0.1.
const BALANCER: &str = "127.0.0.9";

const LINES: &str = "proxy_protocol = \"required\"\nproxy_protocol_from = [\"127.0.0.9\"]";

#[test]
fn java_round_trips_through_haproxy() {
    through_haproxy(
        || Some(Program::java(KAFKA_4)),
        Clients::Plaintext,
        "java-balanced",
    );
}

#[test]
fn java_round_trips_by_tls_through_haproxy() {
    through_haproxy(
        || Some(Program::java(KAFKA_4)),
        Clients::Tls,
        "java-balanced-by-tls",
    );
}

#[test]
fn librdkafka_round_trips_by_mutual_tls_through_haproxy() {
    through_haproxy(librdkafka, Clients::MutualTls, "librdkafka-balanced");
}

/// Clients are told no host but the one that they dialled, which only HAProxy can say.
fn through_haproxy(program: fn() -> Option<Program>, clients: Clients, topic: &str) {
    let Some(cluster) = cluster::newest().filter(|_| tools::available(&["haproxy"])) else {
        return;
    };
    let Some(program) = program() else { return };
    let options = Options {
        line: LINES,
        clients,
        dialled: true,
        ..Options::default()
    };
    let front = Front::with(cluster, Listener::Plaintext, cluster.ids(), options);
    let mut haproxy = None;
    front.put_behind(|listeners| {
        let server = |listener: &SocketAddr| {
            format!("{listener} source {BALANCER} send-proxy-v2 check inter 500ms")
        };
        let servers: Vec<String> = listeners.iter().map(server).collect();
        let started = haproxy.insert(Haproxy::start(&servers));
        started.fronts.clone()
    });
    round_trip_through(&front, &program, None, topic);
    // What it asks for itself are health checks; all else comes from clients, and is known to be theirs.
    let served = || {
        let mut log = front.proxy.log();
        log.retain(|line| line["api"].is_string());
        log
    };
    wait_until("a session's end in the log", || !served().is_empty());
    for line in served() {
        let client = line["client"].as_str().expect("a client");
        assert!(client.starts_with("127.0.0.1:"), "{line}");
    }
}
