//! The frames of the load: what Kafka's own clients and brokers would send, encoded by kafka-protocol.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    GroupId, MetadataRequest, MetadataResponse, OffsetCommitRequest, OffsetCommitResponse,
    ProduceResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use uuid::Uuid;

use crate::common::frames::{produce, request, response};

/// Version 11: its answer may carry addresses (since 10), and its requests name topics (until 12).
pub const PRODUCE_VERSION: i16 = 11;
/// Version 17: its answer may carry addresses (since 16).
pub const FETCH_VERSION: i16 = 17;
pub const OFFSET_COMMIT_VERSION: i16 = 8;
pub const METADATA_VERSION: i16 = 12;
pub const FIND_COORDINATOR_VERSION: i16 = 4;

/// The nodes that answers name. The proxies' configurations know them.
pub const NODES: [i32; 3] = [0, 1, 2];

const TOPIC: &str = "records";
const TOPIC_ID: Uuid = Uuid::from_u128(0x6d61_696e_2d74_6f70_6963_2d69_6400_0001);

/// A request and the answer to it, both with their size fields and the correlation id 0.
#[derive(Debug)]
pub struct Exchange {
    pub request: Vec<u8>,
    pub answer: Vec<u8>,
}

/// A record set of `size` bytes to one partition, acks 1; the answer has about 60 bytes.
pub fn produce_records(size: usize) -> Exchange {
    let partition = PartitionProduceResponse::default()
        .with_base_offset(4711)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(0);
    let topic = TopicProduceResponse::default()
        .with_name(topic_name())
        .with_partition_responses(vec![partition]);
    let answer = ProduceResponse::default().with_responses(vec![topic]);
    Exchange {
        request: request(
            0,
            PRODUCE_VERSION,
            &produce(PRODUCE_VERSION, 1, &record_set(size)),
        ),
        answer: response(0, PRODUCE_VERSION, &answer),
    }
}

/// A fetch of some partitions, each of which is answered with a record set of `size` bytes.
pub fn fetch_records(size: usize, partitions: usize) -> Exchange {
    let indexes = || 0..i32::try_from(partitions).expect("few partitions");
    let asked = indexes().map(|index| {
        FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(4711)
            .with_partition_max_bytes(1024 * 1024)
    });
    let asked = FetchTopic::default()
        .with_topic_id(TOPIC_ID)
        .with_partitions(asked.collect());
    let question = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_topics(vec![asked]);
    let records = record_set(size);
    let given = indexes().map(|index| {
        PartitionData::default()
            .with_partition_index(index)
            .with_high_watermark(9999)
            .with_last_stable_offset(9999)
            .with_log_start_offset(0)
            .with_aborted_transactions(None)
            .with_preferred_read_replica(BrokerId(-1))
            .with_records(Some(records.clone()))
    });
    let given = FetchableTopicResponse::default()
        .with_topic_id(TOPIC_ID)
        .with_partitions(given.collect());
    let answer = FetchResponse::default().with_responses(vec![given]);
    Exchange {
        request: request(0, FETCH_VERSION, &question),
        answer: response(0, FETCH_VERSION, &answer),
    }
}

/// A small question with a small answer that no proxy has a reason to touch: 100 bytes each way.
pub fn ping() -> Exchange {
    let commit = OffsetCommitRequestPartition::default().with_committed_offset(4711);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name())
        .with_partitions(vec![commit]);
    let question = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("group-of-pings")))
        .with_member_id(StrBytes::from_static_str("member-001-of-the-group"))
        .with_topics(vec![topic]);
    let partitions =
        (0..11).map(|index| OffsetCommitResponsePartition::default().with_partition_index(index));
    let topic = OffsetCommitResponseTopic::default()
        .with_name(topic_name())
        .with_partitions(partitions.collect());
    let answer = OffsetCommitResponse::default().with_topics(vec![topic]);
    Exchange {
        request: request(0, OFFSET_COMMIT_VERSION, &question),
        answer: response(0, OFFSET_COMMIT_VERSION, &answer),
    }
}

/// A question for all topics, answered with this many partitions, a hundred to a topic.
pub fn metadata(partitions: usize) -> Exchange {
    let nodes = || NODES.map(BrokerId).to_vec();
    let topics = (0..partitions.div_ceil(100)).map(|topic| {
        let partitions = (0..100).map(|index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(index % 3))
                .with_replica_nodes(nodes())
                .with_isr_nodes(nodes())
        });
        let name = StrBytes::from_string(format!("topic-{topic:04}"));
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(name)))
            .with_topic_id(Uuid::from_u128(topic as u128 + 1))
            .with_partitions(partitions.collect())
    });
    let brokers = NODES.map(|id| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(host(id))
            .with_port(9092)
    });
    let answer = MetadataResponse::default()
        .with_brokers(brokers.to_vec())
        .with_cluster_id(Some(StrBytes::from_static_str("MkU3OEVBNTcwNTJENDM2Qk")))
        .with_controller_id(BrokerId(0))
        .with_topics(topics.collect());
    let question = MetadataRequest::default().with_topics(None);
    Exchange {
        request: request(0, METADATA_VERSION, &question),
        answer: response(0, METADATA_VERSION, &answer),
    }
}

/// A question for the coordinator of one group.
pub fn find_coordinator() -> Exchange {
    let group = StrBytes::from_static_str("group-of-pings");
    let question = FindCoordinatorRequest::default().with_coordinator_keys(vec![group.clone()]);
    let coordinator = Coordinator::default()
        .with_key(group)
        .with_node_id(BrokerId(1))
        .with_host(host(1))
        .with_port(9092);
    let answer = FindCoordinatorResponse::default().with_coordinators(vec![coordinator]);
    Exchange {
        request: request(0, FIND_COORDINATOR_VERSION, &question),
        answer: response(0, FIND_COORDINATOR_VERSION, &answer),
    }
}

/// One batch with one record, `size` bytes in all.
pub fn record_set(size: usize) -> Bytes {
    // The lengths in front of the value take more bytes the longer it is: try until it fits.
    let mut value = size
        .checked_sub(80)
        .expect("room for the batch's own fields");
    loop {
        let bytes = encoded(value);
        match bytes.len() {
            len if len == size => return bytes,
            len if len > size => value -= len - size,
            len => value += size - len,
        }
    }
}

fn encoded(value: usize) -> Bytes {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: 1_700_000_000_000,
        key: None,
        value: Some(Bytes::from(vec![b'x'; value])),
        headers: Default::default(),
    };
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, [&record], &options).expect("a batch can be encoded");
    bytes.freeze()
}

fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

fn host(id: i32) -> StrBytes {
    StrBytes::from_string(format!("kafka-{id}.kafka-headless.kafka.svc.cluster.local"))
}
