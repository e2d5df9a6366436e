//! The addresses of new leaders that brokers put into refusals (KIP-951), at every version that has them.

use std::time::{Duration, Instant};

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::admin::patiently_until;
use crate::answers::{asked_node, clusters, compare, tell};
use crate::cluster::Cluster;
use crate::common::proxy::PATIENCE;
use crate::records::one_record;
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
        let asked = cluster.plaintext(asked_node(cluster));
        let mut direct = Wire::connect(asked).expect("it accepts");
        patiently_until("the broker knows where else the leaders are", || {
            let answer = direct.ask(&request(10), 10).expect("an answer");
            let mut partitions = answer.responses[0].partition_responses.iter();
            let known = partitions.all(|partition| partition.current_leader.leader_id.0 >= 0);
            match known && answer.node_endpoints.len() == 2 {
                true => Ok(()),
                false => Err(format!("{answer:?}")),
            }
        });
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
        let topic = refusing_topic(cluster);
        let request = |_| topic.fetch();
        compare(cluster, 16, request, |_, mut answer: FetchResponse| {
            assert!(topic.serves_one_and_refuses_others(&answer), "{answer:?}");
            // Where the addresses stood the client sees a tag that it does not know.
            let told_nothing = answer.node_endpoints.is_empty();
            assert_eq!(told_nothing, !answer.unknown_tagged_fields.is_empty());
            answer.node_endpoints.clear();
            answer.unknown_tagged_fields.clear();
            answer
        });
    }
}

/// A topic of which the broker serves one partition and refuses the others. What brokers serve right after their leaders
/// have moved is theirs to say, so there is more than one try.
fn refusing_topic(cluster: &Cluster) -> Topic {
    let mut direct = Wire::connect(cluster.plaintext(asked_node(cluster))).expect("it accepts");
    for name in ["refused-fetches", "refused-fetches-2", "refused-fetches-3"] {
        let topic = Topic::with_other_leaders(cluster, name);
        topic.write_to_each(cluster);
        // So that the leaders' first epoch has passed.
        cluster.move_leaders(name);
        let begin = Instant::now();
        loop {
            let answer = direct.ask(&topic.fetch(), 16).expect("an answer");
            if topic.serves_one_and_refuses_others(&answer) {
                return topic;
            }
            if begin.elapsed() > PATIENCE {
                let (version, partitions) = (cluster.version(), cluster.partitions(name));
                eprintln!("Kafka {version} answers {answer:?} for {partitions:?}");
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    panic!("the broker never serves one partition and refuses the others");
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

    /// A request for the records of all these partitions. The first is to be served, by its leader or a follower, so that
    /// there are records in front of the addresses; the others are asked for by an epoch that has passed.
    fn fetch(&self) -> FetchRequest {
        let partitions = self.partitions.iter().map(|&index| {
            let epoch = if index == self.partitions[0] { -1 } else { 0 };
            FetchPartition::default()
                .with_partition_max_bytes(1000)
                .with_partition(index)
                .with_current_leader_epoch(epoch)
        });
        let topic = FetchTopic::default()
            .with_topic(self.name.clone())
            .with_topic_id(self.metadata.topic_id)
            .with_partitions(partitions.collect());
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(1000)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }

    fn serves_one_and_refuses_others(&self, answer: &FetchResponse) -> bool {
        let mut partitions = answer.responses[0].partitions.iter();
        partitions.all(|partition| match &partition.records {
            Some(records) if partition.partition_index == self.partitions[0] => {
                partition.error_code == 0 && !records.is_empty()
            }
            // By the leader's id clients find it among the brokers that they know.
            _ => {
                partition.error_code == FENCED_LEADER_EPOCH
                    && partition.current_leader.leader_id.0 >= 0
            }
        })
    }

    /// A request that writes one record to each of these partitions.
    fn write(&self, partitions: &[i32]) -> ProduceRequest {
        let partitions = partitions.iter().map(|&index| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(one_record("value")))
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
