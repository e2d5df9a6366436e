//! Metadata 0-13: the head is rewritten, what follows it passes; partitions lose a leader that clients cannot reach.

use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use portolan::port_map::{NodeId, PortMap};
use portolan::protocol::rewrite::{MetadataHead, SeenBroker, metadata_brokers};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{cases, id, maybe_text, node_id, pieces, ports, tags, text};
use crate::drive;
use crate::oracle::{Unknown, decode, decode_front, encode, topic_id};

const VERSIONS: std::ops::RangeInclusive<i16> = 0..=13;

const LEADER_NOT_AVAILABLE: i16 = 5;

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn what_clients_decode_is_what_the_broker_said_with_our_addresses(
        message in response(),
        header in tags(0),
        ports in ports(),
        pieces in pieces(),
    ) {
        for version in VERSIONS {
            let frame = encode(&trim(&message, version), version, &trim_tags(&header, version));
            let (header, said) = decode::<MetadataResponse>(&frame, version);
            let rewritten = drive::metadata(version, &frame, &ports, &pieces).unwrap();
            let told = decode::<MetadataResponse>(&rewritten.frame, version);
            prop_assert_eq!(told, (header, expected(said, version, &ports)), "version {}", version);
        }
    }

    #[test]
    fn findings_name_every_broker_that_was_replaced_or_left_out(
        message in response(),
        ports in ports(),
    ) {
        for version in VERSIONS {
            let frame = encode(&trim(&message, version), version, &Unknown::new());
            let rewritten = drive::metadata(version, &frame, &ports, &[64]).unwrap();
            let seen = |broker: &MetadataResponseBroker| SeenBroker {
                node_id: NodeId(broker.node_id.0),
                host: broker.host.chars().take(254).collect(),
                port: u16::try_from(broker.port).unwrap_or(0),
            };
            let brokers = || message.brokers.iter();
            let mapped = |broker: &&MetadataResponseBroker| ports.contains(NodeId(broker.node_id.0));
            let unmapped: Vec<_> = brokers().filter(|b| !mapped(b)).map(seen).collect();
            let learned = |broker: &SeenBroker| broker.port > 0 && !broker.host.is_empty();
            let learned: Vec<_> = brokers().filter(mapped).map(seen).filter(learned).collect();
            prop_assert_eq!(rewritten.findings.rewritten as usize, brokers().filter(mapped).count());
            prop_assert_eq!(rewritten.findings.unmapped, unmapped);
            prop_assert_eq!(rewritten.findings.seen, learned);
            let all: Vec<_> = brokers().map(seen).collect();
            prop_assert_eq!(metadata_brokers(version, &frame), Ok(all));
        }
    }

    #[test]
    fn the_bytes_behind_the_head_are_untouched_when_every_broker_is_mapped(
        mut message in response(),
        ports in ports(),
        trailing in vec(any::<u8>(), 0..3),
    ) {
        message.brokers.retain(|broker| ports.contains(NodeId(broker.node_id.0)));
        for version in VERSIONS {
            let mut frame = encode(&trim(&message, version), version, &Unknown::new());
            frame.extend_from_slice(&trailing);
            let head = head_bytes(version, &frame);
            let rewritten = drive::metadata(version, &frame, &ports, &[64]).unwrap();
            prop_assert!(rewritten.frame.ends_with(&frame[head..]), "version {}", version);
        }
    }

    #[test]
    fn bytes_behind_the_message_pass(
        message in response(),
        ports in ports(),
        pieces in pieces(),
    ) {
        // The mock cluster of librdkafka sends one zero too many.
        for version in VERSIONS {
            let mut frame = encode(&trim(&message, version), version, &Unknown::new());
            frame.push(0);
            let rewritten = drive::metadata(version, &frame, &ports, &pieces).unwrap();
            let mut bytes = rewritten.frame.into();
            decode_front::<MetadataResponse>(&mut bytes, version);
            prop_assert_eq!(&bytes[..], &[0], "version {}", version);
        }
    }
}

