//! `run` as a process: start by file and by flags, ports that are taken, signals, streams.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::proxy::{PATIENCE, Proxy, wait_until};
use crate::{Outcome, collect, file, finish, path, portolan, wait};

/// A configuration with free ports on the loopback interface.
pub const FREE: &str = "\
[clusters.main]
bootstrap_servers = [\"kafka.invalid:9092\"]
advertised_host = \"localhost\"
listen_address = \"127.0.0.1\"
bootstrap_port = 0
[[clusters.main.nodes]]
ids = \"0-1\"
port = 0
[admin]
listen = \"127.0.0.1:0\"
[health]
interval = \"off\"
";

/// A server that is killed when this is dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    stdout: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .env("PORTOLAN_TEST_ALLOW_PORT_ZERO", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the portolan binary runs");
        let stdout = Some(collect(child.stdout.take()));
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Running {
            child,
            lines,
            stdout,
        }
    }

    /// The lines up to one that contains this text.
    pub fn until(&self, text: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("{error} before {text:?}:\n{}", lines.join("\n")),
            }
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Exit code and what went to standard output.
    pub fn end(mut self) -> (Option<i32>, String) {
        let code = wait(&mut self.child);
        let stdout = self.stdout.take().map(std::thread::JoinHandle::join);
        (code, stdout.expect("it ends once").expect("it was read"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a route listens, by lines of JSON up to `ready`; `admin` is the admin listener.
pub fn bound(lines: &[String], route: &str) -> String {
    let mut lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| match route {
        "admin" => line["message"] == "admin listening",
        route => line["message"] == "listening" && line["route"] == route,
    });
    let line = line.unwrap_or_else(|| panic!("{route} does not listen"));
    line["address"].as_str().expect("an address").to_owned()
}

/// A client whose request has arrived at the broker and is not answered, and the connection there.
pub fn unanswered(address: &str, broker: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(address).expect("it accepts");
    // ApiVersions v0, correlation id 7, no client id.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    client.write_all(&request).expect("it is sent");
    broker.set_nonblocking(true).expect("it can be");
    let mut dialled = None;
    wait_until("the proxy dials", || {
        dialled = broker.accept().ok();
        dialled.is_some()
    });
    let (mut at_broker, _) = dialled.expect("it was waited for");
    at_broker.set_nonblocking(false).expect("it can be");
    at_broker
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    let mut received = [0; 14];
    at_broker
        .read_exact(&mut received)
        .expect("the request arrives");
    (client, at_broker)
}

#[test]
fn sigterm_and_sigint_end_it_with_0_and_nothing_on_stdout() {
    let file = file(FREE);
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let running = Running::start(&mut portolan(["run", "--config", path(&file)]));
        running.until("ready");
        running.signal(signal);
        let lines = running.until("drained");
        assert!(lines[0].contains(name), "{lines:?}");
        assert_eq!(running.end(), (Some(0), String::new()));
    }
}

#[test]
fn sighup_reloads_the_file_and_without_one_what_there_is() {
    let file = file(FREE);
    let flags = "run --bootstrap-servers kafka.invalid:9092 --advertised-host localhost --listen-address 127.0.0.1 \
                 --bootstrap-port 0 --node-port 0 --nodes 0-1";
    let by_flags = flags.split(' ').chain(["--admin-listen", ""]);
    for mut command in [
        portolan(["run", "--config", path(&file)]),
        portolan(by_flags),
    ] {
        let running = Running::start(&mut command);
        running.until("ready");
        running.signal(Signal::HUP);
        let lines = running.until("reloaded");
        assert!(lines[0].contains("SIGHUP"), "{lines:?}");
        running.signal(Signal::TERM);
        running.until("drained");
        assert_eq!(running.end(), (Some(0), String::new()));
    }
}

#[test]
fn a_log_level_of_the_command_line_overrides_the_file_after_a_reload_too() {
    let file = file(FREE);
    let mut command = portolan(["run", "--config", path(&file), "--log-level", "info"]);
    let running = Running::start(&mut command);
    running.until("ready");
    let quiet = format!("{FREE}[log]\nlevel = \"error\"\n[drain]\ngrace = \"1s\"\n");
    std::fs::write(file.path(), quiet).expect("it is ours");
    running.signal(Signal::HUP);
    let lines = running.until("reloaded");
    let last = lines.last().expect("a line");
    assert!(last.contains("changes=\"drain changed\""), "{last}");
    running.signal(Signal::TERM);
    running.until("drained");
    assert_eq!(running.end(), (Some(0), String::new()));
}

#[test]
fn a_second_signal_ends_it_at_once_with_1() {
    // A broker that takes a request and never answers keeps the drain waiting.
    let broker = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = broker.local_addr().expect("an address").to_string();
    let file = file(&FREE.replace("kafka.invalid:9092", &address));
    let mut command = portolan(["run", "--config", path(&file), "--log-format", "json"]);
    let running = Running::start(&mut command);
    let ready = running.until("ready");
    let _ends = unanswered(&bound(&ready, "bootstrap"), &broker);

    running.signal(Signal::TERM);
    running.until("draining");
    let told = "a second signal: stopped before all connections were drained";
    wait_until(told, || {
        running.signal(Signal::TERM);
        running.lines.try_iter().any(|line| line.contains(told))
    });
    assert_eq!(running.end(), (Some(1), String::new()));
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let file = file(FREE);
    let running = Running::start(&mut portolan(["run", "--config", path(&file)]));
    running.until("ready");
    running.signal(Signal::TERM);
    running.signal(Signal::INT);
    running.until("drained");
    assert_eq!(running.end(), (Some(0), String::new()));
}

#[test]
fn flags_alone_are_enough_to_serve() {
    let running = Running::start(&mut portolan([
        "run",
        "--bootstrap-servers",
        "kafka-0.invalid:9092,kafka-1.invalid:9092",
        "--advertised-host",
        "localhost",
        "--listen-address",
        "127.0.0.1",
        "--bootstrap-port",
        "0",
        "--node-port",
        "0",
        "--nodes",
        "0-1,1000",
        "--node-address",
        "kafka-{node_id}.invalid:9092",
        "--admin-listen",
        "",
        "--log-format",
        "json",
    ]));
    let lines = running.until("ready");
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let routes: Vec<&str> = lines
        .iter()
        .filter(|line| line["message"] == "listening")
        .filter_map(|line| line["route"].as_str())
        .collect();
    assert_eq!(routes, ["bootstrap", "node-0", "node-1", "node-1000"]);
    assert!(
        lines
            .iter()
            .all(|line| line["message"] != "admin listening")
    );
}

#[test]
fn environment_variables_alone_are_enough_to_serve() {
    let mut command = portolan(["run"]);
    command.envs([
        ("PORTOLAN_BOOTSTRAP_SERVERS", "kafka.invalid:9092"),
        ("PORTOLAN_ADVERTISED_HOST", "localhost"),
        ("PORTOLAN_LISTEN_ADDRESS", "127.0.0.1"),
        ("PORTOLAN_BOOTSTRAP_PORT", "0"),
        ("PORTOLAN_NODE_PORT", "0"),
        ("PORTOLAN_NODES", "0-1"),
        ("PORTOLAN_ADMIN_LISTEN", "127.0.0.1:0"),
        ("PORTOLAN_LOG_LEVEL", "info"),
        ("PORTOLAN_LOG_FORMAT", "text"),
    ]);
    let lines = Running::start(&mut command).until("ready");
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains(" listening"))
            .count(),
        4
    );
}

