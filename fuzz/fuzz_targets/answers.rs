//! Answers of any bytes: what we let pass makes no client dial an address that is not ours.
//!
//! The first byte picks an api and version, and whether opaque bytes pass unseen; the rest is the answer from its
//! correlation id on.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use portolan::port_map::{NodeId, NodePort, PortMap};
use portolan::protocol::api::{WalkedResponse, WholeResponse};

#[allow(dead_code)]
#[path = "../../tests/protocol/drive.rs"]
mod drive;
#[path = "../../tests/protocol/lenient.rs"]
mod lenient;

const ADVERTISED: &str = "proxy.example";

fuzz_target!(|input: &[u8]| {
    let Some((choice, frame)) = input.split_first() else {
        return;
    };
    // A session has read the correlation id before it decides.
    if frame.len() < 4 {
        return;
    }
    let ports = ports();
    let skip = *choice / 40 % 2 == 1;
    let choice = i16::from(*choice) % 40;
    let whole = |kind, version| drive::whole(kind, version, frame, &ports).map(|done| done.frame);
    let walk = |kind, version| {
        let walked = drive::walked(kind, version, frame, &ports, &[50], skip);
        walked.map(|(walked, _)| walked)
    };
    let (api_key, version, told) = match choice {
        0..=13 => {
            let told = drive::metadata(choice, frame, &ports, &[50]);
            (3, choice, told.map(|done| done.frame))
        }
        14..=20 => (10, choice - 14, whole(WholeResponse::FindCoordinator, choice - 14)),
        21..=23 => (60, choice - 21, whole(WholeResponse::DescribeCluster, choice - 21)),
        24..=27 => (0, choice - 14, whole(WholeResponse::Produce, choice - 14)),
        28..=29 => (79, choice - 27, whole(WholeResponse::ShareAcknowledge, choice - 27)),
        30..=32 => (1, choice - 14, walk(WalkedResponse::Fetch, choice - 14)),
        33 => (78, 1, walk(WalkedResponse::ShareFetch, 1)),
        34 => (0, 12, walk(WalkedResponse::Produce, 12)),
        35 => (0, 13, walk(WalkedResponse::Produce, 13)),
        36 => (79, 2, walk(WalkedResponse::ShareAcknowledge, 2)),
        _ => {
            // It carries no addresses.
            let _ = whole(WholeResponse::ApiVersions, choice - 35);
            return;
        }
    };
    let Ok(told) = told else { return };
    for host in lenient::hosts(api_key, version, &told) {
        assert!(
            host.is_empty() || host == ADVERTISED.as_bytes(),
            "api {api_key} version {version}: a client would dial {host:?}"
        );
    }
});

/// Nodes 0 to 2.
fn ports() -> PortMap {
    let port = |n| NodePort {
        bound: 9092 + n,
        advertised: 9092 + n,
    };
    let nodes = BTreeMap::from([0, 1, 2].map(|id| (NodeId(id), port(1 + id as u16))));
    PortMap::new(Some(ADVERTISED), port(0), nodes).expect("no port twice")
}
