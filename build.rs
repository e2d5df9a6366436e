//! Tells the program of which commit it is: by `PORTOLAN_COMMIT` where the build sets it, else by git's own files or cargo's.
//!
//! Neither git nor a git tree is needed. Only the tree's own `.git` is looked at, for the sources may be unpacked inside a tree of somebody
//! else's; and in a crate as cargo packs it there is a note of the commit.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// As much of a commit's hash as is unique in any tree.
const DIGITS: usize = 12;

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PORTOLAN_COMMIT");
    let given = env::var("PORTOLAN_COMMIT").ok();
    let given = given.filter(|commit| !commit.is_empty());
    if let Some(commit) = &given
        && !(commit.len() <= 64 && commit.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        // Cargo shows this, and the build fails.
        println!(
            "cargo::error=PORTOLAN_COMMIT is {commit:?}: give the hash of a commit or a name, without spaces and of at most 64 characters"
        );
        return;
    }
    let found = given.or_else(|| of_git(&root)).or_else(|| of_cargo(&root));
    if let Some(commit) = found {
        println!("cargo::rustc-env=PORTOLAN_BUILD_COMMIT={commit}");
    }
    let target = env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=PORTOLAN_BUILD_TARGET={target}");
}

/// What `.git/HEAD` leads to.
fn of_git(root: &Path) -> Option<String> {
    let directory = git_directory(&root.join(".git"))?;
    let head = read(&directory.join("HEAD"))?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else {
        return hash(&head);
    };
    // In a further work tree HEAD is its own, and branches are those of the first.
    let common = fs::read_to_string(directory.join("commondir")).ok();
    let common = common.map_or(directory.clone(), |path| directory.join(path.trim()));
    let loose = common.join(reference);
    if let Some(text) = read(&loose) {
        return hash(&text);
    }
    // The branch is among the packed ones until its next commit, which makes a file in this directory.
    let parent = loose.parent().filter(|directory| directory.is_dir());
    watch(parent.unwrap_or(&common.join("refs")));
    let packed = read(&common.join("packed-refs"))?;
    let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
    let (commit, _) = lines.find(|(_, name)| *name == reference)?;
    hash(commit)
}

/// Where git keeps its files: in `.git`, or where the file of this name says.
fn git_directory(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let text = fs::read_to_string(path).ok()?;
    let elsewhere = text.trim().strip_prefix("gitdir: ")?;
    Some(path.parent()?.join(elsewhere))
}

/// What cargo notes in a crate that it packs in a git tree.
fn of_cargo(root: &Path) -> Option<String> {
    let text = read(&root.join(".cargo_vcs_info.json"))?;
    let (_, behind) = text.split_once("\"sha1\"")?;
    hash(behind.split('"').nth(1)?)
}

fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hash = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text[..DIGITS].to_owned())
}

/// Reads a file, and lets this run again when it changes. One that is not there would make it run each time.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    watch(path);
    Some(text)
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