#[test]
fn the_log_flags_override_the_file() {
    let file = file(&format!(
        "{FREE}[log]\nlevel = \"error\"\nformat = \"text\"\n"
    ));
    let running = Running::start(&mut portolan([
        "run",
        "--config",
        path(&file),
        "--log-level",
        "info",
        "--log-format",
        "json",
    ]));
    for line in running.until("ready") {
        let line: Value = serde_json::from_str(&line).expect("each line is JSON");
        assert_eq!(line["level"], "INFO");
    }
}

#[test]
fn a_port_that_is_taken_is_1_with_words_that_help() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let file = file(&FREE.replace("bootstrap_port = 0", &format!("bootstrap_port = {port}")));
    let mut command = portolan(["run", "--config", path(&file), "--log-format", "json"]);
    let Outcome {
        code,
        stdout,
        stderr,
    } = finish(command.env("PORTOLAN_TEST_ALLOW_PORT_ZERO", "1"), "");
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let last = stderr.lines().last().expect("a line");
    let last: Value = serde_json::from_str(last).expect("also the last line is JSON");
    assert_eq!(last["level"], "ERROR");
    assert_eq!(
        last["message"],
        format!(
            "cannot listen on 127.0.0.1:{port} (cluster main, bootstrap): Address already in use (os error 98); another \
             process has this port: stop it, or choose other ports (`ss -tanp sport = :{port}` shows which)"
        )
    );
}

