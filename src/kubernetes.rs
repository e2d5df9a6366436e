//! The address that a Service's load balancer has, as Kubernetes' API server tells it.
//!
//! What is found out is said here in words of our own; who asks, and how, is in `follow`, which a build has with the feature
//! `kubernetes` only.

#[cfg(feature = "kubernetes")]
mod account;
#[cfg(feature = "kubernetes")]
mod follow;
#[cfg(feature = "kubernetes")]
mod pace;

#[cfg(feature = "kubernetes")]
pub use follow::follow;

/// What was found out of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It could be read, and has another address than it had.
    Address {
        /// `None` while its load balancer has given it none.
        address: Option<String>,
        /// How many it had since the one before that were not worth telling, for it had them for so short a time.
        skipped: u64,
        /// Whether it changes all the time, and not just in a few steps that come together, as where a load balancer is replaced.
        flaps: bool,
    },
    /// It is watched, too: changes will be heard of.
    Watched,
    /// It could not be read. It is tried again.
    Failed(Failure),
}

/// Why a Service could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of [`Failure::REASONS`].
    pub reason: &'static str,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Failure {
    /// The pod's account cannot be used.
    pub const NO_ACCOUNT: &'static str = "no_account";
    /// The API server does not know who this is.
    pub const UNAUTHORIZED: &'static str = "unauthorized";
    /// It does, and this account may not read the Service.
    pub const FORBIDDEN: &'static str = "forbidden";
    /// There is no such Service.
    pub const NOT_FOUND: &'static str = "not_found";
    /// The API server answered with another error.
    pub const API_ERROR: &'static str = "api_error";
    /// It did not answer.
    pub const UNREACHABLE: &'static str = "unreachable";
    /// It answered what is no Service, or the Service has what is no address.
    pub const BAD_ANSWER: &'static str = "bad_answer";

    /// Every reason, so that each series exists from the start.
    pub const REASONS: [&'static str; 7] = [
        Self::NO_ACCOUNT,
        Self::UNAUTHORIZED,
        Self::FORBIDDEN,
        Self::NOT_FOUND,
        Self::API_ERROR,
        Self::UNREACHABLE,
        Self::BAD_ANSWER,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::end::EndReason;
    use crate::upstream::ConnectError;

    #[test]
    fn no_reason_is_called_like_another_fault_of_the_same_place() {
        for reason in Failure::REASONS {
            assert!(!EndReason::LABELS.contains(&reason), "{reason}");
            assert!(!ConnectError::REASONS.contains(&reason), "{reason}");
        }
    }
}
