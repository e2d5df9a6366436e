//! TLS at both ends of the load, and the certificates that all routes share.
//!
//! So that every route does the same arithmetic, both ends speak TLS 1.3 with AES-256-GCM and X25519 and nothing else: what a proxy
//! would prefer cannot matter. The certificate is ECDSA P-256 and issued by a root of the same kind.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, StreamOwned,
};

/// What the ends speak, in words.
pub const ABOUT: &str =
    "TLS 1.3 with AES-256-GCM and X25519, a certificate of ECDSA P-256 that its root has signed";

/// The names in the certificate: as clients dial it, and as brokers and proxies are called.
const NAMES: [&str; 2] = [NAME, "127.0.0.1"];
/// What every client takes the other end for.
pub const NAME: &str = "localhost";
/// How long the other end may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which legs of a route are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Legs {
    #[default]
    None,
    /// From the client to the proxy.
    Client,
    /// From the client to the proxy, and from there to the broker.
    Both,
}

impl Legs {
    /// What the tables call it.
    pub fn label(self) -> &'static str {
        match self {
            Legs::None => "plaintext",
            Legs::Client => "TLS, client leg",
            Legs::Both => "TLS, both legs",
        }
    }
}

/// The certificates in files, as the proxies read them.
#[derive(Clone, Debug)]
pub struct Files {
    /// The root that signed the certificate.
    pub root: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Certificate and key in one, for HAProxy.
    pub both: PathBuf,
}

/// What both ends need.
#[derive(Debug)]
pub struct Tls {
    pub files: Files,
    roots: Arc<RootCertStore>,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

/// A blocking connection of a client.
pub type Blocking = StreamOwned<ClientConnection, TcpStream>;

impl Tls {
    /// Makes a root and a certificate, and puts them into the directory.
    pub fn new(directory: &Path) -> Self {
        let mut root = CertificateParams::new(vec![]).expect("no names");
        root.distinguished_name
            .push(DnType::CommonName, "Throughput benchmark");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().expect("a key");
        let root_certificate = root.self_signed(&root_key).expect("a certificate");
        let issuer = Issuer::new(root, root_key);
        let leaf = CertificateParams::new(NAMES.map(String::from).to_vec()).expect("two names");
        let key = KeyPair::generate().expect("a key");
        let certificate = leaf.signed_by(&key, &issuer).expect("a certificate");
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).expect("the directory is ours");
            path
        };
        let (text, secret) = (certificate.pem(), key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots
            .add(root_certificate.der().clone())
            .expect("a certificate that can be a root");
        Tls {
            files: Files {
                root: write("root.pem", &root_certificate.pem()),
                certificate: write("certificate.pem", &text),
                key: write("key.pem", &secret),
                both: write("both.pem", &format!("{text}{secret}")),
            },
            roots: Arc::new(roots),
            certificate: certificate.der().clone(),
            key,
        }
    }

    /// A client of which each handshake is a full one.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_with(Resumption::disabled())
    }

    /// A client that resumes where it was before. Each route needs its own: they cannot read each other's tickets.
    pub fn resuming_client(&self) -> Arc<ClientConfig> {
        self.client_with(Resumption::in_memory_sessions(1))
    }

    fn client_with(&self, resumption: Resumption) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.resumption = resumption;
        Arc::new(config)
    }

    /// The broker's side.
    pub fn server(&self) -> Arc<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key.into())
            .expect("a key that fits");
        config.ticketer = aws_lc_rs::Ticketer::new().expect("random bytes");
        Arc::new(config)
    }
}

/// Connects and shakes hands.
pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Blocking> {
    let stream = plain(address)?;
    let name = ServerName::try_from(NAME).expect("a host name");
    let session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(session, stream);
    while tls.conn.is_handshaking() {
        if tls.conn.complete_io(&mut tls.sock)? == (0, 0) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(tls)
}

/// Connects without TLS, with the same socket options.
pub fn plain(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Whether the handshake was one that resumes.
pub fn has_resumed(tls: &Blocking) -> bool {
    tls.conn.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// Says goodbye as Kafka's clients do, so that no proxy takes the end for a broken connection.
pub fn close(mut tls: Blocking) -> io::Result<()> {
    tls.conn.send_close_notify();
    tls.flush()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
}
