//! TLS towards brokers: roots, the client's own certificate, and the handshake. Certificates are always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::Error::InconsistentKeys;
use rustls::InconsistentKeys::Unknown;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stream::Stream;
use super::{Error, Tls};
use crate::config::BrokerAddress;
use crate::transport::tls::authorities::{self, Authorities};
use crate::transport::tls::{client, identity, pem};

/// Where certificates are.
pub(super) struct Files<'a> {
    /// Roots; `None` takes the system's.
    pub(super) ca: Option<&'a Path>,
    /// The client's own certificate chain and its key.
    pub(super) own: Option<(&'a Path, &'a Path)>,
}

/// The settings of all connections and their roots, or which file is wrong and how.
pub(super) fn client_config(
    files: &Files<'_>,
) -> Result<(ClientConfig, Arc<RootCertStore>), String> {
    let roots = match files.ca {
        Some(file) => {
            let authorities = Authorities::load(file);
            authorities
                .map_err(|wrong| format!("--tls-ca: {wrong}"))?
                .roots
        }
        None => authorities::system(),
    };
    if roots.is_empty() {
        return Err("this system has no root certificates: give --tls-ca FILE".into());
    }
    let own = match files.own {
        Some((certificate, key)) => Some(own(certificate, key)?),
        None => None,
    };
    Ok((client::config(roots.clone(), own)?, roots))
}

/// A test tool takes what it is given, expired certificates too: whether they do is the broker's to say.
fn own(certificate: &Path, key: &Path) -> Result<SingleCertAndKey, String> {
    let chain = pem::certificates(certificate).map_err(|wrong| format!("--tls-cert: {wrong}"))?;
    let key = identity::signing_key(key).map_err(|wrong| format!("--tls-key: {wrong}"))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(InconsistentKeys(Unknown)) => Ok(certified.into()),
        Err(error) => Err(format!(
            "--tls-cert and --tls-key do not go together: {error}: give the key of that certificate"
        )),
    }
}

/// Does the handshake.
pub(super) async fn handshake(
    stream: TcpStream,
    address: &BrokerAddress,
    tls: &Tls,
) -> Result<Stream, Error> {
    let name = match &tls.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(address.host.clone()).map_err(|_| {
            let problem = format!("\"{}\" cannot be the name in a certificate", address.host);
            Error::new(address, problem, "give --tls-server-name")
        })?,
    };
    let connector = TlsConnector::from(tls.config.clone());
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err(error) => {
            let remedy = remedy(&error);
            Err(Error::new(address, format!("TLS failed: {error}"), remedy))
        }
    }
}

fn remedy(error: &std::io::Error) -> &'static str {
    use rustls::{CertificateError, Error::*};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        // A bad signature is an authority of the same name with another key.
        Some(InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "give --tls-ca the certificate of the authority that signed the broker's",
        Some(InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "connect by a name that is in the certificate, or give --tls-server-name one that is",
        Some(InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "renew the certificate, or set this machine's clock",
        Some(InvalidMessage(_)) => {
            "this port does not speak TLS: leave --tls out, or use another port"
        }
        Some(AlertReceived(_)) => {
            "the peer refused: if it wants a certificate of the client, give --tls-cert and --tls-key"
        }
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the peer hung up: if this port is plaintext, leave --tls out"
        }
        _ => "",
    }
}
