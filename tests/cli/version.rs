//! `--version`, and how a build finds out of which commit it is: build.rs is run as cargo runs it, in trees of every kind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::common::tools::available;
use crate::run;

#[test]
fn the_short_version_is_that_of_the_package_and_the_long_one_tells_of_the_build() {
    let first = format!("portolan {}\n", env!("CARGO_PKG_VERSION"));
    let outcome = run(["-V"]);
    assert_eq!((outcome.code, &outcome.stdout), (Some(0), &first));
    let outcome = run(["--version"]);
    assert_eq!(outcome.code, Some(0));
    let rest = outcome.stdout.strip_prefix(&first).expect("the same line");
    let lines: Vec<(&str, &str)> = rest.lines().filter_map(|l| l.split_once(": ")).collect();
    let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["commit", "target", "features"], "{rest}");
    assert_eq!(lines[0].1, portolan::COMMIT.unwrap_or("unknown"));
    let target = lines[1].1;
    assert!(target.starts_with(std::env::consts::ARCH), "{target}");
    let splices = lines[2].1.contains("splice");
    assert_eq!(splices, cfg!(target_os = "linux"), "{rest}");
}

#[test]
fn the_commit_is_found_wherever_git_keeps_it() {
    if !available(&["git"]) {
        return;
    }
    let script = Script::new();
    let place = tempfile::tempdir().expect("a directory");
    let tree = place.path().join("tree");
    fs::create_dir(&tree).expect("it is ours");
    git(&tree, &["init", "--quiet", "--initial-branch=a/branch"]);
    assert_eq!(script.commit(&tree), None, "there is none yet");

    git(&tree, &["commit", "--quiet", "--allow-empty", "-m", "one"]);
    let first = head(&tree);
    assert_eq!(script.commit(&tree), Some(first.clone()), "a loose branch");
    assert!(script.watches(&tree, ".git/HEAD"));
    assert!(script.watches(&tree, ".git/refs/heads/a/branch"));

    git(&tree, &["pack-refs", "--all", "--prune"]);
    assert_eq!(script.commit(&tree), Some(first.clone()), "a packed branch");
    assert!(script.watches(&tree, ".git/packed-refs"));

    let other = place.path().join("other");
    let path = other.to_str().expect("plain characters");
    git(&tree, &["worktree", "add", "--quiet", "-b", "second", path]);
    git(&other, &["commit", "--quiet", "--allow-empty", "-m", "two"]);
    assert_ne!(head(&other), first);
    assert_eq!(script.commit(&other), Some(head(&other)), "a work tree");
    assert_eq!(script.commit(&tree), Some(first));

    git(&tree, &["checkout", "--quiet", "--detach", "second"]);
    assert_eq!(script.commit(&tree), Some(head(&other)), "a detached head");

    let inside = tree.join("vendor");
    fs::create_dir(&inside).expect("it is ours");
    assert_eq!(script.commit(&inside), None, "a tree of somebody else's");
}

#[test]
fn a_packed_crate_knows_its_commit_by_the_note_of_cargo() {
    let script = Script::new();
    let tree = tempfile::tempdir().expect("a directory");
    assert_eq!(script.commit(tree.path()), None);
    let note = "{\n  \"git\": {\n    \"sha1\": \"00112233445566778899aabbccddeeff00112233\"\n  },\n  \"path_in_vcs\": \"\"\n}";
    fs::write(tree.path().join(".cargo_vcs_info.json"), note).expect("it is ours");
    let commit = script.commit(tree.path());
    assert_eq!(commit.as_deref(), Some("001122334455"));
}

#[test]
fn what_the_build_is_told_comes_first_and_must_be_a_word() {
    let script = Script::new();
    let tree = tempfile::tempdir().expect("a directory");
    let told = |commit: &str| {
        let output = script.run(tree.path(), Some(commit));
        String::from_utf8(output.stdout).expect("text")
    };
    let line = "cargo::rustc-env=PORTOLAN_BUILD_COMMIT=v1.2.3-dirty\n";
    assert!(told("v1.2.3-dirty").contains(line));
    assert!(!told("").contains("PORTOLAN_BUILD_COMMIT"));
    for wrong in ["two words", "a\nb", &"x".repeat(65)] {
        let said = told(wrong);
        assert!(said.contains("cargo::error=PORTOLAN_COMMIT is "), "{said}");
        assert!(said.contains("without spaces and of at most 64 characters"));
        assert!(!said.contains("PORTOLAN_BUILD_COMMIT"), "{said}");
    }
}

/// build.rs as a program.
struct Script {
    directory: TempDir,
}

impl Script {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let script = Script { directory };
        let status = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
            .args(["--edition", "2024", "-o"])
            .arg(script.program())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs"))
            .status();
        assert!(status.expect("rustc runs").success());
        script
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("build")
    }

    fn run(&self, tree: &Path, told: Option<&str>) -> Output {
        let mut command = Command::new(self.program());
        command.env("CARGO_MANIFEST_DIR", tree);
        command.env("TARGET", "some-target");
        command.env_remove("PORTOLAN_COMMIT");
        command.envs(told.map(|commit| ("PORTOLAN_COMMIT", commit)));
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stderr, b"");
        output
    }

    fn lines(&self, tree: &Path, key: &str) -> Vec<String> {
        let output = self.run(tree, None);
        let text = String::from_utf8(output.stdout).expect("text");
        let lines = text.lines().filter_map(|line| line.strip_prefix(key));
        lines.map(str::to_owned).collect()
    }

    fn commit(&self, tree: &Path) -> Option<String> {
        let found = self.lines(tree, "cargo::rustc-env=PORTOLAN_BUILD_COMMIT=");
        assert!(found.len() <= 1, "{found:?}");
        for watched in self.lines(tree, "cargo::rerun-if-changed=") {
            let there = watched == "build.rs" || Path::new(&watched).exists();
            assert!(there, "cargo would build anew each time for {watched}");
        }
        found.into_iter().next()
    }

    fn watches(&self, tree: &Path, file: &str) -> bool {
        let watched = self.lines(tree, "cargo::rerun-if-changed=");
        let file = tree.join(file);
        watched
            .iter()
            .any(|path| *path == file.display().to_string())
    }
}

fn head(tree: &Path) -> String {
    git(tree, &["rev-parse", "--short=12", "HEAD"])
}

fn git(tree: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    let output = command
        .current_dir(tree)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args(["-c", "user.name=Tests"])
        .args(["-c", "user.email=tests@example.com"])
        .args(arguments)
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
