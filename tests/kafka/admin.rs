//! What tests change in a cluster behind the proxy's back, over the brokers' direct listener.

use std::time::{Duration, Instant};

use kafka_protocol::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use kafka_protocol::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use kafka_protocol::messages::metadata_response::MetadataResponsePartition;
use kafka_protocol::messages::{
    BrokerId, DescribeGroupsRequest, DescribeTransactionsRequest, FindCoordinatorRequest, GroupId,
    TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::Cluster;
use crate::common::proxy::PATIENCE;
use crate::wire::Wire;

/// No error, as brokers write it.
const NONE: i16 = 0;
/// The partition has the leader already.
const ELECTION_NOT_NEEDED: i16 = 84;
/// The coordinator has loaded its transactions, and this is none of them.
const TRANSACTIONAL_ID_NOT_FOUND: i16 = 105;

/// What FindCoordinator looks for.
const GROUPS: i8 = 0;
const TRANSACTIONS: i8 = 1;

impl Cluster {
    /// Creates a topic with three replicas of each partition and waits until all of them are in sync.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_num_partitions(partitions)
            .with_replication_factor(3);
        self.create(name, topic, partitions);
    }

    fn create(&self, name: &str, topic: CreatableTopic, partitions: i32) {
        let topic = topic.with_name(topic_name(name));
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(30_000);
        let answer = self.wire(self.ids()[0]).ask(&request, 7);
        let answer = answer.expect("the broker answers");
        assert_eq!(answer.topics[0].error_code, NONE, "{answer:?}");
        patiently(
            &format!("all nodes know {name} and its replicas are in sync"),
            || {
                self.ids().iter().all(|&id| {
                    let metadata = self.metadata(id);
                    let topics = metadata.into_iter().flat_map(|metadata| metadata.topics);
                    let mut topics = topics.filter(|topic| topic.name == Some(topic_name(name)));
                    topics.any(|topic| {
                        topic.partitions.len() == partitions as usize
                            && topic.partitions.iter().all(in_sync)
                    })
                })
            },
        );
    }

    /// Creates a topic with one partition on these nodes, the first of which leads it, and waits until all of them are in sync.
    pub fn create_topic_on(&self, name: &str, nodes: &[i32]) {
        let replicas = nodes.iter().map(|&id| BrokerId(id)).collect();
        let assignment = CreatableReplicaAssignment::default().with_broker_ids(replicas);
        let topic = CreatableTopic::default()
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![assignment]);
        self.create(name, topic, 1);
    }

    /// Makes another replica the leader of every partition of a topic.
    pub fn move_leaders(&self, topic: &str) {
        let node = self.ids()[0];
        let before = self.partitions(topic);
        let moved = before.iter().map(|partition| {
            let mut replicas = partition.replica_nodes.clone();
            let leader = replicas.iter().position(|id| *id == partition.leader_id);
            replicas.rotate_left(leader.map_or(0, |leader| leader + 1));
            ReassignablePartition::default()
                .with_partition_index(partition.partition_index)
                .with_replicas(Some(replicas))
        });
        let moved: Vec<ReassignablePartition> = moved.collect();
        let topics = ReassignableTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(moved);
        let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topics]);
        let answer = self.wire(node).ask(&request, 0).expect("an answer");
        assert_eq!(answer.error_code, NONE, "{answer:?}");
        let partitions = before.iter().map(|partition| partition.partition_index);
        let request = ElectLeadersRequest::default()
            .with_timeout_ms(30_000)
            .with_topic_partitions(Some(vec![
                TopicPartitions::default()
                    .with_topic(topic_name(topic))
                    .with_partitions(partitions.collect()),
            ]));
        patiently(&format!("the leaders of {topic} move"), || {
            let answer = self.wire(node).ask(&request, 2).expect("an answer");
            let results = answer.replica_election_results.iter();
            let mut results = results.flat_map(|result| &result.partition_result);
            answer.error_code == NONE
                && results.all(|result| [NONE, ELECTION_NOT_NEEDED].contains(&result.error_code))
        });
        patiently(&format!("all nodes know the leaders of {topic}"), || {
            self.ids().iter().all(|&id| {
                let after = self.partitions_by(id, topic);
                let mut pairs = before.iter().zip(&after);
                pairs.all(|(old, new)| old.leader_id != new.leader_id)
            })
        });
    }

    /// Waits until every replica of every partition is in sync.
    pub fn wait_for_replicas(&self) {
        patiently("all replicas are in sync", || {
            self.ids().iter().all(|&id| {
                let metadata = self.metadata(id);
                metadata.is_some_and(|metadata| {
                    let mut partitions = metadata.topics.iter().flat_map(|topic| &topic.partitions);
                    !metadata.topics.is_empty() && partitions.all(in_sync)
                })
            })
        });
    }

    /// Waits until groups and transactions have coordinators that have loaded what is known about them. The first question for one
    /// creates the topic in which they are kept; until it is loaded brokers answer "coordinator load in progress", at which some
    /// clients give up.
    pub fn wait_for_coordinators(&self) {
        patiently("every coordinator has loaded what it keeps", || {
            self.ids().iter().all(|&id| {
                self.are_loaded(id, GROUPS, group_is_loaded)
                    && self.are_loaded(id, TRANSACTIONS, transaction_is_loaded)
            })
        });
    }

    /// Whether a node knows who coordinates groups or transactions, enough of them to reach every partition of their topic, and
    /// these coordinators have loaded them.
    fn are_loaded(
        &self,
        node: i32,
        key_type: i8,
        is_loaded: impl Fn(&mut Wire, StrBytes) -> bool,
    ) -> bool {
        let names = (0..20).map(|n| StrBytes::from_string(format!("waits-{n}")));
        let request = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(names.collect());
        let answer = self.wire(node).ask(&request, 4).expect("an answer");
        answer.coordinators.into_iter().all(|coordinator| {
            coordinator.error_code == NONE
                && is_loaded(&mut self.wire(coordinator.node_id.0), coordinator.key)
        })
    }

    /// What the brokers say about the partitions of a topic, in order.
    pub fn partitions(&self, topic: &str) -> Vec<MetadataResponsePartition> {
        self.partitions_by(self.ids()[0], topic)
    }

    fn partitions_by(&self, node: i32, topic: &str) -> Vec<MetadataResponsePartition> {
        let metadata = self.metadata(node).expect("the broker answers");
        let mut topics = metadata.topics.into_iter();
        let found = topics.find(|found| found.name == Some(topic_name(topic)));
        let mut partitions = found.expect("the topic exists").partitions;
        partitions.sort_by_key(|partition| partition.partition_index);
        let mut leaders = partitions.iter().map(|partition| partition.leader_id);
        assert!(leaders.all(|leader| leader != BrokerId(-1)));
        partitions
    }
}

