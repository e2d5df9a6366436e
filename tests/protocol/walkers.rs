//! Fetch 16-18 and ShareFetch 1-2: walked while they stream, in any pieces, without a change of length.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{
    self, AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, SnapshotId,
};
use kafka_protocol::messages::share_fetch_response::{
    self, AcquiredRecords, ShareFetchableTopicResponse,
};
use kafka_protocol::messages::{BrokerId, FetchResponse, ProducerId, ShareFetchResponse};
use kafka_protocol::protocol::StrBytes;
use portolan::protocol::api::WalkedResponse::{self, Fetch, ShareFetch};
use portolan::protocol::walker::ResponseWalker;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{cases, id, maybe_text, node_id, pieces, port_map, ports, tags, text};
use crate::drive::walked;
use crate::oracle::{Unknown, decode, encode, topic_id};

/// The tag that takes the place of 0.
const BLANKED: i32 = 0x7f;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn fetch_answers_lose_their_endpoints_and_nothing_else(
        message in fetch(),
        header in tags(0),
        ports in ports(),
        pieces in pieces(),
    ) {
        for version in 16..=18 {
            let frame = encode(&message, version, &header);
            let (header, mut said) = decode::<FetchResponse>(&frame, version);
            let (walked, neutralised) =
                walked(Fetch, version, &frame, &ports, &pieces, false).unwrap();
            prop_assert_eq!(walked.len(), frame.len());
            prop_assert_eq!(neutralised, u32::from(!said.node_endpoints.is_empty()));
            let (told_header, mut told) = decode::<FetchResponse>(&walked, version);
            if neutralised > 0 {
                let blank = told.unknown_tagged_fields.remove(&BLANKED).unwrap();
                prop_assert!(blank.iter().all(|byte| *byte == 0));
                said.node_endpoints.clear();
            }
            prop_assert_eq!((told_header, told), (header, said), "version {}", version);
        }
    }

    #[test]
    fn share_fetch_answers_lose_their_endpoints_and_nothing_else(
        message in share_fetch(),
        header in tags(0),
        ports in ports(),
        pieces in pieces(),
    ) {
        // Kafka's schema of version 2 has the same fields as that of version 1, which kafka-protocol knows.
        for version in 1..=2 {
            let frame = encode(&message, 1, &header);
            let (header, mut said) = decode::<ShareFetchResponse>(&frame, 1);
            let (walked, neutralised) =
                walked(ShareFetch, version, &frame, &ports, &pieces, false).unwrap();
            prop_assert_eq!(walked.len(), frame.len());
            prop_assert_eq!(neutralised, u32::from(!said.node_endpoints.is_empty()));
            let (told_header, mut told) = decode::<ShareFetchResponse>(&walked, 1);
            if neutralised > 0 {
                let blank = std::mem::take(&mut told.unknown_tagged_fields);
                prop_assert!(blank.values().flatten().all(|byte| *byte == 0));
                // What covers the array covers the tags behind it as well.
                said.unknown_tagged_fields.clear();
                said.node_endpoints.clear();
            }
            prop_assert_eq!((told_header, told), (header, said), "version {}", version);
        }
    }

    #[test]
    fn any_split_gives_the_same_bytes_and_opaque_bytes_need_not_be_seen(
        fetch in fetch(),
        share_fetch in share_fetch(),
        ports in ports(),
        pieces in pieces(),
        trailing in vec(any::<u8>(), 0..3),
    ) {
        let frames: [(WalkedResponse, i16, Vec<u8>); 2] = [
            (Fetch, 17, encode(&fetch, 17, &Unknown::new())),
            (ShareFetch, 1, encode(&share_fetch, 1, &Unknown::new())),
        ];
        for (kind, version, mut frame) in frames {
            frame.extend_from_slice(&trailing);
            let whole = walked(kind, version, &frame, &ports, &[frame.len()], false).unwrap();
            for skip in [false, true] {
                for pieces in [&pieces[..], &[1], &[2], &[31], &[32]] {
                    let split = walked(kind, version, &frame, &ports, pieces, skip).unwrap();
                    prop_assert_eq!(&split, &whole, "{:?} in {:?}, skip {}", kind, pieces, skip);
                }
            }
            // As a session does that lets only longer runs pass unseen.
            for least in [1, 8, 64, 16_384] {
                let mut skipped = frame.clone();
                skipping(kind, version, &mut skipped, least);
                prop_assert_eq!(&skipped, &whole.0, "{:?}, least {}", kind, least);
            }
        }
    }
}

