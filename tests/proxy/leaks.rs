//! Every answer that names brokers names them by the proxy's addresses, and brokers outside the map not at all.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::produce_response::{
    NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::share_acknowledge_response;
use kafka_protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
    ShareAcknowledgeRequest, ShareAcknowledgeResponse, TopicName,
};
use kafka_protocol::protocol::Request;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames::{self, INTERNAL_PORT, internal_host};
use crate::common::proxy::Proxy;
use crate::setup::{ADVERTISED_HOST, Setup};

const UNMAPPED: &str = "portolan_unmapped_nodes_total{cluster=\"main\"}";

/// What a client gets where the broker answers so: the decoded answer, after a search for internal names in its bytes.
fn told<R: Request>(
    proxy: &Proxy,
    broker: &Broker,
    version: i16,
    request: &R,
    answer: &R::Response,
) -> R::Response {
    let mut client = Client::connect(proxy.bootstrap("main"));
    let id = client.request(version, request);
    let mut link = broker.accept();
    let received = link.request();
    link.answer(&received, answer);
    let frame = client.frame();
    frames::assert_no_leak(&frame);
    let (found, response) = frames::decode_response::<R>(&frame, version);
    assert_eq!(found, id);
    response
}

/// A proxy that maps nodes 0 and 1.
fn two_nodes(broker: &Broker) -> Proxy {
    Setup::with(broker).node(1, broker.address()).start()
}

fn port(proxy: &Proxy, id: i32) -> i32 {
    proxy.node("main", id).port().into()
}

/// The answer as clients must see it: nodes 0 and 1 at the proxy.
fn as_advertised(mut answer: MetadataResponse, proxy: &Proxy) -> MetadataResponse {
    for broker in &mut answer.brokers {
        broker.host = ADVERTISED_HOST.into();
        broker.port = port(proxy, broker.node_id.0);
    }
    answer
}

// Trap 11
#[test]
fn metadata_names_brokers_by_the_proxys_address_in_every_version() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    for version in 0..=13 {
        let mut answer = frames::metadata(version, &[1, 0]);
        if version >= 1 {
            answer.brokers[0].rack = Some("rack-a".into());
        }
        if version >= 2 {
            answer.cluster_id = Some("the-cluster".into());
        }
        if version >= 9 {
            let tag = [(40, b"a tag of the future"[..].into())];
            answer.brokers[1].unknown_tagged_fields = tag.clone().into();
            answer.topics[0].unknown_tagged_fields = tag.clone().into();
            answer.unknown_tagged_fields = tag.into();
        }
        let expected = as_advertised(answer.clone(), &proxy);
        let found = told(
            &proxy,
            &broker,
            version,
            &MetadataRequest::default(),
            &answer,
        );
        assert_eq!(found, expected, "version {version}");
    }
    proxy.assert_calm();
    assert_eq!(proxy.metric(UNMAPPED), 0.0);
}

// Trap 11
#[test]
fn metadata_leaves_out_brokers_outside_the_map_and_their_partitions_have_no_leader() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    for version in 0..=13 {
        // Broker 5 is the controller and leads partition 0.
        let answer = frames::metadata(version, &[5, 0, 1]);
        let mut expected = as_advertised(frames::metadata(version, &[0, 1]), &proxy);
        expected.topics = answer.topics.clone();
        let partition = &mut expected.topics[0].partitions[0];
        partition.leader_id = BrokerId(-1);
        partition.error_code = 5;
        expected.controller_id = BrokerId(-1);
        let found = told(
            &proxy,
            &broker,
            version,
            &MetadataRequest::default(),
            &answer,
        );
        assert_eq!(found, expected, "version {version}");
    }
    assert_eq!(proxy.metric(UNMAPPED), 14.0);
}

// Trap 11
#[test]
fn a_broker_outside_the_map_is_told_once_with_the_lines_that_would_map_it() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    let answer = frames::metadata(1, &[0, 5, 1, 6]);
    for _ in 0..3 {
        told(&proxy, &broker, 1, &MetadataRequest::default(), &answer);
    }
    assert_eq!(proxy.metric(UNMAPPED), 6.0);
    proxy.wait_for_log("node 6 is not in the port map");
    let line = proxy.wait_for_log("node 5 is not in the port map");
    let next = port(&proxy, 0).max(port(&proxy, 1)) + 1;
    assert_eq!(
        line["message"],
        format!(
            "node 5 is not in the port map, so clients are not told about it; add a [[clusters.main.nodes]] with \
             ids = \"5\", port = {next}, address = \"kafka-5.internal.test:19092\", or extend the ids of one that is there"
        )
    );
    assert_eq!(line["node"], 5);
    let told = proxy.log().into_iter().filter(|l| l["level"] == "WARN");
    assert_eq!(told.count(), 2, "each is told once");
}

