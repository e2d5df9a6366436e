//! TLS on either leg, between scripted peers that speak it well, badly, or not at all.

mod brokers;
mod dialled;
mod drain;
mod ends;
mod keys;
mod legs;
mod loops;
mod mutual;
mod openssl;
mod resumption;
mod slow;
mod sni;
mod stalled;
mod strangers;
mod traffic;
mod versions;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use tempfile::TempDir;

use crate::common::broker::Broker;
use crate::common::certificates::{self, Authority, Files, Identity};
use crate::common::client::Client;
use crate::common::secure;
use crate::setup::heartbeat;

/// The name of the proxy in certificates.
pub(super) const NAME: &str = "kafka.example.test";

/// An authority, and a directory for what it signs.
pub(super) struct Pki {
    pub(super) authority: Authority,
    directory: TempDir,
}

impl Pki {
    pub(super) fn new() -> Self {
        Pki {
            authority: Authority::new("Test Root"),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// A file of it.
    pub(super) fn write(&self, name: &str, text: &str) -> String {
        let path = certificates::write(self.directory.path(), name, text);
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The file of its authority.
    pub(super) fn ca(&self) -> String {
        self.write("ca.pem", self.authority.root_pem())
    }

    /// The section that has the proxy speak TLS to clients, under these names, with these further lines.
    pub(super) fn tls(&self, names: &[&str], lines: &str) -> String {
        let identity = self.authority.server(names);
        self.tls_with(&identity, lines)
    }

    /// The same with this certificate.
    pub(super) fn tls_with(&self, identity: &Identity, lines: &str) -> String {
        let Files { certificate, key } = identity.write(self.directory(), "proxy");
        format!("[clusters.main.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{lines}")
    }

    /// The section that has the proxy speak TLS to brokers whose certificates this authority signed.
    pub(super) fn upstream_tls(&self, lines: &str) -> String {
        format!(
            "[clusters.main.upstream_tls]\nca = {:?}\n{lines}",
            self.ca()
        )
    }

    /// Clients that trust this authority.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        Arc::new(client(&self.authority, None, &[&TLS13, &TLS12]))
    }
}

/// A client that trusts this authority, shows this certificate and speaks these versions.
pub(super) fn client(
    trusted: &Authority,
    own: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(trusted.root_pem().as_bytes());
    roots.add(root.expect("PEM")).expect("a root");
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    match own {
        Some(own) => builder.with_client_auth_cert(chain(own), key(own)),
        None => Ok(builder.with_no_client_auth()),
    }
    .expect("a certificate and its key")
}

/// A server that shows this certificate, asks for none and speaks these versions.
pub(super) fn server(
    own: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain(own), key(own))
        .expect("a certificate and its key")
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

pub(super) fn chain(identity: &Identity) -> Vec<CertificateDer<'static>> {
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem().as_bytes());
    chain.collect::<Result<_, _>>().expect("PEM")
}

pub(super) fn key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).expect("PEM")
}

/// A broker that answers every request.
pub(super) fn alive() -> Broker {
    Broker::answering(|request| Some(request.answer_bytes(b"alive")))
}

/// One request of a client, and its answer.
pub(super) fn is_served(client: &mut Client) {
    client.send(&heartbeat(1));
    assert_eq!(client.frame()[4..], *b"alive");
}

/// The alert that a client gets instead of a session.
pub(super) fn refusal(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> AlertDescription {
    let mut client = Client::connect(address);
    match client.secure(Client::tls(config, name)) {
        // With TLS 1.3 the server's judgement of a client comes after the client's part of the handshake.
        Ok(()) => client.alert(),
        Err(error) => {
            secure::alert(&error).unwrap_or_else(|| panic!("an alert was expected: {error:?}"))
        }
    }
}
