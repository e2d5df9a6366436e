//! What deploy/monitoring has for Prometheus and Grafana: promtool accepts it, it asks only for metrics that the proxy has, and
//! nothing in it is left without a test, a description or a remedy.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod alerts;
mod dashboard;
mod documents;
mod metrics;
mod promtool;

use std::fs;
use std::path::PathBuf;

/// A file of deploy/monitoring.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/monitoring")
        .join(name)
}

/// What is in it.
fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What is asked of Prometheus, and where that stands.
#[derive(Debug)]
struct Query {
    place: String,
    promql: String,
}

/// All that is asked, by the dashboard and by the alerts.
fn queries() -> Vec<Query> {
    let mut all = dashboard::queries();
    let alerts = alerts::rules().into_iter().map(|rule| Query {
        place: rule.alert,
        promql: rule.expr,
    });
    all.extend(alerts);
    all
}
