//! The container image, built by deploy/container/build and taken apart.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use tempfile::TempDir;

use super::cache::{cache, run_tool};
use super::tools::{available, lacks};

/// An image as an OCI archive has it, unpacked.
pub struct Image {
    /// The digest that the build printed.
    pub digest: String,
    /// The archive's size in bytes: what is stored and transferred.
    pub archive_bytes: u64,
    /// Its manifest.
    pub manifest: Value,
    /// Its configuration: user, entry point, labels.
    pub config: Value,
    /// When the program in it was compiled.
    pub compiled: SystemTime,
    dir: TempDir,
}

/// The image of this tree, built once by each test binary that wants it. `None`: tools are missing.
pub fn built() -> Option<&'static Image> {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    if let Some(archive) = env::var_os(ARCHIVE) {
        return Some(IMAGE.get_or_init(|| open(Path::new(&archive))));
    }
    tools().then(|| IMAGE.get_or_init(|| build(Path::new(env!("CARGO_MANIFEST_DIR")))))
}

/// The variable with an archive that was built already, which is not built again.
pub const ARCHIVE: &str = "PORTOLAN_TEST_IMAGE";

/// An image in an archive.
fn open(archive: &Path) -> Image {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = dir.path().join(NAME);
    fs::copy(archive, &copy).expect("an archive");
    let written = copy.metadata().and_then(|it| it.modified());
    unpack(dir, None, written.expect("the archive is there"))
}

/// What the archive is called beside what it is unpacked to.
const NAME: &str = "image.tar";

fn tools() -> bool {
    if !available(&[
        "bash", "cargo", "rustc", "musl-gcc", "buildah", "tar", "gzip",
    ]) {
        return false;
    }
    let target = format!("{}-unknown-linux-musl", env::consts::ARCH);
    let rustc = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", &target])
        .output();
    let libraries = rustc.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let there = libraries.is_ok_and(|path| Path::new(path.trim()).is_dir());
    there || lacks(&format!("`rustup target add {target}`"))
}

/// Builds the image of a tree. All share one directory for what is compiled, which lives in the cache: only the first pays for the
/// crates.
pub fn build(tree: &Path) -> Image {
    let target = cache().join("image-target");
    fs::create_dir_all(&target).expect("the cache can be written");
    let lock = File::create(target.join(".lock-of-tests")).expect("the cache can be written");
    flock(&lock, FlockOperation::LockExclusive).expect("the cache can be locked");
    forget_other_trees(&target, tree);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let archive = dir.path().join(NAME);
    let mut command = Command::new("timeout");
    command
        .args(["2400", "bash"])
        .arg(tree.join("deploy/container/build"))
        .arg(&archive)
        // What cargo sets for this test is not for that build.
        .env_clear()
        .envs(env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("CARGO")))
        .envs(env::var_os("CARGO_HOME").map(|home| ("CARGO_HOME", home)))
        .env("CARGO_TARGET_DIR", &target)
        // A date and a commit of their own: the digest shall not change with each commit of ours.
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("PORTOLAN_COMMIT", "tested");
    let output = command.output().expect("timeout runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    let words = String::from_utf8(output.stdout).expect("text");
    let digest = words
        .split_whitespace()
        .next()
        .expect("a digest")
        .to_owned();
    let program = of_target(&target).join("portolan");
    let compiled = program.metadata().and_then(|it| it.modified());
    unpack(dir, Some(digest), compiled.expect("the program is there"))
}

/// Cargo knows what is compiled by the times of files alone. In a directory that another tree has used before, that may be wrong.
fn forget_other_trees(target: &Path, tree: &Path) {
    let stamp = target.join("tree-of-tests");
    let name = tree.display().to_string();
    if fs::read_to_string(&stamp).is_ok_and(|last| last == name) {
        return;
    }
    let fingerprints = of_target(target).join(".fingerprint");
    for entry in fs::read_dir(fingerprints).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("portolan-") {
            fs::remove_dir_all(entry.path()).expect("a fingerprint can be removed");
        }
    }
    fs::write(stamp, name).expect("the cache can be written");
}

/// Where cargo puts what is for the image.
fn of_target(target: &Path) -> PathBuf {
    target.join(format!("{}-unknown-linux-musl/release", env::consts::ARCH))
}

/// The archive in a directory. Where it was built the digest was said, and must be right.
fn unpack(dir: TempDir, said: Option<String>, compiled: SystemTime) -> Image {
    let parts = dir.path().join("parts");
    let archive = dir.path().join(NAME);
    extract(&archive, &parts);
    let read = |path: &Path| -> Value {
        let text = fs::read_to_string(path).expect("a part of the image");
        serde_json::from_str(&text).expect("JSON")
    };
    let index = read(&parts.join("index.json"));
    let manifests = index["manifests"].as_array().expect("a list");
    assert_eq!(manifests.len(), 1, "{index:#}");
    let digest = manifests[0]["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    assert!(said.is_none_or(|said| said == digest), "{index:#}");
    let manifest = read(&blob(&parts, &manifests[0]));
    let config = read(&blob(&parts, &manifest["config"]));
    let root = dir.path().join("rootfs");
    for layer in manifest["layers"].as_array().expect("a list") {
        extract(&blob(&parts, layer), &root);
    }
    let archive_bytes = archive.metadata().expect("the archive is there").len();
    Image {
        digest,
        archive_bytes,
        manifest,
        config,
        compiled,
        dir,
    }
}

fn extract(archive: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the directory is ours");
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(archive).arg("-C").arg(to);
    run_tool(&mut tar);
}

fn blob(parts: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().expect("a digest");
    parts.join("blobs").join(digest.replace(':', "/"))
}

impl Image {
    /// The OCI archive that it was built into.
    pub fn archive(&self) -> PathBuf {
        self.dir.path().join(NAME)
    }

    /// Its root file system.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("rootfs")
    }

    /// The layers as archives, for what unpacking forgets: owners.
    pub fn layers(&self) -> Vec<PathBuf> {
        let layers = self.manifest["layers"].as_array().expect("a list").iter();
        let parts = self.dir.path().join("parts");
        layers.map(|layer| blob(&parts, layer)).collect()
    }
}
