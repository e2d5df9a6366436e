//! The programs of a cluster, built once into the tests' cache, and what runs of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::cache::{cache, cached, fingerprint, run_tool};
use crate::common::tools::{available, lacks};

/// How long one of its processes may take to come up or to end; the API server drains its connections.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// etcd and Kubernetes' own parts, in one program: which versions they are of is in its go.mod alone. None where it cannot be had, which
/// was then said as [`available`] says it.
pub(crate) fn machine() -> Option<PathBuf> {
    Some(built("machine", &["."])?.join("machine"))
}

/// A directory of containerd's programs, likewise.
pub(crate) fn containerd() -> Option<PathBuf> {
    let programs = ["containerd", "containerd-shim-runc-v2", "ctr"];
    let packages = programs.map(|name| format!("github.com/containerd/containerd/v2/cmd/{name}"));
    built("containerd", &packages.each_ref().map(String::as_str))
}

/// A directory of what is built of these packages of one of our modules.
fn built(module: &str, packages: &[&str]) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apiserver");
    let module = root.join(module);
    let texts = ["go.mod", "go.sum", "main.go"].map(|name| fs::read_to_string(module.join(name)));
    let texts = texts.map(Result::unwrap_or_default);
    let [requirements, sums, source] = texts.each_ref().map(String::as_str);
    // No tables for debuggers, which nobody reads.
    let mut flags = "-ldflags=-s -w".to_owned();
    if let Some(version) = version(requirements) {
        // What its own build writes into it: Helm asks an API server what version it is of.
        let minor = version.split('.').nth(1).expect("a minor version");
        for (name, value) in [
            ("gitVersion", version),
            ("gitMajor", "1"),
            ("gitMinor", minor),
        ] {
            flags.push_str(&format!(" -X k8s.io/component-base/version.{name}={value}"));
        }
    }
    let name = [requirements, sums, source, &flags, &packages.concat()];
    let name = format!("apiserver/{}", fingerprint(&name));
    (cache().join(&name).is_dir() || can_build(requirements))
        .then(|| cached(&name, |dir| build(&module, &flags, packages, dir)))
}

/// Whether there is Go, as new as a go.mod wants it.
fn can_build(requirements: &str) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        let parts = version.trim().split('.');
        parts.map_while(|part| part.parse().ok()).collect()
    };
    available(&["go"]) && {
        let mut lines = requirements.lines();
        let wanted = lines.find_map(|line| line.strip_prefix("go "));
        let wanted = wanted.expect("go.mod names a version of Go");
        let mut go = Command::new("go");
        let output = go
            .args(["env", "GOVERSION"])
            .env("GOTOOLCHAIN", "local")
            .output();
        let found = output.expect("go runs").stdout;
        let found = String::from_utf8_lossy(&found).into_owned();
        let found = found.strip_prefix("go").unwrap_or_default();
        numbers(found) >= numbers(wanted) || lacks(&format!("Go {wanted} or newer"))
    }
}

/// Which version of Kubernetes a go.mod requires.
fn version(requirements: &str) -> Option<&str> {
    let mut lines = requirements.lines();
    lines.find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
}

fn build(module: &Path, flags: &str, packages: &[&str], dir: &Path) {
    let mut go = Command::new("timeout");
    go.args(["3000", "go", "build", "-mod=readonly", "-trimpath"])
        .args(["-buildvcs=false", flags, "-o"])
        .arg(dir.join(""))
        .args(packages)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .current_dir(module);
    run_tool(&mut go);
}

/// One process of it. It is killed when this is dropped, and ends by itself when the test's process does.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with a log of this name in a directory.
    pub(crate) fn start(program: &Path, arguments: &[String], dir: &Path, name: &str) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.expect("the directory is ours");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .env_clear()
            // Held open as long as this process lives.
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("a descriptor"))
            .stderr(file)
            .spawn()
            .expect("the program runs");
        Process { child, log }
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        let status = self.child.try_wait();
        status.expect("a child can be waited for").is_none()
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // While it was not waited for the number is not given to another.
        if self.runs() {
            kill_process(id.expect("an id"), Signal::TERM).expect("it is ours");
        }
        let begin = Instant::now();
        while self.runs() {
            assert!(begin.elapsed() < PATIENCE, "{}", self.last_words());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.display();
            eprintln!("--- end of {log} ---\n{}", self.last_words());
        }
    }
}
