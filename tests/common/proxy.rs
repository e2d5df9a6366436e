//! The proxy under test: the real binary as a child process, looked at from outside (ports, log, endpoints, signals).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything in a test may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy. It is killed when this is dropped.
pub struct Proxy {
    child: Child,
    log: Mutex<Log>,
    listeners: BTreeMap<(String, String), SocketAddr>,
    admin: Option<SocketAddr>,
}

/// What a process writes to its stderr: a file without a name, and not a pipe, so that a line which was written before
/// anything else was seen of the process is there to be read. A pipe's reader may come later than a scrape.
struct Log {
    file: File,
    /// Bytes of whole lines that were read.
    read: u64,
    lines: Vec<Value>,
}

impl Log {
    fn new() -> Self {
        Log {
            file: tempfile::tempfile().expect("a file for the log"),
            read: 0,
            lines: Vec::new(),
        }
    }

    /// Reads the lines that are new.
    fn update(&mut self) -> &[Value] {
        let size = self.file.metadata().expect("a size").len();
        let mut bytes = vec![0; (size - self.read) as usize];
        // Not by the position of the file, which the process shares.
        let read = self.file.read_exact_at(&mut bytes, self.read);
        read.expect("the log can be read");
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                break;
            };
            self.read += line.len() as u64 + 1;
            let line = String::from_utf8_lossy(line).into_owned();
            let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.lines.push(value);
        }
        &self.lines
    }
}

/// Whether this run of the tests leaves splicing on.
pub fn splices() -> bool {
    std::env::var_os("PORTOLAN_TEST_SPLICE").is_none_or(|value| value != "off")
}

/// The same configuration with `runtime.splice` off: every test must pass both ways.
fn without_splice(config: &str) -> String {
    const TABLE: &str = "[runtime]\n";
    const OFF: &str = "splice = false\n";
    match config.contains(TABLE) {
        true => config.replace(TABLE, &format!("{TABLE}{OFF}")),
        false => format!("{config}\n{TABLE}{OFF}"),
    }
}

