//! What a cluster says of its brokers and partitions, and the questions that it is asked.

use std::collections::BTreeMap;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::read;
use super::talk::METADATA;
use crate::commands::client::{Connection, Error};
use crate::config::BrokerAddress;

/// Bytes of an answer about brokers and a few topics, and of one about all: a partition has some forty.
const SOME: usize = 16 << 20;
const ALL: usize = 64 << 20;
/// Partitions that are remembered of each leader.
const SAMPLES: usize = 3;
/// Nodes that are remembered though no address is known of them, and partitions without a leader.
const MOST_UNLISTED: usize = 100;

/// The brokers of a cluster as this client is told them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cluster {
    /// Empty where the broker does not say.
    pub(super) id: String,
    /// By node id.
    pub(super) brokers: BTreeMap<i32, BrokerAddress>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) index: i32,
}

/// Who leads what.
#[derive(Clone, Debug, Default)]
pub(super) struct Partitions {
    pub(super) count: usize,
    pub(super) led: BTreeMap<i32, Led>,
    pub(super) leaderless: Led,
    /// Nodes that hold replicas and whose address nobody is told.
    pub(super) unlisted: BTreeMap<i32, Unlisted>,
    /// Whether there are groups already: asking for a coordinator would make their topic.
    pub(super) has_groups: bool,
}

/// Some partitions.
#[derive(Clone, Debug, Default)]
pub(super) struct Led {
    pub(super) count: usize,
    /// A few of them.
    pub(super) samples: Vec<Partition>,
}

/// What is known of a node without an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Unlisted {
    pub(super) leads: usize,
    pub(super) in_sync: usize,
    pub(super) replicas: usize,
}

impl Led {
    fn add(&mut self, topic: &str, index: i32) {
        self.count += 1;
        if self.samples.len() < SAMPLES {
            self.samples.push(Partition {
                topic: topic.to_owned(),
                index,
            });
        }
    }

    /// `12 partitions (orders-0, orders-3, ...)`
    pub(super) fn told(&self) -> String {
        let mut names: Vec<String> = self.samples.iter().map(Partition::told).collect();
        if self.count > names.len() {
            names.push("...".to_owned());
        }
        format!("{} ({})", counted(self.count), names.join(", "))
    }
}

/// `1 partition`, `2 partitions`
pub(super) fn counted(count: usize) -> String {
    match count {
        1 => "1 partition".to_owned(),
        count => format!("{count} partitions"),
    }
}

impl Partition {
    fn told(&self) -> String {
        format!("{}-{}", self.topic, self.index)
    }
}

impl Partitions {
    /// Adds one that was read.
    pub(super) fn add(&mut self, topic: &str, partition: &read::Partition, brokers: &Cluster) {
        self.count += 1;
        self.has_groups |= topic == "__consumer_offsets";
        match partition.leader {
            ..0 => self.leaderless.add(topic, partition.index),
            leader if brokers.brokers.contains_key(&leader) => {
                self.led
                    .entry(leader)
                    .or_default()
                    .add(topic, partition.index);
            }
            leader => self.with_unlisted(leader, |node| node.leads += 1),
        }
        let unlisted = |id: &&i32| **id >= 0 && !brokers.brokers.contains_key(id);
        for id in partition.replicas.iter().filter(unlisted) {
            self.with_unlisted(*id, |node| node.replicas += 1);
        }
        for id in partition.in_sync.iter().filter(unlisted) {
            self.with_unlisted(*id, |node| node.in_sync += 1);
        }
    }

    fn with_unlisted(&mut self, id: i32, change: impl FnOnce(&mut Unlisted)) {
        if self.unlisted.len() < MOST_UNLISTED || self.unlisted.contains_key(&id) {
            change(self.unlisted.entry(id).or_default());
        }
    }
}

/// Asks for the brokers alone.
pub(super) async fn brokers(connection: &mut Connection) -> Result<Cluster, Error> {
    let (cluster, _) = ask(connection, Some(&[])).await?;
    Ok(cluster)
}

/// Asks for the brokers and these topics, or all.
pub(super) async fn ask(
    connection: &mut Connection,
    topics: Option<&[&str]>,
) -> Result<(Cluster, Partitions), Error> {
    let version = connection.version(ApiKey::Metadata, METADATA)?;
    let topic = |name: &&str| {
        let name = TopicName(StrBytes::from_string((*name).to_owned()));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let request = MetadataRequest::default()
        .with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(false);
    let most = if topics.is_some() { SOME } else { ALL };
    let answer = connection.ask_for(&request, version, most).await?;
    read::metadata(&answer, version).map_err(|m| connection.malformed(m))
}

/// What DescribeCluster says (Kafka 2.8 and newer); `None` where it is not offered or not allowed.
pub(super) async fn described(connection: &mut Connection) -> Result<Option<Cluster>, Error> {
    let Ok(version) = connection.version(ApiKey::DescribeCluster, 0..=1) else {
        return Ok(None);
    };
    let request = DescribeClusterRequest::default();
    let answer = connection.ask(&request, version).await?;
    read::described(&answer, version).map_err(|m| connection.malformed(m))
}

/// Who coordinates a group that does not exist; `None` where nobody is told.
pub(super) async fn coordinator(
    connection: &mut Connection,
) -> Result<Option<(i32, BrokerAddress)>, Error> {
    let Ok(version) = connection.version(ApiKey::FindCoordinator, 0..=3) else {
        return Ok(None);
    };
    let request =
        FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("portolan-check"));
    let answer = connection.ask(&request, version).await?;
    read::coordinator(&answer, version).map_err(|m| connection.malformed(m))
}
