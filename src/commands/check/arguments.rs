//! What to look at, as it is said on the command line or in the environment.

use clap::{Args, ValueEnum};

use crate::commands::client::Settings;
use crate::commands::client::options::Options;
use crate::config::BrokerAddress;

/// Where to, and how to tell.
#[derive(Args, Debug)]
pub(in crate::commands) struct Check {
    /// The address that clients bootstrap from
    #[arg(value_name = "HOST:PORT", env = "PORTOLAN_SERVER")]
    pub(super) server: BrokerAddress,
    /// How to print what was found
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "table",
        env = "PORTOLAN_OUTPUT"
    )]
    pub(super) output: Output,
    #[command(flatten)]
    connection: Options,
}

/// How to print what was found.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For programs: docs/check.md has its keys
    Json,
}

impl Check {
    /// How to connect, or what is wrong and what to change.
    pub(super) fn settings(&self) -> Result<Settings, String> {
        let usual = self.connection.security();
        let settings = self.connection.settings(&[usual])?;
        settings.into_iter().next().ok_or("no settings".to_owned())
    }
}
