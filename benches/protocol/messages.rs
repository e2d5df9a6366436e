//! What the benchmarks are fed with: frames as brokers and clients send them, encoded by kafka-protocol.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, FetchResponse, FindCoordinatorResponse, MetadataResponse,
    ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};
use portolan::port_map::{NodeId, NodePort, PortMap};
use portolan::protocol::api;

const CORRELATION_ID: i32 = 7;

/// Nodes 0 to `nodes` - 1.
pub(crate) fn ports(nodes: u16) -> PortMap {
    let port = |n: u16| NodePort {
        bound: 9092 + n,
        advertised: 9092 + n,
    };
    let nodes: BTreeMap<_, _> = (0..nodes)
        .map(|id| (NodeId(id.into()), port(id + 1)))
        .collect();
    PortMap::new(Some("kafka.example.com"), port(0), nodes).unwrap()
}

/// A request with its size field.
pub(crate) fn request<R: Request>(version: i16, message: &R) -> Vec<u8> {
    let mut frame = vec![0; 4];
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(CORRELATION_ID)
        .with_client_id(Some(StrBytes::from_static_str("producer-1")))
        .encode(&mut frame, R::header_version(version))
        .unwrap();
    message.encode(&mut frame, version).unwrap();
    with_size(frame)
}

/// An answer with its size field.
pub(crate) fn response<M: Encodable + HeaderVersion>(version: i16, message: &M) -> Vec<u8> {
    let mut frame = vec![0; 4];
    ResponseHeader::default()
        .with_correlation_id(CORRELATION_ID)
        .encode(&mut frame, M::header_version(version))
        .unwrap();
    message.encode(&mut frame, version).unwrap();
    with_size(frame)
}

fn with_size(mut frame: Vec<u8>) -> Vec<u8> {
    let size = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame
}

/// The host of a node as a StatefulSet has it: 62 bytes.
fn host(node: i32) -> StrBytes {
    format!("kafka-{node:05}.kafka-headless.production.svc.cluster.local.kafka").into()
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

pub(crate) fn produce_request(version: i16, records: usize) -> Vec<u8> {
    let partition =
        PartitionProduceData::default().with_records(Some(Bytes::from(vec![0x55; records])));
    let mut topic = TopicProduceData::default().with_partition_data(vec![partition]);
    if version < 13 {
        topic.name = TopicName(text("orders"));
    }
    let message = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    request(version, &message)
}

/// An answer to `partitions` partitions of one topic; after a move of leaders it names `endpoints` nodes.
pub(crate) fn produce_response(version: i16, partitions: usize, endpoints: i32) -> Vec<u8> {
    let partition = |n| {
        PartitionProduceResponse::default()
            .with_index(n)
            .with_base_offset(1_000_000)
    };
    let partitions = (0..partitions as i32).map(partition).collect();
    let mut topic = TopicProduceResponse::default().with_partition_responses(partitions);
    if version < 13 {
        topic.name = TopicName(text("orders"));
    }
    let endpoint = |id| {
        NodeEndpoint::default()
            .with_node_id(BrokerId(id))
            .with_host(host(id))
            .with_port(9092)
            .with_rack(Some(text("eu-west-1a")))
    };
    let message = ProduceResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints((0..endpoints).map(endpoint).collect());
    response(version, &message)
}

pub(crate) fn fetch_response(version: i16, partitions: usize, records: usize) -> Vec<u8> {
    let records = Bytes::from(vec![0x55; records]);
    let partition = |n| {
        PartitionData::default()
            .with_partition_index(n)
            .with_high_watermark(1_000_000)
            .with_records(Some(records.clone()))
    };
    let partitions = (0..partitions as i32).map(partition).collect();
    let topic = FetchableTopicResponse::default().with_partitions(partitions);
    response(
        version,
        &FetchResponse::default().with_responses(vec![topic]),
    )
}

/// `brokers` brokers, and topics of 100 partitions each that the first three of them lead.
pub(crate) fn metadata_response(version: i16, brokers: i32, partitions: i32) -> Vec<u8> {
    let broker = |id| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(host(id))
            .with_port(9092)
            .with_rack(Some(text("eu-west-1a")))
    };
    let replicas = || vec![BrokerId(0), BrokerId(1), BrokerId(2)];
    let partition = |n: i32| {
        MetadataResponsePartition::default()
            .with_partition_index(n)
            .with_leader_id(BrokerId(n % 3))
            .with_replica_nodes(replicas())
            .with_isr_nodes(replicas())
    };
    let topic = |n: i32| {
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(format!("orders-{n:04}").into())))
            .with_partitions((0..partitions.min(100)).map(partition).collect())
    };
    let message = MetadataResponse::default()
        .with_brokers((0..brokers).map(broker).collect())
        .with_cluster_id(Some(text("MkU3OEVBNTcwNTJENDM2Qk")))
        .with_controller_id(BrokerId(1))
        .with_topics((0..(partitions + 99) / 100).map(topic).collect());
    response(version, &message)
}

/// Up to version 3 one coordinator, from version 4 on one of each of `groups` groups.
pub(crate) fn find_coordinator_response(version: i16, groups: i32) -> Vec<u8> {
    let message = match version {
        ..=3 => FindCoordinatorResponse::default()
            .with_node_id(BrokerId(1))
            .with_host(host(1))
            .with_port(9092),
        _ => {
            let one = |n: i32| {
                Coordinator::default()
                    .with_key(format!("group-{n:04}").into())
                    .with_node_id(BrokerId(n % 3))
                    .with_host(host(n % 3))
                    .with_port(9092)
            };
            FindCoordinatorResponse::default().with_coordinators((0..groups).map(one).collect())
        }
    };
    response(version, &message)
}

/// Every api that we know of, as a broker of Kafka 4 offers them.
pub(crate) fn api_versions_response(version: i16) -> Vec<u8> {
    let offer = |(key, _)| {
        ApiVersion::default()
            .with_api_key(key)
            .with_min_version(0)
            .with_max_version(20)
    };
    let message = ApiVersionsResponse::default().with_api_keys(api::all().map(offer).collect());
    response(version, &message)
}
