//! Whoever builds the image of these sources gets the same image.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::common::cache::run_tool;
use crate::common::image::{build, built};
use crate::tree;

#[test]
fn the_same_sources_elsewhere_give_the_same_digest() {
    let Some(image) = built() else { return };
    let elsewhere = tempfile::Builder::new()
        .prefix("portolan elsewhere ")
        .tempdir()
        .expect("a temporary directory");
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "build.rs",
        "src",
        "benches",
        "deploy",
    ] {
        copy(&tree().join(name), &elsewhere.path().join(name));
    }
    let begin = SystemTime::now();
    let other = build(elsewhere.path());
    assert_eq!(other.digest, image.digest);
    assert_eq!(other.manifest, image.manifest);
    assert!(
        image.digest.starts_with("sha256:") && image.digest.len() == 71,
        "{}",
        image.digest
    );
    // It was compiled there, and not found.
    let compiled = other.compiled;
    assert!(compiled >= begin, "{compiled:?} is before {begin:?}");
}

/// Without what was compiled in it.
fn copy(from: &Path, to: &Path) {
    let mut cp = Command::new("cp");
    cp.arg("-R").arg(from).arg(to);
    run_tool(&mut cp);
    let compiled = to.join("container/contents/target");
    if compiled.is_dir() {
        fs::remove_dir_all(compiled).expect("the copy is ours");
    }
}
