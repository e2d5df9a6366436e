//! librdkafka itself, by the rdkafka crate.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::client::Program;
use crate::libraries::{
    SCRAM_256, fingerprint, fingerprint_of, library_round_trips, limited, sources,
};
use crate::round_trip::SCRAM;
use crate::toolchain;

/// librdkafka; `None`: what it is compiled with is missing.
pub fn librdkafka() -> Option<Program> {
    let tools = toolchain::available(&["cargo", "cc", "make", "perl"]);
    let path = tools.then(build)?.join(BINARY);
    let program = Program::new("librdkafka", vec![path.display().to_string()]);
    Some(program.that_writes_again())
}

const BINARY: &str = "portolan-librdkafka-client";

library_round_trips! {
    librdkafka_round_trips_with_kafka_4: librdkafka, newest, None;
    librdkafka_round_trips_with_kafka_3: librdkafka, previous, None;
    librdkafka_round_trips_with_kafka_4_by_scram_512: librdkafka, newest, Some(SCRAM);
    librdkafka_round_trips_with_kafka_3_by_scram_256: librdkafka, previous, Some(SCRAM_256);
}

fn build() -> PathBuf {
    let manifest = sources("rust").join("Cargo.toml");
    // What is compiled from C takes minutes, and does not depend on the program's own source.
    let dependencies = fingerprint_of(&[manifest.clone(), manifest.with_extension("lock")]);
    let target = toolchain::cache()
        .join("librdkafka-target")
        .join(dependencies);
    let name = format!("librdkafka-client/{}", fingerprint("rust"));
    toolchain::cached(&name, |dir| {
        let mut cargo = limited(1800, &env::var("CARGO").unwrap_or("cargo".to_owned()));
        cargo.args(["build", "--locked", "--manifest-path"]);
        cargo.arg(&manifest).arg("--target-dir").arg(&target);
        toolchain::run_tool(&mut cargo);
        let built = target.join("debug").join(BINARY);
        fs::copy(built, dir.join(BINARY)).expect("the program can be copied");
    })
}
