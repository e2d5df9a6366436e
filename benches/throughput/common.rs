//! What is shared with the tests, at the place where their modules look for it.

#[path = "../../tests/common/cache.rs"]
pub mod cache;
#[path = "../../tests/common/frames.rs"]
pub mod frames;

#[path = "../../tests/common/tools.rs"]
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
pub mod tools;

/// The part of the tests' module of this name that their helpers need.
pub mod proxy {
    /// How long a broker may take to answer or to end.
    pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
}
