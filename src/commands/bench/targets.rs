//! Who leads the partitions, at the addresses that the cluster names on this way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::plan::Leg;
use crate::commands::client::metadata::{self, Metadata};
use crate::commands::client::{Connection, Error, codes};
use crate::config::BrokerAddress;

/// How long to wait before metadata is asked for again.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// A topic whose partitions are all led.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// Nil where the brokers are too old to say.
    pub(super) topic_id: Uuid,
    /// The brokers that lead partitions.
    pub(super) leaders: Vec<Leader>,
}

/// A broker and what it leads.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub(super) address: BrokerAddress,
    /// At least one.
    pub(super) partitions: Vec<i32>,
}

/// Asks until every partition has a leader that can be connected to, or the timeout is over.
pub(super) async fn find(leg: &Leg, topic: &str) -> Result<Targets, Error> {
    let begin = Instant::now();
    let mut connection = Connection::connect(&leg.address, &leg.settings).await?;
    loop {
        let metadata = metadata::ask(&mut connection, Some(topic)).await?;
        match read(metadata) {
            Ok(targets) => return Ok(targets),
            Err(NotYet { code, .. }) if codes::kind(code) != codes::Kind::Moved => {
                return Err(connection.refused(&format!("topic {topic}"), code, ""));
            }
            Err(NotYet { code, words }) if begin.elapsed() > leg.settings.timeout => {
                return Err(connection.refused(&format!("topic {topic}"), code, &words));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

struct NotYet {
    code: i16,
    words: String,
}

fn read(metadata: Metadata) -> Result<Targets, NotYet> {
    let not_yet = |code, words: &str| NotYet {
        code,
        words: words.to_owned(),
    };
    let topic = metadata
        .topic
        .ok_or_else(|| not_yet(codes::UNKNOWN_TOPIC_OR_PARTITION, ""))?;
    if topic.error != codes::NONE {
        return Err(not_yet(topic.error, ""));
    }
    let mut led: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for partition in &topic.partitions {
        if !metadata.brokers.contains_key(&partition.leader) {
            let code = match partition.error {
                codes::NONE => codes::LEADER_NOT_AVAILABLE,
                code => code,
            };
            let words = format!(
                "partition {} has no leader that is in the metadata (are all brokers in the proxy's port map?)",
                partition.index
            );
            return Err(not_yet(code, &words));
        }
        led.entry(partition.leader)
            .or_default()
            .push(partition.index);
    }
    if led.is_empty() {
        return Err(not_yet(codes::UNKNOWN_TOPIC_OR_PARTITION, ""));
    }
    let brokers = metadata.brokers;
    let leaders = led.into_iter().filter_map(|(node, mut partitions)| {
        partitions.sort_unstable();
        let address = brokers.get(&node)?.clone();
        Some(Leader {
            address,
            partitions,
        })
    });
    Ok(Targets {
        topic_id: topic.id,
        leaders: leaders.collect(),
    })
}
