use super::*;

/// What HAProxy 2.6 sent with `send-proxy-v2` and `proxy-v2-options crc32c,authority,ssl,unique-id` for a TLS client.
const FROM_HAPROXY: &str = "0d0a0d0a000d0a515549540a211100447f0000017f000001b470731f\
    03000481f1ead80200116b61666b612e6578616d706c652e636f6d05000837463030303030312000\
    0f0100000000210007544c5376312e33";

/// What it sent for a health check.
const CHECK_FROM_HAPROXY: &str = "0d0a0d0a000d0a515549540a20000007030004a9b87e8f";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect()
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

fn header(bytes: &[u8]) -> Header {
    match parse(bytes) {
        Ok(Parsed::Header {
            bytes: size,
            header,
        }) if size == bytes.len() => header,
        other => panic!("{other:?} of {}", bytes.escape_ascii()),
    }
}

fn refusal(bytes: &[u8]) -> String {
    match parse(bytes) {
        Err(Malformed(why)) => why,
        other => panic!("{other:?} of {}", bytes.escape_ascii()),
    }
}

/// A version 2 header of these bytes behind the signature and of this payload.
pub(super) fn v2_of(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [V2_SIGNATURE, &[command, family], &length, payload].concat()
}

/// Payload of TCP over IPv4 from 192.0.2.1:1 to 192.0.2.2:2 and these TLVs.
fn tcp4_and(tlvs: &[u8]) -> Vec<u8> {
    let payload = [&[192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2], tlvs].concat();
    v2_of(0x21, 0x11, &payload)
}

fn authority(value: &[u8]) -> Vec<u8> {
    [&[2, 0, value.len() as u8], value].concat()
}

#[test]
fn what_haproxy_sends_is_read() {
    let of_a_client = header(&hex(FROM_HAPROXY));
    assert_eq!(of_a_client.source, address("127.0.0.1:46192"));
    assert_eq!(of_a_client.destination, address("127.0.0.1:29471"));
    assert_eq!(of_a_client.authority.as_deref(), Some("kafka.example.com"));
    assert_eq!(header(&hex(CHECK_FROM_HAPROXY)), Header::default());
    let v1 = header(b"PROXY TCP6 ::1 2001:db8::2 59814 29472\r\n");
    assert_eq!(v1.source, address("[::1]:59814"));
    assert_eq!(v1.destination, address("[2001:db8::2]:29472"));
}

#[test]
fn a_header_with_a_wrong_checksum_is_refused() {
    let right = hex(FROM_HAPROXY);
    for at in V2_FIXED..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        // With another type the checksum is none.
        assert!(
            parse(&wrong).is_err() || at == V2_FIXED + 12,
            "byte {at} was changed"
        );
    }
    assert!(refusal(&tcp4_and(&[3, 0, 2, 0, 0])).contains("checksum has 2 bytes"));
}

#[test]
fn bytes_are_absent_as_soon_as_they_differ_from_both_signatures() {
    for signature in [V1_SIGNATURE, V2_SIGNATURE] {
        for size in 0..signature.len() {
            assert_eq!(parse(&signature[..size]), Ok(Parsed::NeedMore));
            let mut other = signature[..=size].to_vec();
            other[size] ^= 0x20;
            assert_eq!(parse(&other), Ok(Parsed::Absent), "byte {size} differs");
        }
    }
    assert_eq!(parse(&[0, 0, 0, 30]), Ok(Parsed::Absent), "Kafka");
    assert_eq!(parse(&[0x16, 3, 1]), Ok(Parsed::Absent), "TLS");
}

