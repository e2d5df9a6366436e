//! The Node client: kafkajs.

use std::fs;
use std::path::PathBuf;

use crate::client::Program;
use crate::libraries::{SCRAM_256, fingerprint, library_round_trips, limited, sources};
use crate::round_trip::SCRAM;
use crate::toolchain;

/// kafkajs; `None`: Node is missing.
pub fn kafkajs() -> Option<Program> {
    let path = toolchain::available(&["node", "npm"])
        .then(install)?
        .join("client.js");
    let command = ["node".to_owned(), path.display().to_string()];
    Some(Program::new("kafkajs", command.to_vec()))
}

library_round_trips! {
    kafkajs_round_trips_with_kafka_4: kafkajs, newest, None;
    kafkajs_round_trips_with_kafka_3: kafkajs, previous, None;
    kafkajs_round_trips_with_kafka_4_by_scram_512: kafkajs, newest, Some(SCRAM);
    kafkajs_round_trips_with_kafka_3_by_scram_256: kafkajs, previous, Some(SCRAM_256);
}

/// Node looks for packages beside the program: so the program is copied to where its packages are.
fn install() -> PathBuf {
    let files = ["package.json", "package-lock.json", "client.js"];
    let name = format!("node-client/{}", fingerprint("node"));
    toolchain::cached(&name, |dir| {
        for file in files {
            fs::copy(sources("node").join(file), dir.join(file)).expect("a source can be copied");
        }
        let mut npm = limited(900, "npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        toolchain::run_tool(npm.current_dir(dir));
    })
}
