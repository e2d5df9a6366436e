//! The first bytes of a frame, and what is no Kafka frame at all.

use std::fmt;

/// Bytes of the size field in front of each frame: an int32 that does not count itself.
pub const SIZE_BYTES: usize = 4;

/// Size, api key, api version and correlation id: the same place in every version of the request header.
pub const REQUEST_PREFIX_BYTES: usize = 12;

/// Size and correlation id: the same place in every version of the response header.
pub const RESPONSE_PREFIX_BYTES: usize = 8;

/// What every request begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPrefix {
    /// Bytes that follow the size field.
    pub frame_bytes: u32,
    /// Which api is asked.
    pub api_key: i16,
    /// In which version.
    pub api_version: i16,
    /// What the answer must repeat.
    pub correlation_id: i32,
}

impl RequestPrefix {
    /// Reads it; the frame must have room for the rest of the prefix.
    pub fn parse(bytes: &[u8; REQUEST_PREFIX_BYTES]) -> Result<Self, BadSize> {
        let [s0, s1, s2, s3, k0, k1, v0, v1, c0, c1, c2, c3] = *bytes;
        Ok(RequestPrefix {
            frame_bytes: size([s0, s1, s2, s3], REQUEST_PREFIX_BYTES - SIZE_BYTES)?,
            api_key: i16::from_be_bytes([k0, k1]),
            api_version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// What every answer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponsePrefix {
    /// Bytes that follow the size field.
    pub frame_bytes: u32,
    /// The request that is answered.
    pub correlation_id: i32,
}

impl ResponsePrefix {
    /// Reads it; the frame must have room for the rest of the prefix.
    pub fn parse(bytes: &[u8; RESPONSE_PREFIX_BYTES]) -> Result<Self, BadSize> {
        let [s0, s1, s2, s3, c0, c1, c2, c3] = *bytes;
        Ok(ResponsePrefix {
            frame_bytes: size([s0, s1, s2, s3], RESPONSE_PREFIX_BYTES - SIZE_BYTES)?,
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// A size field alone, as it stands in front of a raw SASL token; zero is allowed there.
pub fn token_size(bytes: &[u8; SIZE_BYTES]) -> Result<u32, BadSize> {
    size(*bytes, 0)
}

fn size(bytes: [u8; SIZE_BYTES], least: usize) -> Result<u32, BadSize> {
    let size = i32::from_be_bytes(bytes);
    match u32::try_from(size) {
        Err(_) => Err(BadSize::Negative(size)),
        Ok(n) if (n as usize) < least => Err(BadSize::TooSmall(size)),
        Ok(n) => Ok(n),
    }
}

/// A size field that no frame can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSize {
    /// Below zero.
    Negative(i32),
    /// Less than the fixed part of a header.
    TooSmall(i32),
}

impl fmt::Display for BadSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadSize::Negative(size) => write!(f, "{size} is negative"),
            BadSize::TooSmall(size) => write!(f, "{size} bytes cannot hold a header"),
        }
    }
}

impl std::error::Error for BadSize {}

/// What a peer speaks that is not Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A TLS handshake record. Read as a size field it is some 369 MB.
    Tls,
    /// A TLS alert record: what a TLS server answers to plaintext.
    TlsAlert,
    /// An HTTP request.
    Http,
    /// A PROXY protocol header, version 1 or 2.
    ProxyProtocol,
}

/// Recognises other protocols by the first bytes of a connection; needs four of them.
pub fn foreign(first: &[u8]) -> Option<Foreign> {
    match first.first_chunk::<4>()? {
        [0x16, 0x03, ..] => Some(Foreign::Tls),
        [0x15, 0x03, ..] => Some(Foreign::TlsAlert),
        b"GET " | b"POST" | b"HEAD" | b"PUT " | b"DELE" | b"OPTI" | b"CONN" | b"PATC" | b"PRI "
        | b"HTTP" => Some(Foreign::Http),
        b"PROX" | b"\r\n\r\n" => Some(Foreign::ProxyProtocol),
        _ => None,
    }
}

/// The text that a size is, where something else than a Kafka client speaks: SSH, SMTP, Redis, a scanner.
pub fn text(size: u32) -> Option<String> {
    let bytes = size.to_be_bytes();
    let is_text = bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    is_text.then(|| bytes.iter().copied().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_prefix_is_read_big_endian() {
        let bytes = [0, 0, 1, 0, 0, 3, 0, 9, 0, 0, 0, 7];
        let expected = RequestPrefix {
            frame_bytes: 256,
            api_key: 3,
            api_version: 9,
            correlation_id: 7,
        };
        assert_eq!(RequestPrefix::parse(&bytes), Ok(expected));
    }

    #[test]
    fn negative_and_too_small_sizes_are_refused() {
        let mut request = [0; 12];
        request[3] = 7;
        assert_eq!(RequestPrefix::parse(&request), Err(BadSize::TooSmall(7)));
        request[0] = 0xff;
        assert!(matches!(
            RequestPrefix::parse(&request),
            Err(BadSize::Negative(_))
        ));
        assert_eq!(
            ResponsePrefix::parse(&[0, 0, 0, 3, 0, 0, 0, 0]),
            Err(BadSize::TooSmall(3))
        );
        assert_eq!(token_size(&[0; 4]), Ok(0));
    }

    #[test]
    fn other_protocols_are_recognised_by_their_first_bytes() {
        assert_eq!(foreign(&[0x16, 0x03, 0x01, 0x02]), Some(Foreign::Tls));
        assert_eq!(foreign(b"GET / HTTP/1.1"), Some(Foreign::Http));
        assert_eq!(foreign(b"PROXY TCP4"), Some(Foreign::ProxyProtocol));
        assert_eq!(foreign(&[0x16, 0x03]), None);
        assert_eq!(foreign(&[0, 0, 0, 32, 0, 18]), None);
    }
}
