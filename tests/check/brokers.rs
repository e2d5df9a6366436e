//! Brokers that are down, mute, old, or missing.

use crate::cluster::{
    API_VERSIONS, Act, BOOTSTRAP, Cluster, DESCRIBE_CLUSTER, LIST_OFFSETS, METADATA,
};
use crate::common::broker::Broker;
use crate::look;

#[test]
fn a_proxy_that_accepts_for_a_broker_that_is_down_is_told() {
    let cluster = Cluster::start(&[0, 1]);
    cluster.script(|node, _| (node == 1).then_some(Act::Close));
    let report = look(&cluster.target(), &[]).faulty();
    assert_eq!(report.codes(), ["broker-down", "leader-unreachable"]);
    report.provokes(
        "broker-down",
        Some(1),
        "look whether node 1 runs and whether what stands before it reaches it",
    );
    let node = report.node(1);
    assert_eq!(
        (&node["port"], &node["kafka"]),
        (&"open".into(), &"fails".into())
    );
}

#[test]
fn a_port_that_closes_as_a_bootstrap_is_told_so_too() {
    let broker = Broker::answering(|_| None);
    let report = look(&broker.address().to_string(), &[]).blind();
    report.provokes("broker-down", None, "look whether the bootstrap runs");
}

#[test]
fn a_broker_that_accepts_and_says_nothing_is_told() {
    let cluster = Cluster::start(&[0, 1]);
    cluster.script(|node, _| (node == 1).then_some(Act::Silence));
    let report = look(&cluster.target(), &["--timeout", "5s"]).faulty();
    let finding = report.provokes("no-answer", Some(1), "or give a longer --timeout");
    assert_eq!(finding["seen"], "no answer within 5s");
    assert_eq!(report.node(0)["identity"], "proven");
}

#[test]
fn a_broker_that_answers_apiversions_and_closes_then_is_told() {
    let cluster = Cluster::start(&[0, 1]);
    cluster
        .script(|node, request| (node == 1 && request.api_key == METADATA).then_some(Act::Close));
    let report = look(&cluster.target(), &[]).faulty();
    report.provokes("connection-closed", Some(1), "its log says why");
    cluster.script(|node, request| {
        (node == 1 && request.api_key == LIST_OFFSETS).then_some(Act::Close)
    });
    let report = look(&cluster.target(), &[]).faulty();
    report.provokes("connection-closed", Some(1), "its log says why");
}

#[test]
fn versions_that_are_too_old_are_told() {
    let cluster = Cluster::start(&[0]);
    cluster.state().versions = vec![(METADATA, 0, 2), (API_VERSIONS, 0, 0)];
    let report = look(&cluster.target(), &[]).blind();
    let finding = report.provokes(
        "api-versions-too-old",
        None,
        "upgrade the bootstrap to Kafka 2.1 or newer",
    );
    assert_eq!(
        finding["seen"],
        "it offers Metadata 0 to 2, and 4 to 12 are wanted"
    );
}

#[test]
fn the_port_of_a_controller_is_not_taken_for_an_old_broker() {
    let cluster = Cluster::start(&[0]);
    cluster
        .state()
        .versions
        .retain(|(key, ..)| *key != METADATA);
    let report = look(&cluster.target(), &[]).blind();
    report.provokes("not-kafka", None, "this may be a controller's");
}

#[test]
fn a_cluster_without_brokers_is_told() {
    let cluster = Cluster::start(&[0]);
    cluster.state().brokers.clear();
    cluster.state().partitions.clear();
    let report = look(&cluster.target(), &[]).faulty();
    assert_eq!(report.codes(), ["no-brokers"]);
    report.provokes(
        "no-brokers",
        None,
        "give each node id a port in [[clusters.<name>.nodes]]",
    );
}

#[test]
fn a_node_that_is_up_and_has_no_address_is_outside_the_map() {
    let cluster = Cluster::start(&[0, 1, 2]);
    cluster.state().brokers.remove(&2);
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes(
        "node-not-in-map",
        Some(2),
        "give id 2 a port, or with `sni` a name: [[clusters.<name>.nodes]]",
    );
    assert_eq!(
        finding["seen"],
        "it leads 1 partition, and no address of it is told"
    );
    assert_eq!(report.codes(), ["node-not-in-map"]);
}

#[test]
fn partitions_that_lost_their_leader_to_a_node_outside_the_map_are_told_so() {
    // As Portolan answers where a node has no port.
    let cluster = Cluster::start(&[0, 1, 2]);
    cluster.state().brokers.remove(&2);
    cluster.state().partitions[2].leader = -1;
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes("node-not-in-map", Some(2), "give id 2 a port");
    assert_eq!(
        finding["seen"],
        "it is in sync for 3 partitions, and no address of it is told"
    );
    report.provokes(
        "partitions-without-leader",
        None,
        "first mend what is said of node 2: it may lead them",
    );
}

#[test]
fn a_node_that_is_named_by_another_answer_only_is_outside_the_map() {
    let cluster = Cluster::start(&[0, 1]);
    let mut described = cluster.state().brokers.clone();
    described.insert(7, ("kafka-7.kafka.svc".into(), 9092));
    cluster.state().described = Some(described);
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes("node-not-in-map", Some(7), "give id 7 a port");
    assert_eq!(
        finding["seen"],
        "the answer to DescribeCluster names it at kafka-7.kafka.svc:9092, and Metadata does not name it"
    );
}

#[test]
fn a_node_that_holds_replicas_and_is_gone_is_down() {
    let cluster = Cluster::start(&[0, 1, 2]);
    {
        let mut state = cluster.state();
        state.brokers.remove(&2);
        for partition in &mut state.partitions {
            partition.in_sync.retain(|id| *id != 2);
        }
        state.partitions[2].leader = -1;
    }
    let report = look(&cluster.target(), &[]).faulty();
    report.provokes("node-down", Some(2), "start node 2");
    let finding = report.provokes(
        "partitions-without-leader",
        None,
        "start the brokers that hold their replicas",
    );
    assert_eq!(finding["seen"], "1 partition (orders-2) without a leader");
    assert_eq!(report.codes(), ["node-down", "partitions-without-leader"]);
}

#[test]
fn a_bootstrap_that_fails_after_it_has_named_the_brokers_ends_nothing() {
    let cluster = Cluster::start(&[0, 1]);
    cluster.script(|node, request| {
        let all_topics = node == BOOTSTRAP && request.api_key == METADATA && is_about_all(request);
        all_topics.then_some(Act::Close)
    });
    let report = look(&cluster.target(), &[]).fine();
    report.provokes(
        "partitions-not-seen",
        None,
        "allow this user to describe topics",
    );
    report.provokes(
        "identity-not-proven",
        Some(0),
        "allow this user to describe a topic, or DescribeConfigs",
    );
    assert_eq!(report.node(1)["identity"], "not proven");
}

#[test]
fn older_brokers_without_describecluster_are_looked_at_as_well() {
    let cluster = Cluster::start(&[0, 1]);
    cluster
        .state()
        .versions
        .retain(|(key, ..)| *key != DESCRIBE_CLUSTER);
    assert_eq!(look(&cluster.target(), &[]).fine().codes(), [""; 0]);
}

fn is_about_all(request: &crate::common::broker::Received) -> bool {
    let request: kafka_protocol::messages::MetadataRequest = request.decode();
    request.topics.is_none()
}
