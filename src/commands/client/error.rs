//! What kept a client from its answer: where, what, and what to change.

use std::fmt;

use crate::text;

/// Characters of a problem that are told: some of it may be a peer's words, which have up to 16 MiB.
const MOST: usize = 500;

/// A failure, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// The address that was talked to.
    peer: String,
    /// What is wrong.
    problem: String,
    /// What to change; empty where nobody can tell.
    remedy: String,
    /// The same for programs.
    cause: Cause,
}

/// What kind of failure it is, for those who have more to say about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cause {
    /// None of the others.
    #[default]
    Other,
    /// The peer closed the connection where it owed an answer.
    Closed,
    /// No answer in time.
    Silent,
    /// What came is no answer of a broker; it speaks TLS.
    SpeaksTls,
    /// What came is no answer of a broker.
    NotKafka,
    /// The broker has no version of this api that we know.
    Version,
    /// An answer with this error code.
    Refused(i16),
    /// The broker could not prove to know the user's password.
    Unproven,
}

impl Error {
    pub(crate) fn new(
        peer: impl fmt::Display,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Error {
            peer: tamed(&peer.to_string()),
            problem: tamed(&problem.into()),
            remedy: remedy.into(),
            cause: Cause::Other,
        }
    }

    /// Says what kind it is.
    pub(crate) fn because(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// What kind it is.
    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    /// What is wrong, without where and what to change.
    pub(crate) fn problem(&self) -> &str {
        &self.problem
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

/// What peers said, fit to be shown.
pub(crate) fn tamed(words: &str) -> String {
    text::tamed(words, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_cannot_drive_a_terminal_or_flood_it() {
        let told = Error::new("host\u{7}:9092", "\u{1b}[2Jfine\nportolan: done", "none");
        assert_eq!(
            told.to_string(),
            "host\\u{7}:9092: \\u{1b}[2Jfine\\nportolan: done\n    none"
        );
        let told = Error::new("a:1", "é".repeat(MOST), "").to_string();
        assert_eq!(told, format!("a:1: {}", "é".repeat(MOST)));
        let told = Error::new("a:1", "é".repeat(1 << 20), "").to_string();
        assert_eq!(told, format!("a:1: {}…", "é".repeat(MOST)));
    }
}
