//! Answers from the network, read by bounded cursors. What is kept has bounds of its own.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Partition as Name, Partitions};
use crate::commands::client::codes;
use crate::commands::client::metadata::{tags, text};
use crate::config::BrokerAddress;
use crate::protocol::Malformed;
use crate::protocol::cursor::Cursor;

/// Kafka's bound for names of topics.
const LONGEST_TOPIC: usize = 249;

/// One partition of a Metadata answer.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) index: i32,
    /// -1 is none.
    pub(super) leader: i32,
    pub(super) replicas: Vec<i32>,
    pub(super) in_sync: Vec<i32>,
}

/// Metadata 4 to 12.
pub(super) fn metadata(body: &[u8], version: i16) -> Result<(Cluster, Partitions), Malformed> {
    let flexible = version >= 9;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    let brokers = brokers(&mut cursor, flexible)?;
    let id = text(cursor.string(flexible, "cluster_id")?);
    cursor.i32("controller_id")?;
    let cluster = Cluster { id, brokers };
    let mut partitions = Partitions::default();
    for _ in 0..cursor.array_length(flexible, "topics")? {
        cursor.i16("error_code")?;
        let name = cursor.string(flexible, "name")?.unwrap_or_default();
        let name = text(Some(&name[..name.len().min(LONGEST_TOPIC)]));
        if version >= 10 {
            cursor.take(16, "topic_id")?;
        }
        cursor.i8("is_internal")?;
        for _ in 0..cursor.array_length(flexible, "partitions")? {
            let partition = partition(&mut cursor, version)?;
            partitions.add(&name, &partition, &cluster);
        }
        if version >= 8 {
            cursor.i32("topic_authorized_operations")?;
        }
        tags(&mut cursor, flexible, "topics")?;
    }
    Ok((cluster, partitions))
}

fn partition(cursor: &mut Cursor<'_>, version: i16) -> Result<Partition, Malformed> {
    let flexible = version >= 9;
    cursor.i16("error_code")?;
    let index = cursor.i32("partition_index")?;
    let leader = cursor.i32("leader_id")?;
    if version >= 7 {
        cursor.i32("leader_epoch")?;
    }
    let replicas = ids(cursor, flexible, "replica_nodes")?;
    let in_sync = ids(cursor, flexible, "isr_nodes")?;
    if version >= 5 {
        ids(cursor, flexible, "offline_replicas")?;
    }
    tags(cursor, flexible, "partitions")?;
    Ok(Partition {
        index,
        leader,
        replicas,
        in_sync,
    })
}

fn ids(
    cursor: &mut Cursor<'_>,
    flexible: bool,
    field: &'static str,
) -> Result<Vec<i32>, Malformed> {
    let length = cursor.array_length(flexible, field)?;
    // Each has four bytes, and only those that are there are read.
    (0..length).map(|_| cursor.i32(field)).collect()
}

/// DescribeCluster 0 and 1; `None` is an error, mostly that the user may not ask.
pub(super) fn described(body: &[u8], version: i16) -> Result<Option<Cluster>, Malformed> {
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    let error = cursor.i16("error_code")?;
    cursor.string(true, "error_message")?;
    if version >= 1 {
        cursor.i8("endpoint_type")?;
    }
    if error != codes::NONE {
        return Ok(None);
    }
    let id = text(cursor.string(true, "cluster_id")?);
    cursor.i32("controller_id")?;
    let brokers = brokers(&mut cursor, true)?;
    Ok(Some(Cluster { id, brokers }))
}

fn brokers(
    cursor: &mut Cursor<'_>,
    flexible: bool,
) -> Result<BTreeMap<i32, BrokerAddress>, Malformed> {
    let mut brokers = BTreeMap::new();
    for _ in 0..cursor.array_length(flexible, "brokers")? {
        let id = cursor.i32("node_id")?;
        let address = address(cursor, flexible)?;
        cursor.string(flexible, "rack")?;
        tags(cursor, flexible, "brokers")?;
        brokers.insert(id, address);
    }
    Ok(brokers)
}

fn address(cursor: &mut Cursor<'_>, flexible: bool) -> Result<BrokerAddress, Malformed> {
    let host = text(cursor.string(flexible, "host")?);
    let port = cursor.i32("port")?;
    let port = u16::try_from(port).map_err(|_| Malformed {
        field: "port",
        problem: "no port",
    })?;
    Ok(BrokerAddress { host, port })
}

/// FindCoordinator 0 to 3; `None` is an error.
pub(super) fn coordinator(
    body: &[u8],
    version: i16,
) -> Result<Option<(i32, BrokerAddress)>, Malformed> {
    let flexible = version >= 3;
    let mut cursor = Cursor::new(body);
    if version >= 1 {
        cursor.i32("throttle_time_ms")?;
    }
    let error = cursor.i16("error_code")?;
    if version >= 1 {
        cursor.string(flexible, "error_message")?;
    }
    if error != codes::NONE {
        return Ok(None);
    }
    let node = cursor.i32("node_id")?;
    Ok(Some((node, address(&mut cursor, flexible)?)))
}

/// The error codes of ListOffsets 1 to 10.
pub(super) fn offsets(body: &[u8], version: i16) -> Result<BTreeMap<Name, i16>, Malformed> {
    let flexible = version >= 6;
    let mut cursor = Cursor::new(body);
    if version >= 2 {
        cursor.i32("throttle_time_ms")?;
    }
    let mut errors = BTreeMap::new();
    for _ in 0..cursor.array_length(flexible, "topics")? {
        let topic = text(cursor.string(flexible, "name")?);
        for _ in 0..cursor.array_length(flexible, "partitions")? {
            let index = cursor.i32("partition_index")?;
            let error = cursor.i16("error_code")?;
            cursor.i64("timestamp")?;
            cursor.i64("offset")?;
            if version >= 4 {
                cursor.i32("leader_epoch")?;
            }
            tags(&mut cursor, flexible, "partitions")?;
            let topic = topic.clone();
            errors.insert(Name { topic, index }, error);
        }
        tags(&mut cursor, flexible, "topics")?;
    }
    Ok(errors)
}

/// The error code and the words of the one resource of DescribeConfigs 1 to 4.
pub(super) fn configs(body: &[u8], version: i16) -> Result<(i16, String), Malformed> {
    let flexible = version >= 4;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    if cursor.array_length(flexible, "results")? == 0 {
        return Err(Malformed {
            field: "results",
            problem: "none",
        });
    }
    let error = cursor.i16("error_code")?;
    Ok((error, text(cursor.string(flexible, "error_message")?)))
}

#[cfg(test)]
mod tests;
