//! The few fields of answers that matter. Records are counted and never looked at.

use kafka_protocol::messages::{FetchResponse, ListOffsetsResponse, ProduceResponse};
use kafka_protocol::protocol::HeaderVersion;

use super::plan::Workload;
use crate::commands::client::codes;
use crate::commands::client::metadata::tags;
use crate::protocol::Malformed;
use crate::protocol::cursor::Cursor;

/// An answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) error: i16,
    /// Bytes of records.
    pub(super) bytes: u64,
    /// Fetch: the offset behind the records. ListOffsets: what was asked for.
    pub(super) offset: Option<i64>,
}

/// Whether there are tagged fields behind the correlation id of an answer.
pub(super) fn has_tagged_header(workload: Workload, version: i16) -> bool {
    let header = match workload {
        Workload::Produce => ProduceResponse::header_version(version),
        Workload::Fetch => FetchResponse::header_version(version),
        Workload::Ping => ListOffsetsResponse::header_version(version),
    };
    header >= 1
}

/// What an answer says. `body` begins behind the header.
pub(super) fn read(workload: Workload, version: i16, body: &[u8]) -> Result<Answer, Malformed> {
    match workload {
        Workload::Produce => read_produce(version, body),
        Workload::Fetch => read_fetch(version, body),
        Workload::Ping => read_list_offsets(version, body),
    }
}

/// Reads up to the error code of the one partition.
fn read_produce(version: i16, body: &[u8]) -> Result<Answer, Malformed> {
    let flexible = version >= 9;
    let mut cursor = Cursor::new(body);
    one(&mut cursor, flexible, "responses")?;
    cursor.string(flexible, "name")?;
    one(&mut cursor, flexible, "partition_responses")?;
    cursor.i32("index")?;
    Ok(Answer {
        error: cursor.i16("error_code")?,
        ..Answer::default()
    })
}

/// Reads up to the offset of the one partition.
fn read_list_offsets(version: i16, body: &[u8]) -> Result<Answer, Malformed> {
    let flexible = version >= 6;
    let mut cursor = Cursor::new(body);
    if version >= 2 {
        cursor.i32("throttle_time_ms")?;
    }
    one(&mut cursor, flexible, "topics")?;
    cursor.string(flexible, "name")?;
    one(&mut cursor, flexible, "partitions")?;
    cursor.i32("partition_index")?;
    let error = cursor.i16("error_code")?;
    cursor.i64("timestamp")?;
    Ok(Answer {
        error,
        bytes: 0,
        offset: Some(cursor.i64("offset")?),
    })
}

fn read_fetch(version: i16, body: &[u8]) -> Result<Answer, Malformed> {
    let flexible = version >= 12;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    if version >= 7 {
        let error = cursor.i16("error_code")?;
        cursor.i32("session_id")?;
        if error != codes::NONE {
            return Ok(Answer {
                error,
                ..Answer::default()
            });
        }
    }
    one(&mut cursor, flexible, "responses")?;
    match version >= 13 {
        true => cursor.take(16, "topic_id").map(drop)?,
        false => cursor.string(flexible, "topic").map(drop)?,
    }
    one(&mut cursor, flexible, "partitions")?;
    cursor.i32("partition_index")?;
    let error = cursor.i16("error_code")?;
    cursor.i64("high_watermark")?;
    cursor.i64("last_stable_offset")?;
    if version >= 5 {
        cursor.i64("log_start_offset")?;
    }
    for _ in 0..cursor.array_length(flexible, "aborted_transactions")? {
        cursor.i64("producer_id")?;
        cursor.i64("first_offset")?;
        tags(&mut cursor, flexible, "aborted_transactions")?;
    }
    if version >= 11 {
        cursor.i32("preferred_read_replica")?;
    }
    let size = match flexible {
        true => cursor.varint("records")?.saturating_sub(1) as usize,
        // -1 is null.
        false => usize::try_from(cursor.i32("records")?).unwrap_or(0),
    };
    let records = cursor.take(size, "records")?;
    Ok(Answer {
        error,
        bytes: size as u64,
        offset: behind(records),
    })
}

/// The offset behind the last whole batch. The records themselves are not looked at.
fn behind(mut records: &[u8]) -> Option<i64> {
    let mut next = None;
    while let Some((offset, rest)) = batch(records) {
        next = Some(offset);
        records = rest;
    }
    next
}

