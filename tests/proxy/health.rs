//! Which brokers can be reached: probed, learned from clients' dials, and told by `/lbz`, `/status`, a metric and one line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::version::TLS13;
use serde_json::Value;

use crate::common::broker::{Broker, Received};
use crate::common::client::Client;
use crate::common::dns::Dns;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::learned::{bootstrap, located};
use crate::setup::{Setup, heartbeat, wait_for_ends};
use crate::time::deaf;
use crate::tls::{Pki, server};

const PROBED: &str = "[health]\ninterval = \"100ms\"";

/// `/status`, parsed.
pub(crate) fn status(proxy: &Proxy) -> Value {
    let (code, text) = proxy.get("/status");
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// A route of the cluster `main` in `/status`.
fn route(proxy: &Proxy, name: &str) -> Value {
    let status = status(proxy);
    let routes = status["clusters"][0]["routes"].as_array().expect("routes");
    let found = routes.iter().find(|route| route["route"] == name);
    found
        .unwrap_or_else(|| panic!("{name} in {status}"))
        .clone()
}

fn wait_for_state(proxy: &Proxy, name: &str, state: &str) -> Value {
    wait_until(&format!("{name} to be {state}"), || {
        route(proxy, name)["state"] == state
    });
    route(proxy, name)
}

fn reachable(proxy: &Proxy, node: &str) -> f64 {
    proxy.metric(&format!(
        "portolan_node_reachable{{cluster=\"main\",node=\"{node}\"}}"
    ))
}

fn alive(request: &Received) -> Option<Vec<u8>> {
    Some(request.answer_bytes(&[0; 6]))
}

/// How often a message that begins so was logged.
fn told(proxy: &Proxy, beginning: &str) -> usize {
    let is_it = |line: &&Value| {
        let message = line["message"].as_str();
        message.is_some_and(|message| message.starts_with(beginning))
    };
    proxy.log().iter().filter(is_it).count()
}

#[test]
fn a_broker_that_goes_and_comes_back_is_seen_without_a_client_and_told_once_each() {
    let first = Broker::answering(alive);
    let mut second = Broker::answering(alive);
    let address = second.address();
    let proxy = Setup::bootstrap(first.address())
        .node(0, first.address())
        .node(1, address)
        .section(PROBED)
        .start();
    wait_for_state(&proxy, "node-1", "up");
    assert_eq!(reachable(&proxy, "1"), 1.0);
    wait_for_state(&proxy, "bootstrap", "up");
    second.stop();
    let down = wait_for_state(&proxy, "node-1", "down");
    assert_eq!(down["last_error"]["reason"], "refused");
    assert_eq!(down["broker"], address.to_string());
    let message = down["last_error"]["message"].as_str().unwrap();
    assert!(message.contains("check that the broker runs"), "{message}");
    assert_eq!(reachable(&proxy, "1"), 0.0);
    assert_eq!(reachable(&proxy, "0"), 1.0);
    let line = proxy.wait_for_log("cannot connect: ");
    assert_eq!(
        (&line["level"], &line["route"]),
        (&"WARN".into(), &"node-1".into())
    );
    assert_eq!(status(&proxy)["clusters"][0]["reachable"], true);
    assert_eq!(proxy.get("/lbz").0, 200, "there are others");
    drop(second);
    let _second = Broker::answering_at(address, alive);
    let up = wait_for_state(&proxy, "node-1", "up");
    assert_eq!(up["last_error"]["reason"], "refused", "what was is kept");
    proxy.wait_for_log("connected again");
    assert_eq!(
        (
            told(&proxy, "cannot connect"),
            told(&proxy, "connected again")
        ),
        (1, 1)
    );
    // Nobody was a client.
    let ends =
        "portolan_upstream_connect_failures_total{cluster=\"main\",node=\"1\",reason=\"refused\"}";
    assert_eq!(proxy.metric(ends), 0.0);
    assert_eq!(up["connections_total"], 0);
}

#[test]
fn while_no_broker_of_a_cluster_can_be_reached_load_balancers_send_nobody() {
    let mut broker = Broker::answering(alive);
    let other = Broker::answering(alive);
    let setup = Setup::with(&broker).section(PROBED);
    let second = Setup::with(&other).cluster_toml("other");
    let proxy = Proxy::start(&format!("{second}{}", setup.toml()));
    wait_until("/lbz", || proxy.get("/lbz").0 == 200);
    broker.stop();
    wait_until("/lbz", || proxy.get("/lbz").0 == 503);
    assert_eq!(proxy.get("/lbz").1, "no broker can be reached of main\n");
    // Each cluster may have a balancer of its own, which asks for that one.
    let of = |name: &str| proxy.get(&format!("/lbz?cluster={name}"));
    assert_eq!(of("main"), (503, proxy.get("/lbz").1));
    assert_eq!(of("m%61in"), of("main"));
    assert_eq!(of("other"), (200, "ok\n".to_owned()));
    // That is the brokers' state, and neither the process's nor its listeners'.
    assert_eq!((proxy.get("/livez").0, proxy.get("/readyz").0), (200, 200));
    let address = broker.address();
    drop(broker);
    let _broker = Broker::answering_at(address, alive);
    wait_until("/lbz", || proxy.get("/lbz").0 == 200);
    assert_eq!(of("main").0, 200);
}

#[test]
fn a_check_of_a_cluster_that_is_not_there_fails_and_says_which_there_are() {
    let broker = Broker::answering(alive);
    let setup = Setup::with(&broker);
    let second = setup.cluster_toml("other");
    let proxy = Proxy::start(&format!("{second}{}", setup.toml()));
    assert_eq!(
        proxy.get("/lbz?cluster=mian"),
        (
            404,
            "no cluster is called \"mian\"; there are: main, other\n".to_owned()
        )
    );
    assert_eq!(
        proxy.get("/lbz?clutser=main"),
        (
            400,
            "\"clutser\" is not known here: write /lbz or /lbz?cluster=NAME\n".to_owned()
        )
    );
    for query in ["", "?", "?cluster=other"] {
        assert_eq!(proxy.get(&format!("/lbz{query}")).0, 200, "{query}");
    }
}

#[test]
fn who_accepts_and_does_not_answer_is_down() {
    let silent = Broker::start();
    let closing = Broker::serving(drop);
    let web = Broker::serving(|mut link| link.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let proxy = Setup::bootstrap(silent.address())
        .node(0, silent.address())
        .node(1, closing.address())
        .node(2, web.address())
        .section(&format!("{PROBED}\n[timeouts]\nconnect = \"1s\""))
        .start();
    for (name, why) in [
        ("node-0", "did not answer in time"),
        ("node-1", "closed the connection instead of answering"),
        ("node-2", "gave no answer that can be read"),
    ] {
        let down = wait_for_state(&proxy, name, "down");
        assert_eq!(down["last_error"]["reason"], "no_answer");
        let message = down["last_error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_broker_that_drops_what_comes_is_down() {
    let (_listener, _waiting, address) = deaf();
    let proxy = Setup::bootstrap(address)
        .node(0, address)
        .section(&format!("{PROBED}\n[timeouts]\nconnect = \"500ms\""))
        .start();
    let down = wait_for_state(&proxy, "node-0", "down");
    assert_eq!(down["last_error"]["reason"], "timed_out");
}

#[test]
fn room_in_the_map_for_brokers_to_come_is_no_fault() {
    let dns = Dns::start();
    let broker = Broker::answering(alive);
    dns.set("kafka-0.test", &["127.0.0.1"]);
    let port = broker.address().port();
    let proxy = Setup::bootstrap(broker.address())
        .nodes("0-2", Some(&format!("kafka-{{node_id}}.test:{port}")))
        .section(&format!(
            "{PROBED}\n[dns]\nservers = [\"{}\"]",
            dns.address()
        ))
        .start();
    wait_for_state(&proxy, "node-0", "up");
    dns.wait_until_asked("kafka-2.test", 2);
    let unknown = wait_for_state(&proxy, "node-2", "unknown");
    assert_eq!(unknown["last_error"]["reason"], "unresolved");
    proxy.assert_calm();
    // It comes, and from then on it is missed.
    dns.set("kafka-2.test", &["127.0.0.1"]);
    wait_for_state(&proxy, "node-2", "up");
    dns.remove("kafka-2.test");
    wait_for_state(&proxy, "node-2", "down");
    proxy.wait_for_log("cannot connect: kafka-2.test");
    assert_eq!(told(&proxy, "cannot connect"), 1);
}

#[test]
fn probes_learn_where_brokers_are() {
    let node = Broker::answering(alive);
    let bootstrap = bootstrap(located(&[(0, &node)]));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0-1", None)
        .section(PROBED)
        .start();
    let up = wait_for_state(&proxy, "node-0", "up");
    assert_eq!(up["broker"], node.address().to_string());
    assert_eq!(route(&proxy, "node-1")["state"], "unknown");
    proxy.assert_calm();
}

#[test]
fn probes_speak_tls_where_brokers_do() {
    let pki = Pki::new();
    let identity = pki.authority.server(&["127.0.0.1"]);
    let stranger = crate::common::certificates::Authority::new("Another").server(&["127.0.0.1"]);
    let [good, bad] = [&identity, &stranger]
        .map(|identity| Broker::answering_by_tls(Arc::new(server(identity, &[&TLS13])), alive));
    let proxy = Setup::bootstrap(good.address())
        .node(0, good.address())
        .node(1, bad.address())
        .section(&pki.upstream_tls(""))
        .section(PROBED)
        .start();
    wait_for_state(&proxy, "node-0", "up");
    let down = wait_for_state(&proxy, "node-1", "down");
    assert_eq!(down["last_error"]["reason"], "tls");
    assert!(good.refused().is_empty(), "{:?}", good.refused());
}

#[test]
fn a_broker_that_hangs_is_down_however_many_clients_dial_it() {
    let silent = Broker::start();
    let proxy = Setup::with(&silent)
        .section(&format!("{PROBED}\n[timeouts]\nconnect = \"500ms\""))
        .start();
    wait_for_state(&proxy, "node-0", "down");
    let dial = || {
        let mut client = Client::connect(proxy.node("main", 0));
        client.send(&heartbeat(1));
        client
    };
    let mut clients = Vec::new();
    for n in 1..=20 {
        clients.push(dial());
        let series = "portolan_upstream_connect_seconds_count{cluster=\"main\"}";
        proxy.wait_for_metric(series, f64::from(n));
        assert_eq!(route(&proxy, "node-0")["state"], "down", "after {n} dials");
    }
    assert_eq!(proxy.get("/lbz").0, 503);
}

#[test]
fn a_broker_that_wants_sasl_is_asked_once_who_is_there() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let broker = Broker::answering(move |request| match request.api_key {
        18 => alive(request),
        // As Kafka closes on what comes before SASL.
        _ => {
            count.fetch_add(1, Ordering::SeqCst);
            None
        }
    });
    let proxy = Setup::bootstrap(broker.address())
        .nodes("0-2", None)
        .section(PROBED)
        .start();
    wait_for_state(&proxy, "bootstrap", "up");
    broker.wait_for_connections(10);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn without_probes_it_is_learned_from_clients_alone() {
    let mut broker = Broker::answering(alive);
    let proxy = Setup::with(&broker).start();
    assert_eq!(route(&proxy, "node-0")["state"], "unknown");
    assert_eq!(proxy.get("/lbz").0, 200, "nothing is known against it");
    let dial = || {
        let mut client = Client::connect(proxy.node("main", 0));
        client.send(&heartbeat(1));
        client
    };
    dial().frame();
    wait_for_state(&proxy, "node-0", "up");
    broker.stop();
    dial().end();
    wait_for_ends(&proxy, "connect_failed", 1);
    wait_for_state(&proxy, "node-0", "down");
    assert_eq!(
        proxy.get("/lbz").0,
        200,
        "who sends nobody never sees it again"
    );
    let address = broker.address();
    drop(broker);
    let _broker = Broker::answering_at(address, alive);
    dial().frame();
    wait_for_state(&proxy, "node-0", "up");
}

#[test]
fn a_reload_that_takes_a_node_away_forgets_it() {
    let broker = Broker::answering(alive);
    let (setup, gone) = (Setup::with(&broker).section(PROBED), deaf());
    let two = setup.clone().node(1, broker.address());
    let reloading = crate::reload::Reloading::start(&two.toml());
    wait_for_state(&reloading.proxy, "node-1", "up");
    reloading.reload(&setup.toml());
    let status = status(&reloading.proxy);
    let routes = status["clusters"][0]["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 2, "{status}");
    let (_, scrape) = reloading.proxy.get("/metrics");
    assert_eq!(scrape.matches("\nportolan_node_reachable{").count(), 2);
    // It comes back as another one.
    let two = setup
        .clone()
        .node(1, gone.2)
        .section("[timeouts]\nconnect = \"300ms\"");
    reloading.reload(&two.toml());
    let down = wait_for_state(&reloading.proxy, "node-1", "down");
    assert_eq!(down["broker"], gone.2.to_string());
}

#[test]
fn the_status_tells_which_nodes_are_missing_from_the_map_and_what_to_write() {
    let broker = Broker::answering(|request| Some(request.answer(&frames::metadata(1, &[0, 5]))));
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.request(1, &kafka_protocol::messages::MetadataRequest::default());
    client.frame();
    let status = status(&proxy);
    let unmapped = &status["clusters"][0]["unmapped"];
    assert_eq!(unmapped.as_array().unwrap().len(), 1, "{status}");
    assert_eq!(unmapped[0]["node"], 5);
    assert_eq!(unmapped[0]["address"], "kafka-5.internal.test:19092");
    let remedy = unmapped[0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("ids = \"5\""), "{remedy}");
}
