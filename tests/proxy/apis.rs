//! Which requests pass: all but those whose answers might carry addresses that the proxy would not find.

use kafka_protocol::messages::MetadataRequest;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::setup::{Setup, open, talking, told_end, wait_for_ends};

/// Sends a request that must be refused before anything reaches the broker; returns what was logged.
fn refused(proxy: &Proxy, broker: &Broker, api_key: i16, version: i16) -> (String, String) {
    let before = proxy.ends("main", "refused_request") as usize;
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&frames::raw_request(api_key, version, 1, b"body"));
    client.end();
    wait_for_ends(proxy, "refused_request", before + 1);
    assert_eq!(broker.connections(), 0);
    told_end(proxy, "refused_request")
}

const REMEDY: &str = "the client used an api that ApiVersions did not offer; unknown_apis = \"forward\" lets unknown ones pass";

// Trap 4
#[test]
fn an_api_without_addresses_passes_at_a_version_that_nobody_knows_yet() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    for (id, api_key) in [(1, 2i16), (2, 8), (3, 11), (4, 19), (5, 32), (6, 75)] {
        let request = frames::raw_request(api_key, 99, id, b"\x00a new body");
        client.send(&request);
        let received = link.request();
        assert_eq!(received.frame, request[4..], "api key {api_key}");
        let answer = received.answer_bytes(b"a new answer");
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..], "api key {api_key}");
    }
    proxy.assert_calm();
}

// Trap 4
#[test]
fn an_unknown_api_key_is_refused_by_default() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for api_key in [93, 10_000, -1, i16::MIN] {
        refused(&proxy, &broker, api_key, 0);
    }
    let (message, remedy) = told_end(&proxy, "refused_request");
    assert_eq!(
        message,
        "session ended: refused request: api key 93 is not known to this proxy"
    );
    assert_eq!(remedy, REMEDY);
}

// Trap 4
#[test]
fn an_unknown_api_key_passes_and_is_counted_if_the_policy_says_so() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .line("unknown_apis = \"forward\"")
        .start();
    let (mut client, mut link) = talking(&proxy, &broker);
    for (id, api_key) in [(1, 93i16), (2, 10_000), (3, -1)] {
        let request = frames::raw_request(api_key, 7, id, b"private");
        client.send(&request);
        let received = link.request();
        assert_eq!(received.frame, request[4..]);
        let answer = received.answer_bytes(b"as well");
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..]);
    }
    let series = "portolan_requests_total{api=\"unknown\",cluster=\"main\"}";
    assert_eq!(proxy.metric(series), 3.0);
}

// Trap 4
#[test]
fn an_api_with_addresses_is_refused_above_its_ceiling() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for (api_key, version) in [
        (3, 14),
        (0, 14),
        (1, 19),
        (10, 7),
        (55, 2),
        (60, 3),
        (78, 3),
    ] {
        refused(&proxy, &broker, api_key, version);
    }
    let (message, _) = told_end(&proxy, "refused_request");
    assert_eq!(
        message,
        "session ended: refused request: Metadata (api key 3) version 14; it is offered up to version 13"
    );
}

#[test]
fn under_cap_fetch_16_and_produce_10_are_refused() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .line("fetch_endpoints = \"cap\"")
        .start();
    refused(&proxy, &broker, 1, 16);
    refused(&proxy, &broker, 0, 10);
    let (mut client, mut link) = open(&proxy, &broker, &frames::raw_request(1, 15, 1, b"body"));
    let answer = link.request().answer_bytes(b"records");
    link.send(&answer);
    assert_eq!(client.frame(), answer[4..]);
}

#[test]
fn an_api_between_brokers_is_refused_whatever_the_policy() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .line("unknown_apis = \"forward\"")
        .start();
    for api_key in [52, 4, 62, 82] {
        refused(&proxy, &broker, api_key, 0);
    }
    let (message, _) = told_end(&proxy, "refused_request");
    assert_eq!(
        message,
        "session ended: refused request: Vote (api key 52) is for brokers and controllers only"
    );
}

#[test]
fn requests_are_counted_by_api() {
    let broker = Broker::answering(|request| Some(request.answer(&frames::metadata(1, &[0]))));
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    for _ in 0..5 {
        client.ask(1, &MetadataRequest::default());
    }
    let series = "portolan_requests_total{api=\"Metadata\",cluster=\"main\"}";
    assert_eq!(proxy.metric(series), 5.0);
    let rewritten = "portolan_addresses_rewritten_total{api=\"Metadata\",cluster=\"main\"}";
    assert_eq!(proxy.metric(rewritten), 5.0);
}
