//! Large answers, walked and changed in place while they stream by: broker addresses are blanked without a change of length.
//!
//! `NodeEndpoints` (KIP-951) stands behind all record data, when the size of the frame has long been sent. A client that
//! finds none uses the address that it already knows for that node id, which is the proxied one; so blanking it is as
//! good as rewriting it.

use super::Malformed;
use super::api::WalkedResponse;
use super::cursor::{parse_varint, put_varint};
use super::schema::{self, PARTITION_LOOK};
use super::walk::{Stop, Walk};
use crate::port_map::{NodeId, PortMap};

/// The number of contiguous bytes with which a walker always makes progress.
pub const LOOKAHEAD: usize = 32;

/// A tag that no schema uses. Readers pass over tags that they do not know (KIP-482).
const UNUSED_TAG: u8 = 0x7f;
const OTHER_UNUSED_TAG: u8 = 0x7e;

const ENDS_HERE: Malformed = Malformed {
    field: "frame",
    problem: "it ends inside a field",
};

/// Kafka's error code for a partition without a leader that could be asked; clients retry.
const LEADER_NOT_AVAILABLE: i16 = 5;

/// Walks one answer from its correlation id on.
#[derive(Clone, Debug)]
pub struct ResponseWalker {
    walk: Walk,
    purpose: Purpose,
    state: State,
    neutralised: u32,
}

/// What is done where the walk stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A tag section follows the mark; its tag 0 is blanked.
    BlankTag,
    /// An array follows the mark; it is emptied and what it leaves is blanked.
    BlankArray,
    /// Partitions led by nodes outside the map lose their leader.
    Leaders,
}

