//! The addresses of new leaders that brokers put into refusals (KIP-951), at every version that has them.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::admin::patiently_until;
use crate::answers::{asked_node, clusters, compare, tell};
use crate::cluster::Cluster;
use crate::wire::Wire;

/// The node is not the leader of the partition.
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
/// The client is thinking of a leader of earlier. (Followers serve fetches, so that another node is no reason to refuse.)
const FENCED_LEADER_EPOCH: i16 = 74;

#[test]
fn a_refused_write_names_the_leaders_by_their_proxied_addresses_at_every_version() {
    for cluster in clusters() {
        let topic = Topic::with_other_leaders(cluster, "refused-writes");
        let request = |_| topic.write(&topic.partitions);
        compare(
            cluster,
            10,
            request,
            |front, mut answer: ProduceResponse| {
                for partition in &answer.responses[0].partition_responses {
                    assert_eq!(partition.error_code, NOT_LEADER_OR_FOLLOWER);
                }
                assert_eq!(answer.node_endpoints.len(), 2, "{answer:?}");
                answer
                    .node_endpoints
                    .sort_by_key(|endpoint| endpoint.node_id);
                for endpoint in &mut answer.node_endpoints {
                    tell(
                        front,
                        cluster,
                        endpoint.node_id.0,
                        &mut endpoint.host,
                        &mut endpoint.port,
                    );
                }
                answer
            },
        );
    }
}

#[test]
fn a_refused_fetch_names_the_leaders_without_their_addresses_at_every_version() {
    for cluster in clusters() {
        let topic = Topic::with_other_leaders(cluster, "refused-fetches");
        topic.write_to_each(cluster);
        // So that the leaders' first epoch has passed.
        cluster.move_leaders("refused-fetches");
        let partitions = topic.partitions.iter().map(|&index| {
            let partition = FetchPartition::default().with_partition_max_bytes(1000);
            // The first is served, by its leader or a follower: there are records in front of the addresses.
            let served = index == topic.partitions[0];
            let epoch = if served { -1 } else { 0 };
            partition
                .with_partition(index)
                .with_current_leader_epoch(epoch)
        });
        let asked = FetchTopic::default()
            .with_topic(topic.name.clone())
            .with_topic_id(topic.metadata.topic_id)
            .with_partitions(partitions.collect());
        let request = |_| {
            FetchRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_max_bytes(1000)
                .with_session_epoch(-1)
                .with_topics(vec![asked.clone()])
        };
        let as_expected = |answer: &FetchResponse| {
            let mut partitions = answer.responses[0].partitions.iter();
            partitions.all(|partition| match &partition.records {
                Some(records) if partition.partition_index == topic.partitions[0] => {
                    partition.error_code == 0 && !records.is_empty()
                }
                // By the leader's id clients find it among the brokers that they know.
                _ => {
                    partition.error_code == FENCED_LEADER_EPOCH
                        && partition.current_leader.leader_id.0 >= 0
                }
            })
        };
        let mut direct = Wire::connect(cluster.plaintext(asked_node(cluster))).expect("it accepts");
        let what = "the broker serves one partition and refuses the others";
        patiently_until(what, || {
            let answer = direct.ask(&request(16), 16).expect("an answer");
            match as_expected(&answer) {
                true => Ok(()),
                false => Err(format!(
                    "{answer:?} of Kafka {} after {:?}",
                    cluster.version(),
                    cluster.partitions("refused-fetches")
                )),
            }
        });
        compare(cluster, 16, request, |_, mut answer: FetchResponse| {
            assert!(as_expected(&answer), "{answer:?}");
            // Where the addresses stood the client sees a tag that it does not know.
            let told_nothing = answer.node_endpoints.is_empty();
            assert_eq!(told_nothing, !answer.unknown_tagged_fields.is_empty());
            answer.node_endpoints.clear();
            answer.unknown_tagged_fields.clear();
            answer
        });
    }
}

/// Partitions that another node leads than the one that is asked.
struct Topic {
    name: TopicName,
    metadata: MetadataResponseTopic,
    partitions: Vec<i32>,
}

impl Topic {
    fn with_other_leaders(cluster: &Cluster, name: &'static str) -> Self {
        cluster.create_topic(name, 6);
        let asked = asked_node(cluster);
        let partitions = cluster.partitions(name).into_iter();
        let others = partitions.filter(|partition| partition.leader_id.0 != asked);
        let metadata = cluster.metadata(asked).expect("the broker answers");
        let name = TopicName(StrBytes::from_static_str(name));
        let mut topics = metadata.topics.into_iter();
        let found = topics.find(|topic| topic.name.as_ref() == Some(&name));
        let topic = Topic {
            metadata: found.expect("the topic is known"),
            name,
            partitions: others.map(|partition| partition.partition_index).collect(),
        };
        assert!(!topic.partitions.is_empty(), "one node leads everything");
        topic
    }

    /// A request that writes one record to each of these partitions.
    fn write(&self, partitions: &[i32]) -> ProduceRequest {
        let partitions = partitions.iter().map(|&index| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(one_record()))
        });
        let data = TopicProduceData::default()
            .with_name(self.name.clone())
            .with_topic_id(self.metadata.topic_id)
            .with_partition_data(partitions.collect());
        ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![data])
    }

    fn write_to_each(&self, cluster: &Cluster) {
        for partition in &self.metadata.partitions {
            let request = self.write(&[partition.partition_index]);
            let mut leader = cluster.wire(partition.leader_id.0);
            // A node is named as the leader a moment before it acts as one.
            patiently_until("the leader takes a record", || {
                let answer = leader.ask(&request, 9).expect("an answer");
                let result = &answer.responses[0].partition_responses[0];
                match result.error_code {
                    0 => Ok(()),
                    _ => Err(format!("{result:?}")),
                }
            });
        }
    }
}

fn one_record() -> Bytes {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp: 0,
        key: None,
        value: Some(Bytes::from_static(b"value")),
        headers: Default::default(),
    };
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut batch = Vec::new();
    RecordBatchEncoder::encode(&mut batch, [&record], &options).expect("a record can be encoded");
    batch.into()
}
