//! A node of a real cluster that has no port: clients get honest answers about it, and never its address.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::client::Program;
use crate::cluster::{self, Listener};
use crate::front::{Front, NAME};
use crate::toolchain::KAFKA_4;
use crate::wire::Wire;

/// The partition has no leader now: clients ask again.
const LEADER_NOT_AVAILABLE: i16 = 5;

/// The coordinator is not available: clients ask again.
const COORDINATOR_NOT_AVAILABLE: i16 = 15;

#[test]
fn java_reaches_all_other_nodes_and_is_told_to_wait_for_the_one_without_a_port() {
    let Some(cluster) = cluster::previous() else {
        return;
    };
    let topic = "partly-unmapped-by-java";
    cluster.create_topic(topic, 12);
    let (_, mapped) = cluster.ids().split_last().expect("three nodes");
    let front = Front::with_nodes(cluster, Listener::Plaintext, mapped);
    let result = Program::java(KAFKA_4).run("partly-unmapped", &front, topic, None);
    assert_eq!(result, serde_json::json!({"delivered": 8, "timed_out": 1}));
    front.assert_no_leak();
}

#[test]
fn a_node_without_a_port_is_left_out_of_every_answer() {
    let Some(cluster) = cluster::previous() else {
        return;
    };
    let topic = "partly-unmapped";
    cluster.create_topic(topic, 12);
    let (&unmapped, mapped) = cluster.ids().split_last().expect("three nodes");
    let front = Front::with_nodes(cluster, Listener::Plaintext, mapped);
    let mut wire = Wire::connect(front.bootstrap()).expect("the proxy accepts");

    let name = TopicName(StrBytes::from_static_str(topic));
    let asked = MetadataRequestTopic::default().with_name(Some(name));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    let metadata = wire.ask(&request, 12).expect("an answer");
    let told = metadata.brokers.iter().map(|broker| broker.node_id.0);
    let mut told: Vec<i32> = told.collect();
    told.sort_unstable();
    assert_eq!(told, mapped);
    // Partitions that it leads have no leader for now; all others are as the brokers say.
    let direct = cluster.partitions(topic);
    let led_by_it = direct
        .iter()
        .filter(|partition| partition.leader_id.0 == unmapped);
    assert!(led_by_it.count() > 0, "it leads nothing");
    for partition in &metadata.topics[0].partitions {
        let index = partition.partition_index;
        let truth = direct.iter().find(|truth| truth.partition_index == index);
        let expected = match truth.expect("the partition exists").leader_id.0 {
            leader if leader == unmapped => (-1, LEADER_NOT_AVAILABLE),
            leader => (leader, 0),
        };
        assert_eq!((partition.leader_id.0, partition.error_code), expected);
    }

    let request = DescribeClusterRequest::default();
    let described = wire.ask(&request, 0).expect("an answer");
    let told = described.brokers.iter().map(|broker| broker.broker_id.0);
    let mut told: Vec<i32> = told.collect();
    told.sort_unstable();
    assert_eq!(told, mapped);

    // Some of these groups belong to the node without a port.
    let mut refused = 0;
    for n in 0..50 {
        let key = StrBytes::from_string(format!("group-{n}"));
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![key]);
        let answer = wire.ask(&request, 4).expect("an answer");
        let coordinator = &answer.coordinators[0];
        if coordinator.error_code == COORDINATOR_NOT_AVAILABLE {
            refused += 1;
            assert_eq!((coordinator.host.as_str(), coordinator.port), ("", -1));
        } else {
            assert_eq!(coordinator.error_code, 0);
            let told = format!("{}:{}", coordinator.host, coordinator.port);
            assert_eq!(told, front.node(coordinator.node_id.0));
        }
    }
    assert!((1..50).contains(&refused), "{refused} of 50");
    let series = format!("portolan_unmapped_nodes_total{{cluster=\"{NAME}\"}}");
    assert!(front.proxy.metric(&series) > 2.0);
    front.assert_no_leak();
}
