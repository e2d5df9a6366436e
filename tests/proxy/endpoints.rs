//! Addresses behind record data: blanked while the answer streams by, without a change of its length.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{
    FetchableTopicResponse, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse,
    ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareFetchRequest, ShareFetchResponse,
    TopicName, produce_response, share_acknowledge_response, share_fetch_response,
};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames::{self, INTERNAL_PORT, internal_host};
use crate::setup::{Setup, open};

const BLANKED_TAG: i32 = 0x7f;

fn neutralised(api: &str) -> String {
    format!("portolan_endpoints_neutralised_total{{api=\"{api}\",cluster=\"main\"}}")
}

fn fetched(version: i16, records: Bytes) -> FetchResponse {
    let partition = PartitionData::default()
        .with_error_code(6)
        .with_high_watermark(77)
        .with_records(Some(records));
    let mut topic = FetchableTopicResponse::default().with_partitions(vec![partition]);
    if version < 13 {
        topic.topic = TopicName("records".into());
    }
    let mut answer = FetchResponse::default().with_responses(vec![topic]);
    if version >= 16 {
        answer.node_endpoints = [0, 1].map(endpoint).into();
    }
    answer
}

fn endpoint(id: i32) -> NodeEndpoint {
    NodeEndpoint::default()
        .with_node_id(BrokerId(id))
        .with_host(internal_host(id).into())
        .with_port(INTERNAL_PORT)
}

/// Record data in which an internal name stands: it belongs to the records and must not be touched.
fn records(n: usize) -> Bytes {
    let bytes: Vec<u8> = (0..n).map(|i| (i * 31 % 251) as u8).collect();
    bytes.into()
}

#[test]
fn fetch_endpoints_are_blanked_in_place_in_any_pieces() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for version in 16..=18 {
        let answer = fetched(version, records(300));
        for piece in [1, 3, 17, 64, 1_000_000] {
            let request = frames::request(1, version, &FetchRequest::default());
            let (mut client, mut link) = open(&proxy, &broker, &request);
            let sent = link.request().answer(&answer);
            link.send_in_pieces(&sent, piece);
            let frame = client.frame();
            assert_eq!(frame.len(), sent.len() - 4, "the length must not change");
            frames::assert_no_leak(&frame);
            let (_, mut told) = frames::decode_response::<FetchRequest>(&frame, version);
            assert_eq!(told.node_endpoints, []);
            let blank = told.unknown_tagged_fields.remove(&BLANKED_TAG);
            assert!(blank.is_some_and(|bytes| bytes.iter().all(|&b| b == 0)));
            assert_eq!(told, answer.clone().with_node_endpoints(Vec::new()));
        }
    }
    assert_eq!(proxy.metric(&neutralised("Fetch")), 15.0);
    proxy.assert_calm();
}

#[test]
fn fetch_without_endpoints_passes_byte_for_byte_in_every_version() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for version in 4..=18 {
        let answer = fetched(version, records(1000)).with_node_endpoints(Vec::new());
        let request = frames::request(1, version, &FetchRequest::default());
        let (mut client, mut link) = open(&proxy, &broker, &request);
        let sent = link.request().answer(&answer);
        link.send(&sent);
        assert_eq!(client.frame(), sent[4..], "version {version}");
    }
    assert_eq!(proxy.metric(&neutralised("Fetch")), 0.0);
}

#[test]
fn internal_names_inside_records_are_the_users_own_and_stay() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let request = frames::request(1, 16, &FetchRequest::default());
    let (mut client, mut link) = open(&proxy, &broker, &request);
    let answer = fetched(16, internal_host(0).into());
    let sent = link.request().answer(&answer);
    link.send(&sent);
    let (_, told) = frames::decode_response::<FetchRequest>(&client.frame(), 16);
    assert_eq!(
        told.responses[0].partitions[0].records,
        Some(internal_host(0).into())
    );
    assert_eq!(told.node_endpoints, []);
}

