//! The bootstrap port: each server is tried, healthy ones first.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::dns::Dns;
use crate::common::proxy::Proxy;
use crate::common::wire::End;
use crate::setup::{Setup, answer_heartbeat, heartbeat, told_end, wait_for_ends};

/// An address at which nobody listens. Its port stays taken, so that no other test gets it meanwhile.
fn gone() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

fn ask(proxy: &Proxy) -> Client {
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    client
}

#[test]
fn each_bootstrap_server_is_tried() {
    let broker = Broker::start();
    let proxy = Setup::bootstrap(gone())
        .or(gone())
        .or(broker.address())
        .node(0, broker.address())
        .start();
    for _ in 0..4 {
        answer_heartbeat(&mut ask(&proxy), &mut broker.accept(), 1);
    }
    proxy.assert_calm();
}

#[test]
fn bootstrap_connections_are_spread_over_the_servers() {
    let brokers = [Broker::start(), Broker::start()];
    let proxy = Setup::bootstrap(brokers[0].address())
        .or(brokers[1].address())
        .node(0, brokers[0].address())
        .start();
    for n in 0..6 {
        answer_heartbeat(&mut ask(&proxy), &mut brokers[n % 2].accept(), 1);
    }
}

#[test]
fn a_server_that_failed_stands_behind_the_healthy_ones() {
    let dns = Dns::start();
    let broker = Broker::start();
    let port = broker.address().port();
    dns.set("good.test", &["127.0.0.1"]);
    dns.set("bad.test", &["127.0.0.9"]);
    let proxy = Setup::bootstrap(format!("bad.test:{port}"))
        .or(format!("good.test:{port}"))
        .node(0, broker.address())
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .start();
    for _ in 0..6 {
        answer_heartbeat(&mut ask(&proxy), &mut broker.accept(), 1);
    }
    assert_eq!(dns.asked("good.test"), 6);
    assert_eq!(dns.asked("bad.test"), 1);
    proxy.assert_calm();
}

#[test]
fn a_failed_server_is_still_tried_where_no_healthy_one_answers() {
    let mut broker = Broker::start();
    let address = broker.address();
    let proxy = Setup::bootstrap(address)
        .node(0, address)
        .section("[timeouts]\nconnect = \"1s\"")
        .start();
    broker.stop();
    ask(&proxy).end();
    wait_for_ends(&proxy, "connect_failed", 1);
    let broker = Broker::start_at(address);
    answer_heartbeat(&mut ask(&proxy), &mut broker.accept(), 1);
    proxy.wait_for_log("connected again");
}

#[test]
fn a_server_that_answers_again_is_healthy_again() {
    let dns = Dns::start();
    let mut broker = Broker::start();
    let address = broker.address();
    let port = address.port();
    dns.set("back.test", &["127.0.0.1"]);
    dns.set("bad.test", &["127.0.0.9"]);
    let proxy = Setup::bootstrap(format!("back.test:{port}"))
        .or(format!("bad.test:{port}"))
        .node(0, address)
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .start();
    broker.stop();
    ask(&proxy).end();
    wait_for_ends(&proxy, "connect_failed", 1);
    let broker = Broker::start_at(address);
    answer_heartbeat(&mut ask(&proxy), &mut broker.accept(), 1);
    // From here on the one that is still gone stands behind it.
    let asked = dns.asked("bad.test");
    for _ in 0..4 {
        answer_heartbeat(&mut ask(&proxy), &mut broker.accept(), 1);
    }
    assert_eq!(dns.asked("bad.test"), asked);
}

#[test]
fn a_server_whose_name_does_not_resolve_holds_up_nobody() {
    let dns = Dns::start();
    let broker = Broker::start();
    // Half of the time would be its share, which is more than anything here may take.
    let proxy = Setup::bootstrap("nowhere.test:9092")
        .or(broker.address())
        .node(0, broker.address())
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"90s\"")
        .start();
    answer_heartbeat(&mut ask(&proxy), &mut broker.accept(), 1);
    assert!(dns.asked("nowhere.test") > 0);
    proxy.assert_calm();
}

#[test]
fn where_no_servers_name_resolves_yet_it_is_asked_for_again() {
    let dns = Dns::start();
    let broker = Broker::start();
    let proxy = Setup::bootstrap(format!("later.test:{}", broker.address().port()))
        .node(0, broker.address())
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"30s\"")
        .start();
    let mut client = ask(&proxy);
    dns.wait_until_asked("later.test", 2);
    dns.set("later.test", &["127.0.0.1"]);
    answer_heartbeat(&mut client, &mut broker.accept(), 1);
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_client_whose_broker_cannot_be_reached_is_reset() {
    let proxy = Setup::bootstrap(gone()).node(0, gone()).start();
    for address in [proxy.bootstrap("main"), proxy.node("main", 0)] {
        let mut client = Client::connect(address);
        client.send(&heartbeat(1));
        assert_eq!(client.end(), End::Reset);
    }
    wait_for_ends(&proxy, "connect_failed", 2);
    let failures =
        "portolan_upstream_connect_failures_total{cluster=\"main\",node=\"0\",reason=\"refused\"}";
    assert_eq!(proxy.metric(failures), 1.0);
}

#[test]
fn an_outage_that_meets_many_clients_is_one_line_in_the_log() {
    let proxy = Setup::bootstrap(gone()).node(0, gone()).start();
    for _ in 0..50 {
        ask(&proxy).end();
    }
    wait_for_ends(&proxy, "connect_failed", 50);
    let told: Vec<_> = proxy.log();
    let told: Vec<_> = told.iter().filter(|l| l["level"] == "WARN").collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

/// Bootstrap servers that are the proxy's own bootstrap port, through a name that only DNS knows.
#[test]
fn bootstrap_servers_that_lead_back_to_the_proxy_are_recognised() {
    let dns = Dns::start();
    dns.set("loop.test", &["127.0.0.1"]);
    // A port that is free now; the proxy binds it a moment later.
    let port = Broker::start().address().port();
    let toml = Setup::bootstrap(format!("loop.test:{port}"))
        .nodes("0", Some("127.0.0.1:1"))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[limits]\nconnections = 50")
        .toml();
    let toml = toml.replace("bootstrap_port = 0", &format!("bootstrap_port = {port}"));
    let proxy = Proxy::start(&toml);
    // As where no broker can be reached: an orderly close would look like a matter of security protocols.
    assert_eq!(ask(&proxy).end(), End::Reset);
    proxy.wait_for_end("main", "loop");
    assert_eq!(
        told_end(&proxy, "loop"),
        (
            "session ended: the connection was made by this proxy itself".to_owned(),
            "correct bootstrap_servers or the address of a node: it must lead to the brokers and not back to this proxy".to_owned()
        )
    );
    let opened = "portolan_connections_total{cluster=\"main\",route=\"bootstrap\"}";
    assert_eq!(proxy.metric(opened), 2.0, "the client's and one of its own");
}
