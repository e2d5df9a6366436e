//! The head of Metadata answers: the brokers stand before the topics, so that 50 MB of topics need not be held.

use super::super::Malformed;
use super::super::cursor::Cursor;
use super::super::prefix::SIZE_BYTES;
use super::super::schema;
use super::super::walk::{Feed, Walk};
use super::super::walker::ResponseWalker;
use super::{Context, Elements, Findings, SeenBroker, begin, size_field};
use crate::port_map::NodeId;

/// Finds the end of the head (everything up to and including the controller id; in version 0 the brokers) while the
/// answer arrives.
#[derive(Clone, Debug)]
pub struct MetadataHead {
    feed: Feed,
    fed: usize,
}

impl MetadataHead {
    /// For an answer of `frame_bytes` bytes, counted from its correlation id.
    pub fn new(version: i16, frame_bytes: u32) -> Self {
        MetadataHead {
            feed: Feed::new(Walk::new(schema::metadata_head(version), frame_bytes)),
            fed: 0,
        }
    }

    /// Takes the bytes that are new since the last call. `Some(n)`: the head is the first `n` bytes of the frame.
    pub fn feed(&mut self, new: &[u8]) -> Result<Option<usize>, Malformed> {
        self.fed += new.len();
        let found = self.feed.feed(new)?;
        Ok(found.map(|found| self.fed - found.behind))
    }
}

/// Rewrites the head, which is as long as [`MetadataHead`] said. The new size field and head go to `out`. Where a walker
/// comes back, the rest of the frame must go through it: a broker was left out, and partitions that it leads lose their
/// leader (LEADER_NOT_AVAILABLE, which clients retry).
pub fn metadata_head(
    version: i16,
    head: &[u8],
    frame_bytes: u32,
    cx: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<(Findings, Option<ResponseWalker>), Malformed> {
    let flexible = version >= 9;
    let mut findings = Findings::default();
    let mut cursor = Cursor::new(head);
    read_header(version, &mut cursor)?;
    begin(out, head.len());
    out.extend_from_slice(&head[..cursor.position()]);

    let count = cursor.array_length(flexible, "brokers")?;
    let mut brokers = Elements::begin(out, flexible, count);
    for _ in 0..count {
        let broker = Broker::read(version, &mut cursor)?;
        if let Some(address) = findings.replace(cx, broker.node_id, broker.host, broker.port) {
            let rest = &head[broker.rest..cursor.position()];
            brokers.broker(out, broker.node_id, address, rest);
        }
    }
    brokers.end(out);

    if version >= 1 {
        let cluster_id = cursor.position();
        if version >= 2 {
            cursor.string(flexible, "cluster id")?;
        }
        out.extend_from_slice(&head[cluster_id..cursor.position()]);
        let controller = cursor.i32("controller id")?;
        let known = cx.ports.contains(NodeId(controller));
        out.extend_from_slice(&if known { controller } else { -1 }.to_be_bytes());
    }
    out.extend_from_slice(cursor.rest());

    let topics = (frame_bytes as usize)
        .checked_sub(head.len())
        .ok_or(Malformed {
            field: "brokers",
            problem: "longer than the frame",
        })?;
    let size = size_field(out.len() - SIZE_BYTES + topics)?;
    out[..SIZE_BYTES].copy_from_slice(&size);
    let walker = (!findings.unmapped.is_empty())
        .then(|| ResponseWalker::metadata_topics(version, topics as u32));
    Ok((findings, walker))
}

/// The brokers of a whole Metadata answer, for a reader that asked itself.
pub fn metadata_brokers(version: i16, frame: &[u8]) -> Result<Vec<SeenBroker>, Malformed> {
    let flexible = version >= 9;
    let mut cursor = Cursor::new(frame);
    read_header(version, &mut cursor)?;
    let mut brokers = Vec::new();
    for _ in 0..cursor.array_length(flexible, "brokers")? {
        let broker = Broker::read(version, &mut cursor)?;
        brokers.push(SeenBroker::new(broker.node_id, broker.host, broker.port));
    }
    Ok(brokers)
}

fn read_header(version: i16, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    cursor.i32("correlation id")?;
    if version >= 9 {
        cursor.tags("header")?;
    }
    if version >= 3 {
        cursor.i32("throttle time")?;
    }
    Ok(())
}

/// One broker; `rest` is where what follows its port begins.
struct Broker<'a> {
    node_id: i32,
    host: &'a [u8],
    port: i32,
    rest: usize,
}

impl<'a> Broker<'a> {
    fn read(version: i16, cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let flexible = version >= 9;
        let node_id = cursor.i32("node id")?;
        let host = cursor.string(flexible, "host")?.unwrap_or_default();
        let port = cursor.i32("port")?;
        let rest = cursor.position();
        if version >= 1 {
            cursor.string(flexible, "rack")?;
        }
        if flexible {
            cursor.tags("broker")?;
        }
        Ok(Broker {
            node_id,
            host,
            port,
            rest,
        })
    }
}
