//! The Python clients: kafka-python, aiokafka and confluent-kafka.

use std::path::PathBuf;
use std::process::Command;
use std::slice;

use crate::client::Program;
use crate::libraries::{SCRAM_256, fingerprint_of, library_round_trips, limited, sources};
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
    // Libraries with parts in C are of one version of Python, and the environment refers to the one it was made with.
    let which = "import sys; print(sys.version, sys.base_prefix)";
    let output = Command::new("python3")
        .args(["-c", which])
        .output()
        .expect("Python runs");
    let version = String::from_utf8_lossy(&output.stdout);
    let requirements = sources("python").join("requirements.txt");
    let of_requirements = fingerprint_of(slice::from_ref(&requirements));
    let name = format!(
        "python-clients/{}",
        toolchain::fingerprint(&[&version, &of_requirements])
    );
    toolchain::cached(&name, |dir| {
        toolchain::run_tool(limited(300, "python3").args(["-m", "venv"]).arg(dir));
        let python = dir.join("bin/python").display().to_string();
        let mut pip = limited(900, &python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--requirement",
        ]);
        toolchain::run_tool(pip.arg(requirements));
    })
}
