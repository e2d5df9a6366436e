//! DescribeCluster 0-2: brokers with our addresses; controllers are never exposed.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;
use portolan::port_map::NodeId;
use portolan::protocol::api::WholeResponse::DescribeCluster;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{cases, maybe_text, node_id, ports, tags, text};
use crate::drive::whole;
use crate::oracle::{decode, encode};

const BROKERS: i8 = 1;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn brokers_are_told_with_our_addresses_and_controllers_not_at_all(
        message in response(),
        header in tags(0),
        ports in ports(),
    ) {
        for version in 0..=2 {
            let mut message = message.clone();
            if version < 1 {
                message.endpoint_type = BROKERS;
            }
            if version < 2 {
                message.brokers.iter_mut().for_each(|broker| broker.is_fenced = false);
            }
            let frame = encode(&message, version, &header);
            let (header, mut said) = decode::<DescribeClusterResponse>(&frame, version);
            let rewritten = whole(DescribeCluster, version, &frame, &ports).unwrap();
            let mapped = |id: BrokerId| said.endpoint_type == BROKERS && ports.contains(NodeId(id.0));
            if !mapped(said.controller_id) {
                said.controller_id = BrokerId(-1);
            }
            let mut brokers = std::mem::take(&mut said.brokers);
            brokers.retain(|broker| said.endpoint_type == BROKERS && ports.contains(NodeId(broker.broker_id.0)));
            for broker in &mut brokers {
                let address = ports.advertised(NodeId(broker.broker_id.0)).unwrap();
                broker.host = StrBytes::from_string(address.host.to_owned());
                broker.port = address.port.into();
            }
            said.brokers = brokers;
            let told = decode::<DescribeClusterResponse>(&rewritten.frame, version);
            prop_assert_eq!(told, (header, said), "version {}", version);
        }
    }
}

fn response() -> impl Strategy<Value = DescribeClusterResponse> {
    let numbers = (any::<i32>(), any::<i16>(), any::<i32>());
    let endpoint_type = prop_oneof![3 => Just(BROKERS), 1 => Just(2), 1 => any::<i8>()];
    let texts = (maybe_text(), text());
    let brokers = vec(broker(), 0..6);
    (numbers, endpoint_type, texts, node_id(), brokers, tags(0)).prop_map(
        |(
            (throttle, error, operations),
            endpoint_type,
            (message, cluster),
            controller,
            brokers,
            tags,
        )| {
            DescribeClusterResponse::default()
                .with_throttle_time_ms(throttle)
                .with_error_code(error)
                .with_error_message(message)
                .with_endpoint_type(endpoint_type)
                .with_cluster_id(cluster)
                .with_controller_id(BrokerId(controller))
                .with_brokers(brokers)
                .with_cluster_authorized_operations(operations)
                .with_unknown_tagged_fields(tags)
        },
    )
}

fn broker() -> impl Strategy<Value = DescribeClusterBroker> {
    let place = (node_id(), text(), any::<i32>());
    (place, maybe_text(), any::<bool>(), tags(0)).prop_map(
        |((id, host, port), rack, fenced, tags)| {
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(id))
                .with_host(host)
                .with_port(port)
                .with_rack(rack)
                .with_is_fenced(fenced)
                .with_unknown_tagged_fields(tags)
        },
    )
}
