//! Topics are made and taken away over the direct listener, so that no proxy is charged for it.

use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use kafka_protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::wire::Wire;

const PARTITIONS: i32 = 6;
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a topic with six partitions and waits until every broker knows their leaders.
pub fn create(brokers: &[String], topic: &str) -> Result<(), String> {
    let replicas = i16::try_from(brokers.len().min(3)).unwrap_or(3);
    let config = |name: &'static str, value: &'static str| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_static_str(value)))
    };
    let creatable = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(PARTITIONS)
        .with_replication_factor(replicas)
        .with_configs(vec![config("file.delete.delay.ms", "1000")]);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![creatable])
        .with_timeout_ms(30_000);
    let answer = ask(&brokers[0], |wire| wire.ask(&request, 7))?;
    let code = answer.topics.first().map_or(-1, |topic| topic.error_code);
    if code != 0 {
        return Err(format!("creating {topic}: error {code} {answer:?}"));
    }
    let begin = Instant::now();
    while !brokers.iter().all(|broker| is_led(broker, topic)) {
        if begin.elapsed() > PATIENCE {
            return Err(format!("no leaders for {topic}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Takes it away, and its files with it a little later.
pub fn delete(brokers: &[String], topic: &str) -> Result<(), String> {
    let state = DeleteTopicState::default().with_name(Some(name(topic)));
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![state])
        .with_timeout_ms(30_000);
    ask(&brokers[0], |wire| wire.ask(&request, 6))?;
    Ok(())
}

fn is_led(broker: &str, topic: &str) -> bool {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    let Ok(metadata) = ask(broker, |wire| wire.ask(&request, 12)) else {
        return false;
    };
    metadata.topics.iter().all(|topic| {
        topic.error_code == 0
            && topic.partitions.len() == PARTITIONS as usize
            && topic.partitions.iter().all(|p| p.leader_id.0 >= 0)
    })
}

fn ask<T>(
    broker: &str,
    question: impl FnOnce(&mut Wire) -> std::io::Result<T>,
) -> Result<T, String> {
    let wire = Wire::connect(broker).and_then(|mut wire| question(&mut wire));
    wire.map_err(|error| format!("{broker}: {error}"))
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
