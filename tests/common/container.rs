//! The image in a container, by runc.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tempfile::TempDir;

use super::cache::run_tool;
use super::image::Image;
use super::tools::{available, lacks};

/// A container that may be run once. What of it is left is removed when this is dropped.
pub struct Container {
    id: String,
    bundle: TempDir,
    limited: bool,
}

impl Container {
    /// Whether there can be any. Where not the test must return: it was said loudly that it is skipped.
    pub fn possible() -> bool {
        available(&["runc"])
            && (rustix::process::geteuid().is_root() || lacks("root, to run a container"))
    }

    /// One with this configuration, in the form of the OCI, whose root is a copy of the image's.
    pub fn new(image: &Image, mut config: Value) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let container = Container {
            id: format!("portolan-test-{}-{number}", std::process::id()),
            bundle: tempfile::tempdir().expect("a temporary directory"),
            limited: may_limit(),
        };
        // A copy: runc makes directories in it for what is mounted.
        let root = container.bundle.path().join("rootfs");
        run_tool(Command::new("cp").arg("-R").arg(image.root()).arg(root));
        let linux = config["linux"].as_object_mut().expect("a table");
        if container.limited {
            let group = format!("/{}", container.id).into();
            linux.insert("cgroupsPath".to_owned(), group);
        } else {
            linux.remove("resources");
        }
        let file = container.bundle.path().join("config.json");
        fs::write(file, config.to_string()).expect("the bundle is ours");
        container
    }

    /// Runs it in the foreground, and hands signals on to it.
    pub fn command(&self) -> Command {
        let mut runc = self.runc();
        runc.args(["run", "--bundle"]).arg(self.bundle.path());
        runc.arg(&self.id);
        runc
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        self.command().output().expect("runc runs")
    }

    /// Does something in its network.
    pub fn in_network<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let network = File::open(self.proc_path("ns/net")).expect("it runs");
        let enter = || {
            // Only the thread that asks.
            let entered =
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
            entered.expect("we may go everywhere");
            act()
        };
        thread::scope(|scope| scope.spawn(enter).join().expect("it was done"))
    }

    /// Whether memory and threads are limited. Where not a test of these limits must return: it was said loudly that it is skipped.
    pub fn is_limited(&self) -> bool {
        self.limited || lacks("cgroups that can be written, to limit a container's memory")
    }

    /// What runc knows of its use of memory and threads.
    pub fn usage(&self) -> Value {
        let output = self.runc().args(["events", "--stats", &self.id]).output();
        let output = output.expect("runc runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// A file of /proc of its first process, seen from outside.
    pub fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(self.proc_path(name)).expect("it runs")
    }

    fn proc_path(&self, name: &str) -> PathBuf {
        let output = self.runc().args(["state", &self.id]).output();
        let state: Value =
            serde_json::from_slice(&output.expect("runc runs").stdout).expect("JSON");
        format!("/proc/{}/{name}", state["pid"]).into()
    }

    fn runc(&self) -> Command {
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(self.state());
        if !self.limited {
            // Where root may not write cgroups either, it runs without one.
            runc.args(["--rootless", "true"]);
        }
        runc
    }

    fn state(&self) -> PathBuf {
        self.bundle.path().join("state")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Also where it has ended: its cgroup is left otherwise.
        let _ = self.runc().args(["delete", "--force", &self.id]).output();
    }
}

/// Whether groups of processes can be made here: inside of another container one often may not. What is about something else runs
/// all the same.
fn may_limit() -> bool {
    let v1 = Path::new("/sys/fs/cgroup/memory");
    let parent = if v1.is_dir() {
        v1
    } else {
        Path::new("/sys/fs/cgroup")
    };
    let probe = parent.join(format!("portolan-probe-{}", std::process::id()));
    let made = fs::create_dir(&probe).is_ok();
    if made {
        let _ = fs::remove_dir(probe);
    }
    made
}
