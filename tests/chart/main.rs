//! The Helm chart: what it renders, what it refuses, and that the proxy agrees with both.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod agreement;
mod certificates;
mod monitoring;
mod node_ports;
mod notes;
mod objects;
mod pods;
mod profiles;
mod ranges;
mod readme;
mod refusals;
mod refusals_more;
mod render;
mod schema;
mod security;

use common::helm::Helm;

#[test]
fn both_majors_of_helm_can_be_had() {
    for (helm, major) in [(Helm::Three, "v3.17.2"), (Helm::Four, "v4.")] {
        let Some(mut command) = helm.command() else {
            return;
        };
        let output = command.args(["version", "--short"]).output();
        let output = output.expect("helm runs").stdout;
        let version = String::from_utf8_lossy(&output).into_owned();
        assert!(version.starts_with(major), "{version}");
    }
}
