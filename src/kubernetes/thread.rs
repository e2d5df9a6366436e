//! A thread of its own for those who follow Services: what hangs there, be it a command that a kubeconfig names or the resolver of
//! the system, holds up nothing else, neither requests to the admin listener nor a reload nor the end of the process.

use std::convert::Infallible;
use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that may hang at one time. What comes after waits, and tells that it does.
const BLOCKING: usize = 4;

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub struct Thread {
    handle: Handle,
    _stop: oneshot::Sender<Infallible>,
}

impl Thread {
    /// Starts it.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = thread::Builder::new().name("services".to_owned());
        thread.spawn(move || {
            runtime.block_on(async {
                // The sender going away.
                let _ = stopped.await;
            });
            // What hangs is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Thread {
            handle,
            _stop: stop,
        })
    }

    /// To spawn tasks on it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}