impl Purpose {
    /// Fewer bytes than these cannot hold the first byte of a host, whatever a reader makes of them: `NodeEndpoints` stand
    /// behind all other fields, and each of their elements begins with its node id and host (KIP-951; the schemas
    /// FetchResponse, ProduceResponse, ShareFetchResponse and ShareAcknowledgeResponse).
    const fn least_bytes_with_an_address(self) -> u32 {
        const TAG_COUNT_TAG_AND_SIZE: u32 = 1 + 1 + 1;
        const ARRAY_COUNT: u32 = 1;
        const NODE_ID_HOST_LENGTH_AND_HOST: u32 = 4 + 1 + 1;
        match self {
            Purpose::BlankTag => {
                TAG_COUNT_TAG_AND_SIZE + ARRAY_COUNT + NODE_ID_HOST_LENGTH_AND_HOST
            }
            Purpose::BlankArray => ARRAY_COUNT + NODE_ID_HOST_LENGTH_AND_HOST,
            // It looks for leaders and must see each of them.
            Purpose::Leaders => 0,
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    /// In the fields that the schema lists.
    Fields,
    /// At the tag count of the last section.
    TagCount,
    /// In the last tag section, at a tag.
    TagHeader { left: u32 },
    /// In the data of a tag that passes.
    TagData { bytes: u32, left: u32 },
    /// In the data of tag 0.
    BlankTag { bytes: u32, left: u32 },
    /// At the count of the endpoint array.
    ArrayCount,
    /// In the fields that stand in for the endpoint array.
    Cover { header: Cover, sent: usize },
    /// In bytes that become zeros up to the end of the frame.
    BlankRest,
    /// Everything that is left passes.
    Pass,
}

impl ResponseWalker {
    /// For an answer of `frame_bytes` bytes, counted from its correlation id.
    pub fn new(kind: WalkedResponse, version: i16, frame_bytes: u32) -> Self {
        let (fields, purpose) = match kind {
            WalkedResponse::Fetch => (schema::FETCH, Purpose::BlankTag),
            WalkedResponse::Produce => (produce(version), Purpose::BlankTag),
            WalkedResponse::ShareFetch => (schema::SHARE_FETCH, Purpose::BlankArray),
            WalkedResponse::ShareAcknowledge => (share_acknowledge(version), Purpose::BlankArray),
        };
        Self::with(Walk::new(fields, frame_bytes), purpose)
    }

    /// For what follows the head of a Metadata answer, `bytes` in all.
    pub(super) fn metadata_topics(version: i16, bytes: u32) -> Self {
        Self::with(
            Walk::new(schema::metadata_topics(version), bytes),
            Purpose::Leaders,
        )
    }

    fn with(walk: Walk, purpose: Purpose) -> Self {
        ResponseWalker {
            walk,
            purpose,
            state: State::Fields,
            neutralised: 0,
        }
    }

    /// Walks as many of `bytes` as it can, changing some in place, and returns how many are done and may be sent. The
    /// caller keeps the rest and comes again with more behind it. `bytes` never reaches beyond the frame.
    ///
    /// Progress is certain when `bytes` has [`LOOKAHEAD`] bytes or all that is left of the frame.
    pub fn walk(&mut self, bytes: &mut [u8], ports: &PortMap) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &mut bytes[at..];
            let n = match self.state {
                State::Fields => {
                    let (n, stop) = self.walk.advance(rest)?;
                    match (stop, self.purpose) {
                        (Stop::More, _) => return Ok(at + n),
                        (Stop::Look, _) => unlead(&mut rest[n - PARTITION_LOOK as usize..n], ports),
                        (Stop::Mark, Purpose::BlankTag) => self.state = State::TagCount,
                        (Stop::Mark, Purpose::BlankArray) => self.state = State::ArrayCount,
                        (Stop::Mark, Purpose::Leaders) | (Stop::End, _) => self.state = State::Pass,
                    }
                    at += n;
                    continue;
                }
                State::TagCount => match parse_varint(rest, "tag count")? {
                    Some((left, n)) => {
                        self.state = State::TagHeader { left };
                        n
                    }
                    None => return self.more(rest, at),
                },
                State::TagHeader { left: 0 } => {
                    self.state = State::Pass;
                    continue;
                }
                State::TagHeader { left } => match self.tag_header(rest, left - 1)? {
                    Some(n) => n,
                    None => return self.more(rest, at),
                },
                State::TagData { bytes: 0, left } | State::BlankTag { bytes: 0, left } => {
                    self.state = State::TagHeader { left };
                    continue;
                }
                State::TagData { bytes, left } => {
                    let n = (bytes as usize).min(rest.len());
                    let bytes = bytes - n as u32;
                    self.state = State::TagData { bytes, left };
                    n
                }
                State::BlankTag { bytes, left } => {
                    let n = (bytes as usize).min(rest.len());
                    rest[..n].fill(0);
                    let bytes = bytes - n as u32;
                    self.state = State::BlankTag { bytes, left };
                    n
                }
                State::ArrayCount => {
                    // 0 is null and 1 is empty: nothing to hide.
                    if rest[0] > 1 {
                        rest[0] = 1;
                        let header = Cover::new(self.walk.left() - 1)?;
                        self.state = State::Cover { header, sent: 0 };
                        self.neutralised += 1;
                    } else {
                        self.state = State::Pass;
                    }
                    1
                }
                State::Cover { header, sent } => {
                    let todo = &header.bytes[sent..header.length];
                    let n = todo.len().min(rest.len());
                    rest[..n].copy_from_slice(&todo[..n]);
                    let sent = sent + n;
                    self.state = match sent < header.length {
                        true => State::Cover { header, sent },
                        false => State::BlankRest,
                    };
                    n
                }
                State::BlankRest => {
                    rest.fill(0);
                    rest.len()
                }
                State::Pass => rest.len(),
            };
            self.walk.pass(n as u32);
            at += n;
        }
        match self.walk.left() == 0 && !self.complete() {
            true => Err(ENDS_HERE),
            false => Ok(at),
        }
    }

    /// Whether the frame may end where the walk stands.
    fn complete(&self) -> bool {
        match self.state {
            State::TagHeader { left }
            | State::TagData { bytes: 0, left }
            | State::BlankTag { bytes: 0, left } => left == 0,
            State::BlankRest | State::Pass => true,
            _ => false,
        }
    }

    /// How many of the next bytes need not be seen: record data, or all that is left where no address can be in it.
    pub fn opaque_bytes(&self) -> u32 {
        match self.state {
            State::Fields if self.no_address_behind() => self.walk.left(),
            State::Fields => self.walk.opaque(),
            State::TagData { bytes, .. } => bytes,
            State::Pass => self.walk.left(),
            _ => 0,
        }
    }

