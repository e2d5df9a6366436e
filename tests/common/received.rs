//! A request as a scripted broker sees it, and the frames that answer it.

use kafka_protocol::protocol::{Encodable, HeaderVersion, Request};

use super::frames;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// From the api key to its end.
    pub frame: Vec<u8>,
}

impl Received {
    /// From the api key to its end.
    pub fn parse(frame: Vec<u8>) -> Self {
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *frame.first_chunk().expect("a request header");
        Received {
            api_key: i16::from_be_bytes([k0, k1]),
            api_version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
            frame,
        }
    }

    /// The request's message.
    pub fn decode<R: Request>(&self) -> R {
        frames::decode_request(&self.frame)
    }

    /// A frame that answers this request, with its size field.
    pub fn answer<M: Encodable + HeaderVersion>(&self, message: &M) -> Vec<u8> {
        frames::response(self.correlation_id, self.api_version, message)
    }

    /// A frame that answers this request with these bytes behind the correlation id.
    pub fn answer_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        frames::framed(&[&self.correlation_id.to_be_bytes(), bytes].concat())
    }
}
