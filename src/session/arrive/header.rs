//! The PROXY protocol's header.

use tokio::net::TcpStream;

use super::Arrival;
use super::socket::peek;
use crate::config::ProxyProtocolMode;
use crate::session::end::EndReason;
use crate::session::request::client_end;
use crate::transport::proxy_protocol::{self, Header, Parsed};
use crate::transport::stream::take_peeked;

impl Arrival {
    /// Whether a header may come, or must.
    pub(super) fn expects_header(&self) -> ProxyProtocolMode {
        let proxy_protocol = &self.cluster.proxy_protocol;
        match proxy_protocol.mode {
            // Anybody can write a header. Who is not trusted may come without one where any client may.
            ProxyProtocolMode::Optional if !self.trusts_peer() => ProxyProtocolMode::Off,
            mode => mode,
        }
    }

    /// Whether the peer may tell who the client is.
    pub(super) fn trusts_peer(&self) -> bool {
        let mut from = self.cluster.proxy_protocol.from.iter();
        from.any(|network| network.contains(self.peer.ip()))
    }

    /// Takes a header of the PROXY protocol out of the socket, and nothing behind it.
    pub(super) async fn read_header(
        &self,
        socket: &TcpStream,
    ) -> Result<Option<Header>, EndReason> {
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
            take_peeked(socket, bytes - taken).map_err(|e| client_end(&e))?;
            if let Some((_, header)) = header {
                return Ok(Some(header));
            }
        }
    }
}
