//! One connection to a broker, ready for requests.

use std::io;

use bytes::BytesMut;
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::error::Cause;
use super::stream::Stream;
use super::versions::{self, Versions};
use super::{Error, Settings, codes, sasl, tls};
use crate::config::BrokerAddress;
use crate::protocol::Malformed;
use crate::protocol::cursor::Cursor;

/// What an answer to one of our own questions may have. They are about one topic and a cluster's brokers.
const LARGEST_ANSWER: usize = 16 << 20;

/// What to change where there are no file descriptors left.
pub(crate) const MORE_FILES: &str =
    "raise the limit of open files (ulimit -n), or make fewer connections";

/// A connection whose versions are negotiated and whose user is authenticated.
#[derive(Debug)]
pub(crate) struct Connection {
    address: BrokerAddress,
    settings: Settings,
    stream: Stream,
    versions: Versions,
    next_id: i32,
}

impl Connection {
    /// Resolves, dials, and does all that comes before the first request, within the settings' timeout.
    pub(crate) async fn connect(
        address: &BrokerAddress,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let connecting = Self::connect_at_leisure(address, settings);
        timeout(settings.timeout, connecting).await.map_err(|_| {
            let problem = format!("no connection within {:?}", settings.timeout);
            let remedy = "look whether the address and the port are right and no firewall drops them, or give a longer --timeout";
            Error::new(address, problem, remedy)
        })?
    }

    async fn connect_at_leisure(
        address: &BrokerAddress,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let stream = dial(address).await?;
        let stream = match &settings.tls {
            None => Stream::Plain(stream),
            Some(tls) => tls::handshake(stream, address, tls).await?,
        };
        let mut connection = Self::over(stream, address, settings);
        connection.negotiate().await?;
        connection.authenticate().await?;
        Ok(connection)
    }

    /// Over a stream that is there already. Nothing is negotiated yet.
    pub(crate) fn over(stream: Stream, address: &BrokerAddress, settings: &Settings) -> Self {
        Connection {
            address: address.clone(),
            settings: settings.clone(),
            stream,
            versions: Versions::default(),
            next_id: 0,
        }
    }

    /// Asks which versions the broker has.
    pub(crate) async fn negotiate(&mut self) -> Result<(), Error> {
        self.versions = versions::negotiate(self).await?;
        Ok(())
    }

    /// Authenticates, where the settings say as whom.
    pub(crate) async fn authenticate(&mut self) -> Result<(), Error> {
        match self.settings.sasl.clone() {
            Some(credentials) => sasl::authenticate(self, &credentials).await,
            None => Ok(()),
        }
    }

    /// The SASL mechanisms that the listener has, which are told to whoever wants one that it has not. `None`: it is without
    /// SASL. The connection is of no use afterwards.
    pub(crate) async fn mechanisms(&mut self) -> Result<Option<String>, Error> {
        sasl::mechanisms(self).await
    }

    /// Whether the broker has an api in any version.
    pub(crate) fn offers(&self, key: ApiKey) -> bool {
        self.versions.offers(key as i16)
    }

    /// The newest version of an api that the broker and we know.
    pub(crate) fn version(
        &self,
        key: ApiKey,
        ours: std::ops::RangeInclusive<i16>,
    ) -> Result<i16, Error> {
        self.versions.newest(key as i16, ours).map_err(|problem| {
            let remedy = "the broker is too old or too new for this command";
            Error::new(&self.address, problem, remedy).because(Cause::Version)
        })
    }

    /// Sends a request and returns the body of its answer.
    pub(crate) async fn ask<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<Vec<u8>, Error> {
        self.ask_for(request, version, LARGEST_ANSWER).await
    }

    /// The same where an answer may have so many bytes.
    pub(crate) async fn ask_for<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        most: usize,
    ) -> Result<Vec<u8>, Error> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let frame = encode(&self.settings.client_id, id, version, request)
            .map_err(|problem| Error::new(&self.address, problem, ""))?;
        let exchange = async {
            self.stream.write_all(&frame).await?;
            self.stream.flush().await?;
            let size = self.stream.read_i32().await?;
            let size = match usize::try_from(size) {
                Ok(size) if (4..=most).contains(&size) => size,
                _ => return Ok(Err(size)),
            };
            let mut body = vec![0; size];
            self.stream.read_exact(&mut body).await?;
            Ok(Ok(body))
        };
        let body = match timeout(self.settings.timeout, exchange).await {
            Ok(Ok(Ok(body))) => body,
            Ok(Ok(Err(size))) => return Err(not_kafka(&self.address, size)),
            Ok(Err(error)) => return Err(broken(&self.address, &error)),
            Err(_) => return Err(no_answer(&self.address, &self.settings)),
        };
        let headed = R::Response::header_version(version) >= 1;
        let start = header(&body, id, headed).map_err(|m| self.malformed(m))?;
        Ok(body[start..].to_vec())
    }

    /// A failure at this broker.
    pub(crate) fn fault(&self, problem: String, remedy: &str) -> Error {
        Error::new(&self.address, problem, remedy)
    }

    /// The parts that a load generator goes on with.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    /// An answer that does not follow its schema.
    pub(crate) fn malformed(&self, malformed: Malformed) -> Error {
        malformed_answer(&self.address, malformed)
    }

    /// An answer that is an error.
    pub(crate) fn refused(&self, what: &str, code: i16, words: &str) -> Error {
        refused(&self.address, what, code, words)
    }
}

