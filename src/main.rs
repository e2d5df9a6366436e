//! The command line: reads it, runs a command, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use portolan::commands::{self, CommandLine};

fn main() -> ExitCode {
    commands::execute(CommandLine::parse())
}
