//! kafka-protocol as the oracle: encodes messages, and decodes what became of its own encodings (never hostile bytes).

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::produce_response::TopicProduceResponse;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

/// Tagged fields that no schema knows.
pub(crate) type Unknown = BTreeMap<i32, Bytes>;

pub(crate) const CORRELATION_ID: i32 = 0x0102_0304;

/// An answer from its correlation id on. Headers before version 1 have no place for `header_tags`.
pub(crate) fn encode<M: Encodable + HeaderVersion>(
    message: &M,
    version: i16,
    header_tags: &Unknown,
) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = ResponseHeader::default()
        .with_correlation_id(CORRELATION_ID)
        .with_unknown_tagged_fields(header_tags.clone());
    header
        .encode(&mut frame, M::header_version(version))
        .unwrap();
    message.encode(&mut frame, version).unwrap();
    frame
}

/// Reads it back; the answer must end where the frame ends.
pub(crate) fn decode<M: Decodable + HeaderVersion>(frame: &[u8], version: i16) -> (Unknown, M) {
    let mut bytes = Bytes::copy_from_slice(frame);
    let decoded = decode_front(&mut bytes, version);
    assert!(bytes.is_empty(), "{} bytes stand behind it", bytes.len());
    decoded
}

/// As above, and leaves what stands behind it in `bytes`.
pub(crate) fn decode_front<M: Decodable + HeaderVersion>(
    bytes: &mut Bytes,
    version: i16,
) -> (Unknown, M) {
    let header = ResponseHeader::decode(bytes, M::header_version(version)).unwrap();
    assert_eq!(header.correlation_id, CORRELATION_ID);
    let message = M::decode(bytes, version).unwrap();
    (header.unknown_tagged_fields, message)
}

/// A request from its api key on.
pub(crate) fn encode_request<M: Encodable + HeaderVersion>(
    message: &M,
    version: i16,
    header: &RequestHeader,
) -> Vec<u8> {
    let mut frame = Vec::new();
    header
        .encode(&mut frame, M::header_version(version))
        .unwrap();
    message.encode(&mut frame, version).unwrap();
    frame
}

/// A message that holds this topic id, for the id's type comes from a crate that is not ours to name.
pub(crate) fn topic_id(id: [u8; 16]) -> TopicProduceResponse {
    // No partitions, no tags.
    let bytes = [id.as_slice(), &[1, 0]].concat();
    TopicProduceResponse::decode(&mut Bytes::from(bytes), 13).unwrap()
}
