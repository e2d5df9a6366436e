//! ApiVersions: what is offered is what both the broker and the proxy know.

use kafka_protocol::messages::api_versions_response::{ApiVersion, SupportedFeatureKey};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::setup::{Setup, exchange, heartbeat, open, talking};

type Range = (i16, i16, i16);

const UNSUPPORTED_VERSION: i16 = 35;

fn answer(ranges: &[Range]) -> ApiVersionsResponse {
    let keys = ranges.iter().map(|&(key, min, max)| {
        ApiVersion::default()
            .with_api_key(key)
            .with_min_version(min)
            .with_max_version(max)
    });
    ApiVersionsResponse::default().with_api_keys(keys.collect())
}

fn ranges(response: &ApiVersionsResponse) -> Vec<Range> {
    let keys = response.api_keys.iter();
    keys.map(|k| (k.api_key, k.min_version, k.max_version))
        .collect()
}

/// What a client is offered by a broker with these ranges, in every version of ApiVersions.
fn offered(setup: impl Fn(&Broker) -> Setup, broker_has: &[Range]) -> Vec<Range> {
    let broker = Broker::answering({
        let answer = answer(broker_has);
        move |request| Some(request.answer(&answer))
    });
    let proxy = setup(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    let mut all: Vec<Vec<Range>> = (0..=4)
        .map(|version| ranges(&client.ask(version, &ApiVersionsRequest::default())))
        .collect();
    proxy.assert_calm();
    let last = all.pop().expect("five versions were asked");
    assert!(all.iter().all(|other| *other == last));
    last
}

// Trap 3
#[test]
fn what_is_offered_is_the_intersection_and_the_brokers_minimum_stays() {
    let broker_has = [
        (0, 0, 99),
        (1, 4, 99),
        (2, 1, 99),
        (3, 2, 99),
        (10, 0, 99),
        (12, 0, 99),
        (18, 0, 99),
        (60, 0, 99),
        (78, 1, 99),
        (79, 1, 99),
    ];
    let expected = [
        (0, 0, 13),
        (1, 4, 18),
        (2, 1, 99),
        (3, 2, 13),
        (10, 0, 6),
        (12, 0, 99),
        (18, 0, 4),
        (60, 0, 2),
        (78, 1, 2),
        (79, 1, 2),
    ];
    assert_eq!(offered(Setup::with, &broker_has), expected);
}

// Trap 3
#[test]
fn a_broker_as_old_as_kafka_2_1_offers_what_it_has() {
    let client_apis = [
        (0, 0, 7),
        (1, 0, 10),
        (2, 0, 4),
        (3, 0, 7),
        (8, 0, 6),
        (9, 0, 5),
        (10, 0, 2),
        (11, 0, 3),
        (12, 0, 2),
        (13, 0, 2),
        (14, 0, 2),
        (15, 0, 2),
        (16, 0, 2),
        (17, 0, 1),
        (18, 0, 2),
        (19, 0, 3),
        (20, 0, 3),
        (21, 0, 1),
        (22, 0, 1),
        (23, 0, 1),
        (24, 0, 1),
        (25, 0, 1),
        (26, 0, 1),
        (27, 0, 0),
        (28, 0, 2),
        (29, 0, 1),
        (30, 0, 1),
        (31, 0, 1),
        (32, 0, 2),
        (33, 0, 1),
        (34, 0, 1),
        (35, 0, 1),
        (36, 0, 0),
        (37, 0, 1),
        (38, 0, 1),
        (39, 0, 1),
        (40, 0, 1),
        (41, 0, 1),
        (42, 0, 1),
    ];
    let between_brokers = [(4, 0, 1), (5, 0, 0), (6, 0, 4), (7, 0, 1)];
    let broker_has = [&client_apis[..], &between_brokers].concat();
    assert_eq!(offered(Setup::with, &broker_has), client_apis);
}

// Trap 3
#[test]
fn describe_quorum_is_offered_up_to_version_1() {
    assert_eq!(offered(Setup::with, &[(55, 0, 2)]), [(55, 0, 1)]);
}

// Trap 3
#[test]
fn an_api_whose_minimum_is_above_the_ceiling_is_left_out() {
    assert_eq!(
        offered(Setup::with, &[(3, 14, 20), (12, 0, 4)]),
        [(12, 0, 4)]
    );
}

// Trap 3
#[test]
fn apis_between_brokers_and_controllers_are_never_offered() {
    let hidden = [
        4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82, 83, 84, 85, 86, 87,
    ];
    let broker_has: Vec<Range> = hidden.iter().map(|&key| (key, 0, 3)).collect();
    assert_eq!(offered(Setup::with, &broker_has), []);
    let forward = |broker: &Broker| Setup::with(broker).line("unknown_apis = \"forward\"");
    assert_eq!(offered(forward, &broker_has), []);
}

// Trap 4
#[test]
fn unknown_api_keys_are_hidden_or_shown_by_policy() {
    let broker_has = [(12, 0, 4), (93, 0, 1), (10_000, 0, 0), (32_767, 0, 9)];
    assert_eq!(offered(Setup::with, &broker_has), [(12, 0, 4)]);
    let forward = |broker: &Broker| Setup::with(broker).line("unknown_apis = \"forward\"");
    assert_eq!(offered(forward, &broker_has), broker_has);
}

#[test]
fn fetch_endpoints_cap_offers_fetch_15_and_produce_9() {
    let cap = |broker: &Broker| Setup::with(broker).line("fetch_endpoints = \"cap\"");
    let broker_has = [(0, 0, 13), (1, 4, 18), (3, 0, 13)];
    assert_eq!(
        offered(cap, &broker_has),
        [(0, 0, 9), (1, 4, 15), (3, 0, 13)]
    );
}

// Trap 3
#[test]
fn error_35_of_an_older_broker_passes_clamped_in_the_layout_of_version_0() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for version in [3, 4] {
        let request = frames::request(1, version, &ApiVersionsRequest::default());
        let (mut client, mut link) = open(&proxy, &broker, &request);
        let request = link.request();
        let refusal =
            answer(&[(3, 0, 99), (18, 0, 2), (93, 0, 0)]).with_error_code(UNSUPPORTED_VERSION);
        link.send(&frames::response(request.correlation_id, 0, &refusal));
        let told = client.answer::<ApiVersionsRequest>(1, 0);
        assert_eq!(told.error_code, UNSUPPORTED_VERSION);
        assert_eq!(ranges(&told), [(3, 0, 13), (18, 0, 2)]);
        exchange(&mut client, &mut link, 2);
    }
    proxy.assert_calm();
}

