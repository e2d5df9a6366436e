//! Kafka with one address: which versions it has, whether it lets the user in, and why it ends.

use std::net::SocketAddr;

use kafka_protocol::messages::ApiKey;

use super::codes;
use super::finding::{Finding, Place};
use super::guess::{is_unwelcome, speaks_tls, wants_sasl};
use super::secure::unwelcome;
use super::witness::Witness;
use crate::commands::client::error::Cause;
use crate::commands::client::stream::Stream;
use crate::commands::client::{Connection, Error, Settings, codes as kafka};

/// The versions of Metadata that clients of today have. Older brokers do not know the flag against the creation of topics.
pub(super) const METADATA: std::ops::RangeInclusive<i16> = 4..=12;

/// Negotiates versions and authenticates.
pub(super) async fn talk(
    stream: Stream,
    peer: SocketAddr,
    place: &Place,
    settings: &Settings,
    witness: &Witness,
) -> Result<Connection, Finding> {
    let mut connection = Connection::over(stream, &place.address, settings);
    if let Err(error) = connection.negotiate().await {
        return Err(no_versions(&error, peer, place, settings, witness).await);
    }
    if !connection.offers(ApiKey::Metadata) {
        let seen = "it speaks Kafka and does not offer Metadata";
        let remedy = "give the port of a broker's listener: this may be a controller's";
        return Err(Finding::at(place, &codes::NOT_KAFKA, seen).remedy(remedy));
    }
    if let Err(error) = connection.version(ApiKey::Metadata, METADATA) {
        return Err(Finding::at(
            place,
            &codes::API_VERSIONS_TOO_OLD,
            error.problem(),
        ));
    }
    match connection.authenticate().await {
        Ok(()) => Ok(connection),
        Err(error) => Err(not_let_in(&error, place)),
    }
}

/// What it means that a request after authentication failed, Metadata mostly.
pub(super) async fn cut(
    error: &Error,
    peer: SocketAddr,
    place: &Place,
    settings: &Settings,
) -> Finding {
    match error.cause() {
        Cause::Closed => match wants_sasl(peer, place, settings).await {
            Some(mechanisms) => {
                let seen = format!(
                    "it closed the connection at the first request, and it has SASL: {mechanisms}"
                );
                Finding::at(place, &codes::SASL_WANTED, seen)
            }
            None => Finding::at(place, &codes::CONNECTION_CLOSED, error.problem()),
        },
        Cause::Silent => Finding::at(place, &codes::NO_ANSWER, error.problem()),
        Cause::NotKafka | Cause::SpeaksTls => {
            Finding::at(place, &codes::NOT_KAFKA, error.problem())
        }
        _ => Finding::at(place, &codes::CONNECTION_CLOSED, error.problem()),
    }
}

async fn no_versions(
    error: &Error,
    peer: SocketAddr,
    place: &Place,
    settings: &Settings,
    witness: &Witness,
) -> Finding {
    let problem = error.problem();
    let tls = settings.tls.as_ref();
    if let Some(tls) = tls
        && witness.demanded()
        && matches!(error.cause(), Cause::Closed | Cause::Other)
        && (error.cause() == Cause::Other || is_unwelcome(peer, place, settings, tls).await)
    {
        return unwelcome(place, tls, problem);
    }
    match error.cause() {
        Cause::SpeaksTls => Finding::at(place, &codes::PLAINTEXT_ON_TLS_PORT, problem),
        Cause::Closed if tls.is_none() && speaks_tls(peer, place, settings).await => {
            let seen = "it closed the connection, and it does TLS handshakes";
            Finding::at(place, &codes::PLAINTEXT_ON_TLS_PORT, seen)
        }
        Cause::Silent => Finding::at(place, &codes::NO_ANSWER, problem),
        Cause::NotKafka => Finding::at(place, &codes::NOT_KAFKA, problem),
        Cause::Version | Cause::Refused(kafka::UNSUPPORTED_VERSION) => {
            Finding::at(place, &codes::API_VERSIONS_TOO_OLD, problem)
        }
        Cause::Refused(_) | Cause::Unproven => Finding::at(place, &codes::NOT_KAFKA, problem),
        Cause::Closed | Cause::Other => Finding::at(place, &codes::BROKER_DOWN, problem),
    }
}

fn not_let_in(error: &Error, place: &Place) -> Finding {
    let code = match error.cause() {
        Cause::Refused(kafka::UNSUPPORTED_SASL_MECHANISM) => &codes::SASL_MECHANISM_NOT_OFFERED,
        Cause::Refused(kafka::ILLEGAL_SASL_STATE) => &codes::SASL_NOT_WANTED,
        Cause::Unproven => &codes::SASL_SERVER_UNPROVEN,
        Cause::Silent => &codes::NO_ANSWER,
        Cause::NotKafka | Cause::SpeaksTls => &codes::NOT_KAFKA,
        Cause::Version => &codes::API_VERSIONS_TOO_OLD,
        Cause::Refused(_) | Cause::Closed | Cause::Other => &codes::SASL_REFUSED,
    };
    Finding::at(place, code, error.problem())
}
