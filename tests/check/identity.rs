//! Whether each port leads to the broker that the metadata says, and whether brokers agree with each other.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::cluster::{Act, BOOTSTRAP, Cluster, FIND_COORDINATOR, LIST_OFFSETS};
use crate::look;

#[test]
fn two_swapped_ports_are_found_and_it_is_told_who_is_behind_each() {
    let cluster = Cluster::start(&[0, 1, 2]);
    cluster.state().behind = [(1, 2), (2, 1)].into();
    let report = look(&cluster.target(), &[]).faulty();
    assert_eq!(report.codes(), ["wrong-broker"; 2]);
    for (node, behind) in [(1, 2), (2, 1)] {
        let words = format!(
            "let {} lead to node {node} alone: compare `portolan map`",
            cluster.address(node)
        );
        let finding = report.provokes("wrong-broker", Some(node), &words);
        let seen = format!("it leads orders-{behind}, whose leader is node {behind}");
        assert_eq!(finding["seen"], seen);
        assert_eq!(report.node(node)["identity"], format!("node {behind}"));
    }
    assert_eq!(report.node(0)["identity"], "proven");
}

#[test]
fn a_broker_that_nobody_knows_behind_a_port_is_found() {
    let cluster = Cluster::start(&[0, 1]);
    cluster.state().behind = [(1, 9)].into();
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes("wrong-broker", Some(1), "lead to node 1 alone");
    assert_eq!(
        finding["seen"],
        "it does not lead orders-1, whose leader is node 1 (NOT_LEADER_OR_FOLLOWER)"
    );
    assert_eq!(report.node(1)["identity"], "another");
}

#[test]
fn leaders_that_move_meanwhile_are_no_fault() {
    let cluster = Cluster::start(&[0, 1]);
    {
        let mut state = cluster.state();
        let before = state.partitions.clone();
        state.partitions_at.insert(BOOTSTRAP, before);
        // They have changed places, as if two ports were swapped, and the bootstrap does not know it yet.
        (state.partitions[0].leader, state.partitions[1].leader) = (1, 0);
    }
    let report = look(&cluster.target(), &[]).fine();
    assert_eq!(report.node(0)["identity"], "proven");
    assert_eq!(report.node(1)["identity"], "proven");
    assert_eq!(report.codes(), [""; 0]);
}

#[test]
fn a_broker_that_leads_nothing_is_known_by_its_configuration_where_that_is_allowed() {
    let cluster = Cluster::start(&[0, 1, 2]);
    cluster.state().partitions.truncate(2);
    let report = look(&cluster.target(), &[]).fine();
    let finding = report.provokes(
        "identity-not-proven",
        Some(2),
        "allow this user to describe a topic, or DescribeConfigs of the cluster",
    );
    assert_eq!(finding["severity"], "info");
    assert_eq!(
        finding["seen"],
        "it leads no partition, and DescribeConfigs is answered by CLUSTER_AUTHORIZATION_FAILED"
    );
    assert_eq!(report.node(2)["identity"], "not proven");
    cluster.state().describes = true;
    let report = look(&cluster.target(), &[]).fine();
    assert_eq!(report.codes(), [""; 0]);
    assert_eq!(report.node(2)["identity"], "proven");
    cluster.state().behind = [(2, 8)].into();
    let report = look(&cluster.target(), &[]).faulty();
    report.provokes("wrong-broker", Some(2), "lead to node 2 alone");
    assert_eq!(report.node(2)["identity"], "node 8");
}

#[test]
fn a_user_who_may_not_ask_for_offsets_is_told_so() {
    let cluster = Cluster::start(&[0]);
    cluster.script(|_, request| {
        (request.api_key == LIST_OFFSETS).then(|| {
            let asked: ListOffsetsRequest = request.decode();
            let code = ResponseError::TopicAuthorizationFailed.code();
            let partition = ListOffsetsPartitionResponse::default().with_error_code(code);
            let topic = ListOffsetsTopicResponse::default()
                .with_name(asked.topics[0].name.clone())
                .with_partitions(vec![partition]);
            let answer = ListOffsetsResponse::default().with_topics(vec![topic]);
            Act::Send(request.answer(&answer))
        })
    });
    let report = look(&cluster.target(), &[]).fine();
    let finding = report.provokes(
        "identity-not-proven",
        Some(0),
        "allow this user to describe a topic",
    );
    let seen = finding["seen"].as_str().unwrap();
    assert!(
        seen.starts_with("ListOffsets is answered by TOPIC_AUTHORIZATION_FAILED"),
        "{seen}"
    );
}

#[test]
fn a_port_that_leads_to_another_cluster_is_found() {
    let cluster = Cluster::start(&[0, 1]);
    let other = Cluster::start(&[0, 1]);
    other.state().cluster_id = "another-cluster";
    let told = other.told(1);
    cluster.state().brokers.insert(1, told);
    let report = look(&cluster.target(), &[]).faulty();
    assert_eq!(report.codes(), ["other-cluster"]);
    let words = format!("let {} lead to node 1 of this cluster", other.address(1));
    let finding = report.provokes("other-cluster", Some(1), &words);
    assert_eq!(
        finding["seen"],
        "it is of cluster another-cluster, the bootstrap of test-cluster"
    );
}

#[test]
fn answers_that_send_clients_elsewhere_are_found_in_each_kind_of_answer() {
    const REMEDY: &str = "let every port lead to the same listener of the brokers";
    // Metadata of a node.
    let cluster = Cluster::start(&[0, 1]);
    let mut told = cluster.state().brokers.clone();
    told.insert(0, ("kafka-0.kafka.svc".into(), 9092));
    cluster.state().brokers_at.insert(1, told.clone());
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes("addresses-differ", Some(1), REMEDY);
    let seen = format!(
        "node 0 is kafka-0.kafka.svc:9092 in its own Metadata, {} in the bootstrap's",
        cluster.address(0)
    );
    assert_eq!(finding["seen"], seen);
    // DescribeCluster.
    let cluster = Cluster::start(&[0, 1]);
    cluster.state().described = Some(told);
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes("addresses-differ", None, REMEDY);
    assert!(
        finding["seen"]
            .as_str()
            .unwrap()
            .contains("DescribeCluster"),
        "{finding}"
    );
    // FindCoordinator, which is asked only where there are groups.
    let cluster = Cluster::start(&[0, 1]);
    cluster.state().coordinator = (1, ("kafka-1.kafka.svc".into(), 9092));
    assert_eq!(look(&cluster.target(), &[]).fine().codes(), [""; 0]);
    cluster.state().partitions[0].topic = "__consumer_offsets";
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes("addresses-differ", None, REMEDY);
    assert!(
        finding["seen"]
            .as_str()
            .unwrap()
            .contains("FindCoordinator"),
        "{finding}"
    );
    assert!(
        cluster
            .state()
            .requests
            .contains(&(BOOTSTRAP, FIND_COORDINATOR))
    );
}

#[test]
fn brokers_that_only_some_answers_name_are_a_warning() {
    let cluster = Cluster::start(&[0, 1, 2]);
    let mut told = cluster.state().brokers.clone();
    let one = told.remove(&1).unwrap();
    told.insert(5, one);
    cluster.state().brokers_at.insert(2, told);
    let report = look(&cluster.target(), &[]).fine();
    assert_eq!(report.codes(), ["brokers-differ"]);
    let finding = report.provokes("brokers-differ", Some(2), "look again in a minute");
    assert_eq!(finding["severity"], "warning");
    assert_eq!(
        finding["seen"],
        "node 2 does not name 1; node 2 also names 5"
    );
}
