//! PROXY protocol headers, written out by the specification (HAProxy's `doc/proxy-protocol.txt`) and by no code of the proxy.

use std::net::SocketAddr;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The TLV of the host name that the client dialled.
pub(crate) const AUTHORITY: u8 = 0x02;

/// A line of version 1.
pub(crate) fn v1(source: &str, destination: &str) -> Vec<u8> {
    let (source, destination) = parsed(source, destination);
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
    .into_bytes()
}

/// A header of version 2 for a TCP connection, with these TLVs.
pub(crate) fn v2(source: &str, destination: &str, tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let (source, destination) = parsed(source, destination);
    let (family, mut payload) = match (source, destination) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            (0x11, [from.ip().octets(), to.ip().octets()].concat())
        }
        (SocketAddr::V6(from), SocketAddr::V6(to)) => {
            (0x21, [from.ip().octets(), to.ip().octets()].concat())
        }
        _ => panic!("two families"),
    };
    payload.extend(source.port().to_be_bytes());
    payload.extend(destination.port().to_be_bytes());
    for (kind, value) in tlvs {
        payload.push(*kind);
        payload.extend((value.len() as u16).to_be_bytes());
        payload.extend(*value);
    }
    v2_raw(0x21, family, &payload)
}

/// A header of version 2 by which the load balancer speaks for itself, as in its health checks.
pub(crate) fn v2_local() -> Vec<u8> {
    v2_raw(0x20, 0, &[])
}

/// A header of version 2 with any fields, right or wrong.
pub(crate) fn v2_raw(version_and_command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [
        V2_SIGNATURE,
        &[version_and_command, family],
        &length,
        payload,
    ]
    .concat()
}

fn parsed(source: &str, destination: &str) -> (SocketAddr, SocketAddr) {
    let parse = |text: &str| text.parse().expect("an address with a port");
    (parse(source), parse(destination))
}
