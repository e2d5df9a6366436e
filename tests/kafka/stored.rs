//! What a topic holds, read straight from the brokers.

use std::collections::BTreeMap;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::metadata_response::MetadataResponsePartition;
use kafka_protocol::messages::{BrokerId, FetchRequest};
use kafka_protocol::records::RecordBatchDecoder;

use crate::admin::topic_name;
use crate::cluster::Cluster;
use crate::wire::Wire;

/// A producer's id and its epoch, under which brokers refuse to store a sequence number twice (KIP-98).
pub type Epoch = (i64, i16);

impl Cluster {
    /// How many records a topic holds that nobody wrote in transactions, and of which none were deleted: each has an offset of its own.
    pub fn count_stored(&self, topic: &str) -> i64 {
        let end = |partition: &MetadataResponsePartition| {
            let mut leader = self.wire(partition.leader_id.0);
            fetch(&mut leader, topic, partition.partition_index, 0).high_watermark
        };
        self.partitions(topic).iter().map(end).sum()
    }

    /// Every value in a topic, with the epoch of each of its copies.
    pub fn stored(&self, topic: &str) -> BTreeMap<String, Vec<Epoch>> {
        let mut stored: BTreeMap<String, Vec<Epoch>> = BTreeMap::new();
        for partition in self.partitions(topic) {
            let mut leader = self.wire(partition.leader_id.0);
            let mut offset = 0;
            loop {
                let data = fetch(&mut leader, topic, partition.partition_index, offset);
                let Some(mut records) = data.records.filter(|_| offset < data.high_watermark)
                else {
                    break;
                };
                let sets = RecordBatchDecoder::decode_all(&mut records).expect("whole batches");
                assert!(!sets.is_empty(), "nothing at {offset} of {topic}");
                for record in sets.into_iter().flat_map(|set| set.records) {
                    offset = record.offset + 1;
                    let value = record.value.unwrap_or_default();
                    let value = String::from_utf8_lossy(&value).into_owned();
                    let epoch = (record.producer_id, record.producer_epoch);
                    stored.entry(value).or_default().push(epoch);
                }
            }
        }
        stored
    }
}

/// The batches from this offset on.
fn fetch(leader: &mut Wire, topic: &str, partition: i32, offset: i64) -> PartitionData {
    let from = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(i32::MAX);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![from]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(i32::MAX)
        .with_topics(vec![topic]);
    // The last version that names topics, not their ids.
    let mut answer = leader.ask(&request, 12).expect("an answer");
    let mut topic = answer.responses.pop().expect("the topic");
    let data = topic.partitions.pop().expect("the partition");
    assert_eq!(data.error_code, 0, "{data:?}");
    data
}
