//! What a cluster says about its brokers and about one topic (Metadata 4 to 12).

use std::collections::BTreeMap;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ApiKey, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Connection, Error};
use crate::config::BrokerAddress;
use crate::protocol::Malformed;
use crate::protocol::cursor::Cursor;

/// The brokers of a cluster as this client is told them, and one topic.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    /// By node id.
    pub(crate) brokers: BTreeMap<i32, BrokerAddress>,
    /// The node that takes requests to create topics.
    pub(crate) controller: i32,
    /// The topic that was asked for.
    pub(crate) topic: Option<Topic>,
}

/// One topic.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    /// An error code.
    pub(crate) error: i16,
    /// Nil where the broker is too old to say.
    pub(crate) id: Uuid,
    /// In the broker's order.
    pub(crate) partitions: Vec<Partition>,
}

/// One partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    /// An error code.
    pub(crate) error: i16,
    /// Its number.
    pub(crate) index: i32,
    /// The node that leads it; -1 is none.
    pub(crate) leader: i32,
}

/// Asks for the brokers and perhaps one topic, which is not created by that.
pub(crate) async fn ask(
    connection: &mut Connection,
    topic: Option<&str>,
) -> Result<Metadata, Error> {
    let version = connection.version(ApiKey::Metadata, 4..=12)?;
    let topics = topic.map(|name| {
        let name = TopicName(StrBytes::from_string(name.to_owned()));
        MetadataRequestTopic::default().with_name(Some(name))
    });
    let request = MetadataRequest::default()
        .with_topics(Some(topics.into_iter().collect()))
        .with_allow_auto_topic_creation(false);
    let answer = connection.ask(&request, version).await?;
    read(&answer, version).map_err(|m| connection.malformed(m))
}

fn read(body: &[u8], version: i16) -> Result<Metadata, Malformed> {
    let flexible = version >= 9;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    let mut brokers = BTreeMap::new();
    for _ in 0..cursor.array_length(flexible, "brokers")? {
        let id = cursor.i32("node_id")?;
        let host = text(cursor.string(flexible, "host")?);
        let port = cursor.i32("port")?;
        cursor.string(flexible, "rack")?;
        tags(&mut cursor, flexible, "brokers")?;
        let port = u16::try_from(port).map_err(|_| Malformed {
            field: "port",
            problem: "no port",
        })?;
        brokers.insert(id, BrokerAddress { host, port });
    }
    cursor.string(flexible, "cluster_id")?;
    let controller = cursor.i32("controller_id")?;
    let topic = match cursor.array_length(flexible, "topics")? {
        0 => None,
        _ => Some(read_topic(&mut cursor, version)?),
    };
    Ok(Metadata {
        brokers,
        controller,
        topic,
    })
}

fn read_topic(cursor: &mut Cursor<'_>, version: i16) -> Result<Topic, Malformed> {
    let flexible = version >= 9;
    let error = cursor.i16("error_code")?;
    cursor.string(flexible, "name")?;
    let id = match version >= 10 {
        true => Uuid::from_slice(cursor.take(16, "topic_id")?).unwrap_or_default(),
        false => Uuid::nil(),
    };
    cursor.i8("is_internal")?;
    let mut partitions = Vec::new();
    for _ in 0..cursor.array_length(flexible, "partitions")? {
        let error = cursor.i16("error_code")?;
        let index = cursor.i32("partition_index")?;
        let leader = cursor.i32("leader_id")?;
        if version >= 7 {
            cursor.i32("leader_epoch")?;
        }
        let lists = if version >= 5 { 3 } else { 2 };
        for _ in 0..lists {
            for _ in 0..cursor.array_length(flexible, "replicas")? {
                cursor.i32("replicas")?;
            }
        }
        tags(cursor, flexible, "partitions")?;
        partitions.push(Partition {
            error,
            index,
            leader,
        });
    }
    Ok(Topic {
        error,
        id,
        partitions,
    })
}

/// Tagged fields, which only flexible versions have.
pub(crate) fn tags(
    cursor: &mut Cursor<'_>,
    flexible: bool,
    field: &'static str,
) -> Result<(), Malformed> {
    match flexible {
        true => cursor.tags(field).map(drop),
        false => Ok(()),
    }
}

/// A string of the wire as text.
pub(crate) fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use kafka_protocol::messages::{BrokerId, MetadataResponse};
    use kafka_protocol::protocol::Encodable;

    use super::*;

    fn sample(version: i16) -> MetadataResponse {
        let partition = |n: i32| {
            MetadataResponsePartition::default()
                .with_partition_index(n)
                .with_leader_id(BrokerId(n + 7))
                .with_replica_nodes(vec![BrokerId(7), BrokerId(8)])
                .with_isr_nodes(vec![BrokerId(7)])
        };
        let mut topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName("t".into())))
            .with_partitions(vec![partition(0), partition(1)]);
        if version >= 10 {
            topic.topic_id = Uuid::from_u128(5);
        }
        MetadataResponse::default()
            .with_brokers(vec![
                MetadataResponseBroker::default()
                    .with_node_id(BrokerId(7))
                    .with_host("kafka.example.com".into())
                    .with_port(9093)
                    .with_rack(Some("a".into())),
            ])
            .with_cluster_id(Some("c".into()))
            .with_controller_id(BrokerId(7))
            .with_topics(vec![topic])
    }

    #[test]
    fn every_version_is_read_and_every_cut_is_refused() {
        for version in 4..=12 {
            let mut body = BytesMut::new();
            sample(version)
                .encode(&mut body, version)
                .expect("it can be encoded");
            let metadata = read(&body, version).expect("it is read");
            let address = &metadata.brokers[&7];
            assert_eq!(address.to_string(), "kafka.example.com:9093");
            assert_eq!(metadata.controller, 7);
            let topic = metadata.topic.expect("a topic");
            assert_eq!(topic.id.is_nil(), version < 10);
            let leaders: Vec<_> = topic
                .partitions
                .iter()
                .map(|p| (p.index, p.leader))
                .collect();
            assert_eq!(leaders, [(0, 7), (1, 8)]);
            // The fields behind the partitions are not looked at: 4 or 8 bytes and tags.
            for cut in 0..body.len() - 11 {
                assert!(read(&body[..cut], version).is_err(), "{version} {cut}");
            }
        }
    }
}
