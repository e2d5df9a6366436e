//! Numbered records, there and back, until standard input ends.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::ledger::Ledger;
use crate::task::{PATIENCE, Task};

/// Runs it and prints the report.
pub fn run(task: &Task) {
    let ledger = Arc::new(Ledger::new());
    let (consumer, receiving) = (task.consumer(), ledger.clone());
    thread::spawn(move || receive(&consumer, &receiving));
    let reporting = ledger.clone();
    thread::spawn(move || reporting.report_progress());
    let (open, closed) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(open);
    });

    let deliveries = Deliveries(ledger.clone());
    let producer: ThreadedProducer<_> = task
        .producer()
        .create_with_context(deliveries)
        .expect("a producer");
    let burst = 3 * task.burst;
    let mut numbers = 0..;
    while closed.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
        for number in numbers.by_ref().take(burst) {
            let text = number.to_string();
            let record = BaseRecord::with_opaque_to(&task.topic, number)
                .key(&text)
                .payload(&text);
            producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("room for a record");
        }
    }
    producer
        .flush(PATIENCE)
        .expect("every record is delivered or given up");
    ledger.wait_for_all();
    ledger.report();
}

/// Writes what became of each record into the ledger.
struct Deliveries(Arc<Ledger>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        match result {
            Ok(_) => self.0.acked(number),
            Err((error, _)) => self.0.failed(error.to_string()),
        }
    }
}

fn receive(consumer: &BaseConsumer, ledger: &Ledger) {
    loop {
        match consumer.poll(PATIENCE) {
            None => {}
            Some(Ok(message)) => {
                let value = message
                    .payload_view::<str>()
                    .expect("a value")
                    .expect("text");
                let number = value.parse().expect("a number");
                ledger.received(number, message.partition(), message.offset());
            }
            // The library goes on by itself after most of these, so they are worth a line, not an end.
            Some(Err(error)) => eprintln!("consume: {error}"),
        }
    }
}
