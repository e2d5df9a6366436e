//! What a client says of itself: the name and version of its software, which ApiVersions requests carry since version 3
//! (KIP-511).

use super::cursor::Cursor;
use super::{Malformed, api};

/// The versions of ApiVersions requests that say it. Newer ones are not let through.
const VERSIONS: std::ops::RangeInclusive<i16> = 3..=4;

/// A frame that is longer introduces nobody: header and body have few fields, and all but `client_id` are short.
pub const INTRODUCTION_MAX_BYTES: u32 = 1024;

/// A longer name or version is not accepted. Brokers have no such bound, but we keep what we see.
const TEXT_MAX_BYTES: usize = 64;

/// The name and version of a client's software, in letters, digits, dots and hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSoftware<'a> {
    /// Such as `apache-kafka-java` or `librdkafka`.
    pub name: &'a str,
    /// Such as `4.3.1`.
    pub version: &'a str,
}

/// Whether a request introduces its client.
pub fn is_introduction(api_key: i16, api_version: i16, frame_bytes: u32) -> bool {
    api_key == api::API_VERSIONS
        && VERSIONS.contains(&api_version)
        && frame_bytes <= INTRODUCTION_MAX_BYTES
}

/// Reads it from such a request (which begins with its api key). `None`: no broker would accept what it says (Kafka's
/// `ApiVersionsRequest.isValid`), or it is too long to be kept.
pub fn client_software(frame: &[u8]) -> Result<Option<ClientSoftware<'_>>, Malformed> {
    let mut cursor = Cursor::new(frame);
    cursor.take(2 + 2 + 4, "header")?;
    cursor.string(false, "client_id")?;
    cursor.tags("header tags")?;
    let name = cursor.string(true, "client_software_name")?;
    let version = cursor.string(true, "client_software_version")?;
    Ok(name
        .and_then(accepted)
        .zip(version.and_then(accepted))
        .map(|(name, version)| ClientSoftware { name, version }))
}

/// Kafka's pattern: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn accepted(text: &[u8]) -> Option<&str> {
    let ends = [text.first()?, text.last()?];
    let may = text.len() <= TEXT_MAX_BYTES
        && ends.iter().all(|end| end.is_ascii_alphanumeric())
        && text
            .iter()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.'));
    may.then(|| std::str::from_utf8(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client_id: Option<&str>, name: &str, version: &str) -> Vec<u8> {
        let mut frame = vec![0, 18, 0, 3, 0, 0, 0, 7];
        match client_id {
            None => frame.extend_from_slice(&[0xff, 0xff]),
            Some(id) => {
                frame.extend_from_slice(&(id.len() as u16).to_be_bytes());
                frame.extend_from_slice(id.as_bytes());
            }
        }
        frame.extend_from_slice(&[1, 5, 2, 8, 8]); // one unknown tag in the header
        for text in [name, version] {
            super::super::cursor::put_varint(&mut frame, text.len() as u32 + 1);
            frame.extend_from_slice(text.as_bytes());
        }
        frame.push(0);
        frame
    }

    #[test]
    fn a_client_says_what_it_is() {
        for client_id in [None, Some(""), Some("my client")] {
            for (name, version) in [
                ("apache-kafka-java", "4.3.1"),
                ("confluent-kafka-python", "2.5.0-rdkafka-2.5.0"),
                ("k", "1"),
            ] {
                let frame = request(client_id, name, version);
                let software = client_software(&frame);
                assert_eq!(software, Ok(Some(ClientSoftware { name, version })));
            }
        }
    }

    #[test]
    fn what_no_broker_accepts_is_nobody() {
        let long = "x".repeat(TEXT_MAX_BYTES + 1);
        for text in [
            "", "-a", "a-", ".a", "a b", "a\"b", "a\nb", "ä", "a_b", &long,
        ] {
            assert_eq!(
                client_software(&request(None, text, "1")),
                Ok(None),
                "{text}"
            );
            assert_eq!(
                client_software(&request(None, "a", text)),
                Ok(None),
                "{text}"
            );
        }
    }

    #[test]
    fn a_frame_that_is_cut_is_malformed() {
        let frame = request(Some("client"), "name", "version");
        for cut in 0..frame.len() - 1 {
            assert!(client_software(&frame[..cut]).is_err(), "cut at {cut}");
        }
    }
}
