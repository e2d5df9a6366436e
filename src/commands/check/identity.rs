//! Whether a broker is the one that the metadata says.
//!
//! Only a partition's leader tells its offsets (ListOffsets); all others refuse with NOT_LEADER_OR_FOLLOWER. So the broker is asked for
//! a few partitions that it should lead and for one of each other node: what it tells, it leads, and that is who it is. A
//! broker that leads nothing may be asked for its configuration (DescribeConfigs), which it tells under its own id only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    ApiKey, BrokerId, DescribeConfigsRequest, ListOffsetsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::sleep;

use super::cluster::{self, Partition, Partitions};
use super::read;
use crate::commands::client::{Connection, Error, codes};

/// Other nodes whose partitions it is asked for.
const MOST_OTHERS: usize = 64;
/// How long it may take until all brokers know of a new leader.
const SETTLING: Duration = Duration::from_millis(500);
/// The resource type of brokers in DescribeConfigs.
const BROKER: i8 = 4;
/// The newest record.
const LATEST: i64 = -1;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// It is the node.
    Proven,
    /// It is another; which one, if that is known, and how that shows.
    Other(Option<i32>, String),
    /// Nobody knows, and why.
    Unproven(String),
}

/// Asks until it is clear.
pub(super) async fn identify(
    connection: &mut Connection,
    node: i32,
    partitions: &Partitions,
) -> Result<Identity, Error> {
    let first = by_leaders(connection, node, partitions).await?;
    let Identity::Other(..) = first else {
        return settle(connection, node, first).await;
    };
    // Leaders may have moved since the bootstrap was asked, and not every broker may have heard of it.
    sleep(SETTLING).await;
    let samples = partitions.led.values().flat_map(|led| &led.samples);
    let topics: BTreeSet<&str> = samples.map(|partition| partition.topic.as_str()).collect();
    let topics: Vec<&str> = topics.into_iter().take(MOST_OTHERS).collect();
    let (_, fresh) = cluster::ask(connection, Some(&topics)).await?;
    let second = by_leaders(connection, node, &fresh).await?;
    settle(connection, node, second).await
}

/// Where leaders do not tell who it is, its configuration may.
async fn settle(
    connection: &mut Connection,
    node: i32,
    identity: Identity,
) -> Result<Identity, Error> {
    Ok(match identity {
        Identity::Proven | Identity::Other(Some(_), _) => identity,
        Identity::Other(None, _) => match by_configuration(connection, node).await? {
            Identity::Unproven(_) => identity,
            clear => clear,
        },
        Identity::Unproven(why) => match by_configuration(connection, node).await? {
            Identity::Unproven(more) => Identity::Unproven(format!("{why}, and {more}")),
            clear => clear,
        },
    })
}

async fn by_leaders(
    connection: &mut Connection,
    node: i32,
    partitions: &Partitions,
) -> Result<Identity, Error> {
    let Ok(version) = connection.version(ApiKey::ListOffsets, 1..=10) else {
        return Ok(Identity::Unproven("ListOffsets is not offered".to_owned()));
    };
    let own = partitions.led.get(&node);
    let own = own.map_or(&[][..], |led| &led.samples);
    let others = partitions.led.iter().filter(|(id, _)| **id != node);
    let others: Vec<(i32, &Partition)> = others
        .filter_map(|(id, led)| Some((*id, led.samples.first()?)))
        .take(MOST_OTHERS)
        .collect();
    let asked = own
        .iter()
        .chain(others.iter().map(|(_, partition)| *partition));
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(grouped(asked));
    if request.topics.is_empty() {
        return Ok(Identity::Unproven(
            "no partition is led by anybody".to_owned(),
        ));
    }
    let answer = connection.ask(&request, version).await?;
    let errors = read::offsets(&answer, version).map_err(|m| connection.malformed(m))?;
    let error = |partition: &Partition| errors.get(partition).copied();
    if own
        .iter()
        .any(|partition| error(partition) == Some(codes::NONE))
    {
        return Ok(Identity::Proven);
    }
    let leads = |(_, partition): &&(i32, &Partition)| error(partition) == Some(codes::NONE);
    if let Some((other, partition)) = others.iter().find(leads) {
        let seen = format!(
            "it leads {}-{}, whose leader is node {other}",
            partition.topic, partition.index
        );
        return Ok(Identity::Other(Some(*other), seen));
    }
    let strange = |partition: &Partition| {
        matches!(
            error(partition),
            Some(codes::NOT_LEADER_OR_FOLLOWER | codes::UNKNOWN_TOPIC_OR_PARTITION)
        )
    };
    Ok(match own {
        [] => Identity::Unproven("it leads no partition".to_owned()),
        [first, ..] if own.iter().all(strange) => {
            let name = codes::name(error(first).unwrap_or_default());
            let seen = format!(
                "it does not lead {}-{}, whose leader is node {node} ({name})",
                first.topic, first.index
            );
            Identity::Other(None, seen)
        }
        [first, ..] => match error(first) {
            Some(code) => {
                Identity::Unproven(format!("ListOffsets is answered by {}", codes::name(code)))
            }
            None => Identity::Unproven("ListOffsets is not answered".to_owned()),
        },
    })
}

fn grouped<'a>(partitions: impl Iterator<Item = &'a Partition>) -> Vec<ListOffsetsTopic> {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for partition in partitions {
        let one = ListOffsetsPartition::default()
            .with_partition_index(partition.index)
            .with_timestamp(LATEST);
        topics.entry(&partition.topic).or_default().push(one);
    }
    let topic = |(name, partitions): (&str, _)| {
        ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_partitions(partitions)
    };
    topics.into_iter().map(topic).collect()
}

async fn by_configuration(connection: &mut Connection, node: i32) -> Result<Identity, Error> {
    let Ok(version) = connection.version(ApiKey::DescribeConfigs, 1..=4) else {
        let why = "DescribeConfigs is not offered".to_owned();
        return Ok(Identity::Unproven(why));
    };
    let resource = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(StrBytes::from_string(node.to_string()))
        .with_configuration_keys(Some(vec![StrBytes::from_static_str("node.id")]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = connection.ask(&request, version).await?;
    let (error, words) = read::configs(&answer, version).map_err(|m| connection.malformed(m))?;
    Ok(
        match (error, words.split_once("Unexpected broker id, expected ")) {
            (codes::NONE, _) => Identity::Proven,
            (codes::INVALID_REQUEST, Some((_, rest))) => {
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
                let other = digits.and_then(|digits| digits.parse().ok());
                Identity::Other(other, format!("it says of itself: {words}"))
            }
            _ => Identity::Unproven(format!(
                "DescribeConfigs is answered by {}",
                codes::name(error)
            )),
        },
    )
}
