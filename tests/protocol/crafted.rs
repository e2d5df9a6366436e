//! Frames made by hand: what no encoder writes and some decoder reads.

use std::collections::BTreeMap;

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{
    BrokerId, FetchResponse, FindCoordinatorResponse, MetadataResponse,
};
use kafka_protocol::protocol::StrBytes;
use portolan::port_map::{NodeId, NodePort, PortMap};
use portolan::protocol::Malformed;
use portolan::protocol::api::{WalkedResponse, WholeResponse};
use portolan::protocol::rewrite::MetadataHead;

use crate::arbitrary::port_map;
use crate::drive;
use crate::lenient;
use crate::oracle::{Unknown, decode, decode_front, encode};
use crate::samples::LEAK;

/// Tag sections with node endpoints in them, for the end of a Fetch or Produce answer.
fn sections() -> Vec<(&'static str, Vec<u8>)> {
    let data = endpoints(1);
    let field = |tag: &[u8]| [tag, &[data.len() as u8], &data].concat();
    let zero = || field(&[0]);
    let section = |count: u8, fields: &[Vec<u8>]| [&[count], fields.concat().as_slice()].concat();
    let nine = || vec![9, 1, 0xaa];
    vec![
        ("once", section(1, &[zero()])),
        ("twice", section(2, &[zero(), zero()])),
        ("behind a higher tag", section(2, &[nine(), zero()])),
        ("between others", section(3, &[nine(), zero(), nine()])),
        ("overlong in two bytes", section(1, &[field(&[0x80, 0])])),
        (
            "overlong in five bytes",
            section(1, &[field(&[0x80, 0x80, 0x80, 0x80, 0])]),
        ),
        ("with an overlong size", {
            section(
                1,
                &[[&[0, data.len() as u8 | 0x80, 0], data.as_slice()].concat()],
            )
        }),
        (
            "with an overlong count",
            [&[0x81, 0], zero().as_slice()].concat(),
        ),
        (
            "with bytes behind",
            [section(1, &[zero()]), section(1, &[zero()])].concat(),
        ),
    ]
}

#[test]
fn node_endpoints_are_found_however_their_tag_is_written() {
    let ports = ports();
    for (what, section) in sections() {
        for version in 16..=18 {
            let frame = fetch(&section);
            assert!(
                dialled(1, version, &frame).contains(&LEAK.as_bytes().to_vec()),
                "{what}"
            );
            let (walked, neutralised) =
                drive::walked(WalkedResponse::Fetch, version, &frame, &ports, &[5], true).unwrap();
            assert!(neutralised > 0 && walked.len() == frame.len(), "{what}");
            assert_eq!(
                dialled(1, version, &walked),
                Vec::<Vec<u8>>::new(),
                "{what}"
            );
            // It is an unknown field now, not a known one of nonsense, which clients could not read.
            let (_, told) = decode_front::<FetchResponse>(&mut walked.into(), version);
            assert!(told.node_endpoints.is_empty(), "{what}");
            let mut blanked = told.unknown_tagged_fields.values();
            assert!(
                blanked.any(|field| field.len() == endpoints(1).len()),
                "{what}"
            );
        }
        for version in 10..=13 {
            let frame = produce(&section);
            let whole = drive::whole(WholeResponse::Produce, version, &frame, &ports).unwrap();
            let dialled = dialled(0, version, &whole.frame);
            assert!(
                dialled.iter().all(|host| host == b"proxy.example"),
                "{what}"
            );
            assert_eq!(whole.findings.rewritten as usize, dialled.len(), "{what}");
            assert!(!dialled.is_empty(), "{what}");
        }
    }
}

#[test]
fn varints_beyond_32_bits_are_refused_rather_than_cut() {
    // Java reads ff ff ff ff 7f as -1 and 80 80 80 80 10 as 0.
    let ports = ports();
    let data = endpoints(1);
    for tag in [
        [0x80, 0x80, 0x80, 0x80, 0x10],
        [0x80, 0x80, 0x80, 0x80, 0x70],
    ] {
        let section = [&[1], tag.as_slice(), &[data.len() as u8], &data].concat();
        let frame = fetch(&section);
        assert_eq!(dialled(1, 16, &frame), [LEAK.as_bytes()]);
        let walked = drive::walked(WalkedResponse::Fetch, 16, &frame, &ports, &[64], false);
        assert_eq!(problem(walked), "varint beyond 32 bits");
        let whole = drive::whole(WholeResponse::Produce, 10, &produce(&section), &ports);
        assert_eq!(problem(whole), "varint beyond 32 bits");
    }
}

#[test]
fn produce_endpoints_that_do_not_fill_their_tag_are_refused() {
    let ports = ports();
    let data = endpoints(1);
    for change in [-1i8, 1] {
        let size = data.len() as u8;
        let section = [
            &[1, 0, size.wrapping_add_signed(change)],
            data.as_slice(),
            &[0],
        ]
        .concat();
        let whole = drive::whole(WholeResponse::Produce, 12, &produce(&section), &ports);
        assert!(whole.is_err(), "{change}");
    }
}