#[test]
fn endpoints_of_every_size_are_covered_exactly() {
    let ports = port_map("proxy", Default::default());
    // Around the sizes where the varint of the covering tag gets another byte.
    for length in (0..400).chain(16_300..16_500).chain([32_000]) {
        let host = StrBytes::from_string("x".repeat(length));
        let endpoint = share_fetch_response::NodeEndpoint::default().with_host(host.clone());
        let message = ShareFetchResponse::default().with_node_endpoints(vec![endpoint]);
        let frame = encode(&message, 1, &Unknown::new());
        let (walked_frame, _) = walked(ShareFetch, 1, &frame, &ports, &[7], false).unwrap();
        assert_eq!(walked_frame.len(), frame.len());
        let (_, told) = decode::<ShareFetchResponse>(&walked_frame, 1);
        assert!(told.node_endpoints.is_empty(), "host of {length} bytes");

        let endpoint = fetch_response::NodeEndpoint::default().with_host(host);
        let message = FetchResponse::default().with_node_endpoints(vec![endpoint]);
        let frame = encode(&message, 16, &Unknown::new());
        let (walked_frame, _) = walked(Fetch, 16, &frame, &ports, &[7], false).unwrap();
        let (_, told) = decode::<FetchResponse>(&walked_frame, 16);
        assert!(told.node_endpoints.is_empty(), "host of {length} bytes");
    }
}