    /// `n` of the opaque bytes went by unseen. Where they were the last of the frame, a walk of no bytes says whether it
    /// may end there.
    pub fn skip(&mut self, n: u32) {
        match self.state {
            State::TagData { bytes, left } => {
                let bytes = bytes.saturating_sub(n);
                self.state = State::TagData { bytes, left };
            }
            State::Fields if self.no_address_behind() => self.state = State::Pass,
            _ => {}
        }
        self.walk.pass(n);
    }

    /// Whether the walk stands in an opaque field with too few bytes behind it for an address. Most Fetch answers of one
    /// partition end so: three bytes of empty tag sections follow the records.
    fn no_address_behind(&self) -> bool {
        let opaque = self.walk.opaque();
        let behind = self.walk.left() - opaque;
        opaque > 0 && behind < self.purpose.least_bytes_with_an_address()
    }

    /// Endpoint fields blanked so far.
    pub fn neutralised(&self) -> u32 {
        self.neutralised
    }

    /// A tag and its size. `None`: more bytes are needed.
    fn tag_header(&mut self, rest: &mut [u8], left: u32) -> Result<Option<usize>, Malformed> {
        let Some((tag, n)) = parse_varint(rest, "tag")? else {
            return Ok(None);
        };
        let Some((bytes, m)) = parse_varint(&rest[n..], "tag size")? else {
            return Ok(None);
        };
        if u64::from(bytes) + (n + m) as u64 > u64::from(self.walk.left()) {
            return Err(Malformed {
                field: "tagged field",
                problem: "length beyond the frame",
            });
        }
        if tag == 0 {
            // An overlong zero stays as long as it was; its last byte makes it another number.
            rest[n - 1] = if n == 1 { UNUSED_TAG } else { 1 };
            self.neutralised += 1;
            self.state = State::BlankTag { bytes, left };
        } else {
            self.state = State::TagData { bytes, left };
        }
        Ok(Some(n + m))
    }

    fn more(&self, rest: &[u8], at: usize) -> Result<usize, Malformed> {
        if rest.len() as u32 >= self.walk.left() {
            return Err(ENDS_HERE);
        }
        Ok(at)
    }
}

pub(super) fn produce(version: i16) -> &'static [schema::Field] {
    match version {
        ..=12 => schema::PRODUCE_10,
        13.. => schema::PRODUCE_13,
    }
}

pub(super) fn share_acknowledge(version: i16) -> &'static [schema::Field] {
    match version {
        ..=1 => schema::SHARE_ACKNOWLEDGE_1,
        2.. => schema::SHARE_ACKNOWLEDGE_2,
    }
}

/// Takes the leader from a partition whose leader is outside the map: an honest and retriable answer.
fn unlead(partition: &mut [u8], ports: &PortMap) {
    if let Some((head, leader)) = partition.split_last_chunk_mut::<4>() {
        let id = i32::from_be_bytes(*leader);
        if id >= 0 && !ports.contains(NodeId(id)) {
            *leader = (-1i32).to_be_bytes();
            if let Some((error, _)) = head.split_first_chunk_mut::<2>() {
                *error = LEADER_NOT_AVAILABLE.to_be_bytes();
            }
        }
    }
}

/// A tag section that fills exactly a given number of bytes: its header, which zeros follow.
#[derive(Clone, Copy, Debug)]
struct Cover {
    bytes: [u8; 12],
    length: usize,
}

impl Cover {
    fn new(room: u32) -> Result<Self, Malformed> {
        let one = |data: u32| {
            let mut header = vec![1, UNUSED_TAG];
            put_varint(&mut header, data);
            header
        };
        // Where no size fits exactly (its varint would be one byte longer than there is room for), an empty tag takes two.
        let two = |data: u32| {
            let mut header = vec![2, OTHER_UNUSED_TAG, 0, UNUSED_TAG];
            put_varint(&mut header, data);
            header
        };
        for header_bytes in 3..=9u32 {
            let Some(data) = room.checked_sub(header_bytes) else {
                break;
            };
            for header in [one(data), two(data)] {
                if header.len() as u32 == header_bytes {
                    let mut bytes = [0; 12];
                    bytes[..header.len()].copy_from_slice(&header);
                    let length = header.len();
                    return Ok(Cover { bytes, length });
                }
            }
        }
        Err(Malformed {
            field: "node endpoints",
            problem: "the frame ends here",
        })
    }
}
