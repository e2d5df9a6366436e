//! Probes of real brokers: they find who is there by every kind of listener, leave no trace in the brokers' logs, and a broker
//! that is killed is seen everywhere.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{self, Cluster, Listener};
use crate::common::proxy::{Proxy, wait_until};
use crate::front::{Front, Options};

fn state(proxy: &Proxy, route: &str) -> Value {
    let (_, text) = proxy.get("/status");
    let status: Value = serde_json::from_str(&text).expect("JSON");
    let routes = status["clusters"][0]["routes"].as_array().expect("routes");
    let found = routes.iter().find(|known| known["route"] == route);
    found.expect("the route").clone()
}

fn wait_for_all(front: &Front, cluster: &Cluster) {
    for &id in cluster.ids() {
        let route = format!("node-{id}");
        wait_until(&route, || state(&front.proxy, &route)["state"] == "up");
    }
}

#[test]
fn brokers_are_probed_without_a_trace_and_one_that_is_killed_is_seen() {
    let Some((cluster, _one)) = cluster::own() else {
        return;
    };
    for listener in [
        Listener::Plaintext,
        Listener::Sasl,
        Listener::Ssl,
        Listener::Mtls,
        Listener::SaslSsl,
    ] {
        leaves_no_trace(&cluster, listener);
    }
    a_bad_client_leaves_one(&cluster);
    is_seen(&cluster);
}

fn leaves_no_trace(cluster: &Cluster, listener: Listener) {
    let before = cluster.ids().iter().map(|&id| cluster.server_log(id).len());
    let before: Vec<usize> = before.collect();
    let options = Options {
        sections: "[health]\ninterval = \"100ms\"\n",
        ..Options::default()
    };
    let front = Front::with(cluster, listener, cluster.ids(), options);
    wait_for_all(&front, cluster);
    // Some ten probes of each broker, since nothing tells how many there were.
    std::thread::sleep(Duration::from_secs(1));
    wait_for_all(&front, cluster);
    front.proxy.assert_calm();
    drop(front);
    for (&id, before) in cluster.ids().iter().zip(before) {
        let log = cluster.server_log(id);
        let traces = traces(&log[before..]);
        assert!(traces.is_empty(), "{listener:?}, node {id}: {traces:#?}");
    }
}

/// Lines that tell of connections.
fn traces(log: &str) -> Vec<&str> {
    let tells = |line: &&str| {
        let words = [
            "SocketServer",
            "RequestChannel",
            "network.Selector",
            "SslTransport",
            "Sasl",
        ];
        line.contains("127.0.0.1") || words.iter().any(|word| line.contains(word))
    };
    log.lines().filter(tells).collect()
}

/// Else the test above could not fail.
fn a_bad_client_leaves_one(cluster: &Cluster) {
    let before = cluster.server_log(0).len();
    let address = (cluster.plaintext(0).ip(), Listener::Ssl.port());
    let mut client = TcpStream::connect(address).expect("the broker accepts");
    client
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it is sent");
    wait_until("a trace", || {
        !traces(&cluster.server_log(0)[before..]).is_empty()
    });
}

/// With the interval that is the default.
fn is_seen(cluster: &Cluster) {
    let options = Options {
        sections: "[health]\ninterval = \"5s\"\n",
        ..Options::default()
    };
    let front = Front::with(cluster, Listener::Plaintext, cluster.ids(), options);
    let proxy = &front.proxy;
    wait_for_all(&front, cluster);
    cluster.kill_node(1);
    let begin = Instant::now();
    wait_until("node 1 to be down", || {
        state(proxy, "node-1")["state"] == "down"
    });
    println!("seen after {:.1} s", begin.elapsed().as_secs_f64());
    let line = proxy.wait_for_log("cannot connect: ");
    assert_eq!(
        (&line["level"], &line["route"]),
        (&"WARN".into(), &"node-1".into())
    );
    let reachable = |id| {
        proxy.metric(&format!(
            "portolan_node_reachable{{cluster=\"main\",node=\"{id}\"}}"
        ))
    };
    assert_eq!((reachable(0), reachable(1), reachable(2)), (1.0, 0.0, 1.0));
    assert_eq!(proxy.get("/lbz").0, 200);
    cluster.start_node(1);
    wait_until("node 1 to be up", || {
        state(proxy, "node-1")["state"] == "up"
    });
    proxy.wait_for_log("connected again");
    // Each cause is told once: it refuses, and may accept before it answers.
    let told = proxy.log().into_iter();
    let told = told.filter(|line| line["level"] == "WARN");
    let mut causes: Vec<String> = told.map(|line| line["reason"].to_string()).collect();
    let all = causes.len();
    causes.sort();
    causes.dedup();
    assert_eq!(causes.len(), all, "{}", proxy.log_text());
}
