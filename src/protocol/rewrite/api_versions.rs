//! ApiVersions: what the broker offers, less what this proxy cannot let through.

use super::super::Malformed;
use super::super::api::{self, API_VERSIONS, Policy};
use super::super::cursor::{Cursor, put_array_length};
use super::super::prefix::SIZE_BYTES;
use super::Elements;

/// Kafka's error code for an api version that is not known; the answer then has the layout of version 0 (KIP-511).
const UNSUPPORTED_VERSION: i16 = 35;

/// ApiVersions 0-4: the intersection of what the broker offers and what we let through. Where we know every version from 0
/// on, the broker's minimum stays the broker's (librdkafka turns compression off where Produce's is raised, KAFKA-18659).
pub(super) fn rewrite(
    version: i16,
    frame: &[u8],
    policy: &Policy,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let begin = out.len();
    let outcome = intersect(version, frame, policy, out);
    // librdkafka's embedded brokers answer error 35 in a layout that is of no version. It carries no addresses, and all that a
    // client can do with it is to ask again with version 0.
    if outcome.is_err() && error_code(frame) == Some(UNSUPPORTED_VERSION) {
        out.truncate(begin);
        out.extend_from_slice(frame);
        return Ok(());
    }
    outcome
}

fn error_code(frame: &[u8]) -> Option<i16> {
    let mut cursor = Cursor::new(frame);
    cursor.i32("correlation id").ok()?;
    cursor.i16("error code").ok()
}

fn intersect(
    version: i16,
    frame: &[u8],
    policy: &Policy,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(frame);
    // The response header is version 0 whatever the version of the body, so that any client can read it.
    cursor.i32("correlation id")?;
    let error = cursor.i16("error code")?;
    let flexible = version >= 3 && error != UNSUPPORTED_VERSION;
    out.extend_from_slice(&frame[..cursor.position()]);
    let count = cursor.array_length(flexible, "api keys")?;
    let mut kept = Elements::begin(out, flexible, count);
    for _ in 0..count {
        let key = cursor.i16("api key")?;
        let min = cursor.i16("min version")?;
        let max = cursor.i16("max version")?;
        let tags = match flexible {
            true => cursor.tags("api key")?,
            false => &[],
        };
        if !api::visible(policy, key) {
            continue;
        }
        let ceiling = api::ceiling(policy, key).unwrap_or(i16::MAX);
        let floor = api::floor(key).unwrap_or(i16::MIN);
        if min > ceiling || max < floor {
            continue;
        }
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&min.max(floor).to_be_bytes());
        out.extend_from_slice(&max.min(ceiling).to_be_bytes());
        out.extend_from_slice(tags);
        kept.kept += 1;
    }
    kept.end(out);
    out.extend_from_slice(cursor.rest());
    Ok(())
}

/// The answer to an ApiVersions request of a version that we do not know, with its size field: version 0, error 35, and
/// our own range, so that the client can ask again (KIP-511).
pub fn unsupported_api_versions(correlation_id: i32) -> Vec<u8> {
    let max = api::ceiling(&Policy::default(), API_VERSIONS).unwrap_or(0);
    let mut frame = vec![0; SIZE_BYTES];
    frame.extend_from_slice(&correlation_id.to_be_bytes());
    frame.extend_from_slice(&UNSUPPORTED_VERSION.to_be_bytes());
    put_array_length(&mut frame, false, 1);
    for value in [API_VERSIONS, 0, max] {
        frame.extend_from_slice(&value.to_be_bytes());
    }
    let size = (frame.len() - SIZE_BYTES) as u32;
    frame[..SIZE_BYTES].copy_from_slice(&size.to_be_bytes());
    frame
}