#[test]
fn an_array_of_endpoints_that_is_null_or_empty_passes_byte_for_byte() {
    let ports = ports();
    for count in [0, 1] {
        for tags in [&[0][..], &[1, 9, 1, 0xaa]] {
            let share_fetch = [
                &b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01"[..],
                &[count],
                tags,
            ]
            .concat();
            let walked = drive::walked(
                WalkedResponse::ShareFetch,
                2,
                &share_fetch,
                &ports,
                &[3],
                true,
            );
            assert_eq!(walked.unwrap(), (share_fetch, 0));
        }
        let section = [1, 0, 1, count];
        let frame = produce(&section);
        let whole = drive::whole(WholeResponse::Produce, 11, &frame, &ports).unwrap();
        assert_eq!(
            (whole.findings.rewritten, dialled(0, 11, &whole.frame).len()),
            (0, 0)
        );
    }
}

#[test]
fn a_share_fetch_count_in_more_bytes_than_needed_is_covered_too() {
    let ports = ports();
    let head = b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01";
    let data = endpoints(1);
    let frame = [&head[..], &[0x82, 0], &data[1..], &[0]].concat();
    assert_eq!(dialled(78, 1, &frame), [LEAK.as_bytes()]);
    let (walked, _) =
        drive::walked(WalkedResponse::ShareFetch, 1, &frame, &ports, &[2], false).unwrap();
    assert_eq!(dialled(78, 1, &walked), Vec::<Vec<u8>>::new());
    assert!(!walked.windows(4).any(|bytes| bytes == b"leak"));
}

#[test]
fn a_host_that_is_no_host_cannot_forge_a_log_line() {
    let host = "evil\"\n[[nodes]]\u{1b}[2J é";
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(7))
        .with_host(StrBytes::from_static_str(host));
    let message = MetadataResponse::default().with_brokers(vec![broker]);
    let frame = encode(&message, 12, &Unknown::new());
    let findings = drive::metadata(12, &frame, &ports(), &[64])
        .unwrap()
        .findings;
    let seen = &findings.unmapped[0].host;
    assert_eq!(
        seen,
        "evil\u{fffd}\u{fffd}[[nodes]]\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}"
    );
}

#[test]
fn one_unmapped_coordinator_of_several_is_not_available_and_the_others_are_told() {
    let one = |key: &'static str, id| {
        Coordinator::default()
            .with_key(StrBytes::from_static_str(key))
            .with_node_id(BrokerId(id))
            .with_host(StrBytes::from_static_str(LEAK))
            .with_port(9092)
    };
    let message = FindCoordinatorResponse::default().with_coordinators(vec![
        one("a", 1),
        one("b", 7),
        one("c", 2),
    ]);
    for version in 4..=6 {
        let frame = encode(&message, version, &Unknown::new());
        let whole =
            drive::whole(WholeResponse::FindCoordinator, version, &frame, &ports()).unwrap();
        let (_, told) = decode::<FindCoordinatorResponse>(&whole.frame, version);
        let told: Vec<_> = told
            .coordinators
            .iter()
            .map(|one| {
                (
                    one.key.as_str(),
                    one.node_id.0,
                    one.host.as_str(),
                    one.port,
                    one.error_code,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("a", 1, "proxy.example", 9094, 0),
                ("b", -1, "", -1, 15),
                ("c", 2, "proxy.example", 9095, 0)
            ]
        );
    }
}

#[test]
fn a_head_is_looked_for_within_its_frame_only() {
    // What stands behind a frame is the next one's, even if the first ends inside a field.
    let bytes = [0; 64];
    for version in 0..=13 {
        let whole = (1..=bytes.len()).find_map(|fed| {
            let found = MetadataHead::new(version, fed as u32).feed(&bytes[..fed]);
            found.ok().flatten()
        });
        let whole = whole.expect("a head without brokers");
        for frame_bytes in 0..=whole {
            let found = MetadataHead::new(version, frame_bytes as u32).feed(&bytes);
            match frame_bytes < whole {
                true => assert!(found.is_err(), "version {version}, {frame_bytes} bytes"),
                false => assert_eq!(found, Ok(Some(whole)), "version {version}"),
            }
        }
    }
}

fn problem<T>(result: Result<T, Malformed>) -> &'static str {
    result.err().map_or("none", |malformed| malformed.problem)
}

/// The content of the field: an array of one.
fn endpoints(id: u8) -> Vec<u8> {
    let mut data = vec![2, 0, 0, 0, id, LEAK.len() as u8 + 1];
    data.extend_from_slice(LEAK.as_bytes());
    data.extend_from_slice(&[0, 0, 0x23, 0x84, 0, 0]);
    data
}

/// No topics: correlation id, header tags, throttle time, error, session id, topics.
fn fetch(section: &[u8]) -> Vec<u8> {
    [&b"\x01\x02\x03\x04\0\0\0\0\0\0\0\0\0\0\0\x01"[..], section].concat()
}

/// No topics: correlation id, header tags, topics, throttle time.
fn produce(section: &[u8]) -> Vec<u8> {
    [&b"\0\0\0\x01\0\x01\0\0\0\0"[..], section].concat()
}

fn dialled(api_key: i16, version: i16, frame: &[u8]) -> Vec<Vec<u8>> {
    lenient::hosts(api_key, version, frame)
}

/// Nodes 0 to 2.
fn ports() -> PortMap {
    let node = |id: u16| {
        let port = NodePort {
            bound: 9093 + id,
            advertised: 9093 + id,
        };
        (NodeId(id.into()), port)
    };
    port_map("proxy.example", BTreeMap::from([node(0), node(1), node(2)]))
}
