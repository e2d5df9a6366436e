//! Counts the system calls of a running process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::tools;
use crate::parse;

/// A process that is being watched with all its threads, those to come too.
pub(crate) struct Trace {
    strace: Child,
    said: BufReader<ChildStderr>,
    report: tempfile::NamedTempFile,
}

impl Trace {
    /// Begins. `None`: it cannot, which was said loudly.
    pub(crate) fn attach(pid: u32) -> Option<Self> {
        if !tools::available(&["strace"]) {
            return None;
        }
        let report = tempfile::NamedTempFile::new().unwrap();
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-p", &pid.to_string(), "-o"])
            .arg(report.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        if line.contains("attached") {
            return Some(Trace {
                strace,
                said,
                report,
            });
        }
        strace.wait().unwrap();
        assert!(line.contains("not permitted"), "strace says: {line}");
        tools::lacks("the permission to trace processes (root, or kernel.yama.ptrace_scope = 0)");
        None
    }

    /// Ends it: how often each call was made.
    pub(crate) fn calls(mut self) -> BTreeMap<String, u64> {
        kill_process(Pid::from_child(&self.strace), Signal::INT).unwrap();
        self.strace.wait().unwrap();
        let said: Vec<String> = self.said.lines().map_while(Result::ok).collect();
        let report = std::fs::read_to_string(self.report.path()).unwrap();
        let calls = parse::strace_calls(&report);
        assert!(
            !calls.is_empty(),
            "no calls in {report:?}, strace says {said:?}"
        );
        calls
    }
}
