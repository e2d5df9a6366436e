//! Answers from the network, read by bounded cursors. What is kept has bounds of its own.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Partition as Name, Partitions};
use crate::commands::client::codes;
use crate::commands::client::metadata::{tags, text};
use crate::config::BrokerAddress;
use crate::protocol::Malformed;
use crate::protocol::cursor::Cursor;

/// Kafka's bound for names of topics.
const LONGEST_TOPIC: usize = 249;

/// One partition of a Metadata answer.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) index: i32,
    /// -1 is none.
    pub(super) leader: i32,
    pub(super) replicas: Vec<i32>,
    pub(super) in_sync: Vec<i32>,
}

/// Metadata 4 to 12.
pub(super) fn metadata(body: &[u8], version: i16) -> Result<(Cluster, Partitions), Malformed> {
    let flexible = version >= 9;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    let brokers = brokers(&mut cursor, flexible)?;
    let id = text(cursor.string(flexible, "cluster_id")?);
    cursor.i32("controller_id")?;
    let cluster = Cluster { id, brokers };
    let mut partitions = Partitions::default();
    for _ in 0..cursor.array_length(flexible, "topics")? {
        cursor.i16("error_code")?;
        let name = cursor.string(flexible, "name")?.unwrap_or_default();
        let name = text(Some(&name[..name.len().min(LONGEST_TOPIC)]));
        if version >= 10 {
            cursor.take(16, "topic_id")?;
        }
        cursor.i8("is_internal")?;
        for _ in 0..cursor.array_length(flexible, "partitions")? {
            let partition = partition(&mut cursor, version)?;
            partitions.add(&name, &partition, &cluster);
        }
        if version >= 8 {
            cursor.i32("topic_authorized_operations")?;
        }
        tags(&mut cursor, flexible, "topics")?;
    }
    Ok((cluster, partitions))
}

fn partition(cursor: &mut Cursor<'_>, version: i16) -> Result<Partition, Malformed> {
    let flexible = version >= 9;
    cursor.i16("error_code")?;
    let index = cursor.i32("partition_index")?;
    let leader = cursor.i32("leader_id")?;
    if version >= 7 {
        cursor.i32("leader_epoch")?;
    }
    let replicas = ids(cursor, flexible, "replica_nodes")?;
    let in_sync = ids(cursor, flexible, "isr_nodes")?;
    if version >= 5 {
        ids(cursor, flexible, "offline_replicas")?;
    }
    tags(cursor, flexible, "partitions")?;
    Ok(Partition {
        index,
        leader,
        replicas,
        in_sync,
    })
}

fn ids(
    cursor: &mut Cursor<'_>,
    flexible: bool,
    field: &'static str,
) -> Result<Vec<i32>, Malformed> {
    let length = cursor.array_length(flexible, field)?;
    // Each has four bytes, and only those that are there are read.
    (0..length).map(|_| cursor.i32(field)).collect()
}

/// DescribeCluster 0 and 1; `None` is an error, mostly that the user may not ask.
pub(super) fn described(body: &[u8], version: i16) -> Result<Option<Cluster>, Malformed> {
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    let error = cursor.i16("error_code")?;
    cursor.string(true, "error_message")?;
    if version >= 1 {
        cursor.i8("endpoint_type")?;
    }
    if error != codes::NONE {
        return Ok(None);
    }
    let id = text(cursor.string(true, "cluster_id")?);
    cursor.i32("controller_id")?;
    let brokers = brokers(&mut cursor, true)?;
    Ok(Some(Cluster { id, brokers }))
}

fn brokers(
    cursor: &mut Cursor<'_>,
    flexible: bool,
) -> Result<BTreeMap<i32, BrokerAddress>, Malformed> {
    let mut brokers = BTreeMap::new();
    for _ in 0..cursor.array_length(flexible, "brokers")? {
        let id = cursor.i32("node_id")?;
        let address = address(cursor, flexible)?;
        cursor.string(flexible, "rack")?;
        tags(cursor, flexible, "brokers")?;
        brokers.insert(id, address);
    }
    Ok(brokers)
}

