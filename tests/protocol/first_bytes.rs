//! The first bytes of frames and connections: sizes, prefixes, and what is no Kafka at all.

use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader};
use portolan::protocol::prefix::{
    BadSize, Foreign, REQUEST_PREFIX_BYTES, RequestPrefix, ResponsePrefix, foreign, token_size,
};
use proptest::prelude::*;

use crate::arbitrary::{cases, maybe_text, tags};
use crate::oracle::encode_request;

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_prefix_of_any_request_is_read_whatever_its_header_version(
        key in any::<i16>(),
        correlation_id in any::<i32>(),
        client_id in maybe_text(),
        header_tags in tags(0),
    ) {
        for version in 0..=4 {
            let header = RequestHeader::default()
                .with_request_api_key(key)
                .with_request_api_version(version)
                .with_correlation_id(correlation_id)
                .with_client_id(client_id.clone());
            let header = match version {
                3.. => header.with_unknown_tagged_fields(header_tags.clone()),
                _ => header,
            };
            let frame = encode_request(&ApiVersionsRequest::default(), version, &header);
            let size = (frame.len() as u32).to_be_bytes();
            let bytes = [&size, &frame[..]].concat();
            let prefix = RequestPrefix::parse(bytes.first_chunk::<REQUEST_PREFIX_BYTES>().unwrap());
            prop_assert_eq!(prefix, Ok(RequestPrefix {
                frame_bytes: frame.len() as u32,
                api_key: key,
                api_version: version,
                correlation_id,
            }));
            if key >= 0 {
                prop_assert_eq!(foreign(&bytes), None);
            }
        }
    }

    #[test]
    fn every_size_is_taken_or_refused_for_what_it_is(size in any::<i32>()) {
        for size in [size, size & 0xf, -(size & 0xf)] {
            let [a, b, c, d] = size.to_be_bytes();
            let expected = |least| match size {
                ..0 => Err(BadSize::Negative(size)),
                _ if size < least => Err(BadSize::TooSmall(size)),
                _ => Ok(size as u32),
            };
            let request = RequestPrefix::parse(&[a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]);
            prop_assert_eq!(request.map(|prefix| prefix.frame_bytes), expected(8));
            let response = ResponsePrefix::parse(&[a, b, c, d, 0, 0, 0, 0]);
            prop_assert_eq!(response.map(|prefix| prefix.frame_bytes), expected(4));
            prop_assert_eq!(token_size(&[a, b, c, d]), expected(0));
        }
    }

    #[test]
    fn no_frame_up_to_the_default_limit_is_taken_for_another_protocol(size in 0..=104_857_600u32) {
        prop_assert_eq!(foreign(&size.to_be_bytes()), None);
    }
}

#[test]
fn other_protocols_are_recognised_by_what_their_clients_send_first() {
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01];
    for (bytes, expected) in [
        (&hello[..], Foreign::Tls),
        (&[0x16, 0x03, 0x03, 0x00], Foreign::Tls),
        (
            &[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a],
            Foreign::TlsAlert,
        ),
        (b"GET / HTTP/1.1\r\n", Foreign::Http),
        (b"POST /topics HTTP/1.1\r\n", Foreign::Http),
        (b"OPTIONS * HTTP/1.1\r\n", Foreign::Http),
        (b"PRI * HTTP/2.0\r\n", Foreign::Http),
        (b"CONNECT kafka:9092 HTTP/1.1\r\n", Foreign::Http),
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            Foreign::ProxyProtocol,
        ),
        (b"\r\n\r\n\0\r\nQUIT\n", Foreign::ProxyProtocol),
    ] {
        assert_eq!(foreign(bytes), Some(expected), "{bytes:?}");
        // Each is more than four bytes, of which fewer say nothing yet.
        assert_eq!(foreign(&bytes[..3]), None, "{bytes:?}");
    }
}
