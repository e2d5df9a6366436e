//! Second looks at a port where a first one failed, to say why. They may take a moment, and serve for nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{Error, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::dial::connect;
use super::finding::Place;
use super::secure::{secure, tls_error};
use crate::commands::client::stream::Stream;
use crate::commands::client::{Connection, Settings, Tls};
use crate::transport::tls::client;

/// What one of them may take.
const GUESS: Duration = Duration::from_secs(2);

/// Whether a port speaks TLS: nobody is trusted, so a handshake ends with what we think of the certificate.
pub(super) async fn speaks_tls(peer: SocketAddr, place: &Place, settings: &Settings) -> bool {
    let limit = settings.timeout.min(GUESS);
    let Ok(config) = client::config(Arc::new(RootCertStore::empty()), None) else {
        return false;
    };
    let name = ServerName::try_from(place.address.host.clone())
        .unwrap_or_else(|_| ServerName::IpAddress(peer.ip().into()));
    let Ok(stream) = connect(peer, limit).await else {
        return false;
    };
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match timeout(limit, connecting).await {
        Ok(Err(error)) => matches!(
            tls_error(&error),
            Some(Error::InvalidCertificate(_) | Error::AlertReceived(_))
        ),
        Ok(Ok(_)) => true,
        Err(_) => false,
    }
}

/// Whether a broker answers without TLS.
pub(super) async fn speaks_kafka(peer: SocketAddr, place: &Place, settings: &Settings) -> bool {
    let settings = Settings {
        timeout: settings.timeout.min(GUESS),
        tls: None,
        sasl: None,
        ..settings.clone()
    };
    let Ok(stream) = connect(peer, settings.timeout).await else {
        return false;
    };
    let mut connection = Connection::over(Stream::Plain(stream), &place.address, &settings);
    connection.negotiate().await.is_ok()
}

/// Whether a server ends a connection as soon as it has seen our certificate, or that there is none. With TLS 1.3 the client is
/// done before, and what it sends meanwhile may wipe out the alert.
pub(super) async fn is_unwelcome(
    peer: SocketAddr,
    place: &Place,
    settings: &Settings,
    tls: &Tls,
) -> bool {
    let limit = settings.timeout.min(GUESS);
    let Ok(stream) = connect(peer, limit).await else {
        return false;
    };
    let witness = Arc::default();
    match Box::pin(secure(stream, peer, place, settings, tls, &witness)).await {
        Ok((mut stream, _)) => match timeout(limit, stream.read(&mut [0; 1])).await {
            Ok(Err(error)) => tls_error(&error).is_some(),
            Ok(Ok(_)) | Err(_) => false,
        },
        Err(_) => true,
    }
}

/// The mechanisms of a listener that nobody may use without; `None` where it is without SASL, or the client has a user.
pub(super) async fn wants_sasl(
    peer: SocketAddr,
    place: &Place,
    settings: &Settings,
) -> Option<String> {
    if settings.sasl.is_some() {
        return None;
    }
    let stream = connect(peer, settings.timeout).await.ok()?;
    let stream = match &settings.tls {
        None => Stream::Plain(stream),
        Some(tls) => {
            let witness = Arc::default();
            let secured = secure(stream, peer, place, settings, tls, &witness).await;
            secured.ok()?.0
        }
    };
    let mut connection = Connection::over(stream, &place.address, settings);
    connection.negotiate().await.ok()?;
    connection.mechanisms().await.ok()?
}
