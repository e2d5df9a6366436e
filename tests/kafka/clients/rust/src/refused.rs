//! A cluster that does not let this client in, or that it does not trust: what the library says about that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use serde_json::json;

use crate::task::{PATIENCE, Task};

/// Runs it and prints the report.
pub fn run(task: &Task) {
    let consumer: BaseConsumer<Words> = task
        .connection()
        .create_with_context(Words::default())
        .expect("a client");
    let consumer = Arc::new(consumer);
    let let_in = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let (consumer, let_in) = (consumer.clone(), let_in.clone());
        move || match consumer.fetch_metadata(None, PATIENCE) {
            Ok(_) => let_in.store(true, Ordering::SeqCst),
            Err(error) => consumer.context().add(error.to_string()),
        }
    });
    let words = loop {
        // The library tells its errors to whoever asks for records.
        if let Some(Err(error)) = consumer.poll(Duration::from_millis(20)) {
            consumer.context().add(error.to_string());
        }
        let words = consumer.context().get();
        if words.is_some() || let_in.load(Ordering::SeqCst) {
            break words;
        }
    };
    println!("{}", json!({ "refused": words }));
}

/// The first error that the library reports.
#[derive(Default)]
struct Words(Mutex<Option<String>>);

impl Words {
    fn add(&self, words: String) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(words);
    }

    fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ClientContext for Words {
    fn error(&self, error: KafkaError, reason: &str) {
        self.add(format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Words {}
