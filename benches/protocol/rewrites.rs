//! Bytes that are replaced.

use std::hint::black_box;

use criterion::Criterion;
use portolan::protocol::api::{Policy, WholeResponse};
use portolan::protocol::prefix::SIZE_BYTES;
use portolan::protocol::rewrite::{self, Context, MetadataHead};

use crate::case;
use crate::messages;

const POLICY: Policy = Policy {
    forward_unknown: false,
    cap_fetch: false,
};

/// The head of a Metadata answer, found and rewritten; also with addresses that are learned.
pub(crate) fn metadata_head(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("metadata_head");
    const VERSION: i16 = 12;
    for (brokers, learn) in [(3, false), (100, false), (1000, false), (1000, true)] {
        let ports = messages::ports(brokers);
        let context = Context {
            ports: &ports,
            policy: &POLICY,
            learn,
        };
        let response = messages::metadata_response(VERSION, brokers.into(), 1);
        let frame = &response[SIZE_BYTES..];
        let frame_bytes = frame.len() as u32;
        let told = if learn { ", learned" } else { "" };
        let name = format!("{brokers} brokers{told}");
        case(&mut group, &name, frame.len(), brokers.into(), || {
            let mut head = MetadataHead::new(VERSION, frame_bytes);
            let head = head.feed(black_box(frame)).unwrap().unwrap();
            let mut out = Vec::new();
            let head = &frame[..head];
            let told =
                rewrite::metadata_head(VERSION, head, frame_bytes, &context, &mut out).unwrap();
            (out, told)
        });
    }
}

/// FindCoordinator answers: one coordinator, and batches of groups.
pub(crate) fn find_coordinator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("find_coordinator");
    for (version, groups) in [(3, 1), (4, 1), (4, 100)] {
        let response = messages::find_coordinator_response(version, groups);
        let name = format!("{groups} groups, v{version}");
        let kind = WholeResponse::FindCoordinator;
        whole(&mut group, &name, kind, version, &response, groups as usize);
    }
}

/// ApiVersions answers: the first thing that each connection asks for.
pub(crate) fn api_versions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("api_versions");
    for version in [0, 4] {
        let response = messages::api_versions_response(version);
        let kind = WholeResponse::ApiVersions;
        whole(
            &mut group,
            &format!("v{version}"),
            kind,
            version,
            &response,
            1,
        );
    }
}

/// Produce answers: nearly none has endpoints.
pub(crate) fn produce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("produce");
    for (version, partitions, endpoints) in [(11, 1, 0), (11, 6, 0), (13, 6, 0), (13, 6, 3)] {
        let response = messages::produce_response(version, partitions, endpoints);
        let kind = WholeResponse::Produce;
        let name = format!("{partitions} partitions, {endpoints} endpoints, v{version}");
        whole(&mut group, &name, kind, version, &response, partitions);
        let frame = &response[SIZE_BYTES..];
        let name = format!("{name}, only looked at");
        case(&mut group, &name, frame.len(), partitions, || {
            rewrite::needs_rewrite(kind, version, black_box(frame)).unwrap()
        });
    }
}

fn whole(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    kind: WholeResponse,
    version: i16,
    response: &[u8],
    elements: usize,
) {
    let ports = messages::ports(3);
    let context = Context {
        ports: &ports,
        policy: &POLICY,
        learn: false,
    };
    let frame = &response[SIZE_BYTES..];
    case(group, name, frame.len(), elements, || {
        let mut out = Vec::new();
        let findings = rewrite::whole(kind, version, black_box(frame), &context, &mut out).unwrap();
        (out, findings)
    });
}
