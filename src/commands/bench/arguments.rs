//! What is to be measured, as it is said on the command line or in the environment.

use std::fmt;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::plan::{Acks, Leg, Plan, Rate, Side, Workload};
use crate::commands::client::options::{Options, Security};
use crate::commands::units;
use crate::config::BrokerAddress;

/// The largest request of records: what a broker takes by default is 100 MiB in a request, and 1 MiB in a batch.
const LARGEST_BATCH: u64 = 64 << 20;
const LARGEST_FETCH: u64 = 256 << 20;
/// The highest rate, in requests or kilobytes a second.
const FASTEST: u64 = 1_000_000_000;

/// Where to, how much, and how to tell.
#[derive(Args, Debug)]
pub(in crate::commands) struct Bench {
    /// The address that clients bootstrap from: the proxy's
    #[arg(value_name = "HOST:PORT", env = "PORTOLAN_SERVER")]
    server: BrokerAddress,
    /// A broker's own address: the same load is sent past the proxy in turns with the other
    #[arg(long, value_name = "HOST:PORT", env = "PORTOLAN_DIRECT")]
    direct: Option<BrokerAddress>,
    /// What protects the direct connections
    #[arg(
        long,
        value_enum,
        value_name = "PROTOCOL",
        default_value = "same",
        env = "PORTOLAN_DIRECT_SECURITY"
    )]
    direct_security: DirectSecurity,
    /// What to send; several are separated by commas
    #[arg(
        long,
        value_enum,
        value_name = "LIST",
        value_delimiter = ',',
        default_values = ["produce", "fetch", "ping"],
        env = "PORTOLAN_WORKLOAD"
    )]
    workload: Vec<Workload>,
    /// Which replicas confirm a produce request: 0, 1 or all
    #[arg(
        long,
        value_enum,
        value_name = "ACKS",
        default_value = "all",
        env = "PORTOLAN_ACKS"
    )]
    acks: Acks,
    /// Bytes of a record's value
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1KiB",
        env = "PORTOLAN_RECORD_SIZE",
        value_parser = record_size
    )]
    record_size: usize,
    /// Bytes of records in a produce request
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "16KiB",
        env = "PORTOLAN_BATCH_SIZE",
        value_parser = batch_size
    )]
    batch_size: usize,
    /// Bytes of records that a fetch request asks for
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1MiB",
        env = "PORTOLAN_FETCH_SIZE",
        value_parser = fetch_size
    )]
    fetch_size: usize,
    /// Connections, in turns to each broker that leads partitions
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "6",
        env = "PORTOLAN_CONNECTIONS",
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    connections: u16,
    /// Requests in flight on each connection; ping has always one
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "5",
        env = "PORTOLAN_IN_FLIGHT",
        value_parser = clap::value_parser!(u16).range(1..=1_000)
    )]
    in_flight: u16,
    /// How much to send, all connections together: 200/s (requests) or 50MB/s [default: as much as is taken]
    #[arg(long, value_name = "RATE", env = "PORTOLAN_RATE")]
    rate: Option<Rate>,
    /// How long each workload runs in each round, on each way
    #[arg(
        long,
        value_name = "TIME",
        default_value = "3s",
        env = "PORTOLAN_DURATION",
        value_parser = units::duration
    )]
    duration: Duration,
    /// Rounds; the two ways take turns in being first
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "4",
        env = "PORTOLAN_ROUNDS",
        value_parser = clap::value_parser!(u16).range(1..=1_000)
    )]
    rounds: u16,
    /// A topic that is there already. Produce writes to it. It is not deleted [default: an own one, deleted at the end]
    #[arg(long, value_name = "NAME", env = "PORTOLAN_TOPIC", value_parser = topic_name)]
    topic: Option<String>,
    /// Partitions of the own topic
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "6",
        env = "PORTOLAN_PARTITIONS",
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    partitions: u16,
    /// Replicas of the own topic [default: the brokers']
    #[arg(
        long,
        value_name = "NUMBER",
        env = "PORTOLAN_REPLICATION_FACTOR",
        value_parser = clap::value_parser!(u16).range(1..=1_000)
    )]
    replication_factor: Option<u16>,
    /// How to print the results
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

/// How to print the results.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For programs: docs/bench.md has its keys
    Json,
    /// A picture for a report
    Svg,
}

