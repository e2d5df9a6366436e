//! Answers in which addresses are replaced: small ones whole, Metadata's by its head.

mod api_versions;
mod cluster;
mod coordinator;
mod endpoints;
mod metadata;

pub use api_versions::unsupported_api_versions;
pub use metadata::{MetadataHead, metadata_brokers, metadata_head};

use super::Malformed;
use super::api::{Policy, WholeResponse};
use super::cursor::{put_array_length, put_string};
use super::prefix::SIZE_BYTES;
use crate::port_map::{AdvertisedAddress, NodeId, PortMap};

/// What a rewrite needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Which nodes there are for clients, and where.
    pub ports: &'a PortMap,
    /// What ApiVersions may offer.
    pub policy: &'a Policy,
    /// Whether to collect [`Findings::seen`].
    pub learn: bool,
}

/// What a rewrite came across.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many addresses were replaced.
    pub rewritten: u32,
    /// Brokers outside the map, which were left out.
    pub unmapped: Vec<SeenBroker>,
    /// Every broker of the map with the address that it has inside the cluster.
    pub seen: Vec<SeenBroker>,
}

/// A broker as an answer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBroker {
    /// Its node id.
    pub node_id: NodeId,
    /// Its host inside the cluster, fit for a log line: not longer than a host name can be, and U+FFFD in the place of
    /// what no host name has.
    pub host: String,
    /// Its port there; 0 if what was named is no port.
    pub port: u16,
}

/// Rewrites a whole answer. `frame` begins with its correlation id; the new frame goes to `out`, with its size field.
pub fn whole(
    kind: WholeResponse,
    version: i16,
    frame: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<Findings, Malformed> {
    begin(out, frame.len());
    let mut findings = Findings::default();
    match kind {
        WholeResponse::ApiVersions => api_versions::rewrite(version, frame, cx.policy, out)?,
        WholeResponse::FindCoordinator => {
            coordinator::rewrite(version, frame, cx, out, &mut findings)?;
        }
        WholeResponse::DescribeCluster => cluster::rewrite(version, frame, cx, out, &mut findings)?,
        WholeResponse::Produce => endpoints::produce(version, frame, cx, out, &mut findings)?,
        WholeResponse::ShareAcknowledge => {
            endpoints::share_acknowledge(version, frame, cx, out, &mut findings)?;
        }
    }
    let size = size_field(out.len() - SIZE_BYTES)?;
    out[..SIZE_BYTES].copy_from_slice(&size);
    Ok(findings)
}

/// Whether there is anything in a whole answer to rewrite; where there is not, the frame may pass as it is. Nothing is
/// allocated: nearly no Produce answer names a node.
pub fn needs_rewrite(kind: WholeResponse, version: i16, frame: &[u8]) -> Result<bool, Malformed> {
    match kind {
        WholeResponse::ApiVersions
        | WholeResponse::FindCoordinator
        | WholeResponse::DescribeCluster => Ok(true),
        WholeResponse::Produce => endpoints::in_produce(version, frame),
        WholeResponse::ShareAcknowledge => endpoints::in_share_acknowledge(version, frame),
    }
}

/// Makes room for a size field and what stands in for `bytes` bytes of the broker's. Its hosts are rarely shorter than
/// ours: mostly this is the only allocation.
fn begin(out: &mut Vec<u8>, bytes: usize) {
    out.clear();
    out.reserve_exact(SIZE_BYTES + bytes);
    out.extend_from_slice(&[0; SIZE_BYTES]);
}

/// The size field of a frame; our addresses may be longer than the broker's, and a frame has an end.
fn size_field(bytes: usize) -> Result<[u8; SIZE_BYTES], Malformed> {
    i32::try_from(bytes)
        .map(i32::to_be_bytes)
        .map_err(|_| Malformed {
            field: "brokers",
            problem: "the rewritten frame is too large",
        })
}

impl SeenBroker {
    fn new(node_id: i32, host: &[u8], port: i32) -> Self {
        let host = host.get(..HOST_BYTES).unwrap_or(host);
        let host = match std::str::from_utf8(host) {
            // Without a way out in the middle, many bytes are looked at at a time.
            Ok(host)
                if host
                    .bytes()
                    .fold(true, |all, byte| all & is_printable(byte)) =>
            {
                host.to_owned()
            }
            _ => host.iter().copied().map(printable).collect(),
        };
        SeenBroker {
            node_id: NodeId(node_id),
            host,
            port: u16::try_from(port).unwrap_or(0),
        }
    }
}

/// The length of the longest host name (RFC 1035), with a dot at its end.
const HOST_BYTES: usize = 254;

fn printable(byte: u8) -> char {
    match is_printable(byte) {
        true => byte.into(),
        false => char::REPLACEMENT_CHARACTER,
    }
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

impl Findings {
    /// The address that takes the place of a broker's; `None`: the broker must be left out.
    fn replace<'a>(
        &mut self,
        cx: &Context<'a>,
        node_id: i32,
        host: &[u8],
        port: i32,
    ) -> Option<AdvertisedAddress<'a>> {
        let seen = || SeenBroker::new(node_id, host, port);
        let address = cx.ports.advertised(NodeId(node_id));
        match address {
            Some(_) => {
                self.rewritten += 1;
                if cx.learn && !host.is_empty() && (1..=65_535).contains(&port) {
                    self.seen.push(seen());
                }
            }
            None => self.unmapped.push(seen()),
        }
        address
    }
}

/// An array that is written without knowing yet how many of its elements stay.
struct Elements {
    flexible: bool,
    /// Where the count is, and where the elements begin.
    count_at: usize,
    elements_at: usize,
    said: usize,
    kept: usize,
}

impl Elements {
    /// Begins an array of which at most `said` elements will be kept.
    fn begin(out: &mut Vec<u8>, flexible: bool, said: usize) -> Self {
        let count_at = out.len();
        put_array_length(out, flexible, said);
        Elements {
            flexible,
            count_at,
            elements_at: out.len(),
            said,
            kept: 0,
        }
    }

    /// node id, host, port: how every broker begins. `rest` is what follows, copied.
    fn broker(
        &mut self,
        out: &mut Vec<u8>,
        node_id: i32,
        address: AdvertisedAddress<'_>,
        rest: &[u8],
    ) {
        self.kept += 1;
        out.extend_from_slice(&node_id.to_be_bytes());
        put_string(out, self.flexible, address.host.as_bytes());
        out.extend_from_slice(&i32::from(address.port).to_be_bytes());
        out.extend_from_slice(rest);
    }

    /// Sets the count to what was kept. A smaller number never needs more bytes.
    fn end(self, out: &mut Vec<u8>) {
        if self.kept == self.said {
            return;
        }
        let end = out.len();
        put_array_length(out, self.flexible, self.kept);
        let count_end = self.count_at + out.len() - end;
        out.copy_within(end.., self.count_at);
        out.truncate(end);
        out.drain(count_end..self.elements_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_cannot_be_larger_than_its_size_field_can_say() {
        assert_eq!(size_field(0x7fff_ffff), Ok([0x7f, 0xff, 0xff, 0xff]));
        assert!(size_field(0x8000_0000).is_err());
        assert!(size_field(0x1_0000_0001).is_err());
    }
}
