//! Answers, one after the other, in a buffer that is used again.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read at a time, at least.
const PIECE: usize = 64 << 10;
const SIZE_FIELD: usize = 4;

/// Reads frames of a bounded size.
pub(super) struct Frames {
    buffer: Vec<u8>,
    /// What was read and not given out yet is `buffer[begin..end]`.
    begin: usize,
    end: usize,
    largest: usize,
}

impl Frames {
    /// Frames of at most this many bytes.
    pub(super) fn new(largest: usize) -> Self {
        Frames {
            buffer: vec![0; PIECE],
            begin: 0,
            end: 0,
            largest,
        }
    }

    /// The next frame without its size field; `Err` is a size that is refused.
    pub(super) async fn next(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Result<&[u8], i32>> {
        self.fill(reader, SIZE_FIELD).await?;
        let field = self.buffer[self.begin..].first_chunk().copied();
        let size = i32::from_be_bytes(field.unwrap_or_default());
        let length = match usize::try_from(size) {
            Ok(length) if length <= self.largest => length,
            _ => return Ok(Err(size)),
        };
        self.fill(reader, SIZE_FIELD + length).await?;
        let begin = self.begin + SIZE_FIELD;
        self.begin = begin + length;
        Ok(Ok(&self.buffer[begin..begin + length]))
    }

    /// Reads until this many bytes are there.
    async fn fill(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        wanted: usize,
    ) -> io::Result<()> {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        }
        if self.begin + wanted > self.buffer.len() {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
            if wanted > self.buffer.len() {
                self.buffer.resize(wanted.next_multiple_of(PIECE), 0);
            }
        }
        while self.end - self.begin < wanted {
            match reader.read(&mut self.buffer[self.end..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.end += n,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_of_all_sizes_come_out_whole_from_any_pieces() {
        let sizes = [0, 1, 70_000, 3, 65_532, 200_000, 5];
        let mut bytes = Vec::new();
        for (n, size) in sizes.iter().enumerate() {
            bytes.extend_from_slice(&(*size as i32).to_be_bytes());
            bytes.extend(std::iter::repeat_n(n as u8, *size));
        }
        for piece in [1, 7, 4_096, 1 << 20] {
            let mut builder = bytes.chunks(piece);
            let (mut reader, mut writer) = tokio::io::duplex(1 << 16);
            let writing = async {
                for piece in &mut builder {
                    tokio::io::AsyncWriteExt::write_all(&mut writer, piece)
                        .await
                        .expect("it is read");
                }
                drop(writer);
            };
            let reading = async {
                let mut frames = Frames::new(200_000);
                for (n, size) in sizes.iter().enumerate() {
                    let frame = frames.next(&mut reader).await.expect("a frame");
                    let frame = frame.expect("a size");
                    assert_eq!(frame.len(), *size);
                    assert!(frame.iter().all(|byte| *byte == n as u8));
                }
                assert!(frames.next(&mut reader).await.is_err());
            };
            tokio::join!(writing, reading);
        }
    }

    #[tokio::test]
    async fn a_size_beyond_the_bound_is_refused_before_anything_is_kept() {
        for size in [i32::MAX, -1, 11] {
            let bytes = size.to_be_bytes();
            let mut frames = Frames::new(10);
            let outcome = frames.next(&mut &bytes[..]).await.expect("four bytes");
            assert_eq!(outcome, Err(size));
            assert_eq!(frames.buffer.len(), PIECE);
        }
    }
}
