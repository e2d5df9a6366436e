//! Where the configuration of a server comes from when it is read again.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::watch::Looks;
use crate::config::{Config, Faults};

/// Where the configuration comes from, and who asks for it to be read again.
#[derive(Default)]
pub struct Source {
    pub(super) file: Option<File>,
    /// SIGHUP; `None` where nobody asks.
    pub(super) asked: Option<mpsc::Receiver<()>>,
}

/// A file that is watched.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) read: Arc<Read>,
    /// Before it was read.
    pub(super) look: Looks,
}

/// Reads the configuration. Blocks.
pub(super) type Read = dyn Fn() -> Result<Config, Faults> + Send + Sync;

impl Source {
    /// A file, which is watched. Make this before the file is read for the first time. `read` blocks.
    pub fn file(
        path: PathBuf,
        read: impl Fn() -> Result<Config, Faults> + Send + Sync + 'static,
    ) -> Self {
        let look = Looks::at([&path]);
        let read = Arc::new(read);
        Source {
            file: Some(File { path, read, look }),
            asked: None,
        }
    }

    /// Reads everything again whenever something is sent.
    pub fn asked_by(mut self, asked: mpsc::Receiver<()>) -> Self {
        self.asked = Some(asked);
        self
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.file.as_ref().map(|file| &file.path);
        f.debug_struct("Source").field("file", &path).finish()
    }
}

/// The next time that somebody asks.
pub(super) async fn asked(receiver: &mut Option<mpsc::Receiver<()>>) -> Option<()> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}