#[test]
fn record_bytes_are_opaque_to_the_walker_and_so_is_all_behind_the_last_where_no_address_fits() {
    let endpoint = fetch_response::NodeEndpoint::default().with_host("h".into());
    for (partitions, endpoints) in [(1, vec![]), (6, vec![]), (1, vec![endpoint])] {
        let records = Bytes::from(vec![0xab; 100_000]);
        let partition = fetch_response::PartitionData::default().with_records(Some(records));
        let topic = FetchableTopicResponse::default().with_partitions(vec![partition; partitions]);
        let message = FetchResponse::default()
            .with_responses(vec![topic])
            .with_node_endpoints(endpoints.clone());
        let mut frame = encode(&message, 18, &Unknown::new());
        let opaque = skipping(Fetch, 18, &mut frame, 1);
        let runs = opaque.iter().filter(|bytes| **bytes >= 100_000);
        let mut expected = vec![100_000; partitions];
        if endpoints.is_empty() {
            // The tag sections of the partition, the topic and the answer.
            *expected.last_mut().unwrap() += 3;
        }
        assert_eq!(runs.copied().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_smallest_endpoint_is_seen_behind_opaque_bytes() {
    // Everything that may be left out is left out: what follows the opaque bytes is only what an address needs.
    let ports = port_map("proxy", Default::default());
    let place = [0, 0, 0, 7, 2, b'h', 0, 0, 0x23, 0x84, 0, 0];
    let fetched = [&[0, 0, 0, 9, 0][..], &[0; 10], &[0]].concat();
    let shared = [&[0, 0, 0, 9, 0][..], &[0; 6], &[0], &[0; 4], &[0]].concat();
    let produced = [&[0, 0, 0, 9, 0, 0][..], &[0; 4]].concat();
    let cases: [(WalkedResponse, _, usize, &[u8]); 3] = [
        (Fetch, fetched, 5 + 10, &[1, 0, 13, 2]),
        (ShareFetch, shared, 5 + 6 + 1 + 4, &[2]),
        (WalkedResponse::Produce, produced, 5 + 1 + 4, &[1, 0, 13, 2]),
    ];
    for (kind, head, opaque_ends, header) in cases {
        let version = match kind {
            Fetch => 16,
            ShareFetch => 1,
            _ => 13,
        };
        let end = [header, &place].concat();
        // One byte of the host is there, or it is not.
        for kept in [header.len() + 5, header.len() + 6, end.len()] {
            let frame = [&head[..], &end[..kept]].concat();
            let mut walker = ResponseWalker::new(kind, version, frame.len() as u32);
            let seen = &mut frame[..opaque_ends - 1].to_vec();
            walker.walk(seen, &ports).unwrap();
            let left = frame.len() - seen.len();
            let behind = left - 1;
            let expected = match behind < header.len() + 6 {
                true => left,
                false => 1,
            };
            assert_eq!(walker.opaque_bytes() as usize, expected, "{kind:?} {kept}");
        }
    }
}

/// What the walker says need not be seen is skipped where it is `least` bytes or more; everything else is walked byte by
/// byte. Returns what was skipped.
fn skipping(kind: WalkedResponse, version: i16, frame: &mut [u8], least: usize) -> Vec<usize> {
    let ports = port_map("proxy", Default::default());
    let mut walker = ResponseWalker::new(kind, version, frame.len() as u32);
    let (mut runs, mut at, mut shown) = (Vec::new(), 0, 0);
    while at < frame.len() {
        let opaque = walker.opaque_bytes() as usize;
        if opaque >= least && shown == 0 {
            walker.skip(opaque as u32);
            runs.push(opaque);
            at += opaque;
            continue;
        }
        shown += 1;
        let done = walker.walk(&mut frame[at..at + shown], &ports).unwrap();
        at += done;
        shown -= done;
    }
    walker.walk(&mut [], &ports).unwrap();
    runs
}

fn fetch() -> impl Strategy<Value = FetchResponse> {
    let endpoint = (place(), maybe_text(), tags(0)).prop_map(|((id, host, port), rack, tags)| {
        fetch_response::NodeEndpoint::default()
            .with_node_id(BrokerId(id))
            .with_host(host)
            .with_port(port)
            .with_rack(rack)
            .with_unknown_tagged_fields(tags)
    });
    let topic = (id(), vec(fetched(), 0..4), tags(0)).prop_map(|(id, partitions, tags)| {
        FetchableTopicResponse::default()
            .with_topic_id(topic_id(id).topic_id)
            .with_partitions(partitions)
            .with_unknown_tagged_fields(tags)
    });
    let numbers = (any::<i32>(), any::<i16>(), any::<i32>());
    // 127 is the tag that a blanked field gets.
    let tags = tags(1).prop_map(|mut tags| {
        tags.remove(&BLANKED);
        tags
    });
    (numbers, vec(topic, 0..4), vec(endpoint, 0..4), tags).prop_map(
        |((throttle, error, session), topics, endpoints, tags)| {
            FetchResponse::default()
                .with_throttle_time_ms(throttle)
                .with_error_code(error)
                .with_session_id(session)
                .with_responses(topics)
                .with_node_endpoints(endpoints)
                .with_unknown_tagged_fields(tags)
        },
    )
}

fn fetched() -> impl Strategy<Value = fetch_response::PartitionData> {
    let numbers = (any::<i32>(), any::<i16>(), any::<[i64; 3]>(), node_id());
    let diverging = (any::<i32>(), any::<i64>(), tags(0)).prop_map(|(epoch, end, tags)| {
        EpochEndOffset::default()
            .with_epoch(epoch)
            .with_end_offset(end)
            .with_unknown_tagged_fields(tags)
    });
    let leader = (node_id(), any::<i32>(), tags(0)).prop_map(|(id, epoch, tags)| {
        LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(id))
            .with_leader_epoch(epoch)
            .with_unknown_tagged_fields(tags)
    });
    let snapshot = (any::<i32>(), any::<i64>(), tags(0)).prop_map(|(epoch, end, tags)| {
        SnapshotId::default()
            .with_epoch(epoch)
            .with_end_offset(end)
            .with_unknown_tagged_fields(tags)
    });
    let known = (
        prop_oneof![Just(EpochEndOffset::default()), diverging],
        prop_oneof![Just(LeaderIdAndEpoch::default()), leader],
        prop_oneof![Just(SnapshotId::default()), snapshot],
    );
    let aborted = (any::<i64>(), any::<i64>(), tags(0)).prop_map(|(id, offset, tags)| {
        AbortedTransaction::default()
            .with_producer_id(ProducerId(id))
            .with_first_offset(offset)
            .with_unknown_tagged_fields(tags)
    });
    let aborted = proptest::option::of(vec(aborted, 0..3));
    (numbers, known, aborted, records(), tags(3)).prop_map(
        |((index, error, [high, stable, start], replica), known, aborted, records, tags)| {
            fetch_response::PartitionData::default()
                .with_partition_index(index)
                .with_error_code(error)
                .with_high_watermark(high)
                .with_last_stable_offset(stable)
                .with_log_start_offset(start)
                .with_preferred_read_replica(BrokerId(replica))
                .with_diverging_epoch(known.0)
                .with_current_leader(known.1)
                .with_snapshot_id(known.2)
                .with_aborted_transactions(aborted)
                .with_records(records)
                .with_unknown_tagged_fields(tags)
        },
    )
}

fn share_fetch() -> impl Strategy<Value = ShareFetchResponse> {
    let endpoint = (place(), maybe_text(), tags(0)).prop_map(|((id, host, port), rack, tags)| {
        share_fetch_response::NodeEndpoint::default()
            .with_node_id(BrokerId(id))
            .with_host(host)
            .with_port(port)
            .with_rack(rack)
            .with_unknown_tagged_fields(tags)
    });
    let topic = (id(), vec(shared(), 0..4), tags(0)).prop_map(|(id, partitions, tags)| {
        ShareFetchableTopicResponse::default()
            .with_topic_id(topic_id(id).topic_id)
            .with_partitions(partitions)
            .with_unknown_tagged_fields(tags)
    });
    let numbers = (any::<i32>(), any::<i16>(), any::<i32>());
    (
        numbers,
        maybe_text(),
        vec(topic, 0..4),
        vec(endpoint, 0..4),
        tags(0),
    )
        .prop_map(
            |((throttle, error, timeout), message, topics, endpoints, tags)| {
                ShareFetchResponse::default()
                    .with_throttle_time_ms(throttle)
                    .with_error_code(error)
                    .with_error_message(message)
                    .with_acquisition_lock_timeout_ms(timeout)
                    .with_responses(topics)
                    .with_node_endpoints(endpoints)
                    .with_unknown_tagged_fields(tags)
            },
        )
}

fn shared() -> impl Strategy<Value = share_fetch_response::PartitionData> {
    let numbers = (any::<i32>(), any::<i16>(), any::<i16>());
    let leader = (node_id(), any::<i32>(), tags(0)).prop_map(|(id, epoch, tags)| {
        share_fetch_response::LeaderIdAndEpoch::default()
            .with_leader_id(id)
            .with_leader_epoch(epoch)
            .with_unknown_tagged_fields(tags)
    });
    let acquired =
        (any::<[i64; 2]>(), any::<i16>(), tags(0)).prop_map(|([first, last], count, tags)| {
            AcquiredRecords::default()
                .with_first_offset(first)
                .with_last_offset(last)
                .with_delivery_count(count)
                .with_unknown_tagged_fields(tags)
        });
    let messages = (maybe_text(), maybe_text());
    (
        numbers,
        messages,
        leader,
        records(),
        vec(acquired, 0..3),
        tags(0),
    )
        .prop_map(
            |((index, error, acknowledge), messages, leader, records, acquired, tags)| {
                share_fetch_response::PartitionData::default()
                    .with_partition_index(index)
                    .with_error_code(error)
                    .with_error_message(messages.0)
                    .with_acknowledge_error_code(acknowledge)
                    .with_acknowledge_error_message(messages.1)
                    .with_current_leader(leader)
                    .with_records(records)
                    .with_acquired_records(acquired)
                    .with_unknown_tagged_fields(tags)
            },
        )
}

fn place() -> impl Strategy<Value = (i32, StrBytes, i32)> {
    (node_id(), text(), any::<i32>())
}

/// Bytes that nobody here looks into.
fn records() -> impl Strategy<Value = Option<Bytes>> {
    let length = prop_oneof![4 => 0..80usize, 1 => 120..140usize, 1 => 16_380..16_390usize];
    let some = (length, any::<u8>()).prop_map(|(length, byte)| Bytes::from(vec![byte; length]));
    proptest::option::of(some)
}
