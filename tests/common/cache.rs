//! What tests fetch and build once, and keep in a cache outside the tree.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, flock};

/// Where everything that is fetched or built stays from one run to the next.
pub fn cache() -> PathBuf {
    let dir = env::var_os("PORTOLAN_TEST_CACHE").map(PathBuf::from);
    let dir =
        dir.or_else(|| Some(PathBuf::from(env::var_os("XDG_CACHE_HOME")?).join("portolan-tests")));
    let dir =
        dir.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache/portolan-tests")));
    let dir = dir.expect("PORTOLAN_TEST_CACHE, XDG_CACHE_HOME or HOME is set");
    fs::create_dir_all(&dir).expect("the cache can be made");
    dir
}

/// A directory of the cache, filled by `fill` if it is not there yet. It appears only when it is complete, and other test
/// processes that want the same wait for it.
pub fn cached(name: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let done = cache().join(name);
    if done.is_dir() {
        return done;
    }
    let parent = done.parent().expect("it lies in the cache");
    fs::create_dir_all(parent).expect("the cache can be made");
    // One lock for all that lies beside it: what fetches them may share a cache of its own, as mvn does.
    let lock = File::create(parent.join(".lock")).expect("the cache can be written");
    flock(&lock, FlockOperation::LockExclusive).expect("the cache can be locked");
    if !done.is_dir() {
        let unfinished = tempfile::tempdir_in(parent).expect("the cache can be written");
        fill(unfinished.path());
        fs::rename(unfinished.keep(), &done).expect("a finished directory can be renamed");
    }
    done
}

/// Runs a command that fetches or builds something; its words are shown if it fails.
pub fn run_tool(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// A name for what is made of these texts: another text, another name.
pub fn fingerprint(texts: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
