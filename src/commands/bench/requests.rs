//! The requests of the load, encoded once.

use std::ops::RangeInclusive;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, BrokerId, FetchRequest, ListOffsetsRequest, ProduceRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::plan::{Acks, Workload};
use crate::commands::client::connection::encode;

/// Where the correlation id is in a frame.
const CORRELATION_ID: usize = 8;

/// How long a broker may wait for replicas or for records, in milliseconds.
const BROKER_TIMEOUT_MS: i32 = 30_000;
const FETCH_WAIT_MS: i32 = 500;

/// ListOffsets: the first offset that is still there.
pub(super) const EARLIEST: i64 = -2;
/// ListOffsets: the offset of the next record.
pub(super) const LATEST: i64 = -1;

/// One request, to be sent again and again: `head`, then records that many share, then `tail`.
#[derive(Default)]
pub(super) struct Template {
    head: Vec<u8>,
    records: Bytes,
    tail: Vec<u8>,
    /// Where the fetch offset is in `head`.
    offset_at: Option<usize>,
}

/// What requests are about.
pub(super) struct Subject<'a> {
    pub(super) client_id: &'a str,
    pub(super) topic: &'a str,
    pub(super) topic_id: Uuid,
    pub(super) acks: Acks,
    /// A batch of records.
    pub(super) records: &'a Bytes,
    pub(super) fetch_size: usize,
}

impl Template {
    /// The bytes to send, with this correlation id.
    pub(super) fn parts(&mut self, correlation_id: i32) -> [&[u8]; 3] {
        let id = &mut self.head[CORRELATION_ID..CORRELATION_ID + 4];
        id.copy_from_slice(&correlation_id.to_be_bytes());
        [&self.head, &self.records, &self.tail]
    }

    /// Bytes of records that it carries.
    pub(super) fn record_bytes(&self) -> u64 {
        self.records.len() as u64
    }

    /// Where to fetch from.
    pub(super) fn set_offset(&mut self, offset: i64) {
        if let Some(at) = self.offset_at {
            self.head[at..at + 8].copy_from_slice(&offset.to_be_bytes());
        }
    }

    fn whole(head: Vec<u8>) -> Self {
        Template {
            head,
            records: Bytes::new(),
            tail: Vec::new(),
            offset_at: None,
        }
    }
}

/// The api of a workload, and the versions that we know of it. Fetch and Produce by names where a topic has no id.
pub(super) fn api(workload: Workload, topic_id: Uuid) -> (ApiKey, RangeInclusive<i16>) {
    match workload {
        Workload::Produce => (ApiKey::Produce, 3..=12),
        Workload::Fetch if topic_id.is_nil() => (ApiKey::Fetch, 4..=12),
        Workload::Fetch => (ApiKey::Fetch, 4..=17),
        Workload::Ping => (ApiKey::ListOffsets, 1..=7),
    }
}

/// The request of a workload for one partition.
pub(super) fn template(
    workload: Workload,
    subject: &Subject<'_>,
    version: i16,
    partition: i32,
) -> Result<Template, String> {
    match workload {
        Workload::Produce => produce(subject, version, partition),
        Workload::Fetch => fetch(subject, version, partition),
        Workload::Ping => {
            let request = list_offsets(subject.topic, partition, LATEST);
            encode(subject.client_id, 0, version, &request).map(Template::whole)
        }
    }
}

/// A request that every broker answers at once: its answer says that all before it was read.
pub(super) fn marker(client_id: &str) -> Result<Template, String> {
    encode(client_id, 0, 0, &ApiVersionsRequest::default()).map(Template::whole)
}

/// Produces this batch, too, but as a message.
pub(super) fn produce_request(subject: &Subject<'_>, partition: i32) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(subject.records.clone()));
    let topic = TopicProduceData::default()
        .with_name(name(subject.topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(subject.acks.code())
        .with_timeout_ms(BROKER_TIMEOUT_MS)
        .with_topic_data(vec![topic])
}

fn produce(subject: &Subject<'_>, version: i16, partition: i32) -> Result<Template, String> {
    let request = produce_request(subject, partition);
    let mut frame = encode(subject.client_id, 0, version, &request)?;
    // Behind the records are the tags of the partition, the topic and the request: none of each, in flexible versions.
    let tail = if version >= 9 { 3 } else { 0 };
    let tail = frame.split_off(frame.len() - tail);
    let head = frame.len() - subject.records.len();
    frame.truncate(head);
    Ok(Template {
        head: frame,
        records: subject.records.clone(),
        tail,
        offset_at: None,
    })
}

fn fetch(subject: &Subject<'_>, version: i16, partition: i32) -> Result<Template, String> {
    // Two offsets that differ in every byte: where the frames differ is the field.
    let with = |offset| {
        let request = fetch_request(subject, version, partition, offset);
        encode(subject.client_id, 0, version, &request)
    };
    let (head, other) = (with(0)?, with(-1)?);
    let mut pairs = head.iter().zip(&other);
    let offset_at = pairs.position(|(a, b)| a != b);
    Ok(Template {
        offset_at,
        ..Template::whole(head)
    })
}

fn fetch_request(subject: &Subject<'_>, version: i16, partition: i32, offset: i64) -> FetchRequest {
    let size = i32::try_from(subject.fetch_size).unwrap_or(i32::MAX);
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(size);
    let topic = FetchTopic::default().with_partitions(vec![partition]);
    let topic = match version >= 13 {
        true => topic.with_topic_id(subject.topic_id),
        false => topic.with_topic(name(subject.topic)),
    };
    FetchRequest::default()
        .with_max_wait_ms(FETCH_WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(size)
        .with_topics(vec![topic])
}

/// Asks for an offset of a partition by a timestamp.
pub(super) fn list_offsets(topic: &str, partition: i32, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic])
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