#[test]
fn null_arrays_are_read_as_empty_ones() {
    let ports = crate::arbitrary::port_map("proxy", Default::default());
    for (version, frame, told) in [
        (
            1,
            &b"\0\0\0\x01\xff\xff\xff\xff\0\0\0\x05\xff\xff\xff\xff"[..],
            &b"\0\0\0\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        ),
        (
            9,
            b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0",
            b"\0\0\0\x01\0\0\0\0\0\x01\0\xff\xff\xff\xff\0\0\0\0\0\0",
        ),
    ] {
        let rewritten = drive::metadata(version, frame, &ports, &[3]).unwrap();
        assert_eq!(rewritten.frame, told, "version {version}");
    }
}

#[test]
fn a_head_ends_with_the_controller_id_and_in_version_0_with_the_brokers() {
    let broker = MetadataResponseBroker::default().with_host(StrBytes::from_static_str("b"));
    for version in VERSIONS {
        let message = MetadataResponse::default().with_brokers(vec![broker.clone()]);
        let frame = encode(&message, version, &Unknown::new());
        // What stands behind it: the empty array of topics, operations (8-10), error code (13), tags (9+).
        let behind = match version {
            0..=7 => 4,
            8 => 8,
            9..=10 => 6,
            11..=12 => 2,
            _ => 4,
        };
        assert_eq!(
            head_bytes(version, &frame),
            frame.len() - behind,
            "version {version}"
        );
    }
}

fn head_bytes(version: i16, frame: &[u8]) -> usize {
    let mut head = MetadataHead::new(version, frame.len() as u32);
    head.feed(frame).unwrap().expect("a head")
}

/// The words: unmapped brokers are omitted, an unmapped controller is -1, a partition that an unmapped node leads
/// has no leader for now.
fn expected(mut said: MetadataResponse, version: i16, ports: &PortMap) -> MetadataResponse {
    let brokers = said.brokers.len();
    said.brokers
        .retain(|broker| ports.contains(NodeId(broker.node_id.0)));
    for broker in &mut said.brokers {
        let address = ports.advertised(NodeId(broker.node_id.0)).unwrap();
        broker.host = StrBytes::from_string(address.host.to_owned());
        broker.port = address.port.into();
    }
    if version >= 1 && !ports.contains(NodeId(said.controller_id.0)) {
        said.controller_id = BrokerId(-1);
    }
    if said.brokers.len() < brokers {
        for partition in said
            .topics
            .iter_mut()
            .flat_map(|topic| &mut topic.partitions)
        {
            let leader = partition.leader_id.0;
            if leader >= 0 && !ports.contains(NodeId(leader)) {
                partition.leader_id = BrokerId(-1);
                partition.error_code = LEADER_NOT_AVAILABLE;
            }
        }
    }
    said
}

/// Takes out what the encoder refuses at this version.
fn trim(message: &MetadataResponse, version: i16) -> MetadataResponse {
    let mut message = message.clone();
    if !(8..=10).contains(&version) {
        message.cluster_authorized_operations = i32::MIN;
    }
    for topic in &mut message.topics {
        if version < 8 {
            topic.topic_authorized_operations = i32::MIN;
        }
        if version < 12 {
            topic.name.get_or_insert_default();
        }
    }
    message
}

fn trim_tags(header: &Unknown, version: i16) -> Unknown {
    match version {
        9.. => header.clone(),
        _ => Unknown::new(),
    }
}

fn response() -> impl Strategy<Value = MetadataResponse> {
    let brokers = vec(broker(), 0..6);
    let topics = vec(topic(), 0..4);
    let operations = any::<i32>();
    (
        (any::<i32>(), any::<i16>(), operations),
        brokers,
        maybe_text(),
        node_id(),
        topics,
        tags(0),
    )
        .prop_map(
            |((throttle, error, operations), brokers, cluster, controller, topics, tags)| {
                MetadataResponse::default()
                    .with_throttle_time_ms(throttle)
                    .with_error_code(error)
                    .with_cluster_authorized_operations(operations)
                    .with_brokers(brokers)
                    .with_cluster_id(cluster)
                    .with_controller_id(BrokerId(controller))
                    .with_topics(topics)
                    .with_unknown_tagged_fields(tags)
            },
        )
}

fn broker() -> impl Strategy<Value = MetadataResponseBroker> {
    let port = prop_oneof![1..65_536, any::<i32>()];
    (node_id(), text(), port, maybe_text(), tags(0)).prop_map(|(id, host, port, rack, tags)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(host)
            .with_port(port)
            .with_rack(rack)
            .with_unknown_tagged_fields(tags)
    })
}

fn topic() -> impl Strategy<Value = MetadataResponseTopic> {
    let partitions = vec(partition(), 0..4);
    let flags = (any::<i16>(), any::<bool>(), any::<i32>());
    (flags, maybe_text(), id(), partitions, tags(0)).prop_map(
        |((error, internal, operations), name, id, partitions, tags)| {
            MetadataResponseTopic::default()
                .with_error_code(error)
                .with_is_internal(internal)
                .with_topic_authorized_operations(operations)
                .with_name(name.map(TopicName))
                .with_topic_id(topic_id(id).topic_id)
                .with_partitions(partitions)
                .with_unknown_tagged_fields(tags)
        },
    )
}

fn partition() -> impl Strategy<Value = MetadataResponsePartition> {
    let ids = || vec(node_id().prop_map(BrokerId), 0..4);
    let numbers = (any::<i16>(), any::<i32>(), any::<i32>());
    (numbers, node_id(), ids(), ids(), ids(), tags(0)).prop_map(
        |((error, index, epoch), leader, replicas, isr, offline, tags)| {
            MetadataResponsePartition::default()
                .with_error_code(error)
                .with_partition_index(index)
                .with_leader_epoch(epoch)
                .with_leader_id(BrokerId(leader))
                .with_replica_nodes(replicas)
                .with_isr_nodes(isr)
                .with_offline_replicas(offline)
                .with_unknown_tagged_fields(tags)
        },
    )
}
