//! A connection to one leader, ready for a load, and the state of each partition there.

use std::time::Instant;

use tokio::time::sleep;

use super::answers;
use super::load::Load;
use super::plan::Workload;
use super::requests::{self, Subject, Template};
use super::targets::{PAUSE, Targets};
use crate::commands::client::codes::{self, Kind};
use crate::commands::client::stream::Stream;
use crate::commands::client::{Connection, Error};
use crate::config::BrokerAddress;

/// A connection to one leader, and what is sent there.
pub(super) struct Session {
    pub(super) address: BrokerAddress,
    pub(super) stream: Stream,
    pub(super) version: i16,
    pub(super) parts: Vec<Part>,
}

/// One partition.
pub(super) struct Part {
    pub(super) template: Template,
    /// Fetch: from the first offset that is there to the last.
    pub(super) first: i64,
    pub(super) end: i64,
    /// Fetch: where requests may go on. As many as are in flight, since the next offset is known only from an answer.
    pub(super) offsets: Vec<i64>,
}

impl Session {
    /// Connects to the leader that is this connection's turn.
    pub(super) async fn open(load: &Load, index: usize, targets: &Targets) -> Result<Self, Error> {
        let leader = &targets.leaders[index % targets.leaders.len()];
        let mut connection = Connection::connect(&leader.address, &load.leg.settings).await?;
        let (key, versions) = requests::api(load.workload, targets.topic_id);
        let version = connection.version(key, versions)?;
        let subject = Subject {
            client_id: &load.leg.settings.client_id,
            topic: &load.topic,
            topic_id: targets.topic_id,
            acks: load.acks,
            records: &load.records,
            fetch_size: load.fetch_size,
        };
        let mut parts = Vec::new();
        for &partition in &leader.partitions {
            let (first, end) = match load.workload {
                Workload::Fetch => {
                    let first = offset(load, &mut connection, partition, requests::EARLIEST);
                    let first = first.await?;
                    let end = offset(load, &mut connection, partition, requests::LATEST);
                    (first, end.await?)
                }
                _ => (0, 1),
            };
            if first < end {
                let template = requests::template(load.workload, &subject, version, partition)
                    .map_err(|problem| Error::new(&leader.address, problem, ""))?;
                parts.push(Part {
                    template,
                    first,
                    end,
                    offsets: Vec::new(),
                });
            }
        }
        if parts.is_empty() {
            let problem = format!(
                "the partitions {:?} of {} are empty",
                leader.partitions, load.topic
            );
            let remedy = "there is nothing to fetch: give --topic one with records, or produce into it first";
            return Err(Error::new(&leader.address, problem, remedy));
        }
        Ok(Session {
            address: leader.address.clone(),
            stream: connection.into_stream(),
            version,
            parts,
        })
    }
}

/// An offset of a partition by a timestamp.
async fn offset(
    load: &Load,
    connection: &mut Connection,
    partition: i32,
    timestamp: i64,
) -> Result<i64, Error> {
    let (key, versions) = requests::api(Workload::Ping, uuid::Uuid::nil());
    let version = connection.version(key, versions)?;
    let request = requests::list_offsets(&load.topic, partition, timestamp);
    let begin = Instant::now();
    loop {
        let answer = connection.ask(&request, version).await?;
        let answer = answers::read(Workload::Ping, version, &answer);
        let answer = answer.map_err(|m| connection.malformed(m))?;
        match (answer.error, answer.offset) {
            (codes::NONE, Some(offset)) => return Ok(offset),
            (code, _)
                if codes::kind(code) == Kind::Moved
                    && begin.elapsed() < load.leg.settings.timeout =>
            {
                sleep(PAUSE).await;
            }
            (code, _) => return Err(connection.refused("list offsets", code, "")),
        }
    }
}
