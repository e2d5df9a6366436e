//! Asks a broker what a client asks first: which versions it speaks, and, by a Metadata request without topics, who is in
//! the cluster.

use std::fmt;
use std::future::poll_fn;
use std::io;

use crate::protocol::prefix::{RESPONSE_PREFIX_BYTES, ResponsePrefix, SIZE_BYTES};
use crate::protocol::rewrite::SeenBroker;
use crate::protocol::{Malformed, rewrite};
use crate::transport::buffer::Buffer;
use crate::transport::stream::Stream;

/// Version 1 is the lowest in which an empty list means no topics, and every broker from 2.1 to 4.x knows it.
const METADATA: i16 = 3;
const VERSION: i16 = 1;

/// Version 0, which every broker knows and which has no body.
const API_VERSIONS: i16 = 18;

const CORRELATION_ID: i32 = 0x706f_7274;
const CLIENT_ID: &[u8] = b"portolan";

/// Ten thousand brokers fit.
const MOST_BYTES: u32 = 1024 * 1024;

/// Why a broker did not tell.
#[derive(Debug)]
pub(super) enum AskError {
    Closed,
    Io(io::Error),
    BadAnswer(String),
}

/// The brokers that the broker at the other end knows. Bounded in memory; the caller bounds the time.
pub(super) async fn brokers(stream: &Stream) -> Result<Vec<SeenBroker>, AskError> {
    let answer = exchange(stream, &request(METADATA, VERSION, &0i32.to_be_bytes())).await?;
    Ok(rewrite::metadata_brokers(VERSION, &answer)?)
}

/// Whether a Kafka broker is at the other end. What it says of its versions is not looked at: that it answers this request is
/// enough, even by an error. Bounded in memory; the caller bounds the time.
pub(super) async fn versions(stream: &Stream) -> Result<(), AskError> {
    exchange(stream, &request(API_VERSIONS, 0, &[])).await?;
    Ok(())
}

/// Sends a request and returns the answer behind its size field.
async fn exchange(stream: &Stream, request: &[u8]) -> Result<Vec<u8>, AskError> {
    let mut sent = 0;
    while sent < request.len() {
        sent += poll_fn(|cx| stream.poll_write(cx, &request[sent..])).await?;
    }
    let mut answer = Vec::new();
    read(stream, &mut answer, RESPONSE_PREFIX_BYTES).await?;
    let Some(prefix) = answer.first_chunk() else {
        return Err(AskError::Closed);
    };
    let prefix = ResponsePrefix::parse(prefix).map_err(|e| AskError::BadAnswer(e.to_string()))?;
    if prefix.correlation_id != CORRELATION_ID {
        return Err(AskError::BadAnswer("the correlation id differs".into()));
    }
    if prefix.frame_bytes > MOST_BYTES {
        return Err(AskError::BadAnswer(format!("{} bytes", prefix.frame_bytes)));
    }
    let whole = SIZE_BYTES + prefix.frame_bytes as usize;
    read(stream, &mut answer, whole).await?;
    Ok(answer.split_off(SIZE_BYTES))
}

/// Reads until there are so many bytes. They grow with what arrives, not by what a size field says.
async fn read(stream: &Stream, bytes: &mut Vec<u8>, wanted: usize) -> Result<(), AskError> {
    while bytes.len() < wanted {
        let mut buffer = Buffer::lend();
        let most = wanted - bytes.len();
        match poll_fn(|cx| stream.poll_read(cx, &mut buffer, most)).await? {
            0 => return Err(AskError::Closed),
            _ => bytes.extend_from_slice(buffer.bytes()),
        }
    }
    Ok(())
}

fn request(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; SIZE_BYTES];
    frame.extend_from_slice(&api_key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&CORRELATION_ID.to_be_bytes());
    frame.extend_from_slice(&(CLIENT_ID.len() as u16).to_be_bytes());
    frame.extend_from_slice(CLIENT_ID);
    frame.extend_from_slice(body);
    let size = (frame.len() - SIZE_BYTES) as u32;
    frame[..SIZE_BYTES].copy_from_slice(&size.to_be_bytes());
    frame
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Closed => f.write_str("closed the connection instead of answering"),
            AskError::Io(error) => write!(f, "failed: {error}"),
            AskError::BadAnswer(what) => write!(f, "gave no answer that can be read: {what}"),
        }
    }
}

impl From<io::Error> for AskError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match error.kind() {
            UnexpectedEof | ConnectionReset | BrokenPipe => AskError::Closed,
            _ => AskError::Io(error),
        }
    }
}

impl From<Malformed> for AskError {
    fn from(error: Malformed) -> Self {
        AskError::BadAnswer(error.to_string())
    }
}