/// A configuration with what tests want and this one does not say: see [`Proxy::start`].
pub fn completed(config: &str) -> String {
    let mut config = config.to_owned();
    if !config.contains("[log]") {
        config.push_str("\n[log]\nformat = \"json\"\nlevel = \"debug\"\n");
    }
    if !splices() {
        config = without_splice(&config);
    }
    // A scripted broker would take a probe for a client.
    if !config.contains("[health]") {
        config.push_str("\n[health]\ninterval = \"off\"\n");
    }
    if !config.contains("[admin]") {
        config.push_str("\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    }
    config
}

impl Proxy {
    /// Starts it with a configuration in which ports may be 0, and waits until it is ready. Log lines are JSON at level
    /// `debug` and the admin listener has a free port, unless the configuration says otherwise.
    pub fn start(config: &str) -> Self {
        Self::spawn(config).ready()
    }

    /// The same with the configuration in a file, which may be written again: see [`completed`].
    pub fn start_with_file(file: &Path) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_portolan"));
        Self::spawn_with(command, file, "").ready()
    }

    /// The same, with words before the command that lead it elsewhere, such as `nsenter`: to where its admin listener, which listens
    /// on every address there, is found at this one. The arguments are all that it gets.
    pub fn start_elsewhere(words: &[String], arguments: &[String], address: IpAddr) -> Self {
        let (first, others) = words.split_first().expect("words");
        let mut command = Command::new(first);
        command.args(others).arg(env!("CARGO_BIN_EXE_portolan"));
        command.args(arguments);
        Self::start_command(command, address)
    }

    /// The same by a command that is whole.
    pub fn start_command(command: Command, address: IpAddr) -> Self {
        let mut proxy = Self::spawn_command(command, "").ready();
        proxy.admin = proxy.admin.map(|admin| (address, admin.port()).into());
        proxy
    }

    /// The same, started by a shell line in which `"$@"` is the command: `ulimit -n 200; exec "$@"`.
    pub fn start_by(line: &str, config: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", line, "sh", env!("CARGO_BIN_EXE_portolan")]);
        Self::spawn_with(shell, Path::new("-"), &completed(config)).ready()
    }

    fn ready(mut self) -> Self {
        let proxy = &mut self;
        let begin = Instant::now();
        while !proxy.log_has("ready") {
            if let Ok(Some(status)) = proxy.child.try_wait() {
                panic!("the proxy ended with {status}:\n{}", proxy.log_text());
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "the proxy is not ready:\n{}",
                proxy.log_text()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        for line in proxy.log() {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            match text("message").as_str() {
                "listening" => {
                    let address = text("address").parse().expect("an address");
                    let key = (text("cluster"), text("route"));
                    proxy.listeners.insert(key, address);
                }
                "admin listening" => {
                    proxy.admin = Some(text("address").parse().expect("an address"));
                }
                _ => {}
            }
        }
        self
    }

    /// Starts it and waits for nothing: for configurations that it must refuse.
    pub fn spawn(config: &str) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_portolan"));
        Self::spawn_with(command, Path::new("-"), &completed(config))
    }

    fn spawn_with(mut command: Command, file: &Path, stdin_text: &str) -> Self {
        command
            .args(["run", "--config"])
            .arg(file)
            .env("PORTOLAN_TEST_ALLOW_PORT_ZERO", "1");
        Self::spawn_command(command, stdin_text)
    }

    fn spawn_command(mut command: Command, stdin_text: &str) -> Self {
        let log = Log::new();
        let stderr = log.file.try_clone().expect("a descriptor");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the portolan binary runs");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin
            .write_all(stdin_text.as_bytes())
            .expect("the proxy reads its configuration");
        drop(stdin);
        Proxy {
            child,
            log: Mutex::new(log),
            listeners: BTreeMap::new(),
            admin: None,
        }
    }

    /// Where the cluster's bootstrap port is.
    pub fn bootstrap(&self, cluster: &str) -> SocketAddr {
        self.listener(cluster, "bootstrap")
    }

    /// Where the port of a node is.
    pub fn node(&self, cluster: &str, id: i32) -> SocketAddr {
        self.listener(cluster, &format!("node-{id}"))
    }

    /// Where the cluster's listener of this name in the log is: `bootstrap`, `node-<id>`, `sni`.
    pub fn listener(&self, cluster: &str, route: &str) -> SocketAddr {
        let key = (cluster.to_owned(), route.to_owned());
        let found = self.listeners.get(&key);
        *found.unwrap_or_else(|| panic!("no listener for {key:?}"))
    }

    /// Where the admin endpoints are.
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("the admin listener is on")
    }

    /// Status and body of an admin endpoint.
    pub fn get(&self, path: &str) -> (u16, String) {
        http_get(self.admin(), path)
    }

    /// The value of one series, written as in the scrape: `portolan_connections{cluster="main",route="bootstrap"}`.
    pub fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("{series} is not in\n{text}"));
        value.parse().expect("a number")
    }

    /// Waits until a series has at least this value.
    pub fn wait_for_metric(&self, series: &str, least: f64) {
        wait_until(series, || self.metric(series) >= least);
    }

    /// How many sessions ended for a reason.
    pub fn ends(&self, cluster: &str, reason: &str) -> f64 {
        self.metric(&format!(
            "portolan_connection_ends_total{{cluster=\"{cluster}\",reason=\"{reason}\"}}"
        ))
    }

    /// Waits until a session has ended for a reason.
    pub fn wait_for_end(&self, cluster: &str, reason: &str) {
        wait_until(reason, || self.ends(cluster, reason) >= 1.0);
    }

    /// The log lines so far; a line that is no JSON is a string.
    pub fn log(&self) -> Vec<Value> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.update().to_vec()
    }

    /// The log lines so far, one below the other.
    pub fn log_text(&self) -> String {
        let lines: Vec<String> = self.log().iter().map(Value::to_string).collect();
        lines.join("\n")
    }

    /// Whether a message with this text was logged.
    pub fn log_has(&self, message: &str) -> bool {
        self.log().iter().any(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains(message))
        })
    }

    /// Waits for a message with this text and returns its line.
    pub fn wait_for_log(&self, message: &str) -> Value {
        let mut found = None;
        wait_until(message, || {
            found = self.log().into_iter().find(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|t| t.contains(message))
            });
            found.is_some()
        });
        found.expect("it was found")
    }

    /// Fails if anything was logged as a warning or an error.
    pub fn assert_calm(&self) {
        self.assert_calm_but_for(&[]);
    }

    /// The same, but for these messages.
    pub fn assert_calm_but_for(&self, messages: &[&str]) {
        for line in self.log() {
            let level = line["level"].as_str().unwrap_or("no JSON");
            let message = line["message"].as_str().unwrap_or_default();
            assert!(
                matches!(level, "INFO" | "DEBUG" | "TRACE") || messages.contains(&message),
                "unexpected in the log: {line}"
            );
        }
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.metric("process_resident_memory_bytes") as u64
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the proxy runs");
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.wait_at_most(PATIENCE);
        status.expect("the proxy ends")
    }

    /// The same for so long; `None`: it had to be killed.
    pub fn wait_at_most(&mut self, time: Duration) -> Option<ExitStatus> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status);
            }
            if begin.elapsed() > time {
                let _ = self.child.kill();
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the proxy ---\n{}", self.log_text());
        }
    }
}

/// Waits for a condition, polling it.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Status and body of a GET request.
pub fn http_get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the admin listener accepts");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    )
    .expect("the request goes out");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    (status, body.to_owned())
}