// Trap 3
#[test]
fn a_client_newer_than_the_proxy_is_answered_by_the_proxy_and_may_ask_again() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    for version in [5, 99, i16::MAX, -1] {
        client.send(&frames::raw_request(18, version, 7, b"\x00who knows"));
        let told = client.answer::<ApiVersionsRequest>(7, 0);
        assert_eq!(told.error_code, UNSUPPORTED_VERSION, "version {version}");
        assert_eq!(ranges(&told), [(18, 0, 4)]);
    }
    assert_eq!(broker.connections(), 0, "the broker need not be asked");
    let id = client.request(4, &ApiVersionsRequest::default());
    let mut link = broker.accept();
    let request = link.request();
    assert_eq!((request.api_key, request.api_version), (18, 4));
    link.answer(&request, &answer(&[(18, 0, 4)]));
    assert_eq!(client.answer::<ApiVersionsRequest>(id, 4).error_code, 0);
    proxy.assert_calm();
}

// Trap 3
#[test]
fn the_proxys_own_answer_waits_for_its_turn() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let newer = frames::raw_request(18, 5, 2, &[0; 5000]);
    let (mut client, mut link) = talking(&proxy, &broker);
    client.send(&[heartbeat(1), newer, heartbeat(3)].concat());
    let first = link.request();
    let third = link.request();
    assert_eq!((first.correlation_id, third.correlation_id), (1, 3));
    assert!(client.is_silent(), "the answer to 2 comes after that to 1");
    link.send(&third.answer_bytes(b"")[..0]);
    link.send(&first.answer_bytes(b"one"));
    assert_eq!(client.frame(), first.answer_bytes(b"one")[4..]);
    let told = client.answer::<ApiVersionsRequest>(2, 0);
    assert_eq!(told.error_code, UNSUPPORTED_VERSION);
    link.send(&third.answer_bytes(b"three"));
    assert_eq!(client.frame(), third.answer_bytes(b"three")[4..]);
}

#[test]
fn what_else_the_answer_says_stays() {
    let broker_says = answer(&[(3, 0, 13)])
        .with_throttle_time_ms(17)
        .with_finalized_features_epoch(5)
        .with_supported_features(vec![
            SupportedFeatureKey::default()
                .with_name("metadata.version".into())
                .with_min_version(1)
                .with_max_version(21),
        ])
        .with_unknown_tagged_fields([(77, b"tag"[..].into())].into());
    let broker = Broker::answering({
        let broker_says = broker_says.clone();
        move |request| Some(request.answer(&broker_says))
    });
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    assert_eq!(client.ask(4, &ApiVersionsRequest::default()), broker_says);
}
