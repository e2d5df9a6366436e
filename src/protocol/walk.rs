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
        let mut at = 0;
        loop {
            if self.skip > 0 {
                let n = self.skip.min((bytes.len() - at) as u32);
                at += n as usize;
                self.pass(n);
                if self.skip > 0 {
                    return Ok((at, Stop::More));
                }
            }
            let rest = &bytes[at..];
            match self.step(rest)? {
                Step::Walked(n) => {
                    at += n;
                    self.left -= n as u32;
                }
                Step::Stop(Stop::Look, n) => {
                    at += n;
                    self.left -= n as u32;
                    return Ok((at, Stop::Look));
                }
                Step::Stop(Stop::More, _) => {
                    if rest.len() as u32 >= self.left {
                        return Err(Malformed {
                            field: "frame",
                            problem: "it ends inside a field",
                        });
                    }
                    return Ok((at, Stop::More));
                }
                Step::Stop(stop, _) => return Ok((at, stop)),
            }
        }
    }

    /// One small item: a length, a count, a tag's header. What follows a length is left to `skip`.
    fn step(&mut self, rest: &[u8]) -> Result<Step, Malformed> {
        let Some(level) = self.stack[..self.depth].last_mut() else {
            return Ok(Step::Stop(Stop::End, 0));
        };
        if level.tags > 0 {
            let Some((number, tag)) = parse_varint(rest, "tag")? else {
                return Ok(Step::MORE);
            };
            let Some((size, length)) = parse_varint(&rest[tag..], "tag size")? else {
                return Ok(Step::MORE);
            };
            level.tags -= 1;
            let known = match level.fields[level.at as usize - 1] {
                Field::KnownTags(known) => known,
                _ => &[],
            };
            let header = tag + length;
            return match known.iter().find(|(known, _)| *known == number) {
                Some((_, fields)) => self.push_tag(fields, size, header),
                None => self.sized("tagged field", u64::from(size), header),
            };
        }
        let Some(field) = level.fields.get(level.at as usize) else {
            level.elements -= 1;
            level.at = 0;
            if level.elements == 0 {
                if ![ANY, self.left].contains(&level.left_behind) {
                    return Err(Malformed {
                        field: "tagged field",
                        problem: "its size is not that of its content",
                    });
                }
                self.depth -= 1;
            }
            return Ok(Step::Walked(0));
        };
        match *field {
            Field::Mark => {
                level.at += 1;
                Ok(Step::Stop(Stop::Mark, 0))
            }
            Field::Look(n) => {
                if rest.len() < n as usize {
                    return Ok(Step::MORE);
                }
                level.at += 1;
                Ok(Step::Stop(Stop::Look, n as usize))
            }
            Field::Fixed(n) => {
                level.at += 1;
                self.sized("fixed fields", u64::from(n), 0)
            }
            Field::String => match rest.first_chunk::<2>() {
                None => Ok(Step::MORE),
                Some(&length) => {
                    level.at += 1;
                    match i16::from_be_bytes(length) {
                        -1 => Ok(Step::Walked(2)),
                        n => self.sized("string", non_negative(n.into(), "string")?, 2),
                    }
                }
            },
            Field::Compact => match parse_varint(rest, "compact string or bytes")? {
                None => Ok(Step::MORE),
                Some((length, n)) => {
                    level.at += 1;
                    self.sized("compact string or bytes", compact(length), n)
                }
            },
            Field::Tags | Field::KnownTags(_) => match parse_varint(rest, "tag count")? {
                None => Ok(Step::MORE),
                Some((count, n)) => {
                    level.at += 1;
                    level.tags = count;
                    self.check("tag count", u64::from(count) * 2, n)
                }
            },
            Field::Array(fields) => match rest.first_chunk::<4>() {
                None => Ok(Step::MORE),
                Some(&count) => self.push(fields, int32_count(count)?, 4),
            },
            Field::CompactArray(fields) => match parse_varint(rest, "array count")? {
                None => Ok(Step::MORE),
                Some((count, n)) => self.push(fields, compact(count), n),
            },
            Field::FixedArray(size) => match rest.first_chunk::<4>() {
                None => Ok(Step::MORE),
                Some(&count) => {
                    level.at += 1;
                    self.sized("array", int32_count(count)? * u64::from(size), 4)
                }
            },
            Field::CompactFixedArray(size) => match parse_varint(rest, "array count")? {
                None => Ok(Step::MORE),
                Some((count, n)) => {
                    level.at += 1;
                    self.sized("array", compact(count) * u64::from(size), n)
                }
            },
        }
    }

    /// Something of `size` bytes follows the `header` bytes just read.
    fn sized(&mut self, field: &'static str, size: u64, header: usize) -> Result<Step, Malformed> {
        let step = self.check(field, size, header)?;
        self.skip = size as u32;
        Ok(step)
    }

    fn push(
        &mut self,
        fields: &'static [Field],
        elements: u64,
        header: usize,
    ) -> Result<Step, Malformed> {
        // An element has one byte at least.
        let step = self.check("array", elements, header)?;
        self.stack[self.depth - 1].at += 1;
        if elements > 0 {
            self.stack[self.depth] = Level {
                fields,
                at: 0,
                elements: elements as u32,
                tags: 0,
                left_behind: ANY,
            };
            self.depth += 1;
        }
        Ok(step)
    }

    /// The content of a tagged field whose number and size are the `header` bytes just read.
    fn push_tag(
        &mut self,
        fields: &'static [Field],
        size: u32,
        header: usize,
    ) -> Result<Step, Malformed> {
        let step = self.check("tagged field", u64::from(size), header)?;
        self.stack[self.depth] = Level {
            fields,
            at: 0,
            elements: 1,
            tags: 0,
            left_behind: self.left - header as u32 - size,
        };
        self.depth += 1;
        Ok(step)
    }

    /// Compares a length with what is left of the frame behind the `header` bytes just read.
    fn check(&self, field: &'static str, size: u64, header: usize) -> Result<Step, Malformed> {
        if size > u64::from(self.left).saturating_sub(header as u64) {
            return Err(Malformed {
                field,
                problem: "length beyond the frame",
            });
        }
        Ok(Step::Walked(header))
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

enum Step {
    Walked(usize),
    Stop(Stop, usize),
}

impl Step {
    const MORE: Step = Step::Stop(Stop::More, 0);
}

fn compact(length: u32) -> u64 {
    u64::from(length.saturating_sub(1))
}

fn int32_count(count: [u8; 4]) -> Result<u64, Malformed> {
    match i32::from_be_bytes(count) {
        -1 => Ok(0),
        n => non_negative(n.into(), "array"),
    }
}

fn non_negative(n: i64, field: &'static str) -> Result<u64, Malformed> {
    u64::try_from(n).map_err(|_| Malformed {
        field,
        problem: "negative length",
    })
}
