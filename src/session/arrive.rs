//! What comes before the first Kafka request: the PROXY protocol's header, the TLS handshake, and with it the route of a
//! client of SNI mode.
//!
//! It is bounded in time by `timeouts.first_bytes` and `timeouts.tls_handshake`, and in number by `limits.tls_handshakes`. A
//! client that sends nothing costs a socket and the state of one task, and no buffer.

mod handshake;
mod header;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Cluster;
use super::cluster::{Came, LiveCluster};
use super::end::EndReason;
use crate::config::{Advertise, ProxyProtocolMode};
use crate::limits::ClientPermit;
use crate::port_map::{Door, Route};
use crate::transport::proxy_protocol::Header;
use crate::transport::stream::Stream;
use socket::readable;

/// A client that may send requests.
pub(super) struct Arrived {
    pub(super) client: Stream,
    pub(super) route: Route,
    pub(super) came: Came,
    pub(super) permit: ClientPermit,
}

/// A client on its way to be served.
pub(super) struct Arrival {
    live: LiveCluster,
    /// What was in force when it was looked at last.
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
    pub(super) fn new(live: LiveCluster, door: Door, peer: SocketAddr) -> Self {
        Arrival {
            cluster: live.load_full(),
            live,
            door,
            peer,
            begin: Instant::now(),
            header: None,
        }
    }

    /// What is in force for this client.
    pub(super) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
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

    /// Whether there is something to wait for before the client's first request. Where it cannot be served that is whether
    /// it wants to be: one that goes away without a word is a health check.
    pub(super) fn is_due(&self) -> bool {
        self.cluster.tls.is_some()
            || self.expects_header() != ProxyProtocolMode::Off
            || self.came(None).is_err()
    }

    /// Lets a client in that has nothing to say before its first request.
    pub(super) fn pass(&self, socket: TcpStream) -> Result<Arrived, EndReason> {
        let permit = self.admit()?;
        self.arrived(Stream::new(socket), self.route()?, None, permit)
    }

    /// Where a client without TLS goes. The configuration has no port of SNI mode without TLS.
    fn route(&self) -> Result<Route, EndReason> {
        match self.door {
            Door::Route(route) => Ok(route),
            Door::Sni => Err(EndReason::UnknownServerName(None)),
        }
    }

    /// Lets a client in when it has said all of it.
    pub(super) async fn arrive(&mut self, mut socket: TcpStream) -> Result<Arrived, EndReason> {
        let deadline = self.begin + self.cluster.timeouts.first_bytes;
        // Who the client is may be known before it says anything: being silent does not spare it the limits.
        let mut permit = match self.expects_header() {
            ProxyProtocolMode::Off => Some(self.admit()?),
            _ if self.trusts_peer() => None,
            // It is told what its fault is when it speaks.
            _ => Some(self.count()?),
        };
        let first = timeout_at(deadline, readable(&socket)).await;
        first.unwrap_or(Err(EndReason::BareConnect))?;
        let is_known = permit.is_some();
        self.look_again(is_known)?;
        if self.expects_header() != ProxyProtocolMode::Off {
            let header = timeout_at(deadline, self.read_header(&socket)).await;
            self.header = header.unwrap_or(Err(EndReason::FirstBytesTimeout))?;
            permit = None;
        }
        let permit = match permit {
            Some(permit) => permit,
            None => {
                let admitted = self.admit();
                if admitted.is_err() && self.header.as_ref().is_some_and(|h| h.source.is_none()) {
                    // A load balancer's health check is no client that somebody meant to keep out.
                    let first = timeout_at(deadline, readable(&socket)).await;
                    first.unwrap_or(Err(EndReason::BareConnect))?;
                }
                admitted?
            }
        };
        if self.came(None).is_err() {
            // Who says nothing, be it behind a header, is a health check, and wants no host to be told.
            let silent = match self.may_tell() {
                true => EndReason::TlsHandshakeTimeout,
                false => EndReason::BareConnect,
            };
            let first = timeout_at(deadline, readable(&socket)).await;
            first.unwrap_or(Err(silent))?;
            // A balancer sends its header at once, and the client behind it may wait for as long as the host takes to be known.
            self.look_again(true)?;
            if !self.may_tell() {
                self.came(None)?;
            }
        }
        let Some(tls) = self.cluster.tls.clone() else {
            return self.arrived(Stream::new(socket), self.route()?, None, permit);
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

    /// Goes by what is in force now: who was silent for long is not let in by what was so before, and is not kept out by it
    /// either. Whether the client may connect is asked anew where it is known who that is.
    fn look_again(&mut self, is_known: bool) -> Result<(), EndReason> {
        let cluster = self.live.load_full();
        if Arc::ptr_eq(&cluster, &self.cluster) {
            return Ok(());
        }
        self.cluster = cluster;
        if is_known && !self.cluster.access.admits(self.client().ip()) {
            return Err(EndReason::NotAllowed);
        }
        Ok(())
    }

    /// Whether a server name may tell yet what the client dialled. Else no word of it changes anything.
    fn may_tell(&self) -> bool {
        self.cluster.tls.is_some() && self.cluster.advertise == Advertise::Dialled
    }

    /// Whether this client is this process.
    fn is_loop(&self, socket: &TcpStream) -> bool {
        let local = socket.local_addr();
        local.is_ok_and(|local| self.cluster.upstream.is_own(self.peer, local))
    }

    /// Whether this client may connect, and connect once more.
    fn admit(&self) -> Result<ClientPermit, EndReason> {
        let ip = self.client().ip();
        if !self.cluster.access.admits(ip) {
            return Err(EndReason::NotAllowed);
        }
        self.count()
    }

    /// Whether this client may connect once more.
    fn count(&self) -> Result<ClientPermit, EndReason> {
        let limits = &self.cluster.limits;
        let ip = self.client().ip();
        let admitted = self.cluster.clients.admit(ip, &limits.of_client());
        admitted.map_err(EndReason::ClientLimit)
    }

    fn arrived(
        &self,
        client: Stream,
        route: Route,
        server_name: Option<String>,
        permit: ClientPermit,
    ) -> Result<Arrived, EndReason> {
        let came = self.came(server_name);
        Ok(Arrived {
            client,
            route,
            came: came?,
            permit,
        })
    }

    /// By what the client came. An error if it is to be told what it dialled, and nothing says what that is, or an address
    /// that is not known yet.
    fn came(&self, server_name: Option<String>) -> Result<Came, EndReason> {
        let came = match (self.door, self.cluster.advertise) {
            (Door::Sni, _) => Came::Name,
            (Door::Route(_), Advertise::Configured) => Came::Port,
            (Door::Route(_), Advertise::Dialled) => match self.dialled(server_name) {
                Some(host) => Came::Host(host),
                None => Came::Port,
            },
        };
        match self.cluster.lacks_host(&came) {
            None => Ok(came),
            Some(reason) => Err(reason),
        }
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
