//! `acks` of Produce requests at every version, in any pieces.

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, RequestHeader, TopicName, TransactionalId};
use portolan::protocol::acks::AcksFinder;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{cases, maybe_text, pieces, tags, text};
use crate::mutations::Random;
use crate::oracle::{Unknown, encode_request};

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn acks_is_found_in_any_pieces_at_every_version(
        request in request(),
        client_id in maybe_text(),
        header_tags in tags(0),
        pieces in pieces(),
    ) {
        for version in 0..=13 {
            let frame = frame(&request, version, client_id.clone(), &header_tags);
            prop_assert_eq!(find(&frame, version, &pieces), Ok(Some(request.acks)), "version {}", version);
        }
    }

    #[test]
    fn a_request_that_ends_before_acks_is_malformed(
        request in request(),
        client_id in maybe_text(),
        header_tags in tags(0),
        cut in any::<prop::sample::Index>(),
    ) {
        for version in 0..=13 {
            let frame = frame(&request, version, client_id.clone(), &header_tags);
            // What stands behind acks: the timeout, the array of one topic.
            let mut other = request.clone();
            other.acks = !request.acks;
            let other = self::frame(&other, version, client_id.clone(), &header_tags);
            let acks_at = frame.iter().zip(&other).position(|(a, b)| a != b).unwrap();
            // The prefix of twelve bytes (eight without the size) is always there.
            let cut = 8 + cut.index(acks_at + 2 - 8);
            let found = find(&frame[..cut], version, &[cut]);
            prop_assert!(found.is_err(), "version {}: {:?}", version, found);
        }
    }
}

#[test]
fn requests_of_any_bytes_are_judged_without_a_panic() {
    let request = ProduceRequest::default().with_transactional_id(Some(TransactionalId::default()));
    let mut random = Random::new(0xacc5);
    let mut judged = [0; 2];
    for version in 0..=13 {
        let header_tags = Unknown::from([(1, Bytes::from_static(b"tag"))]);
        let good = frame(
            &request,
            version,
            Some("client".to_owned().into()),
            &header_tags,
        );
        for _ in 0..2_000 {
            let mut frame = random.mutate(&good);
            frame.truncate(good.len());
            let found = find(&frame, version, &[1 + random.below(9)]);
            judged[usize::from(found.is_ok())] += 1;
        }
    }
    assert!(judged.iter().all(|count| *count > 100), "{judged:?}");
}

fn find(frame: &[u8], version: i16, pieces: &[usize]) -> Result<Option<i16>, String> {
    let mut finder = AcksFinder::new(version, frame.len() as u32);
    let mut rest = frame;
    for piece in pieces.iter().cycle() {
        let (new, left) = rest.split_at((*piece).min(rest.len()));
        rest = left;
        let found = finder.feed(new).map_err(|error| error.to_string())?;
        if found.is_some() || rest.is_empty() {
            return Ok(found);
        }
    }
    unreachable!("there is a piece at least")
}

/// From the api key on. Versions 0-2 are gone from kafka-protocol: they are version 3 without the transactional id.
fn frame(
    request: &ProduceRequest,
    version: i16,
    client_id: Option<kafka_protocol::protocol::StrBytes>,
    header_tags: &Unknown,
) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(0)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(client_id);
    let mut request = request.clone();
    if version < 3 {
        request.transactional_id = None;
        let frame = encode_request(&request, 3, &header);
        let client_id = i16::from_be_bytes([frame[8], frame[9]]).max(0) as usize;
        let transactional_id = 8 + 2 + client_id;
        assert_eq!(frame[transactional_id..transactional_id + 2], [0xff, 0xff]);
        return [&frame[..transactional_id], &frame[transactional_id + 2..]].concat();
    }
    for topic in &mut request.topic_data {
        match version {
            13.. => topic.name = TopicName::default(),
            _ => topic.topic_id = Default::default(),
        }
    }
    let header = match version {
        9.. => header.with_unknown_tagged_fields(header_tags.clone()),
        _ => header,
    };
    encode_request(&request, version, &header)
}

fn request() -> impl Strategy<Value = ProduceRequest> {
    let acks = prop_oneof![4 => -1..2i16, 1 => any::<i16>()];
    let records = vec(any::<u8>(), 0..40).prop_map(|records| Some(Bytes::from(records)));
    (maybe_text(), acks, any::<i32>(), text(), records).prop_map(
        |(transactional_id, acks, timeout, topic, records)| {
            let partition = PartitionProduceData::default().with_records(records);
            let topic = TopicProduceData::default()
                .with_name(TopicName(topic))
                .with_partition_data(vec![partition]);
            ProduceRequest::default()
                .with_transactional_id(transactional_id.map(TransactionalId))
                .with_acks(acks)
                .with_timeout_ms(timeout)
                .with_topic_data(vec![topic])
        },
    )
}
