//! The image in a container, by runc: with the rights that Kubernetes' "restricted" leaves to a pod, and with less.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cache::run_tool;
use super::image::Image;
use super::seccomp;
use super::tools::{available, lacks};

/// How much memory it has.
pub const MEMORY: u64 = 64 << 20;
/// How many threads.
const PIDS: u64 = 64;

/// A container that may be run once. What of it is left is removed when this is dropped.
pub struct Container {
    id: String,
    bundle: TempDir,
    /// Whether memory and threads are limited.
    pub limited: bool,
}

impl Container {
    /// One that runs the program with these arguments, in the machine's network, and sees these directories of the machine where they
    /// are. `None`: tools or rights are missing.
    pub fn new(image: &Image, arguments: &[&str], directories: &[&Path]) -> Option<Self> {
        if !available(&["runc"]) {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            lacks("root, to run a container");
            return None;
        }
        let seccomp = seccomp::default_profile()?;
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
        let config = container.config(image, arguments, directories, &seccomp);
        let file = container.bundle.path().join("config.json");
        fs::write(file, config.to_string()).expect("the bundle is ours");
        Some(container)
    }

    fn config(
        &self,
        image: &Image,
        arguments: &[&str],
        directories: &[&Path],
        seccomp: &Value,
    ) -> Value {
        let told = &image.config["config"];
        let entry = told["Entrypoint"].as_array().expect("a list").iter();
        let entry = entry.map(|word| word.as_str().expect("a word"));
        let words: Vec<&str> = entry.chain(arguments.iter().copied()).collect();
        let mut environment = told["Env"].as_array().cloned().unwrap_or_default();
        environment.push("PORTOLAN_TEST_ALLOW_PORT_ZERO=1".into());
        let user = told["User"].as_str().expect("a user");
        let (uid, gid) = user.split_once(':').expect("a user and a group");
        let number =
            |text: &str| -> u32 { text.parse().expect("a number, as Kubernetes wants it") };
        let namespaces = ["pid", "ipc", "uts", "mount"].map(|kind| json!({"type": kind}));
        let mut linux = json!({
            "namespaces": namespaces,
            "seccomp": seccomp,
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        });
        if self.limited {
            linux["cgroupsPath"] = format!("/{}", self.id).into();
            linux["resources"] = json!({
                "devices": [{"allow": false, "access": "rwm"}],
                "memory": {"limit": MEMORY, "swap": MEMORY},
                "pids": {"limit": PIDS},
            });
        }
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": {"uid": number(uid), "gid": number(gid)},
                "args": words,
                "env": environment,
                "cwd": "/",
                "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
                "noNewPrivileges": true,
            },
            "root": {"path": "rootfs", "readonly": true},
            "hostname": "portolan",
            "mounts": mounts(directories),
            "linux": linux,
        })
    }

    /// The line of a shell that runs it in the foreground.
    pub fn line(&self) -> String {
        let bundle = self.bundle.path().display();
        format!(
            "exec runc --root {} run --bundle {bundle} {}",
            self.state().display(),
            self.id
        )
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.line()]).output().expect("sh runs")
    }

    /// Runs the program in it, beside what runs there already.
    pub fn exec(&self, arguments: &[&str]) -> Output {
        self.runc()
            .args(["exec", &self.id, "/usr/bin/portolan"])
            .args(arguments)
            .output()
            .expect("runc runs")
    }

    /// What runc knows of its use of memory and threads.
    pub fn usage(&self) -> Value {
        let output = self.runc().args(["events", "--stats", &self.id]).output();
        let output = output.expect("runc runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// A file of /proc of its first process, seen from outside.
    pub fn proc_file(&self, name: &str) -> String {
        let output = self.runc().args(["state", &self.id]).output();
        let state: Value =
            serde_json::from_slice(&output.expect("runc runs").stdout).expect("JSON");
        fs::read_to_string(format!("/proc/{}/{name}", state["pid"])).expect("it runs")
    }

    fn runc(&self) -> Command {
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(self.state());
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

fn mounts(directories: &[&Path]) -> Vec<Value> {
    let quiet = ["nosuid", "noexec", "nodev", "ro"];
    let dev = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": dev}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": quiet}),
    ];
    for directory in directories {
        let options = ["rbind", "ro", "nosuid", "nodev", "noexec"];
        mounts.push(
            json!({"destination": directory, "type": "bind", "source": directory, "options": options}),
        );
    }
    mounts
}

/// Whether groups of processes can be made here. Says so where not: inside of another container one often may not.
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
    } else {
        eprintln!(
            "cgroups cannot be written here: memory and threads of the container are not limited"
        );
    }
    made
}
