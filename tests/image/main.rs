//! The container image: what is in it, that it is the same wherever it is built, and that it runs with no rights at all. Real traffic
//! through it is in tests/kafka/image.rs.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod contents;
mod documents;
mod python;
mod running;
mod same;

use std::path::{Path, PathBuf};

/// The top of the tree.
fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of deploy/container.
fn path(name: &str) -> PathBuf {
    tree().join("deploy/container").join(name)
}
