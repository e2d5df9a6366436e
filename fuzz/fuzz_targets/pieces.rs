//! Answers of any bytes in any reads: the outcome is that of one read of the whole frame.
//!
//! The first byte picks the treatment, the second the size of the reads; the rest is the answer from its correlation id on.

#![no_main]

use std::collections::BTreeMap;
use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use portolan::port_map::{NodeId, NodePort, PortMap};
use portolan::protocol::Malformed;
use portolan::protocol::api::WalkedResponse;

#[allow(dead_code)]
#[path = "../../tests/protocol/drive.rs"]
mod drive;

fuzz_target!(|input: &[u8]| {
    let [choice, piece, frame @ ..] = input else {
        return;
    };
    if frame.len() < 4 {
        return;
    }
    let ports = ports();
    let pieces = [1 + usize::from(*piece) % 70, 1 + usize::from(*piece) / 70];
    let whole = [frame.len()];
    let choice = i16::from(*choice) % 18;
    let walked = match choice {
        0..=13 => {
            let split = drive::metadata(choice, frame, &ports, &pieces);
            same(split, drive::metadata(choice, frame, &ports, &whole));
            return;
        }
        14 => (WalkedResponse::Fetch, 17),
        15 => (WalkedResponse::ShareFetch, 2),
        16 => (WalkedResponse::Produce, 13),
        _ => (WalkedResponse::ShareAcknowledge, 1),
    };
    let (kind, version) = walked;
    let at_once = drive::walked(kind, version, frame, &ports, &whole, false);
    for skip in [false, true] {
        let split = drive::walked(kind, version, frame, &ports, &pieces, skip);
        same(split, at_once.clone());
    }
});

/// Which fault is found first may differ: a read that ends early hides what comes behind it.
fn same<T: Debug + PartialEq>(split: Result<T, Malformed>, whole: Result<T, Malformed>) {
    match (split, whole) {
        (Err(_), Err(_)) => {}
        (split, whole) => assert_eq!(split, whole),
    }
}

/// Nodes 0 to 2.
fn ports() -> PortMap {
    let port = |n| NodePort {
        bound: 9092 + n,
        advertised: 9092 + n,
    };
    let nodes = BTreeMap::from([0, 1, 2].map(|id| (NodeId(id), port(1 + id as u16))));
    PortMap::new(Some("proxy.example"), port(0), nodes).expect("no port twice")
}
