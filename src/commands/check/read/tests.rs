//! Every version of every answer, as kafka-protocol encodes it, whole and cut; and any bytes.

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
        let unread = usize::from(version >= 9) + if (8..=10).contains(&version) { 4 } else { 0 };
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
