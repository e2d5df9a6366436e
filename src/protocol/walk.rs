//! The engine that walks a message by its table, in any pieces.

use super::Malformed;
use super::cursor::parse_varint;
use super::schema::Field;

/// Where a walk stands. A few dozen bytes, no heap.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    stack: [Level; DEPTH],
    depth: usize,
    /// Bytes of the current field that need not be looked at.
    skip: u32,
    /// Bytes of the frame that are still to come.
    left: u32,
}

/// Top level, topics, partitions, elements or a known tagged field of a partition.
const DEPTH: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Level {
    fields: &'static [Field],
    at: u32,
    elements: u32,
    /// Tagged fields of the section before `at` that are still to come.
    tags: u32,
    /// How many bytes of the frame must be left behind this level, or [`ANY`].
    left_behind: u32,
}

/// More than a frame can have.
const ANY: u32 = u32::MAX;

/// Why a walk came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It needs more bytes behind those it has walked.
    More,
    /// It came to a [`Field::Mark`].
    Mark,
    /// The [`Field::Look`] bytes end where the walk stands now.
    Look,
    /// It came to the end of the schema.
    End,
}

impl Walk {
    pub(super) fn new(fields: &'static [Field], frame_bytes: u32) -> Self {
        let top = Level {
            fields,
            at: 0,
            elements: 1,
            tags: 0,
            left_behind: ANY,
        };
        Walk {
            stack: [top; DEPTH],
            depth: 1,
            skip: 0,
            left: frame_bytes,
        }
    }

    /// Bytes of the frame that are still to come.
    pub(super) fn left(&self) -> u32 {
        self.left
    }

    /// How many of the next bytes need not be looked at.
    pub(super) fn opaque(&self) -> u32 {
        self.skip
    }

    /// `n` bytes went by: opaque ones, or ones that the caller took care of.
    pub(super) fn pass(&mut self, n: u32) {
        let n = n.min(self.left);
        self.left -= n;
        self.skip = self.skip.saturating_sub(n);
    }

    /// Walks `bytes`, which are the next of the frame; what reaches beyond it is not looked at. Returns how many it walked
    /// and why it stopped. Progress is certain with 10 bytes (two varints), or with as many as a `Look` wants.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<(usize, Stop), Malformed> {
        let bytes = bytes.get(..self.left as usize).unwrap_or(bytes);
        let mut window = Window {
            rest: bytes,
            beyond: u64::from(self.left) - bytes.len() as u64,
        };
        self.skip = window.pass(self.skip.into(), "frame")?;
        let stop = match self.skip {
            0 => self.run(&mut window)?,
            _ => Stop::More,
        };
        let n = bytes.len() - window.rest.len();
        self.left -= n as u32;
        Ok((n, stop))
    }

    /// Item by item until it must stop. What must not be looked at and is not there yet is left to `skip`.
    fn run(&mut self, window: &mut Window<'_>) -> Result<Stop, Malformed> {
        'levels: while let Some(level) = self.stack[..self.depth].last_mut() {
            loop {
                while level.tags > 0 {
                    let Some((number, size)) = window.tag_header()? else {
                        return window.more();
                    };
                    level.tags -= 1;
                    let known = match level.fields[level.at as usize - 1] {
                        Field::KnownTags(known) => known,
                        _ => &[],
                    };
                    if let Some((_, fields)) = known.iter().find(|(known, _)| *known == number) {
                        let left_behind =
                            window.check("tagged field", size.into())? - u64::from(size);
                        self.push(fields, 1, left_behind as u32);
                        continue 'levels;
                    }
                    self.skip = window.pass(size.into(), "tagged field")?;
                    if self.skip > 0 {
                        return Ok(Stop::More);
                    }
                }
                let Some(field) = level.fields.get(level.at as usize) else {
                    level.elements -= 1;
                    level.at = 0;
                    if level.elements > 0 {
                        continue;
                    }
                    if ![ANY, window.left() as u32].contains(&level.left_behind) {
                        return Err(Malformed {
                            field: "tagged field",
                            problem: "its size is not that of its content",
                        });
                    }
                    self.depth -= 1;
                    continue 'levels;
                };
                let (name, size) = match *field {
                    Field::Mark => {
                        level.at += 1;
                        return Ok(Stop::Mark);
                    }
                    Field::Look(n) => {
                        let Some((_, rest)) = window.rest.split_at_checked(n as usize) else {
                            return window.more();
                        };
                        window.rest = rest;
                        level.at += 1;
                        return Ok(Stop::Look);
                    }
                    Field::Fixed(n) => ("fixed fields", u64::from(n)),
                    Field::String => match window.int16() {
                        None => return window.more(),
                        Some(-1) => ("string", 0),
                        Some(n) => ("string", non_negative(n.into(), "string")?),
                    },
                    Field::Compact => match window.varint("compact string or bytes")? {
                        None => return window.more(),
                        Some(length) => ("compact string or bytes", compact(length)),
                    },
                    Field::Tags | Field::KnownTags(_) => match window.varint("tag count")? {
                        None => return window.more(),
                        Some(count) => {
                            window.check("tag count", u64::from(count) * 2)?;
                            level.tags = count;
                            ("tag count", 0)
                        }
                    },
                    Field::FixedArray(size) => match window.count()? {
                        None => return window.more(),
                        Some(count) => ("array", count * u64::from(size)),
                    },
                    Field::CompactFixedArray(size) => match window.varint("array count")? {
                        None => return window.more(),
                        Some(count) => ("array", compact(count) * u64::from(size)),
                    },
                    Field::Array(fields) | Field::CompactArray(fields) => {
                        let count = match field {
                            Field::Array(_) => window.count()?,
                            _ => window.varint("array count")?.map(compact),
                        };
                        let Some(count) = count else {
                            return window.more();
                        };
                        // An element has one byte at least.
                        window.check("array", count)?;
                        level.at += 1;
                        if count > 0 {
                            self.push(fields, count as u32, ANY);
                            continue 'levels;
                        }
                        continue;
                    }
                };
                level.at += 1;
                self.skip = window.pass(size, name)?;
                if self.skip > 0 {
                    return Ok(Stop::More);
                }
            }
        }
        Ok(Stop::End)
    }

    fn push(&mut self, fields: &'static [Field], elements: u32, left_behind: u32) {
        self.stack[self.depth] = Level {
            fields,
            at: 0,
            elements,
            tags: 0,
            left_behind,
        };
        self.depth += 1;
    }
}