fn address(cursor: &mut Cursor<'_>, flexible: bool) -> Result<BrokerAddress, Malformed> {
    let host = text(cursor.string(flexible, "host")?);
    let port = cursor.i32("port")?;
    let port = u16::try_from(port).map_err(|_| Malformed {
        field: "port",
        problem: "no port",
    })?;
    Ok(BrokerAddress { host, port })
}

/// FindCoordinator 0 to 3; `None` is an error.
pub(super) fn coordinator(
    body: &[u8],
    version: i16,
) -> Result<Option<(i32, BrokerAddress)>, Malformed> {
    let flexible = version >= 3;
    let mut cursor = Cursor::new(body);
    if version >= 1 {
        cursor.i32("throttle_time_ms")?;
    }
    let error = cursor.i16("error_code")?;
    if version >= 1 {
        cursor.string(flexible, "error_message")?;
    }
    if error != codes::NONE {
        return Ok(None);
    }
    let node = cursor.i32("node_id")?;
    Ok(Some((node, address(&mut cursor, flexible)?)))
}

/// The error codes of ListOffsets 1 to 10.
pub(super) fn offsets(body: &[u8], version: i16) -> Result<BTreeMap<Name, i16>, Malformed> {
    let flexible = version >= 6;
    let mut cursor = Cursor::new(body);
    if version >= 2 {
        cursor.i32("throttle_time_ms")?;
    }
    let mut errors = BTreeMap::new();
    for _ in 0..cursor.array_length(flexible, "topics")? {
        let topic = text(cursor.string(flexible, "name")?);
        for _ in 0..cursor.array_length(flexible, "partitions")? {
            let index = cursor.i32("partition_index")?;
            let error = cursor.i16("error_code")?;
            cursor.i64("timestamp")?;
            cursor.i64("offset")?;
            if version >= 4 {
                cursor.i32("leader_epoch")?;
            }
            tags(&mut cursor, flexible, "partitions")?;
            let topic = topic.clone();
            errors.insert(Name { topic, index }, error);
        }
        tags(&mut cursor, flexible, "topics")?;
    }
    Ok(errors)
}

