//! What comes before the first Kafka request: the PROXY protocol's header, the TLS handshake, and with it the route of a
//! client of SNI mode.
//!
//! It is bounded in time by `timeouts.first_bytes` and `timeouts.tls_handshake`, and in number by `limits.tls_handshakes`. A
//! client that sends nothing costs a socket and the state of one task, and no buffer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Cluster;
use super::cluster::Came;
use super::end::EndReason;
use crate::config::{Advertise, ProxyProtocolMode};
use crate::limits::{ClientPermit, Place};
use crate::port_map::{Door, Route};
use crate::protocol::prefix::{self, Foreign};
use crate::transport::buffer::Buffer;
use crate::transport::proxy_protocol::{self, Header, Parsed};
use crate::transport::stream::{Stream, is_disconnect};
use crate::transport::tls::channel::Channel;
use crate::transport::tls::handshake::{HandshakeError, Hello};
use crate::transport::tls::server::Server;

/// The first byte of a TLS connection (RFC 8446, section 5.1: the content type handshake).
const TLS_HANDSHAKE: u8 = 22;

/// A client that may send requests.
pub(super) struct Arrived {
    pub(super) client: Stream,
    pub(super) route: Route,
    pub(super) came: Came,
    pub(super) permit: ClientPermit,
}

/// A client on its way to be served.
pub(super) struct Arrival {
    cluster: Arc<Cluster>,
    door: Door,
    /// The other end of the socket.
    peer: SocketAddr,
    /// When it was accepted.
    begin: Instant,
    header: Option<Header>,
}

impl Arrival {
    /// Of a client that was accepted just now.
    pub(super) fn new(cluster: Arc<Cluster>, door: Door, peer: SocketAddr) -> Self {
        Arrival {
            cluster,
            door,
            peer,
            begin: Instant::now(),
            header: None,
        }
    }

    /// When it was accepted.
    pub(super) fn begin(&self) -> Instant {
        self.begin
    }

    /// Where the client is: what a PROXY protocol header says, else the other end of the socket.
    pub(super) fn client(&self) -> SocketAddr {
        let told = self.header.as_ref().and_then(|header| header.source);
        told.unwrap_or(self.peer)
    }

    /// Whether the client has to say something before its first request.
    pub(super) fn is_due(&self) -> bool {
        self.cluster.tls.is_some() || self.expects_header() != ProxyProtocolMode::Off
    }

    /// Lets a client in that has nothing to say before its first request.
    pub(super) fn pass(&self, socket: TcpStream) -> Result<Arrived, EndReason> {
        let permit = self.admit()?;
        let Door::Route(route) = self.door else {
            // The configuration has no port of SNI mode without TLS.
            return Err(EndReason::UnknownServerName(None));
        };
        self.arrived(Stream::new(socket), route, None, permit)
    }

    /// Lets a client in when it has said all of it.
    pub(super) async fn arrive(&mut self, mut socket: TcpStream) -> Result<Arrived, EndReason> {
        let deadline = self.begin + self.cluster.timeouts.first_bytes;
        let first = timeout_at(deadline, readable(&socket)).await;
        first.unwrap_or(Err(EndReason::BareConnect))?;
        if self.expects_header() != ProxyProtocolMode::Off {
            let header = timeout_at(deadline, self.read_header(&socket)).await;
            self.header = header.unwrap_or(Err(EndReason::FirstBytesTimeout))?;
        }
        let permit = self.admit()?;
        let Some(tls) = self.cluster.tls.clone() else {
            let Door::Route(route) = self.door else {
                return Err(EndReason::UnknownServerName(None));
            };
            return self.arrived(Stream::new(socket), route, None, permit);
        };
        let shaking = async {
            readable(&socket).await?;
            // In a box of its own, from the first byte on: who is silent does not need the room that a handshake does.
            Box::pin(self.shake_hands(&mut socket, &tls, deadline)).await
        };
        let shaken = timeout_at(deadline, shaking).await;
        let shaken = shaken.unwrap_or(Err(EndReason::TlsHandshakeTimeout));
        let shaken = shaken.map_err(|reason| reason.unless(|| self.is_loop(&socket)));
        let (channel, route, name) = shaken?;
        self.arrived(Stream::with_tls(socket, channel), route, name, permit)
    }

    /// Whether this client is this process.
    fn is_loop(&self, socket: &TcpStream) -> bool {
        let local = socket.local_addr();
        local.is_ok_and(|local| self.cluster.upstream.is_own(self.peer, local))
    }

    fn expects_header(&self) -> ProxyProtocolMode {
        let proxy_protocol = &self.cluster.proxy_protocol;
        match proxy_protocol.mode {
            // Anybody can write a header. Who is not trusted may come without one where any client may.
            ProxyProtocolMode::Optional if !self.trusts_peer() => ProxyProtocolMode::Off,
            mode => mode,
        }
    }

    fn trusts_peer(&self) -> bool {
        let mut from = self.cluster.proxy_protocol.from.iter();
        from.any(|network| network.contains(self.peer.ip()))
    }