/// An answer that does not follow its schema.
pub(crate) fn malformed_answer(peer: &BrokerAddress, malformed: Malformed) -> Error {
    let problem = format!("its answer cannot be understood ({malformed})");
    Error::new(peer, problem, "is this a Kafka broker?").because(Cause::NotKafka)
}

/// An answer that is an error.
pub(crate) fn refused(peer: &BrokerAddress, what: &str, code: i16, words: &str) -> Error {
    let name = codes::name(code);
    let problem = match words {
        "" => format!("{what}: {name}"),
        words => format!("{what}: {name}: {words}"),
    };
    Error::new(peer, problem, codes::remedy(code)).because(Cause::Refused(code))
}

/// No answer in time.
pub(crate) fn no_answer(peer: &BrokerAddress, settings: &Settings) -> Error {
    let problem = format!("no answer within {:?}", settings.timeout);
    Error::new(
        peer,
        problem,
        "look at the broker, or give a longer --timeout",
    )
    .because(Cause::Silent)
}

/// A connection that failed in the middle.
pub(crate) fn broken(peer: &BrokerAddress, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => {
            let remedy = "its listener may want SASL (--sasl-mechanism) or TLS (--tls), or a proxy cannot reach the broker: their logs say more";
            Error::new(peer, "it closed the connection without an answer", remedy)
                .because(Cause::Closed)
        }
        _ => Error::new(peer, format!("the connection failed: {error}"), ""),
    }
}

/// A size field that no answer has.
pub(crate) fn not_kafka(peer: &BrokerAddress, size: i32) -> Error {
    // A TLS alert or handshake record: type, version 3.x. Or the beginning of "HTTP".
    let (problem, remedy, cause) = match size.to_be_bytes() {
        [0x15 | 0x16, 3, ..] => ("it speaks TLS", "give --tls".to_owned(), Cause::SpeaksTls),
        [b'H', b'T', b'T', b'P'] => (
            "it speaks HTTP",
            "give the address of a Kafka listener".into(),
            Cause::NotKafka,
        ),
        _ => (
            "its answer cannot be understood",
            format!("{size} is no size of an answer: is this a Kafka broker?"),
            Cause::NotKafka,
        ),
    };
    Error::new(peer, problem, remedy).because(cause)
}

/// A request as a frame, with its size field.
pub(crate) fn encode<R: Request>(
    client_id: &str,
    correlation_id: i32,
    version: i16,
    request: &R,
) -> Result<Vec<u8>, String> {
    let failed = |error| format!("a request cannot be encoded: {error}");
    let mut frame = BytesMut::from(&[0; 4][..]);
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())))
        .encode(&mut frame, R::header_version(version))
        .map_err(failed)?;
    request.encode(&mut frame, version).map_err(failed)?;
    let size = i32::try_from(frame.len() - 4).map_err(|_| "a request is too large".to_owned())?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame.to_vec())
}

/// Where the body of an answer begins, which stands behind its correlation id and in flexible versions its tags.
pub(crate) fn header(frame: &[u8], expected: i32, headed: bool) -> Result<usize, Malformed> {
    let mut cursor = Cursor::new(frame);
    if cursor.i32("correlation_id")? != expected {
        return Err(Malformed {
            field: "correlation_id",
            problem: "not that of the request",
        });
    }
    if headed {
        cursor.tags("header")?;
    }
    Ok(cursor.position())
}

async fn dial(address: &BrokerAddress) -> Result<TcpStream, Error> {
    let found = lookup_host((address.host.as_str(), address.port)).await;
    let found: Vec<_> = found.map(Iterator::collect).map_err(|error| {
        let problem = format!("the name cannot be resolved from here: {error}");
        let remedy = "if a broker advertises it, only clients inside its network can use it: connect through the proxy";
        Error::new(address, problem, remedy)
    })?;
    let mut last = None;
    for candidate in found {
        match TcpStream::connect(candidate).await {
            Ok(stream) => {
                // Otherwise a small request would wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    let remedy = match &last {
        Some(error) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => MORE_FILES,
        _ => "look whether it runs, and whether this is its address and port",
    };
    let problem = match last {
        None => "the name has no address".to_owned(),
        Some(error) => format!("cannot connect: {error}"),
    };
    Err(Error::new(address, problem, remedy))
}