/// The error code and the words of the one resource of DescribeConfigs 1 to 4.
pub(super) fn configs(body: &[u8], version: i16) -> Result<(i16, String), Malformed> {
    let flexible = version >= 4;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    if cursor.array_length(flexible, "results")? == 0 {
        return Err(Malformed {
            field: "results",
            problem: "none",
        });
    }
    let error = cursor.i16("error_code")?;
    Ok((error, text(cursor.string(flexible, "error_message")?)))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
    use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
    use kafka_protocol::messages::list_offsets_response::{
        ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
    };
    use kafka_protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use kafka_protocol::messages::*;
    use kafka_protocol::protocol::Encodable;
    use proptest::prelude::*;

    use super::*;

    fn encoded(message: &impl Encodable, version: i16) -> Vec<u8> {
        let mut body = BytesMut::new();
        message.encode(&mut body, version).unwrap();
        body.to_vec()
    }

    fn topic(name: &'static str, leaders: &[i32]) -> MetadataResponseTopic {
        let partition = |(n, leader): (usize, &i32)| {
            MetadataResponsePartition::default()
                .with_partition_index(n as i32)
                .with_leader_id(BrokerId(*leader))
                .with_replica_nodes(vec![BrokerId(7), BrokerId(8), BrokerId(9)])
                .with_isr_nodes(vec![BrokerId(7), BrokerId(8)])
        };
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(name.into())))
            .with_partitions(leaders.iter().enumerate().map(partition).collect())
    }

    #[test]
    fn metadata_is_read_in_every_version_and_every_cut_is_refused() {
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(7))
            .with_host("kafka.example.com".into())
            .with_port(9093)
            .with_rack(Some("a".into()));
        let message = MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some("c".into()))
            .with_topics(vec![
                topic("t", &[7, 8, -1, 7]),
                topic("__consumer_offsets", &[7]),
            ]);
        for version in 4..=12 {
            let body = encoded(&message, version);
            let (cluster, partitions) = metadata(&body, version).unwrap();
            assert_eq!(cluster.id, "c");
            assert_eq!(cluster.brokers[&7].to_string(), "kafka.example.com:9093");
            assert_eq!((partitions.count, partitions.has_groups), (5, true));
            assert_eq!(
                partitions.led[&7].told(),
                "3 partitions (t-0, t-3, __consumer_offsets-0)"
            );
            assert_eq!(partitions.leaderless.told(), "1 partition (t-2)");
            let eight = &partitions.unlisted[&8];
            assert_eq!((eight.leads, eight.in_sync, eight.replicas), (1, 5, 5));
            let nine = &partitions.unlisted[&9];
            assert_eq!((nine.leads, nine.in_sync, nine.replicas), (0, 0, 5));
            // What is behind the topics is not looked at: rights in versions 8 to 10, and tags.
            let unread =
                usize::from(version >= 9) + if (8..=10).contains(&version) { 4 } else { 0 };
            for cut in 0..body.len() - unread {
                assert!(metadata(&body[..cut], version).is_err(), "{version} {cut}");
            }
        }
    }

    #[test]
    fn other_answers_are_read_in_every_version_and_every_cut_is_refused() {
        let broker = DescribeClusterBroker::default()
            .with_broker_id(BrokerId(7))
            .with_host("a".into())
            .with_port(1);
        let message = DescribeClusterResponse::default()
            .with_cluster_id("c".into())
            .with_brokers(vec![broker]);
        for version in 0..=1 {
            let body = encoded(&message, version);
            let cluster = described(&body, version).unwrap().unwrap();
            assert_eq!((cluster.id.as_str(), cluster.brokers[&7].port), ("c", 1));
            for cut in 0..body.len() - 5 {
                assert!(described(&body[..cut], version).is_err(), "{version} {cut}");
            }
            let refused = encoded(&message.clone().with_error_code(31), version);
            assert_eq!(described(&refused, version), Ok(None));
        }
        let message = FindCoordinatorResponse::default()
            .with_node_id(BrokerId(7))
            .with_host("a".into())
            .with_port(1);
        for version in 0..=3 {
            let body = encoded(&message, version);
            let (node, address) = coordinator(&body, version).unwrap().unwrap();
            assert_eq!((node, address.to_string()), (7, "a:1".to_owned()));
            for cut in 0..body.len() - usize::from(version >= 3) {
                assert!(
                    coordinator(&body[..cut], version).is_err(),
                    "{version} {cut}"
                );
            }
            // An unknown coordinator has no port.
            let unknown = message.clone().with_error_code(15).with_port(-1);
            assert_eq!(coordinator(&encoded(&unknown, version), version), Ok(None));
        }
        let result = DescribeConfigsResult::default()
            .with_error_code(42)
            .with_error_message(Some("words".into()));
        let message = DescribeConfigsResponse::default().with_results(vec![result]);
        for version in 1..=4 {
            let body = encoded(&message, version);
            assert_eq!(configs(&body, version), Ok((42, "words".to_owned())));
            assert!(configs(&body[..12], version).is_err());
        }
    }

    #[test]
    fn offsets_are_read_in_every_version_and_every_cut_is_refused() {
        let partition = |index, error| {
            ListOffsetsPartitionResponse::default()
                .with_partition_index(index)
                .with_error_code(error)
        };
        let topic = |name: &'static str, partitions| {
            ListOffsetsTopicResponse::default()
                .with_name(TopicName(name.into()))
                .with_partitions(partitions)
        };
        let message = ListOffsetsResponse::default().with_topics(vec![
            topic("t", vec![partition(0, 0), partition(3, 6)]),
            topic("u", vec![partition(1, 29)]),
        ]);
        for version in 1..=10 {
            let body = encoded(&message, version);
            let read: Vec<(String, i32, i16)> = offsets(&body, version)
                .unwrap()
                .into_iter()
                .map(|(name, error)| (name.topic, name.index, error))
                .collect();
            let expected = [("t", 0, 0), ("t", 3, 6), ("u", 1, 29)];
            assert_eq!(read, expected.map(|(t, n, e)| (t.to_owned(), n, e)));
            for cut in 0..body.len() - usize::from(version >= 6) {
                assert!(offsets(&body[..cut], version).is_err(), "{version} {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for version in 0..=12 {
                let _ = metadata(&body, version.max(4));
                let _ = described(&body, version.min(1));
                let _ = coordinator(&body, version.min(3));
                let _ = offsets(&body, version.clamp(1, 10));
                let _ = configs(&body, version.clamp(1, 4));
            }
        }
    }
}