/// Kafka's `security.protocol`, in our flags' words.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DirectSecurity {
    /// As the others
    Same,
    /// Neither TLS nor SASL
    Plaintext,
    /// TLS alone
    Tls,
    /// SASL alone
    SaslPlaintext,
    /// Both
    SaslTls,
}

impl Bench {
    /// What is true of it, or what is wrong and what to change.
    pub(super) fn plan(&self) -> Result<Plan, String> {
        if self.record_size > self.batch_size {
            return Err(format!(
                "--batch-size {} is less than --record-size {}: a request has room for at least one record",
                self.batch_size, self.record_size
            ));
        }
        if self.direct.is_none() && !matches!(self.direct_security, DirectSecurity::Same) {
            return Err(
                "--direct-security is given without --direct: add --direct HOST:PORT".into(),
            );
        }
        let mut workloads = Vec::new();
        for workload in &self.workload {
            if !workloads.contains(workload) {
                workloads.push(*workload);
            }
        }
        let (proxied, direct) = self.legs()?;
        Ok(Plan {
            proxied,
            direct,
            workloads,
            acks: self.acks,
            record_size: self.record_size,
            batch_size: self.batch_size,
            fetch_size: self.fetch_size,
            connections: self.connections.into(),
            in_flight: self.in_flight.into(),
            rate: self.rate,
            duration: self.duration,
            rounds: self.rounds.into(),
            topic: self.topic.clone(),
            partitions: self.partitions,
            replication_factor: self.replication_factor,
        })
    }

    fn legs(&self) -> Result<(Leg, Option<Leg>), String> {
        let usual = self.connection.security();
        let protocol = |tls, sasl| Security { tls, sasl };
        let direct = match self.direct_security {
            DirectSecurity::Same => usual,
            DirectSecurity::Plaintext => protocol(false, false),
            DirectSecurity::Tls => protocol(true, false),
            DirectSecurity::SaslPlaintext => protocol(false, true),
            DirectSecurity::SaslTls => protocol(true, true),
        };
        let mut settings = self.connection.settings(&[usual, direct])?.into_iter();
        let mut leg = |side, address: &BrokerAddress| {
            settings.next().map(|settings| Leg {
                side,
                address: address.clone(),
                settings,
            })
        };
        let proxied = leg(Side::Proxied, &self.server).ok_or("no settings")?;
        let direct = self
            .direct
            .as_ref()
            .and_then(|address| leg(Side::Direct, address));
        Ok((proxied, direct))
    }
}

fn record_size(text: &str) -> Result<usize, String> {
    size(text, 1, LARGEST_BATCH, "1B to 64MiB")
}

fn batch_size(text: &str) -> Result<usize, String> {
    size(text, 1, LARGEST_BATCH, "1B to 64MiB")
}

fn fetch_size(text: &str) -> Result<usize, String> {
    size(text, 1, LARGEST_FETCH, "1B to 256MiB")
}

fn size(text: &str, least: u64, most: u64, range: &str) -> Result<usize, String> {
    let bytes = units::size(text)?;
    match (least..=most).contains(&bytes) {
        true => usize::try_from(bytes).map_err(|error| error.to_string()),
        false => Err(format!("write a size from {range}")),
    }
}

/// Kafka's rule for names of topics.
fn topic_name(text: &str) -> Result<String, String> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match (1..=249).contains(&text.len()) && text.bytes().all(is_legal) {
        true => Ok(text.to_owned()),
        false => Err("write up to 249 letters, digits, '.', '_' and '-'".into()),
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let amount = text.strip_suffix("/s").unwrap_or(text).trim_end();
        // A number without a unit is one of requests, however large.
        let (number, most, rate): (_, _, fn(u64) -> Rate) = match units::whole(amount) {
            Some(requests) => (requests, FASTEST, Rate::Requests),
            None => {
                let bytes = units::size(amount).map_err(|_| {
                    "write requests such as 200/s, or bytes of records such as 50MB/s".to_owned()
                })?;
                (bytes, FASTEST * 1_000, Rate::Bytes)
            }
        };
        match number {
            0 => Err("write a rate above 0".into()),
            n if n > most => Err(format!("write at most {}", rate(most))),
            n => Ok(rate(n)),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Requests(n) => write!(f, "{n} requests/s"),
            Rate::Bytes(n) if n % 1_000_000 == 0 => write!(f, "{} MB/s", n / 1_000_000),
            Rate::Bytes(n) => write!(f, "{n} B/s"),
        }
    }
}
