//! Authorities, servers with certificates by them, and looks that trust them.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientCertVerifierBuilder, WantsServerCert, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::common::certificates::{Authority, Identity, write};
use crate::{Report, look};

/// An authority whose file a client is given.
pub struct Trust {
    pub authority: Authority,
    pub directory: TempDir,
    pub ca: String,
}

impl Trust {
    pub fn new() -> Self {
        Trust::called("Test authority")
    }

    /// An authority of this name.
    pub fn called(name: &str) -> Self {
        let authority = Authority::new(name);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ca = path(&write(directory.path(), "ca.pem", authority.root_pem()));
        Trust {
            authority,
            directory,
            ca,
        }
    }

    /// A server whose certificate is for localhost and in good order.
    pub fn good(&self) -> Arc<ServerConfig> {
        server(&self.authority.server(&["localhost"]))
    }

    /// A look with this authority.
    pub fn look(&self, cluster: &Cluster, more: &[&str]) -> Report {
        let mut arguments = vec!["--tls", "--tls-ca", &self.ca];
        arguments.extend(more);
        look(&cluster.target(), &arguments)
    }

    /// What is found where only the nodes have this certificate.
    pub fn with_nodes(&self, nodes: &Identity) -> Report {
        let cluster = Cluster::by_tls(self.good(), server(nodes), &[0]);
        self.look(&cluster, &[]).faulty()
    }
}

pub fn path(path: &std::path::Path) -> String {
    path.to_str().expect("plain characters").to_owned()
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

pub fn server(own: &Identity) -> Arc<ServerConfig> {
    asking(own, None, &[&TLS13, &TLS12])
}

/// A server that demands a certificate by this authority.
pub fn asking(
    own: &Identity,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier = verifier(authority).build().expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
    };
    with_identity(builder, own)
}

/// A server that asks for a certificate by this authority, and does without one.
pub fn curious(own: &Identity, clients: &Authority) -> Arc<ServerConfig> {
    let verifier = verifier(clients).allow_unauthenticated();
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"));
    with_identity(builder, own)
}

fn verifier(authority: &Authority) -> ClientCertVerifierBuilder {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.root_pem().as_bytes());
    roots.add(root.expect("PEM")).expect("a root");
    WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
}

fn with_identity(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    own: &Identity,
) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(own.chain_pem().as_bytes());
    let chain = chain.collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).expect("PEM");
    let config = builder.with_single_cert(chain, key);
    Arc::new(config.expect("a certificate and its key"))
}