fn group_is_loaded(coordinator: &mut Wire, name: StrBytes) -> bool {
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(name)]);
    let answer = coordinator.ask(&request, 5).expect("an answer");
    answer.groups[0].error_code == NONE
}

fn transaction_is_loaded(coordinator: &mut Wire, name: StrBytes) -> bool {
    let names = vec![TransactionalId(name)];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(names);
    let answer = coordinator.ask(&request, 0).expect("an answer");
    answer.transaction_states[0].error_code == TRANSACTIONAL_ID_NOT_FOUND
}

fn in_sync(partition: &MetadataResponsePartition) -> bool {
    partition.isr_nodes.len() == partition.replica_nodes.len()
}

/// Waits for what may take real brokers a while: starting, noticing a lost node, catching up.
pub fn patiently(what: &str, mut condition: impl FnMut() -> bool) {
    patiently_until(what, || {
        if condition() {
            Ok(())
        } else {
            Err(String::new())
        }
    });
}

/// The same, for a condition that says what it saw instead.
pub fn patiently_until(what: &str, mut condition: impl FnMut() -> Result<(), String>) {
    let begin = Instant::now();
    while let Err(seen) = condition() {
        assert!(
            begin.elapsed() < 3 * PATIENCE,
            "waited in vain for: {what}; instead: {seen}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The name as requests have it.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
