//! When a connection leaves Kafka's framing for raw SASL tokens, and when it comes back.
//!
//! SaslHandshake v1 is followed by ordinary SaslAuthenticate requests. After v0 the client sends bare tokens with only a
//! size in front, and the broker answers with the same (KIP-43); nothing on the wire says when that is over.

use super::Malformed;
use super::cursor::Cursor;

/// What a client authenticates with, as far as the number of its tokens depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// One token, which may begin with a zero byte and so look like a request.
    Plain,
    /// Any number of tokens, none of which begins with a zero byte: SCRAM and OAUTHBEARER send text (`n,,`; on failure
    /// `\x01`), GSSAPI sends ASN.1 (0x60) and wrap tokens (0x05).
    Other,
}

/// The mechanism that a SaslHandshake request names; `frame` begins with its api key.
pub fn handshake_mechanism(frame: &[u8]) -> Result<Mechanism, Malformed> {
    let mut cursor = Cursor::new(frame);
    cursor.take(2 + 2 + 4, "request header")?;
    cursor.string(false, "client id")?;
    let name = cursor.string(false, "mechanism")?.unwrap_or_default();
    Ok(match name.eq_ignore_ascii_case(b"PLAIN") {
        true => Mechanism::Plain,
        false => Mechanism::Other,
    })
}

/// The error code of an answer to SaslHandshake; `frame` begins with its correlation id.
pub fn handshake_error_code(frame: &[u8]) -> Result<i16, Malformed> {
    let mut cursor = Cursor::new(frame);
    cursor.i32("correlation id")?;
    cursor.i16("error code")
}

/// The phase in which frames are raw tokens.
#[derive(Clone, Copy, Debug)]
pub struct RawTokens {
    mechanism: Mechanism,
    seen: u32,
}

impl RawTokens {
    /// Begins after a good answer to SaslHandshake v0.
    pub fn new(mechanism: Mechanism) -> Self {
        RawTokens { mechanism, seen: 0 }
    }

    /// Whether the broker may leave a token unanswered: GSSAPI's last one is. A broker that needs no more of the
    /// client's tokens and has none to send sends nothing.
    pub fn may_stay_unanswered(&self) -> bool {
        self.mechanism == Mechanism::Other
    }

    /// Whether the client's next frame is another token. `first_two` are the bytes behind its size field; where the
    /// frame is shorter they are not its own, and its size decides alone. Asked once a frame.
    pub fn next_is_token(&mut self, frame_bytes: u32, first_two: Option<[u8; 2]>) -> bool {
        let is_token = match self.mechanism {
            Mechanism::Plain => self.seen == 0,
            Mechanism::Other => !looks_like_request(frame_bytes, first_two),
        };
        self.seen += u32::from(is_token);
        is_token
    }
}

fn looks_like_request(frame_bytes: u32, first_two: Option<[u8; 2]>) -> bool {
    // The fixed part of a request header, and an api key below 256: Kafka is far from having more, and a key that our
    // table does not know is still none of a token.
    frame_bytes >= 8 && first_two.is_some_and(|[first, _]| first == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_has_one_token_even_if_it_looks_like_a_request() {
        let mut tokens = RawTokens::new(Mechanism::Plain);
        assert!(tokens.next_is_token(20, Some([0, 3])));
        assert!(!tokens.next_is_token(20, Some([0, 3])));
    }

    #[test]
    fn other_mechanisms_go_on_until_a_request_comes() {
        let mut tokens = RawTokens::new(Mechanism::Other);
        for first in [*b"n,", *b"c=", [0x60, 0x82]] {
            assert!(tokens.next_is_token(100, Some(first)));
        }
        assert!(
            tokens.next_is_token(1, None),
            "OAUTHBEARER's answer to a failure"
        );
        assert!(tokens.next_is_token(0, None), "an empty token");
        assert!(!tokens.next_is_token(20, Some([0, 18])));
        assert!(
            !tokens.next_is_token(20, Some([0, 200])),
            "an api that is newer than our table"
        );
    }

    #[test]
    fn the_mechanism_is_read_from_the_handshake() {
        let frame = |name: &[u8]| {
            let mut frame = vec![0, 17, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, name.len() as u8];
            frame.extend_from_slice(name);
            frame
        };
        assert_eq!(handshake_mechanism(&frame(b"PLAIN")), Ok(Mechanism::Plain));
        assert_eq!(
            handshake_mechanism(&frame(b"SCRAM-SHA-256")),
            Ok(Mechanism::Other)
        );
        assert!(handshake_mechanism(&frame(b"PLAIN")[..14]).is_err());
        assert_eq!(handshake_error_code(&[0, 0, 0, 1, 0, 33]), Ok(33));
    }
}
