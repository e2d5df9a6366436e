//! FindCoordinator 0-6: which broker coordinates a group or a transaction.

use super::super::Malformed;
use super::super::cursor::{Cursor, put_array_length, put_string};
use super::{Context, Findings};

/// Kafka's error code for a coordinator that cannot be asked now; clients retry.
const COORDINATOR_NOT_AVAILABLE: i16 = 15;

pub(super) fn rewrite(
    version: i16,
    frame: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
    findings: &mut Findings,
) -> Result<(), Malformed> {
    let flexible = version >= 3;
    let mut cursor = Cursor::new(frame);
    cursor.i32("correlation id")?;
    if flexible {
        cursor.tags("header")?;
    }
    if version >= 1 {
        cursor.i32("throttle time")?;
    }
    out.extend_from_slice(&frame[..cursor.position()]);
    if version >= 4 {
        let count = cursor.array_length(true, "coordinators")?;
        put_array_length(out, true, count);
        for _ in 0..count {
            by_key(&mut cursor, frame, cx, out, findings)?;
        }
    } else {
        single(version, &mut cursor, frame, cx, out, findings)?;
    }
    out.extend_from_slice(cursor.rest());
    Ok(())
}

/// Versions 0-3: error code, error message (1+), node id, host, port.
fn single(
    version: i16,
    cursor: &mut Cursor<'_>,
    frame: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
    findings: &mut Findings,
) -> Result<(), Malformed> {
    let flexible = version >= 3;
    let begin = cursor.position();
    cursor.i16("error code")?;
    let message = cursor.position();
    if version >= 1 {
        cursor.string(flexible, "error message")?;
    }
    let messages = [
        &frame[message..cursor.position()],
        null(version >= 1, flexible),
    ];
    let place = Place::read(cursor, flexible)?;
    match place.replace(cx, findings) {
        Replaced::Nothing => out.extend_from_slice(&frame[begin..cursor.position()]),
        Replaced::Told(address) => {
            out.extend_from_slice(&frame[begin..message]);
            out.extend_from_slice(messages[0]);
            put_place(
                out,
                flexible,
                place.node_id,
                address.host,
                address.port.into(),
            );
        }
        Replaced::Unmapped => {
            out.extend_from_slice(&COORDINATOR_NOT_AVAILABLE.to_be_bytes());
            out.extend_from_slice(messages[1]);
            put_place(out, flexible, -1, "", -1);
        }
    }
    Ok(())
}

/// Versions 4+: key, node id, host, port, error code, error message, tags.
fn by_key(
    cursor: &mut Cursor<'_>,
    frame: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
    findings: &mut Findings,
) -> Result<(), Malformed> {
    let begin = cursor.position();
    cursor.string(true, "key")?;
    let key = &frame[begin..cursor.position()];
    let place = Place::read(cursor, true)?;
    let error = cursor.position();
    cursor.i16("error code")?;
    cursor.string(true, "error message")?;
    let tags = cursor.tags("coordinator")?;
    let rest = &frame[error..cursor.position()];
    match place.replace(cx, findings) {
        Replaced::Nothing => out.extend_from_slice(&frame[begin..cursor.position()]),
        Replaced::Told(address) => {
            out.extend_from_slice(key);
            put_place(out, true, place.node_id, address.host, address.port.into());
            out.extend_from_slice(rest);
        }
        Replaced::Unmapped => {
            out.extend_from_slice(key);
            put_place(out, true, -1, "", -1);
            out.extend_from_slice(&COORDINATOR_NOT_AVAILABLE.to_be_bytes());
            out.extend_from_slice(null(true, true));
            out.extend_from_slice(tags);
        }
    }
    Ok(())
}

struct Place<'a> {
    node_id: i32,
    host: &'a [u8],
    port: i32,
}

enum Replaced<'a> {
    /// No coordinator is named: the answer stays as it is.
    Nothing,
    Told(crate::port_map::AdvertisedAddress<'a>),
    Unmapped,
}

impl<'f> Place<'f> {
    fn read(cursor: &mut Cursor<'f>, flexible: bool) -> Result<Self, Malformed> {
        Ok(Place {
            node_id: cursor.i32("node id")?,
            host: cursor.string(flexible, "host")?.unwrap_or_default(),
            port: cursor.i32("port")?,
        })
    }

    fn replace<'a>(&self, cx: &Context<'a>, findings: &mut Findings) -> Replaced<'a> {
        if self.host.is_empty() {
            return Replaced::Nothing;
        }
        match findings.replace(cx, self.node_id, self.host, self.port) {
            Some(address) => Replaced::Told(address),
            None => Replaced::Unmapped,
        }
    }
}

fn put_place(out: &mut Vec<u8>, flexible: bool, node_id: i32, host: &str, port: i32) {
    out.extend_from_slice(&node_id.to_be_bytes());
    put_string(out, flexible, host.as_bytes());
    out.extend_from_slice(&port.to_be_bytes());
}

/// A null string, where there is one at all.
fn null(present: bool, flexible: bool) -> &'static [u8] {
    match (present, flexible) {
        (false, _) => &[],
        (true, true) => &[0],
        (true, false) => &[0xff, 0xff],
    }
}
