//! A Kafka client's end of a connection, for the commands that look at a cluster from where their user stands.
//!
//! [`Connection::connect`] resolves, dials, does TLS, negotiates versions and authenticates; [`Connection::ask`] sends a
//! request and returns the bytes of its answer. Requests are encoded by kafka-protocol. Answers come from the network: they
//! are bounded, and read by [`crate::protocol::cursor`], never by kafka-protocol's decoders (see [`crate::protocol`]).

pub(super) mod codes;
pub(super) mod connection;
pub(super) mod error;
pub(super) mod metadata;
pub(super) mod options;
mod sasl;
mod scram;
pub(super) mod stream;
mod tls;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

pub(super) use connection::Connection;
pub(super) use error::Error;
pub(super) use sasl::Credentials;

/// How to connect: the same for every broker of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// What brokers log and set quotas by.
    pub(super) client_id: String,
    /// How long a connection, and each answer, may take.
    pub(super) timeout: Duration,
    /// `None` is plaintext.
    pub(super) tls: Option<Tls>,
    /// `None` is no SASL.
    pub(super) sasl: Option<Credentials>,
}

/// TLS towards brokers.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    /// Roots and the client's own certificate.
    pub(super) config: Arc<ClientConfig>,
    /// The roots alone.
    pub(super) roots: Arc<RootCertStore>,
    /// The name that certificates must have, where it is not the host that is dialled.
    pub(super) server_name: Option<ServerName<'static>>,
}
