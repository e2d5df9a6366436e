//! The twin of `pipe` for systems without splice(2): there are no pipes, so every byte goes through a buffer.

use std::io;

/// Says that there are no pipes here.
pub fn start(_most: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There are none.
pub fn enabled() -> bool {
    false
}

/// Never lent.
#[derive(Debug)]
pub enum Pipe {}

impl Pipe {
    /// There is none.
    pub fn lend() -> Option<Self> {
        None
    }

    /// Never called, as there is no pipe to call it on.
    pub fn held(&self) -> usize {
        match *self {}
    }

    /// Never called.
    pub fn fill<Socket>(&mut self, _from: Socket, _most: usize) -> io::Result<usize> {
        match *self {}
    }

    /// Never called.
    pub fn drain<Socket>(&mut self, _to: Socket) -> io::Result<usize> {
        match *self {}
    }
}
