//! One broker process that cannot outlive the test process, however that ends.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use crate::common::proxy::PATIENCE;

/// Waits for a word on stdin, which is the signal to send. The end of stdin means that whoever held the other end is gone:
/// then nobody else will clean up.
const KEEPER: &str = r#"
dir=$1; shift
"$@" </dev/null & pid=$!
if read signal; then kill -$signal $pid; wait $pid
else kill -KILL $pid; wait $pid; rm -rf "$dir" "${dir%/*}/tls"; rm -f "${dir%/*}/hosts"; rmdir "${dir%/*}"
fi"#;

/// A running JVM. Dropping it kills it.
pub struct Broker {
    keeper: Child,
    signal: Option<ChildStdin>,
    log: PathBuf,
}

impl Broker {
    /// Starts a command; what it prints is appended to a log file in `dir`, where it keeps its data.
    pub fn start(command: &[String], dir: &Path) -> Self {
        let log = dir.join("server.log");
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file can be made");
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(dir)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("a file can be cloned"))
            .stderr(file)
            // A Ctrl-C is for the test process; the keeper then sees its stdin end.
            .process_group(0)
            .spawn()
            .expect("a shell runs");
        Broker {
            signal: keeper.stdin.take(),
            keeper,
            log,
        }
    }

    /// Asks it to shut down in order, as Kubernetes does, and waits for its end.
    pub fn terminate(&mut self) {
        self.end("TERM");
    }

    /// Takes it away without a word, and waits for its end.
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    /// The last that it said.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut stdin) = self.signal.take() {
            // The keeper may be gone already: then there is nothing left to end.
            let _ = writeln!(stdin, "{signal}");
        }
        let begin = Instant::now();
        while self.keeper.try_wait().is_ok_and(|status| status.is_none()) {
            if begin.elapsed() > PATIENCE {
                panic!("a broker does not end:\n{}", self.log_tail());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.signal.take());
        let _ = self.keeper.wait();
    }
}
