//! The PROXY protocol: who a connection really comes from, said by a load balancer before the connection's own bytes.
//!
//! Versions 1 and 2 as in HAProxy's `doc/proxy-protocol.txt`, whose sections are named below. The crate `ppp` decodes
//! addresses and TLVs; when a header is whole, how long it may be, and what `ppp` takes more or less strictly than the
//! specification is decided here. Whether a peer may be believed is not: anybody can write such a header.

use std::fmt;
use std::net::SocketAddr;

use ppp::v2::ParseError;
use ppp::{v1, v2};

/// The size in bytes of the longest header that is accepted. Addresses take 232 bytes at most; the rest is room for TLVs, of
/// which the longest in use (the DER certificate of a client) has two or three thousand.
pub const LONGEST: usize = 4096;

/// What the first bytes of a connection say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// No more can be said before more bytes come.
    NeedMore,
    /// The bytes do not begin with a signature of either version, and no more bytes can change that.
    Absent,
    /// A whole header.
    Header {
        /// Its size; the connection's own bytes come behind it.
        bytes: usize,
        /// What it says.
        header: Header,
    },
}

/// What a header says of the connection on whose behalf it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Where the connection comes from. `None` where the header does not say, or says that it is the load balancer's own
    /// (LOCAL, UNKNOWN, AF_UNSPEC, AF_UNIX, anything but a stream): the peer's address stands.
    pub source: Option<SocketAddr>,
    /// The address that the client dialled; `None` together with `source`.
    pub destination: Option<SocketAddr>,
    /// The host name that the client dialled (PP2_TYPE_AUTHORITY, most often TLS's server name), of letters, digits,
    /// hyphens, underscores and dots, at most 253. It is the client's own word.
    pub authority: Option<String>,
}

/// Why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Reads a header from the first bytes of a connection. At most the first [`LONGEST`] of them matter.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    for (signature, version) in [
        (V1_SIGNATURE, parse_v1 as fn(&[u8]) -> _),
        (V2_SIGNATURE, parse_v2),
    ] {
        if bytes.starts_with(signature) {
            return version(bytes);
        }
        if signature.starts_with(bytes) {
            return Ok(Parsed::NeedMore);
        }
    }
    Ok(Parsed::Absent)
}

/// One line of text (section 2.1).
fn parse_v1(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let bytes = bytes.get(..V1_LONGEST).unwrap_or(bytes);
    if bytes
        .get(V1_SIGNATURE.len())
        .is_some_and(|&byte| byte != b' ')
    {
        return malformed("\"PROXY\" is not followed by a space");
    }
    let end = bytes.iter().position(|byte| b"\r\n".contains(byte));
    let Some(line) = end.and_then(|end| bytes.get(..end)) else {
        return match bytes.len() {
            V1_LONGEST => malformed(format!("no line ends within {V1_LONGEST} bytes")),
            _ => Ok(Parsed::NeedMore),
        };
    };
    match bytes.get(line.len()..) {
        Some([b'\r', b'\n', ..]) => {}
        Some([b'\r']) if bytes.len() < V1_LONGEST => return Ok(Parsed::NeedMore),
        _ => return malformed(format!("{} does not end with CR and LF", quoted(line))),
    }
    let header = match line.strip_prefix(b"PROXY UNKNOWN") {
        // Whatever the rest says is to be ignored; ppp looks at it.
        Some([] | [b' ', ..]) => Header::default(),
        _ => tcp_line(bytes, line)?,
    };
    let bytes = line.len() + 2;
    Ok(Parsed::Header { bytes, header })
}

fn tcp_line(bytes: &[u8], line: &[u8]) -> Result<Header, Malformed> {
    let unfit = |why| Malformed(format!("{} {why}", quoted(line)));
    let header = v1::Header::try_from(bytes).map_err(|error| {
        use v1::{BinaryParseError::Parse, ParseError::*};
        unfit(match error {
            Parse(InvalidSourceAddress(_)) => "has a source address that is none of its protocol",
            Parse(InvalidDestinationAddress(_)) => "has a destination address that is none of its protocol",
            Parse(InvalidSourcePort(_)) => "has a source port that is none",
            Parse(InvalidDestinationPort(_)) => "has a destination port that is none",
            _ => "is not of the form \"PROXY TCP4|TCP6 SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT\" or \"PROXY UNKNOWN\"",
        })
    })?;
    // ppp reads a port as Rust does, with a plus sign if there is one.
    if line.contains(&b'+') {
        return Err(unfit("has a port with a sign"));
    }
    Ok(match header.addresses {
        v1::Addresses::Tcp4(ip) => between(
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        ),
        v1::Addresses::Tcp6(ip) => between(
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        ),
        v1::Addresses::Unknown => Header::default(),
    })
}

