//! What proptest draws from: texts, tags, node ids, port maps, splits.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use portolan::port_map::{NodeId, NodePort, PortMap};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use crate::oracle::Unknown;

pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Mostly short; some around the lengths where a varint gets another byte.
pub(crate) fn text() -> impl Strategy<Value = StrBytes> {
    let length = prop_oneof![
        10 => 0..24usize,
        2 => 120..140usize,
        1 => 16_378..16_390usize,
    ];
    (length, b'a'..=b'z').prop_map(|(length, letter)| {
        let text = char::from(letter).to_string().repeat(length);
        StrBytes::from_string(text)
    })
}

pub(crate) fn maybe_text() -> impl Strategy<Value = Option<StrBytes>> {
    proptest::option::of(text())
}

/// Tagged fields with numbers from `least` on, below which the schema has its own.
pub(crate) fn tags(least: i32) -> impl Strategy<Value = Unknown> {
    let number = prop_oneof![3 => least..least + 200, 1 => least..i32::MAX];
    let data = vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    let some = btree_map(number, data, 0..3);
    prop_oneof![2 => Just(Unknown::new()), 1 => some]
}

/// From a small range, so that maps have some of them and lack others.
pub(crate) fn node_id() -> impl Strategy<Value = i32> {
    prop_oneof![
        8 => 0..8i32,
        1 => prop::sample::select(vec![100, 1001, i32::MAX]),
        1 => -2..0i32,
    ]
}

pub(crate) fn id() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>()
}

/// A port map with some of the ids of [`node_id`].
pub(crate) fn ports() -> impl Strategy<Value = PortMap> {
    let ids = btree_set(node_id().prop_filter("an id", |id| *id >= 0), 0..7);
    let host = prop_oneof![4 => 1..30usize, 1 => 120..=253usize];
    (ids, host, any::<bool>()).prop_map(|(ids, host, shifted)| {
        let nodes = ids.into_iter().enumerate().map(|(n, id)| {
            let bound = 9093 + n as u16;
            let advertised = if shifted { 30_000 + n as u16 } else { bound };
            (NodeId(id), NodePort { bound, advertised })
        });
        let nodes: BTreeMap<_, _> = nodes.collect();
        port_map(&"h".repeat(host), nodes)
    })
}

pub(crate) fn port_map(host: &str, nodes: BTreeMap<NodeId, NodePort>) -> PortMap {
    let bootstrap = NodePort {
        bound: 9092,
        advertised: 9092,
    };
    PortMap::new(Some(host), bootstrap, nodes).unwrap()
}

/// The sizes of successive reads, over and over.
pub(crate) fn pieces() -> impl Strategy<Value = Vec<usize>> {
    let piece: Range<usize> = 1..6;
    vec(
        prop_oneof![3 => piece, 1 => 1..300usize, 1 => 20_000..20_001usize],
        1..6,
    )
}
