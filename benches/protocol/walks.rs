//! Bytes that pass and are only looked at.

use std::hint::black_box;

use criterion::Criterion;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use portolan::protocol::acks::AcksFinder;
use portolan::protocol::api::{self, Policy, WalkedResponse};
use portolan::protocol::prefix::{
    REQUEST_PREFIX_BYTES, RESPONSE_PREFIX_BYTES, RequestPrefix, ResponsePrefix, SIZE_BYTES,
};
use portolan::protocol::rewrite::{self, Context, MetadataHead};
use portolan::protocol::walker::ResponseWalker;

use crate::case;
use crate::messages;

/// The size of a session's buffer.
const BUFFER_BYTES: usize = 32 * 1024;

/// The headers of all frames in a buffer full of small ones.
pub(crate) fn prefixes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prefixes");
    let request = HeartbeatRequest::default()
        .with_group_id(StrBytes::from_static_str("orders").into())
        .with_member_id(StrBytes::from_static_str("consumer-1"));
    let requests = full(&messages::request(4, &request));
    let policy = Policy::default();
    let frames = count(&requests);
    case(&mut group, "requests", requests.len(), frames, || {
        let mut rest = black_box(&requests[..]);
        while let Some(prefix) = rest.first_chunk::<REQUEST_PREFIX_BYTES>() {
            let prefix = RequestPrefix::parse(prefix).unwrap();
            black_box(api::plan(&policy, prefix.api_key, prefix.api_version));
            rest = &rest[SIZE_BYTES + prefix.frame_bytes as usize..];
        }
    });
    let responses = full(&messages::response(4, &HeartbeatResponse::default()));
    let frames = count(&responses);
    case(&mut group, "responses", responses.len(), frames, || {
        let mut rest = black_box(&responses[..]);
        while let Some(prefix) = rest.first_chunk::<RESPONSE_PREFIX_BYTES>() {
            let prefix = black_box(ResponsePrefix::parse(prefix).unwrap());
            rest = &rest[SIZE_BYTES + prefix.frame_bytes as usize..];
        }
    });
}

/// `acks` of a Produce request whose first bytes are there.
pub(crate) fn acks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acks");
    for version in [8, 9, 13] {
        let request = messages::produce_request(version, 1024);
        let frame = &request[SIZE_BYTES..];
        case(&mut group, &format!("v{version}"), frame.len(), 1, || {
            let mut finder = AcksFinder::new(version, frame.len() as u32);
            finder.feed(black_box(frame)).unwrap().unwrap()
        });
    }
}

/// Fetch answers: all bytes in the buffer, and with long record sets that pass unseen.
pub(crate) fn fetch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fetch");
    let ports = messages::ports(3);
    for partitions in [1, 6, 1000] {
        let response = messages::fetch_response(17, partitions, 1024);
        let mut frame = response[SIZE_BYTES..].to_vec();
        let name = format!("{partitions} partitions");
        case(&mut group, &name, frame.len(), partitions, || {
            let bytes = frame.len() as u32;
            let mut walker = ResponseWalker::new(WalkedResponse::Fetch, 17, bytes);
            walker.walk(black_box(&mut frame), &ports).unwrap()
        });
    }
    for partitions in [1, 6] {
        let response = messages::fetch_response(17, partitions, 64 * 1024);
        let mut frame = response[SIZE_BYTES..].to_vec();
        let name = format!("{partitions} partitions, records unseen");
        case(&mut group, &name, frame.len(), partitions, || {
            let mut walker = ResponseWalker::new(WalkedResponse::Fetch, 17, frame.len() as u32);
            let mut at = 0;
            while at < frame.len() {
                let until = frame.len().min(at + 128);
                at += walker.walk(&mut frame[at..until], &ports).unwrap();
                let opaque = walker.opaque_bytes();
                walker.skip(opaque);
                at += opaque as usize;
            }
        });
    }
}

/// The topics of a Metadata answer with a broker outside the map, by which each partition must be looked at.
pub(crate) fn metadata_topics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("metadata_topics");
    const PARTITIONS: i32 = 10_000;
    let ports = messages::ports(3);
    let context = Context {
        ports: &ports,
        policy: &Policy::default(),
        learn: false,
    };
    for version in [8, 12] {
        // Broker 3 is outside the map and leads nothing, so that the bytes are the same in each run.
        let response = messages::metadata_response(version, 4, PARTITIONS);
        let frame = &response[SIZE_BYTES..];
        let frame_bytes = frame.len() as u32;
        let mut head = MetadataHead::new(version, frame_bytes);
        let (head, topics) = frame.split_at(head.feed(frame).unwrap().unwrap());
        let mut out = Vec::new();
        let (_, walker) =
            rewrite::metadata_head(version, head, frame_bytes, &context, &mut out).unwrap();
        let walker = walker.unwrap();
        let mut topics = topics.to_vec();
        let name = format!("{PARTITIONS} partitions, v{version}");
        case(&mut group, &name, topics.len(), PARTITIONS as usize, || {
            let mut walker = walker.clone();
            let mut at = 0;
            // As they arrive: a buffer full each time.
            while at < topics.len() {
                let until = topics.len().min(at + BUFFER_BYTES);
                at += walker
                    .walk(black_box(&mut topics[at..until]), &ports)
                    .unwrap();
            }
        });
    }
}

/// A buffer full of copies of a frame.
fn full(frame: &[u8]) -> Vec<u8> {
    frame.repeat(BUFFER_BYTES / frame.len())
}

fn count(frames: &[u8]) -> usize {
    let size = u32::from_be_bytes(*frames.first_chunk().unwrap());
    frames.len() / (SIZE_BYTES + size as usize)
}
