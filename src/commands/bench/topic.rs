//! The topic: made, filled, and deleted at the end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{ApiKey, CreateTopicsRequest, DeleteTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::answers;
use super::batch::batch;
use super::plan::{Acks, Leg, Plan, Workload};
use super::requests::{self, Subject};
use super::targets::{self, Leader, PAUSE};
use crate::commands::client::codes::{self, Kind};
use crate::commands::client::metadata::{self, text};
use crate::commands::client::{Connection, Error};
use crate::protocol::Malformed;
use crate::protocol::cursor::Cursor;

/// What fetch finds in each partition, at least: enough that reading it again and again is not reading the same pages.
const FILL: usize = 4 << 20;
/// Records come in batches of at least this size then, so that filling takes few requests.
const FILL_BATCH: usize = 64 << 10;

/// A name that nobody else has.
pub(super) fn own_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos());
    format!("portolan-bench-{:x}-{now:x}", std::process::id())
}

/// Makes the topic. `asked_for` becomes true when it may be there from then on.
pub(super) async fn create(plan: &Plan, name: &str, asked_for: &mut bool) -> Result<(), Error> {
    let mut connection = controller(&plan.proxied).await?;
    // Before version 4 brokers have no default number of replicas (KIP-464).
    let oldest = match plan.replication_factor {
        Some(_) => 2,
        None => 4,
    };
    let version = connection.version(ApiKey::CreateTopics, oldest..=7)?;
    let replicas = plan.replication_factor.map_or(-1, |n| n as i16);
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_num_partitions(plan.partitions.into())
        .with_replication_factor(replicas);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(milliseconds(plan.proxied.settings.timeout));
    *asked_for = true;
    let answer = connection.ask(&request, version).await?;
    let read = read_created(&answer, version);
    match read.map_err(|m| connection.malformed(m))? {
        (codes::NONE, _) => Ok(()),
        (code, words) => {
            // After a timeout it may be made yet.
            *asked_for = code == codes::REQUEST_TIMED_OUT;
            Err(connection.refused("cannot create a topic", code, &words))
        }
    }
}

/// The error code of the one topic, and the broker's words.
fn read_created(body: &[u8], version: i16) -> Result<(i16, String), Malformed> {
    let flexible = version >= 5;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    if cursor.array_length(flexible, "topics")? == 0 {
        return Err(Malformed {
            field: "topics",
            problem: "none",
        });
    }
    cursor.string(flexible, "name")?;
    if version >= 7 {
        cursor.take(16, "topic_id")?;
    }
    let code = cursor.i16("error_code")?;
    Ok((code, text(cursor.string(flexible, "error_message")?)))
}

/// Deletes it. That it is not there is as good.
pub(super) async fn delete(leg: &Leg, name: &str) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        let mut connection = controller(leg).await?;
        let version = connection.version(ApiKey::DeleteTopics, 1..=5)?;
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![TopicName(StrBytes::from_string(name.to_owned()))])
            .with_timeout_ms(milliseconds(leg.settings.timeout));
        let answer = connection.ask(&request, version).await?;
        let code = read_deleted(&answer, version).map_err(|m| connection.malformed(m))?;
        match codes::kind(code) {
            _ if [codes::NONE, codes::UNKNOWN_TOPIC_OR_PARTITION].contains(&code) => return Ok(()),
            Kind::Moved if begin.elapsed() < leg.settings.timeout => {
                tokio::time::sleep(PAUSE).await;
            }
            _ => return Err(connection.refused("cannot delete the topic", code, "")),
        }
    }
}

fn read_deleted(body: &[u8], version: i16) -> Result<i16, Malformed> {
    let flexible = version >= 4;
    let mut cursor = Cursor::new(body);
    cursor.i32("throttle_time_ms")?;
    if cursor.array_length(flexible, "responses")? == 0 {
        return Err(Malformed {
            field: "responses",
            problem: "none",
        });
    }
    cursor.string(flexible, "name")?;
    cursor.i16("error_code")
}

