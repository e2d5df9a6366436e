//! The TLS handshake with one address: what was shown, or what is wrong and whose it is to mend.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::codes::{self, Code};
use super::finding::{Finding, Place};
use super::guess::speaks_kafka;
use super::witness::Witness;
use crate::commands::client::stream::Stream;
use crate::commands::client::{Settings, Tls};
use crate::transport::tls::{Shown, date, shown};

/// A certificate is told to expire soon from here on.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

const DAY: i64 = 24 * 3600;

/// What was seen of a handshake that succeeded.
#[derive(Clone, Debug)]
pub(super) struct Secured {
    /// `TLSv1.3`
    pub(super) version: String,
    /// What the certificate says of itself.
    pub(super) certificate: Option<Shown>,
}

impl Secured {
    /// Until when the certificate is good, in days from now.
    pub(super) fn days_left(&self) -> Option<i64> {
        let shown = self.certificate.as_ref()?;
        Some((shown.not_after - now()).div_euclid(DAY))
    }
}

/// Does the handshake. The witness knows more of it when this returns, however it ended.
pub(super) async fn secure(
    stream: TcpStream,
    peer: SocketAddr,
    place: &Place,
    settings: &Settings,
    tls: &Tls,
    witness: &Arc<Witness>,
) -> Result<(Stream, Secured), Finding> {
    let failed = |seen: String| Finding::at(place, &codes::TLS_FAILED, seen);
    let config = witness.watch(&tls.config, &tls.roots).map_err(failed)?;
    let name = server_name(place, tls)?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match timeout(settings.timeout, connecting).await {
        Ok(Ok(stream)) => {
            let (_, connection) = stream.get_ref();
            let version = connection.protocol_version().map(|v| match v {
                rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
                rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
                other => format!("{other:?}"),
            });
            let secured = Secured {
                version: version.unwrap_or_default(),
                certificate: witness.certificate().and_then(|der| shown(der).ok()),
            };
            Ok((Stream::Tls(Box::new(stream)), secured))
        }
        Ok(Err(error)) => Err(refused(&error, peer, place, settings, witness).await),
        Err(_) if speaks_kafka(peer, place, settings).await => Err(plaintext(place)),
        Err(_) => {
            let seen = format!("no TLS handshake within {:?}", settings.timeout);
            Err(Finding::at(place, &codes::NO_ANSWER, seen))
        }
    }
}

/// A warning where the certificate is good for a few days only.
pub(super) fn soon(place: &Place, secured: &Secured) -> Option<Finding> {
    let shown = secured.certificate.as_ref()?;
    let left = shown.not_after - now();
    let is_soon = left < SOON.as_secs().cast_signed();
    let seen = || {
        let until = date(shown.not_after);
        format!(
            "its certificate is good until {until}: {} days",
            left.div_euclid(DAY)
        )
    };
    is_soon.then(|| Finding::at(place, &codes::CERTIFICATE_EXPIRES_SOON, seen()))
}

/// What is wrong where a server asked for a certificate of ours and then ended the connection.
pub(super) fn unwelcome(place: &Place, tls: &Tls, problem: &str) -> Finding {
    match tls.config.client_auth_cert_resolver.has_certs() {
        true => {
            let seen = format!(
                "it asked for a certificate, got that of --tls-cert, and ended the connection: {problem}"
            );
            Finding::at(place, &codes::CLIENT_CERTIFICATE_REFUSED, seen)
        }
        false => {
            let seen = format!(
                "it asked for a certificate, got none, and ended the connection: {problem}"
            );
            Finding::at(place, &codes::CLIENT_CERTIFICATE_DEMANDED, seen)
        }
    }
}

fn server_name(place: &Place, tls: &Tls) -> Result<ServerName<'static>, Finding> {
    if let Some(name) = &tls.server_name {
        return Ok(name.clone());
    }
    let host = place.address.host.clone();
    ServerName::try_from(host).map_err(|_| {
        let seen = "this host cannot be the name in a certificate";
        Finding::at(place, &codes::CERTIFICATE_OTHER_NAME, seen)
    })
}

async fn refused(
    error: &io::Error,
    peer: SocketAddr,
    place: &Place,
    settings: &Settings,
    witness: &Witness,
) -> Finding {
    let told = error.to_string();
    let tls = settings.tls.as_ref();
    match tls_error(error) {
        Some(Error::InvalidCertificate(why)) => {
            let seen = match witness.certificate().map(|der| shown(der)) {
                Some(Ok(shown)) => describe(&shown),
                Some(Err(error)) => error,
                None => String::new(),
            };
            let (code, told) = certificate(why);
            let told = match told {
                "" => why.to_string(),
                told => told.to_owned(),
            };
            Finding::at(place, code, format!("{told}: {seen}"))
        }
        Some(Error::AlertReceived(AlertDescription::UnrecognisedName)) => {
            Finding::at(place, &codes::SERVER_NAME_UNKNOWN, told)
        }
        Some(Error::AlertReceived(_)) if witness.demanded() => match tls {
            Some(tls) => unwelcome(place, tls, &told),
            None => Finding::at(place, &codes::TLS_FAILED, told),
        },
        Some(Error::AlertReceived(_)) => Finding::at(place, &codes::TLS_FAILED, told),
        // Closed, or bytes that are no TLS.
        _ if speaks_kafka(peer, place, settings).await => plaintext(place),
        Some(Error::InvalidMessage(_)) => {
            let seen = "it answers, and not in TLS";
            Finding::at(place, &codes::TLS_ON_PLAINTEXT_PORT, seen)
        }
        None if ended(error) => match (witness.demanded(), tls) {
            (true, Some(tls)) => unwelcome(place, tls, &told),
            _ => {
                let seen = "it closed the connection during the TLS handshake";
                Finding::at(place, &codes::TLS_FAILED, seen)
            }
        },
        _ => Finding::at(place, &codes::TLS_FAILED, told),
    }
}

fn ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}

/// Which code a verdict on a certificate has, and how it is told where rustls has no good words.
fn certificate(why: &CertificateError) -> (&'static Code, &'static str) {
    use CertificateError::*;
    match why {
        // A bad signature is an authority of the same name with another key.
        UnknownIssuer | BadSignature => (
            &codes::CERTIFICATE_UNKNOWN_CA,
            "no authority that is trusted here has signed its certificate",
        ),
        NotValidForName | NotValidForNameContext { .. } => (
            &codes::CERTIFICATE_OTHER_NAME,
            "its certificate is for other names",
        ),
        Expired | ExpiredContext { .. } => {
            (&codes::CERTIFICATE_EXPIRED, "its certificate has expired")
        }
        NotValidYet | NotValidYetContext { .. } => (
            &codes::CERTIFICATE_NOT_YET_VALID,
            "its certificate is not valid yet",
        ),
        _ => (&codes::CERTIFICATE_INVALID, ""),
    }
}

/// A certificate in a line.
fn describe(shown: &Shown) -> String {
    let mut names: Vec<&str> = shown.names.iter().take(5).map(String::as_str).collect();
    if names.is_empty() {
        names.push("no name");
    }
    if shown.names.len() > names.len() {
        names.push("...");
    }
    format!(
        "{} for {}, by {}, valid from {} to {}",
        shown.subject,
        names.join(", "),
        shown.issuer,
        date(shown.not_before),
        date(shown.not_after)
    )
}

fn plaintext(place: &Place) -> Finding {
    let seen = "it answers Kafka requests in plaintext";
    Finding::at(place, &codes::TLS_ON_PLAINTEXT_PORT, seen)
}

/// What rustls says, where it is what failed.
pub(super) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}
