//! Frames as bytes: kafka-protocol encodes and decodes them, and a few builders make the messages that tests need.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, MetadataResponse, ProduceRequest, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// The client id of every request.
pub const CLIENT_ID: &str = "test-client";

/// What every internal host name ends with: a client that reads it was told too much.
pub const INTERNAL: &str = "internal.test";

/// The port of every internal address.
pub const INTERNAL_PORT: i32 = 19_092;

/// The internal host name of a node.
pub fn internal_host(node_id: i32) -> String {
    format!("kafka-{node_id}.{INTERNAL}")
}

/// Fails if an internal name is anywhere in these bytes.
pub fn assert_no_leak(bytes: &[u8]) {
    let found = bytes
        .windows(INTERNAL.len())
        .any(|window| window == INTERNAL.as_bytes());
    assert!(!found, "an internal name in {}", bytes.escape_ascii());
}

/// A size field in front of these bytes.
pub fn framed(bytes: &[u8]) -> Vec<u8> {
    let size = i32::try_from(bytes.len()).expect("a frame");
    [&size.to_be_bytes(), bytes].concat()
}

/// A request with its size field.
pub fn request<R: Request>(correlation_id: i32, version: i16, message: &R) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)))
        .encode(&mut bytes, R::header_version(version))
        .expect("a header can be encoded");
    message
        .encode(&mut bytes, version)
        .unwrap_or_else(|error| panic!("key {} version {version}: {error}", R::KEY));
    framed(&bytes)
}

/// A request of any api in any version, with its size field: `body` stands behind a client id.
pub fn raw_request(api_key: i16, version: i16, correlation_id: i32, body: &[u8]) -> Vec<u8> {
    let client_id = (CLIENT_ID.len() as u16).to_be_bytes();
    framed(
        &[
            &api_key.to_be_bytes(),
            &version.to_be_bytes(),
            &correlation_id.to_be_bytes()[..],
            &client_id,
            CLIENT_ID.as_bytes(),
            body,
        ]
        .concat(),
    )
}

/// An answer with its size field.
pub fn response<M: Encodable + HeaderVersion>(
    correlation_id: i32,
    version: i16,
    message: &M,
) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(&mut bytes, M::header_version(version))
        .expect("a header can be encoded");
    message
        .encode(&mut bytes, version)
        .unwrap_or_else(|error| panic!("version {version}: {error}"));
    framed(&bytes)
}

/// The message of a request; `frame` has no size field.
pub fn decode_request<R: Request>(frame: &[u8]) -> R {
    let mut bytes = Bytes::copy_from_slice(frame);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    RequestHeader::decode(&mut bytes, R::header_version(version)).expect("a request header");
    R::decode(&mut bytes, version).expect("a request")
}

/// The correlation id and the message of an answer; `frame` has no size field.
pub fn decode_response<R: Request>(frame: &[u8], version: i16) -> (i32, R::Response) {
    let mut bytes = Bytes::copy_from_slice(frame);
    let header = ResponseHeader::decode(&mut bytes, R::Response::header_version(version))
        .expect("a response header");
    let response = R::Response::decode(&mut bytes, version)
        .unwrap_or_else(|error| panic!("key {} version {version}: {error}", R::KEY));
    assert!(bytes.is_empty(), "bytes behind the answer");
    (header.correlation_id, response)
}

/// A Metadata answer: brokers at their internal addresses, the first of which is the controller, and one topic whose
/// partition n is led by the n-th broker.
pub fn metadata(version: i16, nodes: &[i32]) -> MetadataResponse {
    let controller = match version {
        0 => -1,
        _ => nodes.first().copied().unwrap_or(-1),
    };
    MetadataResponse::default()
        .with_controller_id(BrokerId(controller))
        .with_brokers(nodes.iter().map(|&id| broker(id)).collect())
        .with_topics(vec![topic("records", nodes.iter().copied())])
}

fn broker(id: i32) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(BrokerId(id))
        .with_host(internal_host(id).into())
        .with_port(INTERNAL_PORT)
}

/// A topic of a Metadata answer, with the leaders of its partitions.
pub fn topic(name: &'static str, leaders: impl Iterator<Item = i32>) -> MetadataResponseTopic {
    let partitions = leaders
        .enumerate()
        .map(|(n, leader)| {
            MetadataResponsePartition::default()
                .with_partition_index(n as i32)
                .with_leader_id(BrokerId(leader))
                .with_replica_nodes(vec![BrokerId(leader)])
                .with_isr_nodes(vec![BrokerId(leader)])
        })
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str(name))))
        .with_partitions(partitions)
}

/// A Produce request with one partition of records.
pub fn produce(version: i16, acks: i16, records: &[u8]) -> ProduceRequest {
    let partition =
        PartitionProduceData::default().with_records(Some(Bytes::copy_from_slice(records)));
    let mut topic = TopicProduceData::default().with_partition_data(vec![partition]);
    if version < 13 {
        topic.name = TopicName(StrBytes::from_static_str("records"));
    }
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(1000)
        .with_topic_data(vec![topic])
}
