//! Connects to every address of a name, since clients may take any of them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::codes::{self, Code};
use super::finding::{Finding, Place};

/// A connection, and what is wrong with the other addresses.
pub(super) struct Dialled {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) warnings: Vec<Finding>,
}

/// Connects to all at once and keeps the first in their order; else what is wrong, with the state of the port in a word.
pub(super) async fn dial(
    place: &Place,
    addresses: &[IpAddr],
    limit: Duration,
) -> Result<Dialled, (Finding, &'static str)> {
    let mut attempts = JoinSet::new();
    for (n, ip) in addresses.iter().enumerate() {
        let peer = SocketAddr::new(*ip, place.address.port);
        attempts.spawn(async move { (n, peer, connect(peer, limit).await) });
    }
    let mut outcomes = Vec::new();
    while let Some(outcome) = attempts.join_next().await {
        outcomes.extend(outcome.ok());
    }
    outcomes.sort_by_key(|(n, ..)| *n);
    let mut first = None;
    let mut failures = Vec::new();
    for (_, peer, outcome) in outcomes {
        match outcome {
            Ok(stream) if first.is_none() => first = Some((stream, peer)),
            Ok(_) => {}
            Err(error) => failures.push((peer, error)),
        }
    }
    match first {
        Some((stream, peer)) => {
            let warn = |(peer, error): (SocketAddr, io::Error)| {
                let seen = format!("{}: {}", peer, told(&error, limit));
                Finding::at(place, &codes::ADDRESS_UNREACHABLE, seen)
            };
            Ok(Dialled {
                stream,
                peer,
                warnings: failures.into_iter().map(warn).collect(),
            })
        }
        None => Err(refused(place, &failures, limit)),
    }
}

/// One connection.
pub(super) async fn connect(peer: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = timeout(limit, TcpStream::connect(peer))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // Otherwise a small request would wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn refused(
    place: &Place,
    failures: &[(SocketAddr, io::Error)],
    limit: Duration,
) -> (Finding, &'static str) {
    // An address that was given as such need not be said twice.
    let is_given = |peer: &SocketAddr| place.address.to_string() == peer.to_string();
    let seen: Vec<String> = failures
        .iter()
        .map(|(peer, error)| match is_given(peer) {
            true => told(error, limit),
            false => format!("{peer}: {}", told(error, limit)),
        })
        .collect();
    // A refusal says the most.
    let kinds = failures.iter().map(|(_, error)| kind(error));
    let (_, code, state) = kinds.min_by_key(|(rank, ..)| *rank).unwrap_or((
        2,
        &codes::HOST_UNREACHABLE,
        "unreachable",
    ));
    (Finding::at(place, code, seen.join("; ")), state)
}

fn kind(error: &io::Error) -> (u8, &'static Code, &'static str) {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
            (0, &codes::PORT_REFUSED, "refused")
        }
        io::ErrorKind::TimedOut => (1, &codes::PORT_SILENT, "silent"),
        _ => (2, &codes::HOST_UNREACHABLE, "unreachable"),
    }
}

fn told(error: &io::Error, limit: Duration) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => format!("no connection within {limit:?}"),
        _ => error.to_string(),
    }
}
