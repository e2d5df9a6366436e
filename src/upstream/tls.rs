//! TLS towards brokers: the handshake behind a dial, and what to do where it fails.

use rustls::{AlertDescription, CertificateError, Error};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::ConnectError;
use crate::config::BrokerAddress;
use crate::port_map::NodeId;
use crate::transport::stream::{Stream, is_disconnect};
use crate::transport::tls::client::Client;
use crate::transport::tls::handshake::{self, HandshakeError};

/// Does the handshake with the broker at the other end of a socket. `node` is which one it is, as far as that is known.
pub(super) async fn connect(
    tls: &Client,
    mut socket: TcpStream,
    address: &BrokerAddress,
    node: Option<NodeId>,
    deadline: Instant,
) -> Result<Stream, ConnectError> {
    let failed = |why: String, remedy: &'static str| ConnectError::Tls {
        address: address.clone(),
        why,
        remedy,
    };
    let name = tls
        .name_for(node, &address.host)
        .map_err(|why| failed(why, "set upstream_tls.server_name"))?;
    let connecting = handshake::connect(&mut socket, tls.config().clone(), name);
    match timeout_at(deadline, connecting).await {
        Ok(Ok(channel)) => Ok(Stream::with_tls(socket, channel)),
        Ok(Err(error)) => Err(failed(error.to_string(), remedy(&error))),
        Err(_) => Err(failed(
            "no handshake within timeouts.connect".into(),
            "see that this listener of the broker speaks TLS",
        )),
    }
}

fn remedy(error: &HandshakeError) -> &'static str {
    let error = match error {
        HandshakeError::Tls(error) => error,
        HandshakeError::Closed | HandshakeError::HelloTooLong | HandshakeError::Expired => {
            return NO_TLS;
        }
        // So ends a Kafka listener in plaintext, which takes our first message for a request of 369 MB.
        HandshakeError::Io(error) if is_disconnect(error) => return NO_TLS,
        HandshakeError::Io(_) => return "see the broker's log",
    };
    match error {
        // A bad signature is an authority of the same name with another key.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "set upstream_tls.ca to the authority that signed the broker's certificate",
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "let `address` and bootstrap_servers have names that are in the broker's certificate, or set upstream_tls.server_name to one that is"
        }
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "renew the broker's certificate, or set this machine's clock",
        Error::InvalidCertificate(CertificateError::Other(_)) => {
            "let an authority sign the broker's certificate: one that signs itself cannot be a server's here"
        }
        Error::InvalidCertificate(_) => "give the broker a certificate that is good for a server",
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "let the broker speak TLS 1.2 or 1.3 (ssl.enabled.protocols), with a cipher suite that is not out of date"
        }
        Error::InvalidMessage(_) => {
            "this listener of the broker does not speak TLS: take upstream_tls out, or use another listener"
        }
        Error::AlertReceived(_) => {
            "the broker refused: if it wants a certificate, set upstream_tls.certificate and key to one that it trusts"
        }
        _ => "see the broker's log",
    }
}

const NO_TLS: &str = "see that this listener of the broker speaks TLS, and the broker's log";
