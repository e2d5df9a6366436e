//! What yamllint says of all YAML of deploy/, and hadolint of the image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::toolbox::{program, python, ready};

/// All that is for people who run Portolan.
fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// Whether it is content, and all that it says.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

fn yamllint(path: &Path) -> Command {
    let mut command = Command::new(python());
    // It reads .yamllint of the directory that it is in, and finds files by the names in it.
    command.current_dir(deploy()).args(["-m", "yamllint"]);
    command.args(["--strict", "--format", "parsable"]).arg(path);
    command
}

#[test]
fn yamllint_finds_nothing() {
    if ready() {
        let (good, said) = run(&mut yamllint(Path::new(".")));
        assert!(good && said.is_empty(), "{said}");
        let (_, files) = run(yamllint(Path::new(".")).arg("--list-files"));
        for file in ["kustomization.yaml", "values.yaml", "alerts.yaml"] {
            assert!(files.contains(file), "{file} is not looked at:\n{files}");
        }
    }
}

#[test]
fn yamllint_would_find_a_key_that_stands_twice() {
    if ready() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("twice.yaml");
        fs::write(&file, "one: 1\ntwo: 2\none: 3\n").expect("it can be written");
        let (good, said) = run(&mut yamllint(&file));
        assert!(!good && said.contains("key-duplicates"), "{said}");
    }
}

#[test]
fn hadolint_finds_nothing_in_the_image() {
    if ready() {
        let file = deploy().join("container/Dockerfile");
        let (good, said) = run(hadolint().arg(&file));
        assert!(good && said.is_empty(), "{said}");
    }
}

#[test]
fn hadolint_would_find_a_tag_that_moves() {
    if ready() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("Dockerfile");
        fs::write(&file, "FROM debian:latest\n").expect("it can be written");
        let (good, said) = run(hadolint().arg(&file));
        assert!(!good && said.contains("DL3007"), "{said}");
    }
}

fn hadolint() -> Command {
    let mut command = Command::new(program("hadolint"));
    // Nothing of the user's own configuration.
    let nowhere = std::env::temp_dir().join("portolan-tests-hadolint");
    command
        .env("HOME", &nowhere)
        .env("XDG_CONFIG_HOME", &nowhere);
    command.current_dir(std::env::temp_dir()).arg("--no-color");
    command
}