/// The bytes of the frame that are there, less those that were walked.
struct Window<'a> {
    rest: &'a [u8],
    /// How many bytes of the frame follow them.
    beyond: u64,
}

impl Window<'_> {
    /// Bytes of the frame that are still to come.
    fn left(&self) -> u64 {
        self.rest.len() as u64 + self.beyond
    }

    /// Compares a length with what is left of the frame, which is returned.
    fn check(&self, field: &'static str, size: u64) -> Result<u64, Malformed> {
        let left = self.left();
        match size <= left {
            true => Ok(left),
            false => Err(Malformed {
                field,
                problem: "length beyond the frame",
            }),
        }
    }

    /// Passes over as many bytes, and returns how many of them are not there yet.
    #[inline]
    fn pass(&mut self, size: u64, field: &'static str) -> Result<u32, Malformed> {
        if let Some(rest) = self.rest.get(size as usize..) {
            self.rest = rest;
            return Ok(0);
        }
        self.check(field, size)?;
        let unseen = size - self.rest.len() as u64;
        self.rest = &[];
        Ok(unseen as u32)
    }

    /// The next item is not there as a whole: that of a frame which ends here never will be.
    #[cold]
    fn more(&self) -> Result<Stop, Malformed> {
        match self.beyond {
            0 => Err(Malformed {
                field: "frame",
                problem: "it ends inside a field",
            }),
            _ => Ok(Stop::More),
        }
    }

    #[inline]
    fn varint(&mut self, field: &'static str) -> Result<Option<u32>, Malformed> {
        let parsed = parse_varint(self.rest, field)?;
        Ok(parsed.map(|(value, n)| {
            self.rest = &self.rest[n..];
            value
        }))
    }

    /// A tag and its size: both or none.
    fn tag_header(&mut self) -> Result<Option<(u32, u32)>, Malformed> {
        let begin = self.rest;
        if let Some(tag) = self.varint("tag")?
            && let Some(size) = self.varint("tag size")?
        {
            return Ok(Some((tag, size)));
        }
        self.rest = begin;
        Ok(None)
    }

    fn int16(&mut self) -> Option<i16> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i16::from_be_bytes(*bytes))
    }

    /// The int32 count of an array; -1 is null.
    fn count(&mut self) -> Result<Option<u64>, Malformed> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Ok(None);
        };
        self.rest = rest;
        match i32::from_be_bytes(*bytes) {
            -1 => Ok(Some(0)),
            n => non_negative(n.into(), "array").map(Some),
        }
    }
}

/// A walk that only looks: it takes bytes in any pieces and keeps what was cut.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    walk: Walk,
    kept: [u8; KEPT],
    kept_bytes: usize,
}

/// Two varints; every other item is shorter.
const KEPT: usize = 10;

/// Where a [`Feed`] came to a mark, a look or the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// How many of the bytes that were fed last stand behind that place.
    pub(super) behind: usize,
    /// The two bytes before that place.
    pub(super) last: Option<[u8; 2]>,
}

impl Feed {
    pub(super) fn new(walk: Walk) -> Self {
        Feed {
            walk,
            kept: [0; KEPT],
            kept_bytes: 0,
        }
    }

    /// Takes the bytes that are new since the last call. `None`: it needs more.
    pub(super) fn feed(&mut self, mut new: &[u8]) -> Result<Option<Found>, Malformed> {
        // What was cut is completed byte by byte: at most ten of them.
        while self.kept_bytes > 0 {
            let Some((&byte, rest)) = new.split_first() else {
                return Ok(None);
            };
            let Some(slot) = self.kept.get_mut(self.kept_bytes) else {
                return Err(TOO_LONG);
            };
            *slot = byte;
            self.kept_bytes += 1;
            new = rest;
            let window = &self.kept[..self.kept_bytes];
            let (n, stop) = self.walk.advance(window)?;
            if stop != Stop::More {
                let behind = new.len() + window.len() - n;
                let last = window[..n].last_chunk().copied();
                return Ok(Some(Found { behind, last }));
            }
            self.kept.copy_within(n..self.kept_bytes, 0);
            self.kept_bytes -= n;
        }
        let (n, stop) = self.walk.advance(new)?;
        let (walked, rest) = new.split_at(n);
        if stop != Stop::More {
            let last = walked.last_chunk().copied();
            return Ok(Some(Found {
                behind: rest.len(),
                last,
            }));
        }
        self.kept
            .get_mut(..rest.len())
            .ok_or(TOO_LONG)?
            .copy_from_slice(rest);
        self.kept_bytes = rest.len();
        Ok(None)
    }
}

const TOO_LONG: Malformed = Malformed {
    field: "frame",
    problem: "an item too long",
};

fn compact(length: u32) -> u64 {
    u64::from(length.saturating_sub(1))
}

fn non_negative(n: i64, field: &'static str) -> Result<u64, Malformed> {
    u64::try_from(n).map_err(|_| Malformed {
        field,
        problem: "negative length",
    })
}
