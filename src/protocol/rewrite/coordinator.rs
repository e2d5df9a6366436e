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
    let error = cursor.i16("error code")?;
    if version >= 1 {
        cursor.string(flexible, "error message")?;
    }
    let errors = &frame[begin..cursor.position()];
    let place = Place::read(cursor, flexible)?;
    match place.replace(cx, findings) {
        Replaced::Nothing => out.extend_from_slice(&frame[begin..cursor.position()]),
        Replaced::Told(address) => {
            out.extend_from_slice(errors);
            put_place(
                out,
                flexible,
                place.node_id,
                address.host,
                address.port.into(),
            );
        }
        Replaced::Unmapped => {
            put_errors(out, error, errors, null(version >= 1, flexible));
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
    let errors = cursor.position();
    let error = cursor.i16("error code")?;
    cursor.string(true, "error message")?;
    let errors = &frame[errors..cursor.position()];
    let tags = cursor.tags("coordinator")?;
    match place.replace(cx, findings) {
        Replaced::Nothing => out.extend_from_slice(&frame[begin..cursor.position()]),
        Replaced::Told(address) => {
            out.extend_from_slice(key);
            put_place(out, true, place.node_id, address.host, address.port.into());
            out.extend_from_slice(errors);
            out.extend_from_slice(tags);
        }
        Replaced::Unmapped => {
            out.extend_from_slice(key);
            put_place(out, true, -1, "", -1);
            put_errors(out, error, errors, null(true, true));
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

/// Error code and message where the coordinator is outside the map. An error of the broker's own says more than ours.
fn put_errors(out: &mut Vec<u8>, error: i16, errors: &[u8], no_message: &[u8]) {
    if error == 0 {
        out.extend_from_slice(&COORDINATOR_NOT_AVAILABLE.to_be_bytes());
        out.extend_from_slice(no_message);
    } else {
        out.extend_from_slice(errors);
    }
}

/// A null string, where there is one at all.
fn null(present: bool, flexible: bool) -> &'static [u8] {
    match (present, flexible) {
        (false, _) => &[],
        (true, true) => &[0],
        (true, false) => &[0xff, 0xff],
    }
}