    /// Takes a header of the PROXY protocol out of the socket, and nothing behind it.
    async fn read_header(&self, socket: &TcpStream) -> Result<Option<Header>, EndReason> {
        let required = self.cluster.proxy_protocol.mode == ProxyProtocolMode::Required;
        if !self.trusts_peer() {
            return Err(EndReason::ProxyHeaderMissing(format!(
                "{} is not in proxy_protocol_from",
                self.peer.ip()
            )));
        }
        let mut held = Vec::new();
        loop {
            // Bytes are looked at first and taken then: those behind the header are not ours to take.
            let (taken, begin) = (held.len(), &mut held);
            let seen = peek(socket, |bytes| begin.extend_from_slice(bytes)).await?;
            if seen == 0 {
                return Err(match taken {
                    0 => EndReason::BareConnect,
                    _ => EndReason::BadProxyHeader("the connection ended within it".into()),
                });
            }
            let header = match proxy_protocol::parse(&held) {
                Ok(Parsed::Header { bytes, header }) => Some((bytes, header)),
                Ok(Parsed::NeedMore) if held.len() < proxy_protocol::LONGEST => None,
                Ok(Parsed::NeedMore) => {
                    return Err(EndReason::BadProxyHeader("it has no end".into()));
                }
                Ok(Parsed::Absent) if taken == 0 && !required => return Ok(None),
                Ok(Parsed::Absent) if taken == 0 => {
                    let what = "the first bytes are something else".to_owned();
                    return Err(EndReason::ProxyHeaderMissing(what));
                }
                // Neither Kafka nor TLS begins as a header does.
                Ok(Parsed::Absent) => {
                    return Err(EndReason::BadProxyHeader("it breaks off".into()));
                }
                Err(malformed) => return Err(EndReason::BadProxyHeader(malformed.to_string())),
            };
            let bytes = header.as_ref().map_or(held.len(), |(bytes, _)| *bytes);
            take(socket, bytes - taken)?;
            if let Some((_, header)) = header {
                return Ok(Some(header));
            }
        }
    }

    /// Whether this client may connect, and connect once more.
    fn admit(&self) -> Result<ClientPermit, EndReason> {
        let ip = self.client().ip();
        if !self.cluster.access.admits(ip) {
            return Err(EndReason::NotAllowed);
        }
        let limits = &self.cluster.limits;
        let admitted = self.cluster.clients.admit(ip, &limits.of_client());
        admitted.map_err(EndReason::ClientLimit)
    }

    /// Does the handshake, in `timeouts.tls_handshake` without the time for which the client waits for its place among those
    /// under way: who holds all places must not have the others end.
    async fn shake_hands(
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

    fn arrived(
        &self,
        client: Stream,
        route: Route,
        server_name: Option<String>,
        permit: ClientPermit,
    ) -> Result<Arrived, EndReason> {
        let came = match (self.door, self.cluster.advertise) {
            (Door::Sni, _) => Came::Name,
            (Door::Route(_), Advertise::Configured) => Came::Port,
            (Door::Route(_), Advertise::Dialled) => match self.dialled(server_name) {
                Some(host) => Came::Host(host),
                None if self.cluster.has_host() => Came::Port,
                None => return Err(EndReason::NoAdvertisedHost),
            },
        };
        Ok(Arrived {
            client,
            route,
            came,
            permit,
        })
    }

    /// The host that the client dialled, in its own words if those are known.
    fn dialled(&self, server_name: Option<String>) -> Option<Arc<str>> {
        if let Some(name) = server_name {
            return Some(name.into());
        }
        let header = self.header.as_ref()?;
        if let Some(authority) = &header.authority {
            return Some(authority.as_str().into());
        }
        let destination = header.destination?;
        Some(destination.ip().to_canonical().to_string().into())
    }
}

/// Waits for the first byte.
async fn readable(socket: &TcpStream) -> Result<(), EndReason> {
    match peek(socket, |_| {}).await? {
        0 => Err(EndReason::BareConnect),
        _ => Ok(()),
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

/// Shows the bytes that are in the socket, once there are some, and leaves them there. 0 is the end of the stream.
async fn peek(socket: &TcpStream, look: impl FnOnce(&[u8])) -> Result<usize, EndReason> {
    let mut buffer;
    let n = loop {
        socket.readable().await.map_err(|e| client_end(&e))?;
        // Lent only now: while nothing comes no buffer is held.
        buffer = Buffer::lend();
        let peek = || Ok(recv(socket, buffer.room(), RecvFlags::PEEK)?);
        match socket.try_io(Interest::READABLE, peek) {
            Ok((n, _)) => break n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(buffer),
            Err(error) => return Err(client_end(&error)),
        }
    };
    buffer.filled(n);
    look(buffer.bytes());
    Ok(n)
}

/// Takes bytes out of the socket that are there.
fn take(socket: &TcpStream, mut n: usize) -> Result<(), EndReason> {
    let mut scratch = [0; 512];
    while n > 0 {
        let most = n.min(scratch.len());
        match socket.try_read(&mut scratch[..most]) {
            Ok(0) => return Err(EndReason::ClientClosedMidFrame),
            Ok(taken) => n -= taken,
            Err(error) => return Err(client_end(&error)),
        }
    }
    Ok(())
}

fn client_end(error: &io::Error) -> EndReason {
    match is_disconnect(error) {
        true => EndReason::ClientReset,
        false => EndReason::Socket(format!("reading from the client: {error}")),
    }
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
