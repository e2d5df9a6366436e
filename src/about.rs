//! What this build is: its version, its commit, and what it can do.

use std::sync::LazyLock;

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, as far as the build knew: twelve digits of its hash, or what `PORTOLAN_COMMIT` said.
pub const COMMIT: Option<&str> = option_env!("PORTOLAN_BUILD_COMMIT");

/// What `--version` says behind the program's name.
pub(crate) fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let profile = match cfg!(debug_assertions) {
            true => "debug",
            false => "release",
        };
        format!(
            "{VERSION}\ncommit: {}\ntarget: {}, {profile}\nfeatures: {}",
            COMMIT.unwrap_or("unknown"),
            env!("PORTOLAN_BUILD_TARGET"),
            FEATURES.join(", ")
        )
    });
    &TEXT
}

/// What may differ between builds, or be asked for by those who must know.
const FEATURES: &[&str] = &[
    #[cfg(target_os = "linux")]
    "splice",
    "TLS 1.2 and 1.3 (rustls with aws-lc-rs)",
    "sd_notify",
    #[cfg(feature = "kubernetes")]
    "kubernetes",
];