#[test]
fn an_address_that_the_machine_does_not_have_is_1_with_words_that_help() {
    let file = file(&FREE.replace(
        "listen_address = \"127.0.0.1\"",
        "listen_address = \"192.0.2.1\"",
    ));
    let mut command = portolan(["run", "--config", path(&file)]);
    let outcome = finish(command.env("PORTOLAN_TEST_ALLOW_PORT_ZERO", "1"), "");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains(
            "cannot listen on 192.0.2.1:0 (cluster main, bootstrap): Cannot assign requested address (os error 99); this \
             machine does not have that address: correct listen_address"
        ),
        "{}",
        outcome.stderr
    );
}

#[test]
fn more_ports_than_open_files_allow_are_1_with_words_that_help() {
    let file = file(&FREE.replace("\"0-1\"", "\"0-99\""));
    let command = format!(
        "ulimit -n 64; PORTOLAN_TEST_ALLOW_PORT_ZERO=1 exec {} run --config {}",
        env!("CARGO_BIN_EXE_portolan"),
        path(&file)
    );
    let outcome = finish(Command::new("sh").args(["-c", &command]), "");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.ends_with(
            "Too many open files (os error 24); each port needs a file descriptor: raise the limit of open files \
             (ulimit -n)\n"
        ),
        "{}",
        outcome.stderr
    );
}

#[test]
fn more_connections_than_open_files_allow_are_warned_of() {
    let file = file(&format!(
        "{FREE}[limits]\nconnections = 1000000\n[runtime]\nthreads = 2\n"
    ));
    let command = format!(
        "ulimit -n 1024; exec {} run --config {}",
        env!("CARGO_BIN_EXE_portolan"),
        path(&file)
    );
    let running = Running::start(Command::new("sh").args(["-c", &command]));
    let lines = running.until("ready");
    let warning = lines.iter().find(|line| line.contains("WARN"));
    assert!(
        warning.is_some_and(|line| {
            line.contains("limits.connections is more than the limit of open files has room for")
                && line.contains("configured=1000000")
                && line.contains("possible=375")
        }),
        "{lines:?}"
    );
}

#[test]
fn all_ports_accept_as_soon_as_it_says_that_it_is_ready() {
    let mut proxy = Proxy::start(FREE);
    for address in [
        proxy.bootstrap("main"),
        proxy.node("main", 0),
        proxy.node("main", 1),
    ] {
        TcpStream::connect_timeout(&address, PATIENCE).expect("it accepts");
    }
    assert_eq!(proxy.get("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(proxy.get("/livez"), (200, "ok\n".to_owned()));
    proxy.terminate();
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}
