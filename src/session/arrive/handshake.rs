//! The TLS handshake of a client, and how it may fail.

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Arrival;
use super::socket::peek;
use crate::limits::Place;
use crate::port_map::{Door, Route};
use crate::protocol::prefix::{self, Foreign};
use crate::session::end::EndReason;
use crate::session::request::client_end;
use crate::transport::tls::channel::Channel;
use crate::transport::tls::handshake::{HandshakeError, Hello};
use crate::transport::tls::server::Server;

/// The first byte of a TLS connection (RFC 8446, section 5.1: the content type handshake).
const TLS_HANDSHAKE: u8 = 22;

impl Arrival {
    /// Does the handshake, in `timeouts.tls_handshake` without the time for which the client waits for its place among those
    /// under way: who holds all places must not have the others end.
    pub(super) async fn shake_hands(
        &self,
        socket: &mut TcpStream,
        tls: &Server,
        deadline: Instant,
    ) -> Result<(Channel, Route, Option<String>), EndReason> {
        let late = |_| EndReason::TlsHandshakeTimeout;
        let (begin, patience) = (Instant::now(), self.cluster.timeouts.tls_handshake);
        let hello = timeout_at(deadline.min(begin + patience), read_hello(socket));
        let hello = hello.await.map_err(late)??;
        let patience = patience.saturating_sub(begin.elapsed());
        let name = hello.server_name();
        let route = match (self.door, &self.cluster.sni) {
            (Door::Route(route), _) => Some(route),
            (Door::Sni, Some(sni)) => name.as_deref().and_then(|name| sni.route_of_name(name)),
            (Door::Sni, None) => None,
        };
        let Some(route) = route else {
            hello.refuse_name(socket).await;
            return Err(EndReason::UnknownServerName(name));
        };
        let place = timeout_at(deadline, self.handshake_place()).await;
        let _place = place.map_err(|_| EndReason::NoHandshakePlace)?;
        let accepting = hello.accept(socket, tls.config().clone());
        let accepting = timeout_at(deadline.min(Instant::now() + patience), accepting);
        let channel = tokio::select! {
            biased;
            channel = accepting => channel.map_err(late)?.map_err(handshake_end)?,
            // Asked only when the other has sent what it can and waits for the client.
            () = self.cluster.handshakes.crowded_out() => return Err(EndReason::TlsHandshakeGaveWay),
        };
        Ok((channel, route, name))
    }

    /// A handshake is worked on only once its first message is here, so that those who send none take nobody's place.
    async fn handshake_place(&self) -> Place {
        let handshakes = &self.cluster.handshakes;
        if let Some(place) = handshakes.try_enter() {
            return place;
        }
        self.cluster.metrics.limit_met("tls_handshakes");
        handshakes.enter().await
    }
}

/// The first message of a client that speaks TLS.
async fn read_hello(socket: &mut TcpStream) -> Result<Hello, EndReason> {
    refuse_foreign(socket).await?;
    Hello::read(socket).await.map_err(handshake_end)
}

/// Ends a connection that speaks something else than TLS, when that is to be seen.
async fn refuse_foreign(socket: &TcpStream) -> Result<(), EndReason> {
    let mut first = Vec::new();
    peek(socket, |bytes| first.extend(bytes.iter().take(4))).await?;
    if first.first() == Some(&TLS_HANDSHAKE) {
        return Ok(());
    }
    Err(match prefix::foreign(&first) {
        Some(Foreign::Http) => EndReason::HttpOnKafkaPort,
        Some(Foreign::ProxyProtocol) => EndReason::ProxyProtocolOnKafkaPort,
        Some(Foreign::Tls | Foreign::TlsAlert) | None => EndReason::PlaintextOnTlsPort,
    })
}

/// The end of a client with which there is no TLS connection, by who can do something about it.
fn handshake_end(error: HandshakeError) -> EndReason {
    use rustls::AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRevoked, CertificateUnknown,
        UnknownCA, UnsupportedCertificate,
    };
    use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
    let text = error.to_string();
    match error {
        HandshakeError::Io(error) => client_end(&error),
        HandshakeError::Closed => EndReason::TlsHandshakeFailed("the client hung up".into()),
        HandshakeError::Expired => EndReason::ClientCertificateRefused(text),
        HandshakeError::HelloTooLong => EndReason::TlsHandshakeFailed(text),
        HandshakeError::Tls(error) => match error {
            AlertReceived(
                AccessDenied
                | BadCertificate
                | CertificateExpired
                | CertificateRevoked
                | CertificateUnknown
                | UnknownCA
                | UnsupportedCertificate,
            ) => EndReason::CertificateNotTrusted(text),
            InvalidCertificate(_) | NoCertificatesPresented => {
                EndReason::ClientCertificateRefused(text)
            }
            _ => EndReason::TlsHandshakeFailed(text),
        },
    }
}
