//! What kept a client from its answer: where, what, and what to change.

use std::fmt;

/// A failure, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// The address that was talked to.
    peer: String,
    /// What is wrong.
    problem: String,
    /// What to change; empty where nobody can tell.
    remedy: String,
}

impl Error {
    pub(crate) fn new(
        peer: impl fmt::Display,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Error {
            peer: peer.to_string(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.peer, self.problem)?;
        match self.remedy.as_str() {
            "" => Ok(()),
            remedy => write!(f, "\n    {remedy}"),
        }
    }
}
