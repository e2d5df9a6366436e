//! The Go clients: franz-go and sarama.

use std::path::PathBuf;

use crate::client::Program;
use crate::libraries::{SCRAM_256, fingerprint, library_round_trips, limited, sources};
use crate::round_trip::SCRAM;
use crate::toolchain;

/// franz-go; `None`: Go is missing.
pub fn franz_go() -> Option<Program> {
    program("franz-go", "franz")
}

/// sarama; `None`: Go is missing.
pub fn sarama() -> Option<Program> {
    program("sarama", "sarama")
}

library_round_trips! {
    franz_go_round_trips_with_kafka_4: franz_go, newest, None;
    franz_go_round_trips_with_kafka_3: franz_go, previous, None;
    franz_go_round_trips_with_kafka_4_by_scram_512: franz_go, newest, Some(SCRAM);
    franz_go_round_trips_with_kafka_3_by_scram_256: franz_go, previous, Some(SCRAM_256);
    sarama_round_trips_with_kafka_4: sarama, newest, None;
    sarama_round_trips_with_kafka_3: sarama, previous, None;
    sarama_round_trips_with_kafka_4_by_scram_512: sarama, newest, Some(SCRAM);
    sarama_round_trips_with_kafka_3_by_scram_256: sarama, previous, Some(SCRAM_256);
}

fn program(name: &str, binary: &str) -> Option<Program> {
    let path = toolchain::available(&["go"]).then(build)?.join(binary);
    Some(Program::new(name, vec![path.display().to_string()]))
}

fn build() -> PathBuf {
    let name = format!("go-clients/{}", fingerprint("go"));
    toolchain::cached(&name, |dir| {
        let mut go = limited(900, "go");
        // Whatever the machine's settings are, nothing is written into the sources, and no C compiler is asked for.
        go.env("GOFLAGS", "")
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0");
        go.current_dir(sources("go"));
        go.args(["build", "-buildvcs=false", "-mod=readonly", "-o"])
            .arg(dir);
        toolchain::run_tool(go.args(["./franz", "./sarama"]));
    })
}
