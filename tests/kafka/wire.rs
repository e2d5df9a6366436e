//! A minimal client of the tests' own: one request at a time, straight to a broker or through the proxy.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};

use crate::common::proxy::PATIENCE;

/// A connection that speaks the protocol. Answers are decoded with kafka-protocol, which is fine for brokers that the tests own.
pub struct Wire {
    stream: TcpStream,
    correlation_id: i32,
}

impl Wire {
    /// Connects; an error is for the caller, who may wait for a broker to come up.
    pub fn connect(address: impl ToSocketAddrs) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Wire {
            stream,
            correlation_id: 0,
        })
    }

    /// Sends a request and waits for its answer.
    pub fn ask<R: Request>(&mut self, request: &R, version: i16) -> std::io::Result<R::Response> {
        self.correlation_id += 1;
        let key = ApiKey::try_from(R::KEY).expect("a known api");
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("tests")));
        let mut frame = Vec::new();
        header
            .encode(&mut frame, key.request_header_version(version))
            .expect("a header can be encoded");
        request
            .encode(&mut frame, version)
            .expect("the request has this version");
        self.send_raw(&frame)?;
        let mut answer = bytes::Bytes::from(self.receive_raw()?);
        let header = ResponseHeader::decode(&mut answer, key.response_header_version(version))
            .expect("a response header");
        assert_eq!(header.correlation_id, self.correlation_id);
        Ok(R::Response::decode(&mut answer, version).expect("an answer of this version"))
    }

    /// Sends bytes with their length in front: a request, or a raw SASL token.
    pub fn send_raw(&mut self, frame: &[u8]) -> std::io::Result<()> {
        let mut bytes = u32::try_from(frame.len())
            .expect("a small frame")
            .to_be_bytes()
            .to_vec();
        bytes.extend_from_slice(frame);
        self.stream.write_all(&bytes)
    }

    /// The next frame without its length.
    pub fn receive_raw(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }
}
