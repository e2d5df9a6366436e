//! The command line: reads it, runs a command, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use portolan::commands::{self, CommandLine};

/// Where musl is linked, whose own allocator is slow. See Cargo.toml.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::execute(CommandLine::parse())
}