#[test]
fn share_fetch_endpoints_are_blanked_in_place_in_any_pieces() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let partition = share_fetch_response::PartitionData::default()
        .with_records(Some(records(300)))
        .with_acquired_records(vec![
            share_fetch_response::AcquiredRecords::default().with_last_offset(4),
        ]);
    let topic = share_fetch_response::ShareFetchableTopicResponse::default()
        .with_partitions(vec![partition]);
    for endpoints in 1..=3 {
        let answer = ShareFetchResponse::default()
            .with_responses(vec![topic.clone()])
            .with_node_endpoints(
                (0..endpoints)
                    .map(|id| {
                        share_fetch_response::NodeEndpoint::default()
                            .with_node_id(BrokerId(id))
                            .with_host(internal_host(id).into())
                            .with_port(INTERNAL_PORT)
                    })
                    .collect(),
            );
        for piece in [1, 13, 1_000_000] {
            let request = frames::request(1, 1, &ShareFetchRequest::default());
            let (mut client, mut link) = open(&proxy, &broker, &request);
            let sent = link.request().answer(&answer);
            link.send_in_pieces(&sent, piece);
            let frame = client.frame();
            assert_eq!(frame.len(), sent.len() - 4, "the length must not change");
            frames::assert_no_leak(&frame);
            let (_, mut told) = frames::decode_response::<ShareFetchRequest>(&frame, 1);
            assert!(!told.unknown_tagged_fields.is_empty());
            told.unknown_tagged_fields.clear();
            assert_eq!(told, answer.clone().with_node_endpoints(Vec::new()));
        }
    }
    assert_eq!(proxy.metric(&neutralised("ShareFetch")), 9.0);
    proxy.assert_calm();
}

#[test]
fn a_produce_answer_too_large_to_be_held_is_blanked_instead() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nresponse_rewrite_bytes = \"4KiB\"")
        .start();
    let request = frames::request(1, 10, &frames::produce(10, 1, b"x"));
    let (mut client, mut link) = open(&proxy, &broker, &request);
    let partitions: Vec<_> = (0..1000)
        .map(|n| produce_response::PartitionProduceResponse::default().with_index(n))
        .collect();
    let answer = ProduceResponse::default()
        .with_responses(vec![
            produce_response::TopicProduceResponse::default().with_partition_responses(partitions),
        ])
        .with_node_endpoints(vec![
            produce_response::NodeEndpoint::default()
                .with_host(internal_host(0).into())
                .with_port(INTERNAL_PORT),
        ]);
    let sent = link.request().answer(&answer);
    link.send(&sent);
    let frame = client.frame();
    frames::assert_no_leak(&frame);
    let (_, told) = frames::decode_response::<ProduceRequest>(&frame, 10);
    assert_eq!(told.responses, answer.responses);
    assert_eq!(told.node_endpoints, []);
    assert_eq!(proxy.metric(&neutralised("Produce")), 1.0);
}

#[test]
fn a_small_produce_answer_that_names_unmapped_nodes_only_tells_of_none() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for version in 10..=13 {
        let request = frames::request(1, version, &frames::produce(version, 1, b"x"));
        let (mut client, mut link) = open(&proxy, &broker, &request);
        let endpoint = produce_response::NodeEndpoint::default()
            .with_node_id(BrokerId(7))
            .with_host(internal_host(7).into())
            .with_port(INTERNAL_PORT);
        let answer = ProduceResponse::default().with_node_endpoints(vec![endpoint]);
        let sent = link.request().answer(&answer);
        link.send(&sent);
        let frame = client.frame();
        frames::assert_no_leak(&frame);
        let (_, told) = frames::decode_response::<ProduceRequest>(&frame, version);
        assert_eq!(told.node_endpoints, [], "version {version}");
    }
}

#[test]
fn a_share_acknowledge_answer_too_large_to_be_held_is_blanked_instead() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nresponse_rewrite_bytes = \"4KiB\"")
        .start();
    let request = frames::request(1, 1, &ShareAcknowledgeRequest::default());
    let (mut client, mut link) = open(&proxy, &broker, &request);
    let partitions: Vec<_> = (0..1000)
        .map(|n| share_acknowledge_response::PartitionData::default().with_partition_index(n))
        .collect();
    let answer = ShareAcknowledgeResponse::default()
        .with_responses(vec![
            share_acknowledge_response::ShareAcknowledgeTopicResponse::default()
                .with_partitions(partitions),
        ])
        .with_node_endpoints(vec![
            share_acknowledge_response::NodeEndpoint::default()
                .with_host(internal_host(0).into())
                .with_port(INTERNAL_PORT),
        ]);
    let sent = link.request().answer(&answer);
    link.send(&sent);
    let frame = client.frame();
    frames::assert_no_leak(&frame);
    let (_, told) = frames::decode_response::<ShareAcknowledgeRequest>(&frame, 1);
    assert_eq!(told.responses, answer.responses);
    assert_eq!(told.node_endpoints, []);
    assert_eq!(proxy.metric(&neutralised("ShareAcknowledge")), 1.0);
}

#[test]
fn a_fetch_answer_that_does_not_follow_its_schema_ends_the_session() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.request(16, &FetchRequest::default());
    let mut link = broker.accept();
    // Behind the header: throttle time, error, session, and two thousand million topics.
    let body = [&[0; 11][..], &[0xff, 0xff, 0xff, 0xff, 0x07], &[0; 200]].concat();
    let answer = link.request().answer_bytes(&body);
    link.send(&answer);
    client.rest();
    proxy.wait_for_end("main", "malformed_response");
}