/// A connection to the broker that takes such requests; the one at hand where it is not named or cannot be reached: brokers of
/// KRaft name any broker here and pass such requests on (KIP-590), and one that may have just gone must not keep the topic.
async fn controller(leg: &Leg) -> Result<Connection, Error> {
    let mut connection = Connection::connect(&leg.address, &leg.settings).await?;
    let metadata = metadata::ask(&mut connection, None).await?;
    match metadata.brokers.get(&metadata.controller) {
        Some(address) => {
            let named = Connection::connect(address, &leg.settings).await;
            Ok(named.unwrap_or(connection))
        }
        None => Ok(connection),
    }
}

/// Waits until each leader knows that it is one, which takes it a moment longer than the metadata. Other errors are not waited
/// for: the load will meet them and tell.
pub(super) async fn settle(plan: &Plan, topic: &str) -> Result<(), Error> {
    let leg = &plan.proxied;
    let found = targets::find(leg, topic).await?;
    let begin = Instant::now();
    for leader in &found.leaders {
        let mut connection = Connection::connect(&leader.address, &leg.settings).await?;
        let (key, versions) = requests::api(Workload::Ping, found.topic_id);
        let version = connection.version(key, versions)?;
        for &partition in &leader.partitions {
            let request = requests::list_offsets(topic, partition, requests::LATEST);
            loop {
                let answer = connection.ask(&request, version).await?;
                let answer = answers::read(Workload::Ping, version, &answer);
                let code = answer.map_err(|m| connection.malformed(m))?.error;
                match codes::kind(code) {
                    Kind::Moved if begin.elapsed() < leg.settings.timeout => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    Kind::Moved => return Err(connection.refused("list offsets", code, "")),
                    _ => break,
                }
            }
        }
    }
    Ok(())
}

/// Writes into every partition what fetch is to read.
pub(super) async fn fill(plan: &Plan, topic: &str) -> Result<(), Error> {
    let leg = &plan.proxied;
    let found = targets::find(leg, topic).await?;
    let size = plan.batch_size.max(FILL_BATCH.min(plan.fetch_size));
    let records = batch(size, plan.record_size);
    let whole = FILL.max(2 * plan.fetch_size);
    let subject = Subject {
        client_id: &leg.settings.client_id,
        topic,
        topic_id: found.topic_id,
        acks: Acks::All,
        records: &records,
        fetch_size: plan.fetch_size,
    };
    for leader in &found.leaders {
        fill_leader(leg, leader, &subject, whole.div_ceil(records.len())).await?;
    }
    Ok(())
}

async fn fill_leader(
    leg: &Leg,
    leader: &Leader,
    subject: &Subject<'_>,
    batches: usize,
) -> Result<(), Error> {
    let mut connection = Connection::connect(&leader.address, &leg.settings).await?;
    let (key, versions) = requests::api(Workload::Produce, subject.topic_id);
    let version = connection.version(key, versions)?;
    for &partition in &leader.partitions {
        let request = requests::produce_request(subject, partition);
        let begin = Instant::now();
        let mut left = batches;
        while left > 0 {
            let answer = connection.ask(&request, version).await?;
            let answer = answers::read(Workload::Produce, version, &answer);
            let code = answer.map_err(|m| connection.malformed(m))?.error;
            match codes::kind(code) {
                _ if code == codes::NONE => left -= 1,
                // A leader may not know yet that it is one.
                Kind::Moved | Kind::Passing if begin.elapsed() < leg.settings.timeout => {
                    tokio::time::sleep(PAUSE).await;
                }
                _ => return Err(connection.refused("produce", code, "")),
            }
        }
    }
    Ok(())
}

fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// The records of a produce request.
pub(super) fn records(plan: &Plan) -> Bytes {
    batch(plan.batch_size, plan.record_size)
}
