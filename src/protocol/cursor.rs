//! A bounded reader over bytes from the network: every length is compared with what is there before it is used.

use super::Malformed;

/// Reads from the front of a slice. Nothing here allocates.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The bytes that were not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let taken = self.rest().get(..n).ok_or(Malformed {
            field,
            problem: "length beyond the frame",
        })?;
        self.at += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let taken = self.rest().first_chunk::<N>().ok_or(Malformed {
            field,
            problem: "the frame ends here",
        })?;
        self.at += N;
        Ok(*taken)
    }

    pub(crate) fn i8(&mut self, field: &'static str) -> Result<i8, Malformed> {
        Ok(i8::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array(field)?))
    }

    /// An unsigned varint of at most 32 bits (KIP-482).
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u32, Malformed> {
        match parse_varint(self.rest(), field)? {
            Some((value, n)) => {
                self.at += n;
                Ok(value)
            }
            None => Err(Malformed {
                field,
                problem: "the frame ends here",
            }),
        }
    }

    /// A string; `None` is null. Compact (varint length + 1) in flexible versions, int16 length before.
    pub(crate) fn string(
        &mut self,
        flexible: bool,
        field: &'static str,
    ) -> Result<Option<&'a [u8]>, Malformed> {
        let length = if flexible {
            match self.varint(field)? {
                0 => return Ok(None),
                n => n as usize - 1,
            }
        } else {
            match self.i16(field)? {
                -1 => return Ok(None),
                n => usize::try_from(n).map_err(|_| Malformed {
                    field,
                    problem: "negative length",
                })?,
            }
        };
        self.take(length, field).map(Some)
    }

    /// The number of elements of an array; null counts as none. An element has at least one byte, so a number beyond the
    /// bytes that are left is refused here.
    pub(crate) fn array_length(
        &mut self,
        flexible: bool,
        field: &'static str,
    ) -> Result<usize, Malformed> {
        let length = if flexible {
            (self.varint(field)? as usize).saturating_sub(1)
        } else {
            match self.i32(field)? {
                -1 => 0,
                n => usize::try_from(n).map_err(|_| Malformed {
                    field,
                    problem: "negative length",
                })?,
            }
        };
        if length > self.rest().len() {
            return Err(Malformed {
                field,
                problem: "length beyond the frame",
            });
        }
        Ok(length)
    }

    /// Reads past a section of tagged fields; returns its bytes.
    pub(crate) fn tags(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let begin = self.at;
        for _ in 0..self.varint(field)? {
            self.varint(field)?;
            let size = self.varint(field)?;
            self.take(size as usize, field)?;
        }
        Ok(&self.bytes[begin..self.at])
    }
}

/// An unsigned varint at the front of `bytes` and its length; `None` if it goes on behind them.
#[inline]
pub(crate) fn parse_varint(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<(u32, usize)>, Malformed> {
    match bytes {
        // Nearly every one: counts of tags, lengths of names.
        [byte @ ..=0x7f, ..] => Ok(Some((u32::from(*byte), 1))),
        _ => parse_long_varint(bytes, field),
    }
}

fn parse_long_varint(bytes: &[u8], field: &'static str) -> Result<Option<(u32, usize)>, Malformed> {
    let too_large = Malformed {
        field,
        problem: "varint beyond 32 bits",
    };
    let mut value = 0u64;
    for (n, &byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| too_large)?;
            return Ok(Some((value, n + 1)));
        }
    }
    if bytes.len() >= 5 {
        return Err(too_large);
    }
    Ok(None)
}

/// Appends an unsigned varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a string that is not null.
pub(crate) fn put_string(out: &mut Vec<u8>, flexible: bool, text: &[u8]) {
    if flexible {
        put_varint(out, text.len() as u32 + 1);
    } else {
        // What is written here is a host name of the configuration (at most 255 bytes) or what was read as such a string.
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(text);
}

/// Appends the number of elements of an array that is not null.
pub(crate) fn put_array_length(out: &mut Vec<u8>, flexible: bool, length: usize) {
    if flexible {
        put_varint(out, length as u32 + 1);
    } else {
        out.extend_from_slice(&(length as u32).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_overlong_or_oversized_ones_are_refused() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u32::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).varint("x"), Ok(value));
            for cut in 0..bytes.len() {
                assert_eq!(parse_varint(&bytes[..cut], "x"), Ok(None));
            }
        }
        assert!(parse_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], "x").is_err());
        assert!(parse_varint(&[0xff, 0xff, 0xff, 0xff, 0x1f], "x").is_err());
    }

    #[test]
    fn lengths_beyond_the_bytes_and_negative_ones_are_refused() {
        assert!(Cursor::new(&[0x7f, 0xff, 1]).string(false, "x").is_err());
        assert!(Cursor::new(&[0x80, 0x00]).string(false, "x").is_err());
        assert!(
            Cursor::new(&[0x7f, 0xff, 0xff, 0xff, 1])
                .array_length(false, "x")
                .is_err()
        );
        assert!(
            Cursor::new(&[0xff, 0xff, 0xff, 0xfe])
                .array_length(false, "x")
                .is_err()
        );
        assert!(Cursor::new(&[0x09, 1]).array_length(true, "x").is_err());
        assert_eq!(Cursor::new(&[0xff; 4]).array_length(false, "x"), Ok(0));
    }
}
