//! Client programs of any language, run by the protocol of clients/README.md.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::Value;

use crate::access::{self, Access};
use crate::front::Front;
use crate::running::Traffic;
use crate::toolchain;

pub use crate::access::Sasl;

/// A client program: a name for messages, and how it is started.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    command: Vec<String>,
    writes_again: bool,
    runs_on_java: bool,
}

impl Program {
    /// A program in any language; the scenario is appended to the command.
    pub fn new(name: impl Into<String>, command: Vec<String>) -> Self {
        Program {
            name: name.into(),
            command,
            writes_again: false,
            runs_on_java: false,
        }
    }

    /// One whose idempotent producer may write records a second time under a new epoch when leaders move, as librdkafka does
    /// (confluentinc/librdkafka issue 4953). Seen without a proxy, too.
    pub fn that_writes_again(mut self) -> Self {
        self.writes_again = true;
        self
    }

    /// The Java program, with a version of the client.
    pub fn java(version: &'static str) -> Self {
        let class_path = toolchain::java_clients(version);
        let command = [
            "java",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            &class_path,
            "Main",
        ];
        let command = command.iter().map(ToString::to_string).collect();
        let mut program = Program::new(format!("Java {version}"), command);
        program.runs_on_java = true;
        program
    }

    /// The same on another machine: behind these words, such as `nsenter`, which lead there.
    pub fn on(mut self, words: &[String]) -> Self {
        self.command.splice(0..0, words.iter().cloned());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// See [`Program::that_writes_again`].
    pub fn writes_again(&self) -> bool {
        self.writes_again
    }

    /// Whether it can be told where names lead. Where not the test must return: it was said loudly that it is skipped.
    pub fn finds_names(&self) -> bool {
        self.runs_on_java || access::own_hosts_work()
    }

    /// Runs a scenario to its end through a front and returns what it printed. `topic` also names the group.
    pub fn run(&self, scenario: &str, front: &Front, topic: &str, sasl: Option<Sasl>) -> Value {
        self.run_with(scenario, front, topic, sasl, &[])
    }

    /// The same with more variables in its environment.
    pub fn run_with(
        &self,
        scenario: &str,
        front: &Front,
        topic: &str,
        sasl: Option<Sasl>,
        environment: &[(&str, &str)],
    ) -> Value {
        self.run_by(scenario, &front.access(sasl), topic, environment)
    }

    /// Runs a scenario to its end and returns what it printed, wherever the client finds its cluster.
    pub fn run_by(
        &self,
        scenario: &str,
        access: &Access,
        topic: &str,
        environment: &[(&str, &str)],
    ) -> Value {
        let _permit = Permit::take();
        let mut command = self.command(&["sh", "-c", ON_A_LEASH, "sh"], scenario, access, topic);
        command
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("a shell runs");
        // The end of this pipe ends the client: it stays open until the client is done, or this process is.
        let leash = child.stdin.take();
        let output = child.wait_with_output().expect("a child can be waited for");
        drop(leash);
        let (text, words) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let what = format!("{} {scenario}", self.name);
        assert_ne!(
            output.status.code(),
            Some(124),
            "{what} does not end:\n{text}{words}"
        );
        assert!(
            output.status.success(),
            "{what} ended with {}:\n{text}{words}",
            output.status
        );
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{what}: {error}:\n{text}{words}"))
    }

    /// Runs the scenario `refused`: what the client says about being refused or about refusing; `None` if it got in.
    pub fn refused(&self, access: &Access) -> Option<String> {
        let result = self.run_by("refused", access, "refused", &[]);
        result["refused"].as_str().map(str::to_owned)
    }

    /// Starts the scenario `traffic`.
    pub fn start_traffic(&self, front: &Front, topic: &str, sasl: Option<Sasl>) -> Traffic {
        self.start_traffic_by(&front.access(sasl), topic, &[])
    }

    /// The same wherever the client finds its cluster, with more variables in its environment.
    pub fn start_traffic_by(
        &self,
        access: &Access,
        topic: &str,
        environment: &[(&str, &str)],
    ) -> Traffic {
        let mut command = self.command(&[], "traffic", access, topic);
        command.envs(environment.iter().copied());
        Traffic::start(&self.name, command)
    }

    fn command(&self, wrapper: &[&str], scenario: &str, access: &Access, topic: &str) -> Command {
        let seconds = match scenario {
            "traffic" => TRAFFIC_LIMIT_SECONDS,
            _ => LIMIT_SECONDS,
        };
        let (java_hosts, other_hosts) = match self.runs_on_java {
            true => (access.hosts.as_deref(), None),
            false => (None, access.hosts.as_deref()),
        };
        let limit = ["timeout", "-k", "5", seconds];
        let mut words: Vec<OsString> = wrapper.iter().chain(&limit).map(OsString::from).collect();
        words.extend(other_hosts.map(access::with_hosts).into_iter().flatten());
        words.extend(self.command.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .arg(scenario)
            .envs(access.environment())
            .env("TOPIC", topic)
            .env("GROUP", format!("{topic}-group"));
        if let Some(hosts) = java_hosts {
            let option = format!("-Djdk.net.hosts.file={}", hosts.display());
            command.env("JDK_JAVA_OPTIONS", option);
        }
        command
    }
}

/// How long a client program may run. Scenarios take seconds.
const LIMIT_SECONDS: &str = "240";

/// Traffic lasts as long as its disturbance, each step of which has a limit of its own: minutes on a busy machine.
const TRAFFIC_LIMIT_SECONDS: &str = "1200";

/// Runs a command, and ends it early if stdin ends, which is when the test process was killed.
const ON_A_LEASH: &str = r#"
exec 3<&0
"$@" </dev/null & pid=$!
{ read end; kill -TERM $pid; } <&3 >/dev/null 2>&1 & watch=$!
wait $pid; status=$?
kill $watch
exit $status"#;

/// The right to run a client program: few at a time, however many tests run.
struct Permit;

static PERMITS: (Mutex<u32>, Condvar) = (Mutex::new(2), Condvar::new());

impl Permit {
    fn take() -> Self {
        let free = PERMITS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = PERMITS.1.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *PERMITS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        PERMITS.1.notify_one();
    }
}