// Trap 11
#[test]
fn a_nodes_port_rewrites_as_the_bootstrap_port_does() {
    let broker = Broker::answering(|request| Some(request.answer(&frames::metadata(12, &[0, 5]))));
    let proxy = two_nodes(&broker);
    let mut client = Client::connect(proxy.node("main", 1));
    let found = client.ask(12, &MetadataRequest::default());
    assert_eq!(found.brokers.len(), 1);
    assert_eq!(&*found.brokers[0].host, ADVERTISED_HOST);
    assert_eq!(found.brokers[0].port, port(&proxy, 0));
}

// Trap 11
#[test]
fn metadata_without_any_mapped_broker_is_an_empty_list() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    let answer = frames::metadata(12, &[7, 8]);
    let found = told(&proxy, &broker, 12, &MetadataRequest::default(), &answer);
    assert_eq!(found.brokers, []);
    assert_eq!(found.controller_id, -1);
    assert_eq!(found.topics[0].partitions.len(), 2);
}

fn coordinator(version: i16, id: i32, host: &str, port: i32) -> FindCoordinatorResponse {
    let (node_id, host) = (BrokerId(id), host.to_owned());
    match version {
        ..4 => FindCoordinatorResponse::default()
            .with_node_id(node_id)
            .with_host(host.into())
            .with_port(port),
        4.. => FindCoordinatorResponse::default().with_coordinators(vec![
            Coordinator::default()
                .with_key("group".into())
                .with_node_id(node_id)
                .with_host(host.into())
                .with_port(port),
        ]),
    }
}

// Trap 11
#[test]
fn find_coordinator_names_the_proxys_address_in_every_version() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    let request = FindCoordinatorRequest::default();
    for version in 0..=6 {
        let answer = coordinator(version, 1, &internal_host(1), INTERNAL_PORT);
        let expected = coordinator(version, 1, ADVERTISED_HOST, port(&proxy, 1));
        let found = told(&proxy, &broker, version, &request, &answer);
        assert_eq!(found, expected, "version {version}");
    }
    proxy.assert_calm();
}

// Trap 11
#[test]
fn an_unmapped_coordinator_is_not_available_which_clients_retry() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    let request = FindCoordinatorRequest::default();
    for version in 0..=6 {
        let answer = coordinator(version, 5, &internal_host(5), INTERNAL_PORT);
        let mut expected = coordinator(version, -1, "", -1);
        match expected.coordinators.first_mut() {
            Some(coordinator) => {
                coordinator.error_code = 15;
                coordinator.error_message = None;
            }
            None => {
                expected.error_code = 15;
                expected.error_message = None;
            }
        }
        let mut found = told(&proxy, &broker, version, &request, &answer);
        if version == 0 {
            found.error_message = None;
        }
        assert_eq!(found, expected, "version {version}");
    }
    assert_eq!(proxy.metric(UNMAPPED), 7.0);
}

#[test]
fn find_coordinator_answers_that_name_nobody_pass_as_they_are() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    let request = FindCoordinatorRequest::default();
    for version in 0..=6 {
        let mut answer = coordinator(version, -1, "", -1);
        match answer.coordinators.first_mut() {
            Some(coordinator) => coordinator.error_code = 30,
            None => answer.error_code = 30,
        }
        let found = told(&proxy, &broker, version, &request, &answer);
        assert_eq!(found, answer, "version {version}");
    }
    assert_eq!(proxy.metric(UNMAPPED), 0.0);
    proxy.assert_calm();
}

fn described(endpoint_type: i8, ids: &[i32]) -> DescribeClusterResponse {
    let brokers = ids.iter().map(|&id| {
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(id))
            .with_host(internal_host(id).into())
            .with_port(INTERNAL_PORT)
            .with_rack(Some("rack".into()))
    });
    DescribeClusterResponse::default()
        .with_endpoint_type(endpoint_type)
        .with_cluster_id("the-cluster".into())
        .with_controller_id(BrokerId(ids[0]))
        .with_brokers(brokers.collect())
}

