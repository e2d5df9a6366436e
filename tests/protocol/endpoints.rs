//! `NodeEndpoints` (KIP-951) in small answers: Produce 10-13 and ShareAcknowledge 1-2 are rewritten; where such an answer is
//! too large to be held it is walked, and they are blanked.

use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::share_acknowledge_response::{
    self, PartitionData, ShareAcknowledgeTopicResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceResponse, ShareAcknowledgeResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use portolan::port_map::{NodeId, PortMap};
use portolan::protocol::api::{WalkedResponse, WholeResponse};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{cases, id, maybe_text, node_id, pieces, ports, tags, text};
use crate::drive::{walked, whole};
use crate::oracle::{Unknown, decode, encode, topic_id};

/// The tag that takes the place of 0.
const BLANKED: i32 = 0x7f;

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn produce_endpoints_are_told_with_our_addresses(
        message in produce(),
        header in tags(0),
        ports in ports(),
    ) {
        for version in 10..=13 {
            let frame = encode(&trim(&message, version), version, &header);
            let (header, mut said) = decode::<ProduceResponse>(&frame, version);
            let rewritten = whole(WholeResponse::Produce, version, &frame, &ports).unwrap();
            let endpoints = said.node_endpoints.len();
            said.node_endpoints.retain(|one| ports.contains(NodeId(one.node_id.0)));
            let left_out = endpoints - said.node_endpoints.len();
            for one in &mut said.node_endpoints {
                (one.host, one.port) = told(&ports, one.node_id);
            }
            prop_assert_eq!(rewritten.findings.unmapped.len(), left_out);
            prop_assert_eq!(rewritten.findings.rewritten as usize, said.node_endpoints.len());
            let told = decode::<ProduceResponse>(&rewritten.frame, version);
            prop_assert_eq!(told, (header, said), "version {}", version);
        }
    }

    #[test]
    fn share_acknowledge_endpoints_are_told_with_our_addresses(
        message in share_acknowledge(),
        header in tags(0),
        lock_timeout in any::<[u8; 4]>(),
        ports in ports(),
    ) {
        let first = encode(&message, 1, &header);
        let (header, mut said) = decode::<ShareAcknowledgeResponse>(&first, 1);
        said.node_endpoints.retain(|one| ports.contains(NodeId(one.node_id.0)));
        for one in &mut said.node_endpoints {
            (one.host, one.port) = told(&ports, one.node_id);
        }
        let rewritten = whole(WholeResponse::ShareAcknowledge, 1, &first, &ports).unwrap();
        let told = decode::<ShareAcknowledgeResponse>(&rewritten.frame, 1);
        prop_assert_eq!(told, (header.clone(), said));

        // kafka-protocol does not know version 2: the acquisition lock timeout stands before the responses.
        let at = before_responses(&message, &header);
        let second = insert(&first, at, &lock_timeout);
        let expected = insert(&rewritten.frame, at, &lock_timeout);
        let rewritten = whole(WholeResponse::ShareAcknowledge, 2, &second, &ports).unwrap();
        prop_assert_eq!(rewritten.frame, expected);
    }

    #[test]
    fn large_produce_answers_lose_their_endpoints_and_nothing_else(
        message in produce(),
        ports in ports(),
        pieces in pieces(),
    ) {
        for version in 10..=13 {
            let frame = encode(&trim(&message, version), version, &Unknown::new());
            let (_, mut said) = decode::<ProduceResponse>(&frame, version);
            let (walked, neutralised) =
                walked(WalkedResponse::Produce, version, &frame, &ports, &pieces, true).unwrap();
            prop_assert_eq!(walked.len(), frame.len());
            prop_assert_eq!(neutralised, u32::from(!said.node_endpoints.is_empty()));
            said.node_endpoints.clear();
            let (_, mut told) = decode::<ProduceResponse>(&walked, version);
            if neutralised > 0 {
                let blank = told.unknown_tagged_fields.remove(&BLANKED).unwrap();
                prop_assert!(blank.iter().all(|byte| *byte == 0));
            }
            prop_assert_eq!(told, said, "version {}", version);
        }
    }

    #[test]
    fn large_share_acknowledge_answers_lose_their_endpoints_and_nothing_else(
        message in share_acknowledge(),
        ports in ports(),
        pieces in pieces(),
    ) {
        let frame = encode(&message, 1, &Unknown::new());
        let (walked, neutralised) =
            walked(WalkedResponse::ShareAcknowledge, 1, &frame, &ports, &pieces, true).unwrap();
        prop_assert_eq!(walked.len(), frame.len());
        let (_, mut told) = decode::<ShareAcknowledgeResponse>(&walked, 1);
        let (_, mut said) = decode::<ShareAcknowledgeResponse>(&frame, 1);
        prop_assert_eq!(neutralised, u32::from(!said.node_endpoints.is_empty()));
        if neutralised > 0 {
            // What covers the array covers the tags behind it as well.
            said.node_endpoints.clear();
            said.unknown_tagged_fields.clear();
            told.unknown_tagged_fields.clear();
        }
        prop_assert_eq!(told, said);
    }
}

fn told(ports: &PortMap, id: BrokerId) -> (StrBytes, i32) {
    let address = ports.advertised(NodeId(id.0)).unwrap();
    let host = StrBytes::from_string(address.host.to_owned());
    (host, address.port.into())
}

