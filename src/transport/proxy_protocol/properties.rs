//! What holds for every header, with the builder of `ppp` as a second opinion.

use std::net::{IpAddr, Ipv4Addr};

use ppp::v2::Builder;
use proptest::prelude::*;

use super::tests::v2_of;
use super::*;

/// Two addresses of one family, none of them mapped.
fn addresses() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = any::<[(u32, u16); 2]>()
        .prop_map(|two| two.map(|(ip, port)| (IpAddr::from(Ipv4Addr::from(ip)), port)));
    let v6 = any::<[([u8; 16], u16); 2]>()
        .prop_map(|two| two.map(|(ip, port)| (IpAddr::from(ip).to_canonical(), port)))
        .prop_filter("of one family", |two| {
            two.iter().all(|(ip, _)| ip.is_ipv6())
        });
    prop_oneof![v4, v6].prop_map(|two| (two[0].into(), two[1].into()))
}

fn line((source, destination): (SocketAddr, SocketAddr)) -> Vec<u8> {
    let family = if source.is_ipv4() { 4 } else { 6 };
    let (from, to) = (source.ip(), destination.ip());
    let (from_port, to_port) = (source.port(), destination.port());
    format!("PROXY TCP{family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

/// Whether a header is read at its last byte, neither before nor further.
fn assert_read(header: &[u8], behind: &[u8], expected: &Header) -> Result<(), TestCaseError> {
    for size in 0..header.len() {
        prop_assert_eq!(parse(&header[..size]), Ok(Parsed::NeedMore));
    }
    let whole = Parsed::Header {
        bytes: header.len(),
        header: expected.clone(),
    };
    prop_assert_eq!(parse(&[header, behind].concat()), Ok(whole));
    Ok(())
}

proptest! {
    #[test]
    fn built_headers_are_read_once_they_are_whole(
        both in addresses(),
        tlvs in prop::collection::vec((4u8.., prop::collection::vec(any::<u8>(), 0..40)), 0..4),
        authority in prop::option::of("[a-zA-Z0-9_-]{1,63}(\\.[a-z0-9_-]{1,63}){0,2}"),
        is_checked in any::<bool>(),
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut expected = between(both.0, both.1);
        assert_read(&line(both), &behind, &expected)?;

        let mut builder = Builder::with_addresses(0x21, v2::Protocol::Stream, both);
        for (kind, value) in &tlvs {
            builder = builder.write_tlv(*kind, value).unwrap();
        }
        if let Some(name) = &authority {
            builder = builder.write_tlv(TYPE_AUTHORITY, name.as_bytes()).unwrap();
        }
        if is_checked {
            builder = builder.write_tlv(TYPE_CRC32C, &[0; 4]).unwrap();
        }
        let mut built = builder.build().unwrap();
        if is_checked {
            let sum = crc32c::crc32c(&built).to_be_bytes();
            let at = built.len() - 4;
            built[at..].copy_from_slice(&sum);
        }
        expected.authority = authority;
        assert_read(&built, &behind, &expected)?;
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&[V1_SIGNATURE, &bytes].concat());
        let _ = parse(&[V1_SIGNATURE, b" TCP4 ", &bytes].concat());
        let behind_v2 = [V2_SIGNATURE, &bytes].concat();
        if let Ok(Parsed::Header { bytes: size, .. }) = parse(&behind_v2) {
            prop_assert!(size <= behind_v2.len());
        }
        // Judged as a payload, whose length is right.
        for family in [0x00, 0x11, 0x21, 0x31] {
            let judged = parse(&v2_of(0x21, family, &bytes));
            prop_assert_ne!(judged, Ok(Parsed::NeedMore));
        }
    }

    #[test]
    fn no_judgement_changes_with_more_bytes(
        both in addresses(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        is_v1 in any::<bool>(),
    ) {
        let mut bytes = match is_v1 {
            true => line(both),
            false => Builder::with_addresses(0x21, v2::Protocol::Stream, both).build().unwrap(),
        };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.extend([0; 200]);
        let at_last = parse(&bytes);
        for size in 0..bytes.len() {
            let judged = parse(&bytes[..size]);
            match (&judged, &at_last) {
                (Ok(Parsed::NeedMore), _) => {}
                (Err(_), Err(_)) => {}
                _ => prop_assert_eq!(&judged, &at_last, "at {} bytes", size),
            }
        }
    }
}
