//! The whole life of a topic.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};
use serde_json::json;

use crate::task::{PATIENCE, Task};

/// Runs it and prints the report.
pub fn run(task: &Task) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let config: ClientConfig = task.connection();
    let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin client");
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));

    let topic = NewTopic::new(&task.topic, 3, TopicReplication::Fixed(3));
    let created = runtime.block_on(admin.create_topics([&topic], &options));
    for result in created.expect("the topic can be created") {
        result.expect("the topic is created");
    }
    let produced = produce(task);
    let (consumed, distinct) = consume(task);
    let brokers = brokers(task, &admin);
    let deleted = runtime.block_on(admin.delete_topics(&[&task.topic], &options));
    for result in deleted.expect("the topic can be deleted") {
        result.expect("the topic is deleted");
    }
    println!(
        "{}",
        json!({
            "created": true, "produced": produced, "consumed": consumed, "distinct": distinct,
            "brokers": brokers, "deleted": true,
        })
    );
}

/// Counts acknowledgements.
struct Acknowledged(Arc<AtomicUsize>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => _ = self.0.fetch_add(1, Ordering::SeqCst),
            Err((error, _)) => eprintln!("produce: {error}"),
        }
    }
}

fn produce(task: &Task) -> usize {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let context = Acknowledged(acknowledged.clone());
    let producer: ThreadedProducer<_> = task
        .producer()
        .create_with_context(context)
        .expect("a producer");
    for number in 0..task.records {
        let (key, value) = (format!("key-{number}"), format!("value-{number}"));
        let record = BaseRecord::to(&task.topic).key(&key).payload(&value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room for a record");
    }
    producer.flush(PATIENCE).expect("every record is delivered");
    let produced = acknowledged.load(Ordering::SeqCst);
    assert_eq!(produced, task.records, "records acknowledged");
    produced
}

fn consume(task: &Task) -> (usize, usize) {
    let consumer: BaseConsumer = task.consumer();
    let (mut consumed, mut distinct) = (HashSet::new(), HashSet::new());
    let begin = Instant::now();
    while distinct.len() < task.records {
        assert!(
            begin.elapsed() < PATIENCE,
            "only {} records came",
            consumed.len()
        );
        let message = match consumer.poll(PATIENCE) {
            None => continue,
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition,
            ))) => continue,
            Some(message) => message.expect("a record"),
        };
        let key = message.key_view::<str>().expect("a key").expect("text");
        let value = message
            .payload_view::<str>()
            .expect("a value")
            .expect("text");
        assert_eq!(key.replace("key", "value"), value, "the value of {key}");
        consumed.insert((message.partition(), message.offset()));
        distinct.insert(key.to_owned());
    }
    consumer
        .commit_consumer_state(CommitMode::Sync)
        .expect("a commit");
    (consumed.len(), distinct.len())
}

/// The crate cannot describe a cluster; this is what its metadata says.
fn brokers(task: &Task, admin: &AdminClient<DefaultClientContext>) -> Vec<String> {
    let metadata = admin
        .inner()
        .fetch_metadata(Some(&task.topic), PATIENCE)
        .expect("metadata");
    let mut brokers: Vec<String> = metadata
        .brokers()
        .iter()
        .map(|broker| format!("{}:{}", broker.host(), broker.port()))
        .collect();
    brokers.sort();
    if let Some(mut expected) = task.brokers.clone() {
        expected.sort();
        assert_eq!(brokers, expected, "the brokers");
    }
    brokers
}
