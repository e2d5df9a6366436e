//! `NodeEndpoints` (KIP-951) in small answers: Produce 10-13 and ShareAcknowledge 1-2. They are rewritten rather than
//! blanked, so that clients keep the shortcut to a new leader.

use super::super::Malformed;
use super::super::cursor::{Cursor, put_varint};
use super::super::schema::Field;
use super::super::walk::{Stop, Walk};
use super::super::walker;
use super::{Context, Elements, Findings};

/// They are tag 0 of the top tag section.
pub(super) fn produce(
    version: i16,
    frame: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
    findings: &mut Findings,
) -> Result<(), Malformed> {
    let (body, rest) = frame.split_at(to_mark(walker::produce(version), frame)?);
    out.extend_from_slice(body);
    let mut cursor = Cursor::new(rest);
    let count = cursor.varint("tags")?;
    put_varint(out, count);
    for _ in 0..count {
        let tag = cursor.varint("tags")?;
        let size = cursor.varint("tags")?;
        let data = cursor.take(size as usize, "tags")?;
        put_varint(out, tag);
        if tag == 0 {
            let mut field = Cursor::new(data);
            let mut told = Vec::new();
            rewrite(&mut field, data, cx, &mut told, findings)?;
            if !field.rest().is_empty() {
                return Err(LONGER);
            }
            put_varint(out, told.len() as u32);
            out.extend_from_slice(&told);
        } else {
            put_varint(out, size);
            out.extend_from_slice(data);
        }
    }
    out.extend_from_slice(cursor.rest());
    Ok(())
}

/// They are an array before the top tag section.
pub(super) fn share_acknowledge(
    version: i16,
    frame: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
    findings: &mut Findings,
) -> Result<(), Malformed> {
    let (body, rest) = frame.split_at(to_mark(walker::share_acknowledge(version), frame)?);
    out.extend_from_slice(body);
    let mut cursor = Cursor::new(rest);
    rewrite(&mut cursor, rest, cx, out, findings)?;
    out.extend_from_slice(cursor.rest());
    Ok(())
}

/// Whether a Produce answer names any node.
pub(super) fn in_produce(version: i16, frame: &[u8]) -> Result<bool, Malformed> {
    let (_, rest) = frame.split_at(to_mark(walker::produce(version), frame)?);
    let mut cursor = Cursor::new(rest);
    let mut any = false;
    for _ in 0..cursor.varint("tags")? {
        let tag = cursor.varint("tags")?;
        let size = cursor.varint("tags")?;
        let data = cursor.take(size as usize, "tags")?;
        if tag == 0 {
            let mut field = Cursor::new(data);
            if field.array_length(true, "node endpoints")? > 0 {
                any = true;
            } else if !field.rest().is_empty() {
                return Err(LONGER);
            }
        }
    }
    Ok(any)
}

/// Whether a ShareAcknowledge answer names any node.
pub(super) fn in_share_acknowledge(version: i16, frame: &[u8]) -> Result<bool, Malformed> {
    let (_, rest) = frame.split_at(to_mark(walker::share_acknowledge(version), frame)?);
    let count = Cursor::new(rest).array_length(true, "node endpoints")?;
    Ok(count > 0)
}

const LONGER: Malformed = Malformed {
    field: "node endpoints",
    problem: "longer than its content",
};

fn to_mark(fields: &'static [Field], frame: &[u8]) -> Result<usize, Malformed> {
    match Walk::new(fields, frame.len() as u32).advance(frame)? {
        (n, Stop::Mark) => Ok(n),
        _ => Err(Malformed {
            field: "frame",
            problem: "it ends inside a field",
        }),
    }
}

/// A compact array of node id, host, port, rack, tags.
fn rewrite(
    cursor: &mut Cursor<'_>,
    bytes: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
    findings: &mut Findings,
) -> Result<(), Malformed> {
    let count = cursor.array_length(true, "node endpoints")?;
    let mut endpoints = Elements::begin(out, true, count);
    for _ in 0..count {
        let node_id = cursor.i32("node id")?;
        let host = cursor.string(true, "host")?.unwrap_or_default();
        let port = cursor.i32("port")?;
        let rest = cursor.position();
        cursor.string(true, "rack")?;
        cursor.tags("node endpoint")?;
        if let Some(address) = findings.replace(cx, node_id, host, port) {
            endpoints.broker(out, node_id, address, &bytes[rest..cursor.position()]);
        }
    }
    endpoints.end(out);
    Ok(())
}
