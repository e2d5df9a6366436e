//! What the documents of this tree say is so: links lead somewhere, configurations and values are accepted by those who
//! read them, commands exist. Each check is also shown a bad example, which it must refuse.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod chart;
mod commands;
mod complaints;
mod configs;
mod examples;
mod figures;
mod kafka;
mod links;
mod markdown;
mod shell;
mod yaml;

#[path = "../kafka/toolchain.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests with real brokers use more of it"
)]
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use markdown::Document;

/// The root of the tree.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the tree.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document of the tree, by its path from the root.
fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    files_below(&root(), "md", &mut paths);
    paths.sort();
    assert!(paths.len() >= 8, "only {} documents", paths.len());
    paths
        .iter()
        .map(|path| Document::parse(path, &read(path)))
        .collect()
}

/// Those about deploying, with the examples.
fn of_deployment() -> impl Iterator<Item = Document> {
    let ours = ["docs/deploy/", "deploy/examples/"];
    let is_ours = move |page: &Document| ours.iter().any(|dir| page.path.starts_with(dir));
    documents().into_iter().filter(is_ours)
}

/// Files with that ending, by their paths from the root. What is built or hidden is left out.
fn files_below(dir: &Path, ending: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("a directory can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            files_below(&path, ending, found);
        } else if path.extension().is_some_and(|found| found == ending) {
            let path = path.strip_prefix(root()).unwrap_or(&path);
            found.push(path.to_string_lossy().into_owned());
        }
    }
}

/// Panics with all that is wrong at once.
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
