//! Whether a Produce request will be answered: with acks=0 it will not.

use super::Malformed;
use super::schema::produce_acks;
use super::walk::{Feed, Walk};

/// Finds `acks` in a Produce request while the frame streams by, in any pieces.
#[derive(Clone, Debug)]
pub struct AcksFinder(Feed);

impl AcksFinder {
    /// For a request of `frame_bytes` bytes, counted from its api key.
    pub fn new(api_version: i16, frame_bytes: u32) -> Self {
        AcksFinder(Feed::new(Walk::new(produce_acks(api_version), frame_bytes)))
    }

    /// Takes the frame's next bytes. `Some` once `acks` is known; an error when the frame cannot hold it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<i16>, Malformed> {
        let found = self.0.feed(bytes)?;
        Ok(found.and_then(|found| found.last).map(i16::from_be_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(
        version: i16,
        client_id: Option<&str>,
        transactional_id: Option<&str>,
        acks: i16,
    ) -> Vec<u8> {
        let mut frame = vec![0, 0];
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 9]);
        let nullable = |frame: &mut Vec<u8>, text: Option<&str>| match text {
            None => frame.extend_from_slice(&[0xff, 0xff]),
            Some(text) => {
                frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
                frame.extend_from_slice(text.as_bytes());
            }
        };
        nullable(&mut frame, client_id);
        if version < 3 {
            // No transactional id yet.
        } else if version < 9 {
            nullable(&mut frame, transactional_id);
        } else {
            frame.extend_from_slice(&[1, 5, 3, 7, 7, 7]); // one unknown tag in the header
            super::super::cursor::put_varint(
                &mut frame,
                transactional_id.map_or(0, |t| t.len() as u32 + 1),
            );
            frame.extend_from_slice(transactional_id.unwrap_or_default().as_bytes());
        }
        frame.extend_from_slice(&acks.to_be_bytes());
        frame.extend_from_slice(&[1; 40]);
        frame
    }

    #[test]
    fn acks_is_found_in_any_pieces_at_every_version() {
        let long = "x".repeat(300);
        for version in 0..=13 {
            for (client_id, transactional_id) in [
                (None, None),
                (Some("c"), Some("t")),
                (Some(&*long), Some(&*long)),
            ] {
                for acks in [0, 1, -1] {
                    let frame = request(version, client_id, transactional_id, acks);
                    for piece in [1, 2, 3, 7, 64, frame.len()] {
                        let mut finder = AcksFinder::new(version, frame.len() as u32);
                        let mut found = None;
                        for bytes in frame.chunks(piece) {
                            found = finder.feed(bytes).unwrap();
                            if found.is_some() {
                                break;
                            }
                        }
                        assert_eq!(found, Some(acks), "version {version}, pieces of {piece}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_frame_that_ends_before_acks_is_malformed() {
        for version in [0, 3, 9] {
            let frame = request(version, Some("client"), Some("transaction"), 0);
            for cut in 8..frame.len() - 42 {
                let mut finder = AcksFinder::new(version, cut as u32);
                assert!(
                    finder.feed(&frame[..cut]).is_err(),
                    "version {version} cut at {cut}"
                );
            }
        }
    }
}
