//! Authenticates a connection: SaslHandshake v1, then PLAIN, SCRAM or OAUTHBEARER by SaslAuthenticate (KIP-43, KIP-84, KIP-152,
//! KIP-255).

use std::fmt;

use kafka_protocol::messages::{ApiKey, SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::connection::Connection;
use super::error::Cause;
use super::scram::{Hash, Scram};
use super::{Error, codes};
use crate::protocol::Malformed;
use crate::protocol::cursor::Cursor;

/// A user and how it proves to be it.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(super) mechanism: Mechanism,
    /// With OAUTHBEARER who the user acts for; mostly empty.
    pub(super) username: String,
    /// With OAUTHBEARER the token.
    pub(super) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the password.
        write!(f, "{} as {}", self.mechanism.name(), self.username)
    }
}

/// The mechanisms that this client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mechanism {
    /// The password as it is.
    #[value(name = "PLAIN")]
    Plain,
    /// RFC 7677
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with a longer hash
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
    /// RFC 7628, with a token that was fetched before
    #[value(name = "OAUTHBEARER")]
    OAuthBearer,
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
            Mechanism::OAuthBearer => "OAUTHBEARER",
        }
    }
}

/// Authenticates, or says what the broker said.
pub(super) async fn authenticate(
    connection: &mut Connection,
    credentials: &Credentials,
) -> Result<(), Error> {
    handshake(connection, credentials.mechanism).await?;
    let Credentials {
        username, password, ..
    } = credentials;
    let hash = match credentials.mechanism {
        Mechanism::Plain => {
            let token = format!("\0{username}\0{password}").into_bytes();
            return exchange(connection, token).await.map(drop);
        }
        Mechanism::OAuthBearer => return bear(connection, username, password).await,
        Mechanism::ScramSha256 => Hash::Sha256,
        Mechanism::ScramSha512 => Hash::Sha512,
    };
    let untrue = |connection: &Connection, problem: String| {
        let remedy = "do not trust this address with a password: it may not be a broker";
        connection
            .fault(format!("SCRAM: {problem}"), remedy)
            .because(Cause::Unproven)
    };
    let scram =
        Scram::new(hash, username, password).map_err(|error| connection.fault(error, ""))?;
    let first = exchange(connection, scram.first().into_bytes()).await?;
    let (last, expected) = scram
        .last(&first)
        .map_err(|problem| untrue(connection, problem))?;
    let answer = exchange(connection, last.into_bytes()).await?;
    expected
        .verify(&answer)
        .map_err(|problem| untrue(connection, problem))
}

/// RFC 7628, section 3: one message, and where it is refused a dummy that fetches the error.
async fn bear(connection: &mut Connection, user: &str, token: &str) -> Result<(), Error> {
    let user = match user {
        "" => String::new(),
        user => format!("a={}", user.replace('=', "=3D").replace(',', "=2C")),
    };
    let message = format!("n,{user},\x01auth=Bearer {token}\x01\x01");
    let answer = exchange(connection, message.into_bytes()).await?;
    if answer.is_empty() {
        return Ok(());
    }
    // What it says afterwards, it says of the dummy.
    let _ = exchange(connection, vec![1]).await;
    let words = String::from_utf8_lossy(&answer).into_owned();
    Err(connection.refused("SASL", codes::SASL_AUTHENTICATION_FAILED, &words))
}

/// Asks for a mechanism that nobody has: the answer names those that there are.
pub(super) async fn mechanisms(connection: &mut Connection) -> Result<Option<String>, Error> {
    let version = connection.version(ApiKey::SaslHandshake, 1..=1)?;
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("NONE"));
    let answer = connection.ask(&request, version).await?;
    let (error, offered) = read_handshake(&answer).map_err(|m| connection.malformed(m))?;
    Ok((error == codes::UNSUPPORTED_SASL_MECHANISM).then_some(offered))
}

async fn handshake(connection: &mut Connection, mechanism: Mechanism) -> Result<(), Error> {
    let version = connection
        .version(ApiKey::SaslHandshake, 1..=1)
        .map_err(|_| {
            let remedy = "the listener may be without SASL: leave --sasl-mechanism out";
            connection
                .fault("it does not offer SaslHandshake 1".into(), remedy)
                .because(Cause::Refused(codes::ILLEGAL_SASL_STATE))
        })?;
    let request =
        SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism.name()));
    let answer = connection.ask(&request, version).await?;
    let (error, offered) = read_handshake(&answer).map_err(|m| connection.malformed(m))?;
    match error {
        codes::NONE => Ok(()),
        codes::UNSUPPORTED_SASL_MECHANISM => {
            let words = format!("{} is not enabled; {offered} are", mechanism.name());
            Err(connection.refused("SASL", error, &words))
        }
        _ => Err(connection.refused("SASL", error, "")),
    }
}

/// The error code, and the mechanisms that are enabled.
fn read_handshake(body: &[u8]) -> Result<(i16, String), Malformed> {
    let mut cursor = Cursor::new(body);
    let error = cursor.i16("error_code")?;
    let mut names = Vec::new();
    for _ in 0..cursor.array_length(false, "mechanisms")? {
        let name = cursor.string(false, "mechanisms")?.unwrap_or_default();
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok((error, names.join(", ")))
}

/// One token there and one back.
async fn exchange(connection: &mut Connection, token: Vec<u8>) -> Result<Vec<u8>, Error> {
    let version = connection.version(ApiKey::SaslAuthenticate, 0..=2)?;
    let request = SaslAuthenticateRequest::default().with_auth_bytes(token.into());
    let answer = connection.ask(&request, version).await?;
    let (error, words, token) =
        read_exchange(&answer, version).map_err(|m| connection.malformed(m))?;
    match error {
        codes::NONE => Ok(token),
        _ => Err(connection.refused("SASL", error, &words)),
    }
}

fn read_exchange(body: &[u8], version: i16) -> Result<(i16, String, Vec<u8>), Malformed> {
    let flexible = version >= 2;
    let mut cursor = Cursor::new(body);
    let error = cursor.i16("error_code")?;
    let words = cursor
        .string(flexible, "error_message")?
        .unwrap_or_default();
    let words = String::from_utf8_lossy(words).into_owned();
    let length = match flexible {
        true => cursor.varint("auth_bytes")?.saturating_sub(1) as usize,
        false => usize::try_from(cursor.i32("auth_bytes")?).unwrap_or(0),
    };
    let token = cursor.take(length, "auth_bytes")?.to_vec();
    Ok((error, words, token))
}
