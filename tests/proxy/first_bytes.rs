//! Connections that say nothing, or not enough: they cost the broker nothing and are nobody's fault.

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::wire::End;
use crate::setup::{Setup, answer_heartbeat, heartbeat, told_end, wait_for_ends};

// Trap 8
#[test]
fn a_bare_connect_costs_the_broker_nothing_and_is_no_fault() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for address in [proxy.bootstrap("main"), proxy.node("main", 0)] {
        for _ in 0..20 {
            drop(Client::connect(address));
        }
    }
    wait_for_ends(&proxy, "bare_connect", 40);
    assert_eq!(broker.connections(), 0);
    proxy.assert_calm();
    assert!(
        !proxy
            .log()
            .iter()
            .any(|l| l["level"] == "INFO" && l["message"] == "session ended"),
        "a health check must not fill the log"
    );
}

// Trap 8
#[test]
fn a_connect_that_is_reset_costs_the_broker_nothing_and_is_no_fault() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for _ in 0..20 {
        Client::connect(proxy.bootstrap("main")).into_wire().reset();
    }
    let series = "portolan_connections_total{cluster=\"main\",route=\"bootstrap\"}";
    proxy.wait_for_metric(series, 1.0);
    crate::common::proxy::wait_until("all sessions to end", || {
        proxy.metric("portolan_connections{cluster=\"main\",route=\"bootstrap\"}") == 0.0
    });
    assert_eq!(broker.connections(), 0);
    proxy.assert_calm();
}

// Trap 8
#[test]
fn three_bytes_and_silence_end_after_first_bytes() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nfirst_bytes = \"200ms\"")
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&heartbeat(1)[..3]);
    client.end();
    proxy.wait_for_end("main", "first_bytes_timeout");
    assert_eq!(broker.connections(), 0);
    assert_eq!(
        told_end(&proxy, "first_bytes_timeout"),
        (
            "session ended: no complete request within timeouts.first_bytes".to_owned(),
            "the client connected and sent no complete request; raise timeouts.first_bytes for very slow links".to_owned()
        )
    );
}

// Trap 8
#[test]
fn silence_from_the_first_to_the_last_second_is_a_bare_connect() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nfirst_bytes = \"200ms\"")
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    assert_eq!(client.end(), End::Closed);
    wait_for_ends(&proxy, "bare_connect", 1);
    assert_eq!(broker.connections(), 0);
    proxy.assert_calm();
}

// Trap 8
#[test]
fn the_broker_is_dialled_when_the_request_prefix_is_whole_and_not_before() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let request = heartbeat(1);
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&request[..11]);
    // Another client comes and is served meanwhile.
    let mut other = Client::connect(proxy.bootstrap("main"));
    other.send(&heartbeat(2));
    let mut link = broker.accept();
    answer_heartbeat(&mut other, &mut link, 2);
    assert_eq!(broker.connections(), 1);
    client.send(&request[11..]);
    let mut link = broker.accept();
    answer_heartbeat(&mut client, &mut link, 1);
}

// Trap 8
#[test]
fn a_client_that_leaves_before_its_first_request_is_whole_costs_the_broker_nothing() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for cut in [1, 4, 11] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&heartbeat(1)[..cut]);
        client.half_close();
        assert_eq!(client.end(), End::Closed);
    }
    wait_for_ends(&proxy, "client_closed_mid_frame", 3);
    assert_eq!(broker.connections(), 0);
    proxy.assert_calm();
}

// Trap 8
#[test]
fn a_client_that_never_gets_beyond_api_versions_of_a_newer_kafka_ends_after_first_bytes() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nfirst_bytes = \"200ms\"")
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&frames::raw_request(18, 99, 1, b"\x00"));
    client.frame();
    assert_eq!(client.end(), End::Closed);
    proxy.wait_for_end("main", "first_bytes_timeout");
    assert_eq!(broker.connections(), 0);
}

#[test]
fn first_bytes_is_about_the_first_request_only() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nfirst_bytes = \"200ms\"")
        .start();
    let (mut client, mut link) = crate::setup::open(&proxy, &broker, &heartbeat(1));
    answer_heartbeat(&mut client, &mut link, 1);
    // A frame that takes its time, too, once its prefix is there.
    let slow = heartbeat(2);
    client.send(&slow[..14]);
    // This one comes later and says nothing: when it is over, so is the time of the first.
    Client::connect(proxy.bootstrap("main")).end();
    client.send(&slow[14..]);
    answer_heartbeat(&mut client, &mut link, 2);
    frames::assert_no_leak(proxy.log_text().as_bytes());
    proxy.assert_calm();
}
