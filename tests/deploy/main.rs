//! What deploy/ has for Kubernetes: the chart and the kustomizations make objects that Kubernetes takes, that say the same, and that
//! other people's tools have nothing against.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod checkov;
mod kustomize;
mod linters;
mod names;
mod readme;
mod render;
mod schemas;