/// How many bytes stand before the responses.
fn before_responses(message: &ShareAcknowledgeResponse, header: &Unknown) -> usize {
    let without = ShareAcknowledgeResponse::default()
        .with_error_message(message.error_message.clone())
        .with_responses(vec![]);
    // Two empty arrays and no tags.
    encode(&without, 1, header).len() - 3
}

fn insert(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    [&frame[..at], bytes, &frame[at..]].concat()
}

/// Topics have names before version 13 and ids from there on.
fn trim(message: &ProduceResponse, version: i16) -> ProduceResponse {
    let mut message = message.clone();
    for topic in &mut message.responses {
        match version {
            13.. => topic.name = TopicName::default(),
            _ => topic.topic_id = Default::default(),
        }
    }
    message
}

fn produce() -> impl Strategy<Value = ProduceResponse> {
    let endpoint = endpoint().prop_map(|((id, host, port), rack, tags)| {
        NodeEndpoint::default()
            .with_node_id(BrokerId(id))
            .with_host(host)
            .with_port(port)
            .with_rack(rack)
            .with_unknown_tagged_fields(tags)
    });
    (
        vec(topic(), 0..4),
        any::<i32>(),
        vec(endpoint, 0..5),
        tags(1).prop_map(|mut tags| {
            tags.remove(&BLANKED);
            tags
        }),
    )
        .prop_map(|(topics, throttle, endpoints, tags)| {
            ProduceResponse::default()
                .with_responses(topics)
                .with_throttle_time_ms(throttle)
                .with_node_endpoints(endpoints)
                .with_unknown_tagged_fields(tags)
        })
}

/// Place, rack, tags.
fn endpoint() -> impl Strategy<Value = ((i32, StrBytes, i32), Option<StrBytes>, Unknown)> {
    ((node_id(), text(), any::<i32>()), maybe_text(), tags(0))
}

fn topic() -> impl Strategy<Value = TopicProduceResponse> {
    (text(), id(), vec(partition(), 0..4), tags(0)).prop_map(|(name, id, partitions, tags)| {
        TopicProduceResponse::default()
            .with_name(TopicName(name))
            .with_topic_id(topic_id(id).topic_id)
            .with_partition_responses(partitions)
            .with_unknown_tagged_fields(tags)
    })
}

fn partition() -> impl Strategy<Value = PartitionProduceResponse> {
    let numbers = (any::<i32>(), any::<i16>(), any::<[i64; 3]>());
    let record_error = (any::<i32>(), maybe_text(), tags(0)).prop_map(|(index, message, tags)| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(index)
            .with_batch_index_error_message(message)
            .with_unknown_tagged_fields(tags)
    });
    let leader = (node_id(), any::<i32>(), tags(0)).prop_map(|(id, epoch, tags)| {
        LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(id))
            .with_leader_epoch(epoch)
            .with_unknown_tagged_fields(tags)
    });
    let leader = prop_oneof![Just(LeaderIdAndEpoch::default()), leader];
    (
        numbers,
        vec(record_error, 0..3),
        maybe_text(),
        leader,
        tags(1),
    )
        .prop_map(
            |((index, error, [base, append, start]), errors, message, leader, tags)| {
                PartitionProduceResponse::default()
                    .with_index(index)
                    .with_error_code(error)
                    .with_base_offset(base)
                    .with_log_append_time_ms(append)
                    .with_log_start_offset(start)
                    .with_record_errors(errors)
                    .with_error_message(message)
                    .with_current_leader(leader)
                    .with_unknown_tagged_fields(tags)
            },
        )
}

fn share_acknowledge() -> impl Strategy<Value = ShareAcknowledgeResponse> {
    let endpoint = endpoint().prop_map(|((id, host, port), rack, tags)| {
        share_acknowledge_response::NodeEndpoint::default()
            .with_node_id(BrokerId(id))
            .with_host(host)
            .with_port(port)
            .with_rack(rack)
            .with_unknown_tagged_fields(tags)
    });
    let topic = (id(), vec(acknowledged(), 0..4), tags(0)).prop_map(|(id, partitions, tags)| {
        ShareAcknowledgeTopicResponse::default()
            .with_topic_id(topic_id(id).topic_id)
            .with_partitions(partitions)
            .with_unknown_tagged_fields(tags)
    });
    let numbers = (any::<i32>(), any::<i16>());
    (
        numbers,
        maybe_text(),
        vec(topic, 0..4),
        vec(endpoint, 0..5),
        tags(0),
    )
        .prop_map(|((throttle, error), message, topics, endpoints, tags)| {
            ShareAcknowledgeResponse::default()
                .with_throttle_time_ms(throttle)
                .with_error_code(error)
                .with_error_message(message)
                .with_responses(topics)
                .with_node_endpoints(endpoints)
                .with_unknown_tagged_fields(tags)
        })
}

fn acknowledged() -> impl Strategy<Value = PartitionData> {
    let leader = (node_id(), any::<i32>(), tags(0)).prop_map(|(id, epoch, tags)| {
        share_acknowledge_response::LeaderIdAndEpoch::default()
            .with_leader_id(id)
            .with_leader_epoch(epoch)
            .with_unknown_tagged_fields(tags)
    });
    ((any::<i32>(), any::<i16>()), maybe_text(), leader, tags(0)).prop_map(
        |((index, error), message, leader, tags)| {
            PartitionData::default()
                .with_partition_index(index)
                .with_error_code(error)
                .with_error_message(message)
                .with_current_leader(leader)
                .with_unknown_tagged_fields(tags)
        },
    )
}