// Trap 11
#[test]
fn describe_cluster_names_mapped_brokers_only_in_every_version() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    for version in 0..=2 {
        let answer = described(1, &[0, 5, 1]);
        let mut expected = described(1, &[0, 1]);
        for broker in &mut expected.brokers {
            broker.host = ADVERTISED_HOST.into();
            broker.port = port(&proxy, broker.broker_id.0);
        }
        let request = DescribeClusterRequest::default();
        let found = told(&proxy, &broker, version, &request, &answer);
        assert_eq!(found, expected, "version {version}");
        let unmapped = told(&proxy, &broker, version, &request, &described(1, &[5, 0]));
        assert_eq!(unmapped.controller_id, -1, "version {version}");
    }
    assert_eq!(proxy.metric(UNMAPPED), 6.0);
}

// Trap 11
#[test]
fn describe_cluster_never_tells_of_controllers() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    for version in 1..=2 {
        let request = DescribeClusterRequest::default().with_endpoint_type(2);
        let found = told(&proxy, &broker, version, &request, &described(2, &[0, 1]));
        assert_eq!(found.brokers, []);
        assert_eq!(found.controller_id, -1);
    }
    proxy.assert_calm();
}

// Trap 11
#[test]
fn produce_tells_of_new_leaders_by_the_proxys_address() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    for version in 10..=13 {
        let endpoint = |id: i32, host: &str, port: i32| {
            NodeEndpoint::default()
                .with_node_id(BrokerId(id))
                .with_host(host.to_owned().into())
                .with_port(port)
                .with_rack(Some("rack".into()))
        };
        let mut partition = PartitionProduceResponse::default().with_error_code(6);
        partition.current_leader.leader_id = BrokerId(1);
        partition.current_leader.leader_epoch = 9;
        let mut topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
        if version < 13 {
            topic.name = TopicName("records".into());
        }
        let answer = ProduceResponse::default()
            .with_responses(vec![topic])
            .with_throttle_time_ms(3)
            .with_node_endpoints(vec![
                endpoint(1, &internal_host(1), INTERNAL_PORT),
                endpoint(5, &internal_host(5), INTERNAL_PORT),
            ]);
        let expected =
            answer
                .clone()
                .with_node_endpoints(vec![endpoint(1, ADVERTISED_HOST, port(&proxy, 1))]);
        let request: ProduceRequest = frames::produce(version, 1, b"x");
        let found = told(&proxy, &broker, version, &request, &answer);
        assert_eq!(found, expected, "version {version}");
    }
    let rewritten = "portolan_addresses_rewritten_total{api=\"Produce\",cluster=\"main\"}";
    assert_eq!(proxy.metric(rewritten), 4.0);
    assert_eq!(proxy.metric(UNMAPPED), 4.0);
}

// Trap 11
#[test]
fn share_acknowledge_tells_of_new_leaders_by_the_proxys_address() {
    let broker = Broker::start();
    let proxy = two_nodes(&broker);
    let endpoint = |id: i32, host: &str, port: i32| {
        share_acknowledge_response::NodeEndpoint::default()
            .with_node_id(BrokerId(id))
            .with_host(host.to_owned().into())
            .with_port(port)
    };
    let topic = share_acknowledge_response::ShareAcknowledgeTopicResponse::default()
        .with_partitions(vec![
            share_acknowledge_response::PartitionData::default().with_error_code(6),
        ]);
    let answer = ShareAcknowledgeResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(vec![
            endpoint(5, &internal_host(5), INTERNAL_PORT),
            endpoint(0, &internal_host(0), INTERNAL_PORT),
        ]);
    let expected =
        answer
            .clone()
            .with_node_endpoints(vec![endpoint(0, ADVERTISED_HOST, port(&proxy, 0))]);
    let request = ShareAcknowledgeRequest::default();
    assert_eq!(told(&proxy, &broker, 1, &request, &answer), expected);
    assert_eq!(proxy.metric(UNMAPPED), 1.0);
}

#[test]
fn an_answer_over_the_rewrite_limit_ends_the_session_and_nothing_leaks() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nresponse_rewrite_bytes = \"4KiB\"")
        .start();
    let ids: Vec<i32> = (0..200).collect();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.request(1, &MetadataRequest::default());
    let mut link = broker.accept();
    let received = link.request();
    link.answer(&received, &frames::metadata(1, &ids));
    client.end();
    proxy.wait_for_end("main", "response_too_large");
}