#[test]
fn a_line_is_taken_by_the_letter() {
    for line in [
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 +2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 -2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 ",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2",
        "PROXY TCP4 ::1 ::2 1 2",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2",
        "PROXY TCP6 fe80::1%eth0 ::2 1 2",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2",
        "PROXY UNKNOWNS",
        "PROXY unknown",
        "PROXY ",
        "PROXY",
        "PROXYTCP4 192.0.2.1 192.0.2.2 1 2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r2",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\n2",
        "PROXY UNKNOWN \n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \u{661}",
    ] {
        refusal(format!("{line}\r\n").as_bytes());
    }
    refusal(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n");
    let why = refusal(b"PROXY TCP4 \x1b[2J 192.0.2.2 1 2\r\n");
    assert!(why.contains("\\x1b[2J"), "unquoted: {why}");
}

#[test]
fn a_line_has_at_most_107_bytes() {
    let of = |size: usize| [b"PROXY UNKNOWN ".to_vec(), vec![b'f'; size - 16]].concat();
    let whole = |size| [of(size), b"\r\n".to_vec()].concat();
    assert_eq!(header(&whole(107)), Header::default());
    assert!(refusal(&whole(108)).contains("CR and LF"));
    assert_eq!(parse(&of(108)), Ok(Parsed::NeedMore), "106 bytes");
    assert!(refusal(&of(109)).contains("within 107 bytes"));
    assert!(refusal(&of(4000)).contains("within 107 bytes"));
}

#[test]
fn what_an_unknown_line_says_is_ignored() {
    for rest in [
        "",
        " ",
        " ::1 ::2 1 2",
        " a b c d e f g",
        "  TCP4",
        " \u{fc}",
    ] {
        let line = format!("PROXY UNKNOWN{rest}\r\n");
        assert_eq!(header(line.as_bytes()), Header::default(), "{line}");
    }
}

#[test]
fn local_headers_are_skipped_whatever_they_say() {
    for family in [0x00, 0x11, 0x21, 0x31, 0xff] {
        for payload in [&[][..], &[7; 3], &[0; 12], &[0xff; 300]] {
            assert_eq!(header(&v2_of(0x20, family, payload)), Header::default());
        }
    }
}

#[test]
fn what_is_no_tcp_address_leaves_the_peers() {
    let tlv = authority(b"kafka.example.com");
    let unix = v2_of(0x21, 0x31, &[&[b'/'; 216][..], &tlv].concat());
    let name = Some("kafka.example.com".to_owned());
    assert_eq!(header(&unix).source, None);
    assert_eq!(header(&unix).authority, name);
    for family in [0x10, 0x12] {
        let mut datagram = tcp4_and(&tlv);
        datagram[13] = family;
        assert_eq!(header(&datagram).source, None);
        assert_eq!(header(&datagram).authority, name);
    }
    for payload in [&[][..], &[1, 2], &[0xff; 40]] {
        assert_eq!(header(&v2_of(0x21, 0x00, payload)), Header::default());
    }
}

#[test]
fn what_version_2_does_not_know_is_refused() {
    let refused = |command, family, payload: &[u8]| refusal(&v2_of(command, family, payload));
    assert!(refused(0x11, 0x11, &[0; 12]).contains("version is 1"));
    assert!(refused(0x30, 0x11, &[0; 12]).contains("version is 3"));
    assert!(refused(0x22, 0x11, &[0; 12]).contains("command is 2"));
    assert!(refused(0x21, 0x41, &[0; 12]).contains("address family 4"));
    assert!(refused(0x21, 0x13, &[0; 12]).contains("transport protocol 3"));
    assert!(refused(0x21, 0x11, &[0; 11]).contains("take 12 bytes"));
    assert!(refused(0x21, 0x21, &[0; 35]).contains("take 36 bytes"));
    assert!(refused(0x21, 0x31, &[0; 215]).contains("take 216 bytes"));
}

#[test]
fn tlvs_stay_within_the_header() {
    assert!(
        header(&tcp4_and(&[4, 0, 0, 0xe0, 0, 2, 1, 2]))
            .source
            .is_some()
    );
    assert!(refusal(&tcp4_and(&[4, 0, 1])).contains("past its end"));
    assert!(refusal(&tcp4_and(&[4, 0xff, 0xff, 0])).contains("past its end"));
    assert!(refusal(&tcp4_and(&[4, 0, 0, 4, 0])).contains("too short"));
    // What comes behind the header is not looked at.
    let followed = [tcp4_and(&[4, 0, 1]), vec![0]].concat();
    assert!(refusal(&followed).contains("past its end"));
}

#[test]
fn a_header_that_is_too_long_is_refused_by_its_length_field() {
    let room = LONGEST - V2_FIXED - 12 - TLV_FIXED;
    let padded = |size: usize| {
        let [high, low] = (size as u16).to_be_bytes();
        tcp4_and(&[&[4, high, low], &vec![0; size][..]].concat())
    };
    assert!(header(&padded(room)).source.is_some());
    assert!(refusal(&padded(room + 1)[..V2_FIXED]).contains("4097 bytes"));
}

#[test]
fn only_host_names_are_authorities() {
    let longest = [&"a".repeat(63); 4].map(String::as_str).join(".");
    let of = |name: &str| header(&tcp4_and(&authority(name.as_bytes()))).authority;
    for name in ["kafka.example.com", "b_1", "10.0.0.1", &longest[..253]] {
        assert_eq!(of(name).as_deref(), Some(name));
    }
    for name in [
        "",
        ".",
        "a..b",
        "a.",
        "kafka:9092",
        "b\u{fc}cher",
        "a b",
        "a\n",
        "[::1]",
        &longest[..254],
        &"a".repeat(64),
    ] {
        assert_eq!(of(name), None, "{name:?}");
    }
    assert_eq!(header(&tcp4_and(&authority(b"\xff\xfe"))).authority, None);
    let two = [authority(b"first"), authority(b"second")].concat();
    assert_eq!(header(&tcp4_and(&two)).authority.as_deref(), Some("first"));
}

#[test]
fn mapped_addresses_become_ipv4() {
    let line = b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n";
    assert_eq!(header(line).source, address("192.0.2.1:1"));
    assert_eq!(header(line).destination, address("[2001:db8::2]:2"));
}
