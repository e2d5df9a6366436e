//! What the image is built by: linters accept it, and what it says twice it says alike.

use std::fs;
use std::process::Command;

use crate::common::tools::available;
use crate::{path, python, tree};

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn hadolint_accepts_the_dockerfile() {
    let Some(environment) = python::environment() else {
        return;
    };
    let lint = |file: &std::path::Path| {
        let hadolint = environment.join("bin/hadolint");
        let output = Command::new(hadolint).arg("--no-color").arg(file).output();
        let output = output.expect("hadolint runs");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), words)
    };
    let (good, said) = lint(&path("Dockerfile"));
    assert!(good && said.is_empty(), "{said}");
    // It looks at more than whether it can read the file.
    let directory = tempfile::tempdir().expect("a directory");
    let bad = directory.path().join("Dockerfile");
    fs::write(&bad, "FROM debian\nRUN cd /tmp && make\n").expect("it can be written");
    let (good, said) = lint(&bad);
    assert!(!good && said.contains("DL3006"), "{said}");
}

#[test]
fn shellcheck_accepts_the_scripts() {
    if !available(&["shellcheck"]) {
        return;
    }
    for name in ["root", "build"] {
        let output = Command::new("shellcheck").arg(path(name)).output();
        let output = output.expect("shellcheck runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {said}");
    }
}

#[test]
fn the_dockerfile_names_this_version_and_a_compiler_that_is_new_enough() {
    let dockerfile = text("Dockerfile");
    let version = format!("\nARG VERSION={}\n", env!("CARGO_PKG_VERSION"));
    assert!(dockerfile.contains(&version), "{version} is not there");
    let (_, rest) = dockerfile
        .split_once("library/rust:1.")
        .expect("a compiler");
    let minor: u32 = rest
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .expect("its version");
    // The relocations that the script `root` asks for need the musl of 1.93.
    assert!(minor >= 93, "{minor}");
}

#[test]
fn the_context_has_all_that_is_compiled_and_little_else() {
    let ignore = fs::read_to_string(tree().join(".dockerignore")).expect("it is there");
    let kept: Vec<&str> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    assert!(ignore.lines().any(|line| line == "*"), "{ignore}");
    for needed in [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "src",
        "LICENSE",
        "deploy/container",
    ] {
        assert!(kept.contains(&needed), "{needed}");
    }
    for name in kept {
        assert!(tree().join(name).exists(), "{name}");
    }
}
