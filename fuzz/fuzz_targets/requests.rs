//! Requests and first bytes of any kind: judged without a panic, and the same in any reads.
//!
//! The first byte is the version, the second the size of the reads; the rest is the request from its api key on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portolan::protocol::acks::AcksFinder;
use portolan::protocol::api::{self, Policy};
use portolan::protocol::prefix::{self, RequestPrefix, ResponsePrefix};
use portolan::protocol::rewrite::metadata_brokers;
use portolan::protocol::sasl::{self, Mechanism, RawTokens};
use portolan::protocol::software;

fuzz_target!(|input: &[u8]| {
    let [version, piece, frame @ ..] = input else {
        return;
    };
    let version = i16::from(*version) % 14;
    let piece = 1 + usize::from(*piece) % 40;
    let split = acks(version, frame, piece);
    let whole = acks(version, frame, frame.len().max(1));
    match (&split, &whole) {
        (Err(()), Err(())) => {}
        _ => assert_eq!(split, whole),
    }

    let _ = prefix::foreign(frame);
    if let Some(bytes) = frame.first_chunk() {
        let _ = ResponsePrefix::parse(bytes);
    }
    if let Some(prefix) = frame.first_chunk().map(RequestPrefix::parse)
        && let Ok(prefix) = prefix
    {
        for (forward_unknown, cap_fetch) in [(false, false), (true, true)] {
            let policy = Policy {
                forward_unknown,
                cap_fetch,
            };
            let _ = api::plan(&policy, prefix.api_key, prefix.api_version);
        }
    }
    let _ = sasl::handshake_mechanism(frame);
    let _ = sasl::handshake_error_code(frame);
    let _ = metadata_brokers(version, frame);
    let _ = software::client_software(frame);
    for mechanism in [Mechanism::Plain, Mechanism::Other] {
        let mut tokens = RawTokens::new(mechanism);
        for token in frame.chunks(piece) {
            tokens.next_is_token(token.len() as u32, token.first_chunk().copied());
        }
    }
});

fn acks(version: i16, frame: &[u8], piece: usize) -> Result<Option<i16>, ()> {
    let mut finder = AcksFinder::new(version, frame.len() as u32);
    for bytes in frame.chunks(piece) {
        if let Some(found) = finder.feed(bytes).map_err(drop)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
