//! The program as a command: run to its end, and what it left behind.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a command may take before it counts as hung. Some wait for a few time-outs of seconds, one after the other.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a command left behind.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

/// The program with these arguments and without any variable in its environment that it reads.
pub fn portolan<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTOLAN_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR");
    command
}

/// Runs a command to its end with nothing to read.
pub fn finish(command: &mut Command) -> Outcome {
    Running::start(command).finish()
}

/// The same with text on its standard input.
pub fn finish_reading(command: &mut Command, stdin: &str) -> Outcome {
    let mut running = Running::spawn(command.stdin(Stdio::piped()));
    let mut input = running.child.stdin.take().expect("stdin is piped");
    // A command that does not read its input may be gone already.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    running.finish()
}

/// A command that runs. It is killed when this is dropped.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts it with nothing to read.
    pub fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null()))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let stdout = Some(collect(child.stdout.take()));
        let stderr = Some(collect(child.stderr.take()));
        Running {
            child,
            stdout,
            stderr,
        }
    }

    /// The process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let code = wait(&mut self.child);
        let text = |reader: Option<JoinHandle<String>>| {
            let reader = reader.expect("it ends once");
            reader.join().expect("it was read")
        };
        Outcome {
            code,
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream to its end, beside whatever else is done.
pub fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    let mut stream = stream.expect("it is piped");
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it is text");
        text
    })
}

/// Waits for the end of a process, and kills it where that does not come.
pub fn wait(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code();
        }
        if begin.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the command does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
