//! TLS towards brokers: roots, the client's own certificate, and the handshake. Certificates are always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::options::read_file;
use super::stream::Stream;
use super::{Error, Tls};
use crate::config::BrokerAddress;

/// Where certificates are.
pub(super) struct Files<'a> {
    /// Roots; `None` takes the system's.
    pub(super) ca: Option<&'a Path>,
    /// The client's own certificate chain and its key.
    pub(super) own: Option<(&'a Path, &'a Path)>,
}

/// The settings of all connections, or which file is wrong and how.
pub(super) fn client_config(files: &Files<'_>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots(files.ca)?);
    let Some((certificate, key)) = files.own else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("--tls-cert", certificate)?;
    let wrong = |error: &dyn std::fmt::Display| {
        format!(
            "--tls-key: {}: {error}: give a private key in PEM, without a passphrase",
            key.display()
        )
    };
    let pem = read_file(key).map_err(|error| wrong(&error))?;
    let key_der = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| wrong(&error))?;
    builder.with_client_auth_cert(chain, key_der).map_err(|error| {
        format!("--tls-cert and --tls-key do not go together: {error}: give the key of that certificate")
    })
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match ca {
        Some(file) => {
            for certificate in certificates("--tls-ca", file)? {
                store.add(certificate).map_err(|error| {
                    format!(
                        "--tls-ca: {}: {error}: give certificates of authorities in PEM",
                        file.display()
                    )
                })?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err("this system has no root certificates: give --tls-ca FILE".into());
            }
        }
    }
    Ok(store)
}

fn certificates(flag: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        let file = file.display();
        format!("{flag}: {file}: {error}: give a file of certificates in PEM")
    };
    let pem = read_file(file).map_err(|error| wrong(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| wrong(&error))?;
    match found.is_empty() {
        true => Err(format!(
            "{flag}: {}: there is no certificate in it: give a file of certificates in PEM",
            file.display()
        )),
        false => Ok(found),
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