/// The offset behind the batch at the front, and what follows it; `None` where no whole batch is there.
fn batch(records: &[u8]) -> Option<(i64, &[u8])> {
    let mut cursor = Cursor::new(records);
    let base = cursor.i64("base_offset").ok()?;
    let length = usize::try_from(cursor.i32("batch_length").ok()?).ok()?;
    let mut inside = Cursor::new(cursor.take(length, "batch").ok()?);
    inside.i32("partition_leader_epoch").ok()?;
    let last = match inside.i8("magic").ok()? {
        2 => {
            inside.i32("crc").ok()?;
            inside.i16("attributes").ok()?;
            inside.i32("last_offset_delta").ok()?
        }
        // Before magic 2 it was one message.
        _ => 0,
    };
    let next = base.checked_add(i64::from(last))?.checked_add(1)?;
    Some((next, cursor.rest()))
}

/// The length of an array that answers a question about one thing.
fn one(cursor: &mut Cursor<'_>, flexible: bool, field: &'static str) -> Result<(), Malformed> {
    match cursor.array_length(flexible, field)? {
        1 => Ok(()),
        _ => Err(Malformed {
            field,
            problem: "not the one that was asked for",
        }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, FetchableTopicResponse, PartitionData,
    };
    use kafka_protocol::messages::list_offsets_response::{
        ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
    };
    use kafka_protocol::messages::produce_response::{
        PartitionProduceResponse, TopicProduceResponse,
    };
    use kafka_protocol::protocol::Encodable;

    use super::super::batch::batch;
    use super::*;

    /// Reads what a broker would say, and every piece of it, which may fail but not panic.
    fn read_all(workload: Workload, version: i16, message: &impl Encodable) -> Answer {
        let mut body = BytesMut::new();
        message
            .encode(&mut body, version)
            .unwrap_or_else(|error| panic!("{workload} {version}: {error}"));
        for cut in 0..body.len() {
            let _ = read(workload, version, &body[..cut]);
        }
        read(workload, version, &body)
            .unwrap_or_else(|error| panic!("{workload} {version}: {error}"))
    }

    #[test]
    fn produce_is_read_in_every_version() {
        for version in 3..=12 {
            let partition = PartitionProduceResponse::default()
                .with_index(4)
                .with_error_code(19);
            let topic = TopicProduceResponse::default()
                .with_name(kafka_protocol::messages::TopicName("t".into()))
                .with_partition_responses(vec![partition]);
            let message = ProduceResponse::default().with_responses(vec![topic]);
            assert_eq!(read_all(Workload::Produce, version, &message).error, 19);
        }
    }

    #[test]
    fn list_offsets_is_read_in_every_version() {
        for version in 1..=7 {
            let partition = ListOffsetsPartitionResponse::default()
                .with_partition_index(4)
                .with_offset(1 << 40);
            let topic = ListOffsetsTopicResponse::default()
                .with_name(kafka_protocol::messages::TopicName("t".into()))
                .with_partitions(vec![partition]);
            let message = ListOffsetsResponse::default().with_topics(vec![topic]);
            let answer = read_all(Workload::Ping, version, &message);
            assert_eq!(answer.offset, Some(1 << 40));
        }
    }

    #[test]
    fn fetch_is_read_in_every_version() {
        // Two batches of two records, the second at offset 2, and a piece of a third.
        let first = batch(300, 100);
        let mut records = first.to_vec();
        let at = records.len();
        records.extend_from_slice(&first);
        records[at..at + 8].copy_from_slice(&2i64.to_be_bytes());
        records.extend_from_slice(&first[..30]);
        for version in 4..=17 {
            let aborted = AbortedTransaction::default().with_first_offset(1);
            let mut partition = PartitionData::default()
                .with_partition_index(4)
                .with_aborted_transactions(Some(vec![aborted]))
                .with_records(Some(Bytes::from(records.clone())));
            let topic = |partition| {
                let topic = FetchableTopicResponse::default().with_partitions(vec![partition]);
                match version >= 13 {
                    true => topic.with_topic_id(uuid::Uuid::from_u128(9)),
                    false => topic.with_topic(kafka_protocol::messages::TopicName("t".into())),
                }
            };
            let responses = vec![topic(partition.clone())];
            let message = FetchResponse::default().with_responses(responses);
            let answer = read_all(Workload::Fetch, version, &message);
            assert_eq!(answer.bytes, records.len() as u64, "{version}");
            assert_eq!(answer.offset, Some(4), "{version}");
            partition.records = None;
            partition.error_code = 6;
            let message = FetchResponse::default().with_responses(vec![topic(partition)]);
            let answer = read_all(Workload::Fetch, version, &message);
            assert_eq!((answer.error, answer.bytes, answer.offset), (6, 0, None));
        }
    }

    #[test]
    fn an_answer_about_something_else_is_refused() {
        assert!(read(Workload::Produce, 3, &[0, 0, 0, 0]).is_err());
        assert!(read(Workload::Produce, 3, &[0x7f, 0xff, 0xff, 0xff, 0]).is_err());
    }
}
