//! A client program that runs beside the test: its progress, its end, its result.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::proxy::PATIENCE;

/// A program that produces and consumes until it is told to stop. Dropping it ends it.
pub struct Traffic {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<Said>,
    readers: Option<[JoinHandle<()>; 2]>,
}

/// What a traffic program said so far.
#[derive(Default)]
struct Said {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Default)]
struct State {
    acked: u64,
    received: u64,
    result: Option<Value>,
    ended: bool,
    words: String,
}

impl Traffic {
    /// Starts a program under this name.
    pub fn start(name: &str, mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("a program runs");
        let said = Arc::new(Said::default());
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let lines = said.clone();
        let readers = [
            std::thread::spawn({
                let said = said.clone();
                move || {
                    let mut words = Vec::new();
                    let _ = stderr.read_to_end(&mut words);
                    said.change(|state| state.words = String::from_utf8_lossy(&words).into_owned());
                }
            }),
            std::thread::spawn(move || read_lines(stdout, &lines)),
        ];
        Traffic {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            said,
            readers: Some(readers),
        }
    }

    /// The name of the program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many records were received, by the last line of progress.
    pub fn received(&self) -> u64 {
        self.said.get().received
    }

    /// Waits until so many records were acknowledged and received.
    pub fn wait_for(&self, records: u64) {
        let state = self
            .said
            .wait(|state| state.ended || (state.acked >= records && state.received >= records));
        assert!(!state.ended, "{} ended early:\n{}", self.name, state.words);
        assert!(
            state.received >= records && state.acked >= records,
            "{} stands still at {} acknowledged and {} received, {records} were waited for",
            self.name,
            state.acked,
            state.received,
        );
    }

    /// Tells it to stop and returns its result.
    pub fn finish(self) -> Value {
        self.finish_with_words().0
    }

    /// The same, with what it wrote to stderr.
    pub fn finish_with_words(mut self) -> (Value, String) {
        drop(self.stdin.take());
        self.said.wait(|state| state.ended);
        for reader in self.readers.take().into_iter().flatten() {
            if self.said.get().ended {
                let _ = reader.join();
            }
        }
        let State { result, words, .. } = self.said.get();
        match result {
            Some(result) => (result, words),
            None => panic!("{} gave no result:\n{words}", self.name),
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // timeout(1) hands the signal on.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn read_lines(stdout: ChildStdout, said: &Said) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        said.change(|state| match value.get("progress") {
            Some(progress) => {
                state.acked = progress["acked"].as_u64().unwrap_or_default();
                state.received = progress["received"].as_u64().unwrap_or_default();
            }
            None => state.result = Some(value),
        });
    }
    said.change(|state| state.ended = true);
}

impl Said {
    fn get(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits for a condition for as long as a client may reasonably take to get over a lost broker and to drain.
    fn wait(&self, condition: impl Fn(&State) -> bool) -> State {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(state, 3 * PATIENCE, |state| !condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}
