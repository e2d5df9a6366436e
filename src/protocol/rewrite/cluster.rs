//! DescribeCluster 0-2: who is in the cluster.

use super::super::Malformed;
use super::super::cursor::Cursor;
use super::{Context, Elements, Findings};
use crate::port_map::NodeId;

/// `endpoint_type` (KIP-919): 1 is brokers, 2 is controllers.
const BROKERS: i8 = 1;

pub(super) fn rewrite(
    version: i16,
    frame: &[u8],
    cx: &Context<'_>,
    out: &mut Vec<u8>,
    findings: &mut Findings,
) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(frame);
    cursor.i32("correlation id")?;
    cursor.tags("header")?;
    cursor.i32("throttle time")?;
    cursor.i16("error code")?;
    cursor.string(true, "error message")?;
    let endpoint_type = match version {
        1.. => cursor.i8("endpoint type")?,
        _ => BROKERS,
    };
    cursor.string(true, "cluster id")?;
    out.extend_from_slice(&frame[..cursor.position()]);
    let controller = cursor.i32("controller id")?;
    let known = endpoint_type == BROKERS && cx.ports.contains(NodeId(controller));
    out.extend_from_slice(&if known { controller } else { -1 }.to_be_bytes());

    let count = cursor.array_length(true, "brokers")?;
    let mut brokers = Elements::begin(out, true, count);
    for _ in 0..count {
        let node_id = cursor.i32("node id")?;
        let host = cursor.string(true, "host")?.unwrap_or_default();
        let port = cursor.i32("port")?;
        let rest = cursor.position();
        cursor.string(true, "rack")?;
        if version >= 2 {
            cursor.i8("is fenced")?;
        }
        cursor.tags("broker")?;
        // Controllers are never exposed, and their ids may be brokers' ids as well.
        if endpoint_type == BROKERS
            && let Some(address) = findings.replace(cx, node_id, host, port)
        {
            brokers.broker(out, node_id, address, &frame[rest..cursor.position()]);
        }
    }
    brokers.end(out);
    out.extend_from_slice(cursor.rest());
    Ok(())
}
