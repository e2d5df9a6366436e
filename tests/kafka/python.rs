//! The Python clients: kafka-python, aiokafka and confluent-kafka.

use std::path::PathBuf;

use crate::client::Program;
use crate::common::python;
use crate::libraries::{SCRAM_256, library_round_trips, sources};
use crate::round_trip::SCRAM;
use crate::toolchain;

/// kafka-python; `None`: Python is missing.
pub fn kafka_python() -> Option<Program> {
    program("kafka-python", "kafka_python_client.py")
}

/// aiokafka; `None`: Python is missing.
pub fn aiokafka() -> Option<Program> {
    program("aiokafka", "aiokafka_client.py")
}

/// confluent-kafka, which wraps a librdkafka of its own; `None`: Python is missing.
pub fn confluent_kafka() -> Option<Program> {
    program("confluent-kafka", "confluent_client.py").map(Program::that_writes_again)
}

library_round_trips! {
    kafka_python_round_trips_with_kafka_4: kafka_python, newest, None;
    kafka_python_round_trips_with_kafka_3: kafka_python, previous, None;
    kafka_python_round_trips_with_kafka_4_by_scram_512: kafka_python, newest, Some(SCRAM);
    kafka_python_round_trips_with_kafka_3_by_scram_256: kafka_python, previous, Some(SCRAM_256);
    aiokafka_round_trips_with_kafka_4: aiokafka, newest, None;
    aiokafka_round_trips_with_kafka_3: aiokafka, previous, None;
    aiokafka_round_trips_with_kafka_4_by_scram_512: aiokafka, newest, Some(SCRAM);
    aiokafka_round_trips_with_kafka_3_by_scram_256: aiokafka, previous, Some(SCRAM_256);
    confluent_kafka_round_trips_with_kafka_4: confluent_kafka, newest, None;
    confluent_kafka_round_trips_with_kafka_3: confluent_kafka, previous, None;
    confluent_kafka_round_trips_with_kafka_4_by_scram_512: confluent_kafka, newest, Some(SCRAM);
    confluent_kafka_round_trips_with_kafka_3_by_scram_256: confluent_kafka, previous, Some(SCRAM_256);
}

fn program(name: &str, file: &str) -> Option<Program> {
    let python = toolchain::available(&["python3"])
        .then(environment)?
        .join("bin/python");
    let path = sources("python").join(file);
    // -B: the sources are run where they are, and no byte code is written beside them.
    let command = [
        &python.display().to_string(),
        "-B",
        &path.display().to_string(),
    ];
    Some(Program::new(name, command.map(str::to_owned).to_vec()))
}

/// A virtual environment with the libraries.
fn environment() -> PathBuf {
    python::environment(
        "python-clients",
        "tests/kafka/clients/python/requirements.txt",
    )
}
