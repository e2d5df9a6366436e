//! The commands: each one file, each of use without the server (but `run`).
//!
//! Results go to standard output, everything else to standard error.

mod bench;
mod check;
mod client;
mod config;
mod flags;
mod manual;
mod map;
mod notes;
mod run;
mod units;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::about;
use crate::config::{Config, Faults, ParseOptions};

/// The configuration is not usable (EX_CONFIG of sysexits.h).
const BAD_CONFIG: u8 = 78;

/// What clap exits with, too.
const WRONG_USAGE: u8 = 2;

/// Set in tests: lets ports be 0.
const ALLOW_PORT_ZERO: &str = "PORTOLAN_TEST_ALLOW_PORT_ZERO";

/// One address in front of a whole Kafka cluster.
#[derive(Debug, Parser)]
#[command(
    name = "portolan",
    version,
    long_version = about::long_version(),
    about,
    max_term_width = 100,
    after_help = "Example:\n  portolan run --config portolan.toml\n\n\
                  Exit codes: 0 done, 1 failed (check: faults found), 2 wrong usage (check: also could not look), 78 bad configuration"
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients
    #[command(after_help = "Examples:\n  portolan run --config portolan.toml\n  \
                      portolan run --bootstrap-servers kafka-headless:9092 \\\n      --advertised-host kafka.example.com --nodes 0-9")]
    Run(Box<run::Run>),
    /// Look at a configuration file
    #[command(
        subcommand,
        after_help = "Example:\n  portolan config check portolan.toml"
    )]
    Config(ConfigCommand),
    /// Print the port table: which port leads to which node
    #[command(after_help = "Examples:\n  portolan map portolan.toml\n  \
                      portolan map portolan.toml --output service   # the ports of a Kubernetes Service")]
    Map(map::Map),
    /// Measure what the proxy costs: load through it, and past it with --direct
    #[command(
        long_about = bench::ABOUT,
        after_help = "Examples:\n  portolan bench kafka.example.com:9092\n  \
                      portolan bench kafka.example.com:9092 --direct kafka-0.kafka:9092 --output svg > bench.svg"
    )]
    Bench(Box<bench::Bench>),
    /// Look at a cluster from here, as a client would: what is wrong, and what to do
    #[command(
        long_about = check::ABOUT,
        mut_arg("timeout", |timeout| timeout.default_value("5s").help("How long each step at each address may take")),
        after_help = "Examples:\n  portolan check kafka.example.com:9092\n  \
                      portolan check kafka.example.com:9092 --tls --tls-ca ca.pem --output json \\\n      \
                      --sasl-mechanism SCRAM-SHA-512 --sasl-username alice --sasl-password-file password"
    )]
    Check(Box<check::Check>),
    /// Print the script by which a shell completes commands and flags
    #[command(
        after_help = "Examples:\n  portolan completions bash > /etc/bash_completion.d/portolan\n  \
                      portolan completions zsh > /usr/local/share/zsh/site-functions/_portolan\n  \
                      portolan completions fish > ~/.config/fish/completions/portolan.fish"
    )]
    Completions(manual::Completions),
    /// Print the manual page
    #[command(
        after_help = "Examples:\n  portolan man > /usr/local/share/man/man1/portolan.1\n  \
                      portolan man | man -l -"
    )]
    Man,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Report every fault, or `ok` and the port table
    #[command(after_help = "Example:\n  portolan config check portolan.toml")]
    Check(File),
    /// Print the configuration as understood, with all defaults
    #[command(after_help = "Example:\n  portolan config show portolan.toml")]
    Show(File),
}

#[derive(Args, Debug)]
struct File {
    /// The configuration file; `-` is standard input
    #[arg(value_name = "FILE", env = "PORTOLAN_CONFIG")]
    file: PathBuf,
}

/// Why a command failed.
enum Failure {
    /// The configuration cannot be used; where it comes from.
    BadConfig(String, Faults),
    /// The arguments do not go together, or not with the file.
    Usage(String),
    /// In words for the user.
    Failed(String),
    /// The same, and the user was told already.
    Logged,
    /// There was nothing to look at, and the user was told already.
    LoggedNothingSeen,
    /// Files that the configuration names cannot be used, and the user was told already.
    LoggedBadConfig,
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// What is wrong with the configuration.
    fn into_faults(self) -> Faults {
        match self {
            Failure::BadConfig(_, faults) => faults,
            Failure::Usage(error) | Failure::Failed(error) => Faults::whole(error, ""),
            Failure::Logged | Failure::LoggedBadConfig | Failure::LoggedNothingSeen => {
                Faults::whole("it cannot be read", "")
            }
            Failure::Output(error) => Faults::whole(error.to_string(), ""),
        }
    }
}

/// Runs a command to its end.
pub fn execute(line: CommandLine) -> ExitCode {
    let outcome = match line.command {
        Command::Run(run) => run::run(*run),
        Command::Config(ConfigCommand::Check(file)) => config::check(&file),
        Command::Config(ConfigCommand::Show(file)) => config::show(&file),
        Command::Map(map) => map::map(&map),
        Command::Bench(bench) => bench::bench(&bench),
        Command::Check(check) => check::check(&check),
        Command::Completions(shell) => manual::completions(&shell),
        Command::Man => manual::man(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::BadConfig(source, faults)) => {
            let count = match faults.0.len() {
                1 => "1 fault".to_owned(),
                n => format!("{n} faults"),
            };
            tell(format_args!("portolan: {count} in {source}\n{faults}"));
            ExitCode::from(BAD_CONFIG)
        }
        Err(Failure::Usage(error)) => {
            tell(format_args!("portolan: {error}"));
            ExitCode::from(WRONG_USAGE)
        }
        Err(Failure::Failed(error)) => {
            tell(format_args!("portolan: {error}"));
            ExitCode::FAILURE
        }
        Err(Failure::Logged) => ExitCode::FAILURE,
        Err(Failure::LoggedNothingSeen) => ExitCode::from(WRONG_USAGE),
        Err(Failure::LoggedBadConfig) => ExitCode::from(BAD_CONFIG),
        // Whoever reads our output has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Failure::Output(error)) => {
            tell(format_args!("portolan: cannot write the output: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl File {
    fn read(&self) -> Result<Config, Failure> {
        read(&self.file)
    }
}

fn read(path: &Path) -> Result<Config, Failure> {
    Config::from_file(path, &parse_options()).map_err(|faults| refused(path, faults))
}

/// The configuration of a file cannot be used.
fn refused(path: &Path, faults: Faults) -> Failure {
    let source = match path == Path::new("-") {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    Failure::BadConfig(source, faults)
}

fn parse_options() -> ParseOptions {
    ParseOptions {
        allow_port_zero: std::env::var_os(ALLOW_PORT_ZERO).is_some_and(|value| value == "1"),
    }
}

/// Writes a result to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Writes a line to standard error; `eprintln!` would panic where nobody reads it any more.
fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