/// Binary (section 2.2).
fn parse_v2(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let Some(fixed) = bytes.first_chunk::<V2_FIXED>() else {
        return Ok(Parsed::NeedMore);
    };
    let size = V2_FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if size > LONGEST {
        return malformed(format!("it has {size} bytes; at most {LONGEST} are read"));
    }
    // Of a LOCAL header everything but the length is to be ignored; ppp would ask for the addresses of its family.
    if fixed[12] == V2_LOCAL {
        return Ok(match bytes.len() < size {
            true => Parsed::NeedMore,
            false => Parsed::Header {
                bytes: size,
                header: Header::default(),
            },
        });
    }
    match v2::Header::try_from(bytes) {
        Ok(whole) => {
            let header = said_by(&whole)?;
            let bytes = size;
            Ok(Parsed::Header { bytes, header })
        }
        // What is wrong with the fixed part was told before.
        Err(ParseError::Incomplete(_) | ParseError::Partial(..)) => Ok(Parsed::NeedMore),
        Err(error) => Err(in_words(error)),
    }
}

fn said_by(whole: &v2::Header<'_>) -> Result<Header, Malformed> {
    let mut header = match whole.addresses {
        // A receiver may take what it does not support for UNSPEC; Kafka over UDP is nothing that this one knows.
        _ if whole.protocol != v2::Protocol::Stream => Header::default(),
        v2::Addresses::IPv4(ip) => between(
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        ),
        v2::Addresses::IPv6(ip) => between(
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        ),
        v2::Addresses::Unix(_) | v2::Addresses::Unspecified => Header::default(),
    };
    let mut at = V2_FIXED + whole.address_bytes().len();
    for tlv in whole.tlvs() {
        let tlv = tlv.map_err(in_words)?;
        let value_at = at + TLV_FIXED;
        match tlv.kind {
            TYPE_CRC32C => check_crc(whole.as_bytes(), value_at, &tlv.value)?,
            TYPE_AUTHORITY if header.authority.is_none() => {
                header.authority = host_name(&tlv.value)
            }
            _ => {}
        }
        at = value_at + tlv.value.len();
    }
    Ok(header)
}

/// The checksum is that of the whole header with zeros in its own place (section 2.2.3, RFC 4960 appendix B).
fn check_crc(header: &[u8], at: usize, value: &[u8]) -> Result<(), Malformed> {
    let Ok(said) = <[u8; 4]>::try_from(value).map(u32::from_be_bytes) else {
        return malformed(format!(
            "its checksum has {} bytes instead of 4",
            value.len()
        ));
    };
    let before = crc32c::crc32c(header.get(..at).unwrap_or_default());
    let own = crc32c::crc32c_append(before, &[0; 4]);
    let sum = crc32c::crc32c_append(own, header.get(at + 4..).unwrap_or_default());
    match sum == said {
        true => Ok(()),
        false => malformed(format!(
            "its checksum is {said:#010x}, that of its bytes {sum:#010x}"
        )),
    }
}

/// A host name, or nothing: an authority may also be of a form that no client of Kafka dials (with a port, in Unicode),
/// which is no reason to turn the client away. It is then as if the load balancer had not passed it on.
fn host_name(value: &[u8]) -> Option<String> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let name = std::str::from_utf8(value).ok()?;
    let is_name = value.len() <= 253
        && value.iter().all(fits)
        && name.split('.').all(|label| (1..=63).contains(&label.len()));
    is_name.then(|| name.to_owned())
}

/// IPv4 addresses that are mapped into IPv6 become IPv4 again: senders map one where the other address is IPv6.
fn between(source: SocketAddr, destination: SocketAddr) -> Header {
    let canonical = |it: SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
    Header {
        source: Some(canonical(source)),
        destination: Some(canonical(destination)),
        authority: None,
    }
}

fn in_words(error: ParseError) -> Malformed {
    Malformed(match error {
        ParseError::Version(bits) => format!("its version is {} instead of 2", bits >> 4),
        ParseError::Command(bits) => {
            format!("its command is {bits}, neither 0 (LOCAL) nor 1 (PROXY)")
        }
        ParseError::AddressFamily(bits) => format!("there is no address family {}", bits >> 4),
        ParseError::Protocol(bits) => format!("there is no transport protocol {bits}"),
        ParseError::InvalidAddresses(has, needs) => {
            format!("its length is {has}, but its addresses take {needs} bytes")
        }
        ParseError::InvalidTLV(kind, length) => {
            format!("a TLV of type {kind:#04x} and length {length} runs past its end")
        }
        ParseError::Leftovers(_) => "what follows its last TLV is too short for another".into(),
        other => other.to_string(),
    })
}

fn quoted(line: &[u8]) -> String {
    format!("\"{}\"", line.escape_ascii())
}

fn malformed<T>(why: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(why.into()))
}

const V1_SIGNATURE: &[u8] = b"PROXY";

/// The longest line with its CR and LF.
const V1_LONGEST: usize = 107;

const V2_SIGNATURE: &[u8] = v2::PROTOCOL_PREFIX;

/// The size of the part that every header has: signature, version and command, family and protocol, length.
const V2_FIXED: usize = 16;

/// The size of a TLV's type and length.
const TLV_FIXED: usize = 3;

/// Version 2, command LOCAL.
const V2_LOCAL: u8 = 0x20;

const TYPE_AUTHORITY: u8 = 0x02;
const TYPE_CRC32C: u8 = 0x03;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
