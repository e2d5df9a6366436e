//! A relay that understands nothing, as tokio and tokio-rustls make it in a few lines: what this design costs on this machine.
//!
//! It is a route of its own: this executable runs itself as `throughput --relay FILE`, so that nothing has to be installed. FILE has a
//! line for each thing, and says nothing of Kafka:
//!
//! ```text
//! certificate /tmp/certificate.pem       # with the key: TLS towards clients
//! key /tmp/key.pem
//! root /tmp/root.pem                     # TLS towards brokers, whose certificates this root has signed
//! relay 127.0.0.1:9093 127.0.0.1:19093   # from where to where, as often as needed
//! ```

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::front::Front;
use crate::tls::NAME;

/// Of each direction of a connection.
const BUFFER: usize = 32 * 1024;

/// What the file says for this front.
pub fn config(front: &Front) -> String {
    let mut text = String::new();
    if let Some(files) = &front.client_tls {
        let (certificate, key) = (files.certificate.display(), files.key.display());
        let _ = writeln!(text, "certificate {certificate}\nkey {key}");
    }
    if let Some(files) = &front.broker_tls {
        let _ = writeln!(text, "root {}", files.root.display());
    }
    for pair in &front.pairs {
        let _ = writeln!(text, "relay 127.0.0.1:{} {}", pair.port, pair.target);
    }
    text
}

/// Of what it is made.
pub fn version() -> String {
    let lock: toml::Table = include_str!("../../Cargo.lock").parse().unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let version = |name: &str| {
        let field =
            |package: &toml::Value, key: &str| package.get(key)?.as_str().map(str::to_owned);
        let mut packages = packages.into_iter().flatten();
        let package = packages.find(|package| field(package, "name").as_deref() == Some(name));
        let version = package.and_then(|package| field(package, "version"));
        format!("{name} {}", version.unwrap_or_default())
    };
    ["tokio", "tokio-rustls", "rustls"].map(version).join(", ")
}

/// Relays what the file says, for ever; or what is wrong with it.
pub fn run(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    let work = Work::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    LocalSet::new().block_on(&runtime, work.serve())
}

/// What the file asks for.
struct Work {
    acceptor: Option<TlsAcceptor>,
    connector: Option<TlsConnector>,
    /// From where to where.
    relays: Vec<(String, String)>,
}

impl Work {
    fn read(text: &str) -> Result<Self, String> {
        let (mut certificate, mut key, mut root) = (None, None, None);
        let mut relays = Vec::new();
        for (n, line) in text.lines().enumerate() {
            match *line.split_whitespace().collect::<Vec<_>>() {
                ["certificate", file] => certificate = Some(file),
                ["key", file] => key = Some(file),
                ["root", file] => root = Some(file),
                ["relay", from, to] => relays.push((from.to_owned(), to.to_owned())),
                _ => {
                    return Err(format!(
                        "line {}: write `certificate FILE`, `key FILE`, `root FILE` or `relay HOST:PORT HOST:PORT`",
                        n + 1
                    ));
                }
            }
        }
        let acceptor = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
            _ => return Err("certificate and key go together".to_owned()),
        };
        Ok(Work {
            acceptor,
            connector: root.map(connector).transpose()?,
            relays,
        })
    }

    async fn serve(self) -> Result<(), String> {
        for (from, to) in self.relays {
            let listener = TcpListener::bind(&from).await;
            let listener = listener.map_err(|error| format!("{from}: {error}"))?;
            let way = Way {
                acceptor: self.acceptor.clone(),
                connector: self.connector.clone(),
                to,
            };
            spawn_local(way.accept(listener));
        }
        std::future::pending().await
    }
}

/// One listener's.
#[derive(Clone)]
struct Way {
    acceptor: Option<TlsAcceptor>,
    connector: Option<TlsConnector>,
    to: String,
}

impl Way {
    async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    let way = self.clone();
                    // How a connection ends is for the ends of it to judge.
                    spawn_local(async move { drop(way.shake_hands(client).await) });
                }
                // Too many open files, or a client that has gone: the next one may fare better.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    async fn shake_hands(self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        match self.acceptor.clone() {
            Some(acceptor) => self.dial(acceptor.accept(client).await?).await,
            None => self.dial(client).await,
        }
    }

    async fn dial(self, client: impl Duplex) -> io::Result<()> {
        let broker = TcpStream::connect(&self.to).await?;
        broker.set_nodelay(true)?;
        match self.connector {
            Some(connector) => {
                let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
                copy(client, connector.connect(name, broker).await?).await
            }
            None => copy(client, broker).await,
        }
    }
}

/// What bytes can be copied from and to.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

async fn copy(mut client: impl Duplex, mut broker: impl Duplex) -> io::Result<()> {
    copy_bidirectional_with_sizes(&mut client, &mut broker, BUFFER, BUFFER).await?;
    Ok(())
}

fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, String> {
    let (certificates, key) = (certificates(certificate)?, private_key(key)?);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let builder = builder.with_no_client_auth();
            builder.with_single_cert(certificates, key)
        })
        .map_err(|error| error.to_string())?;
    // Sessions are resumed as by the other routes: by tickets, without memory of the clients.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| error.to_string())?;
    Ok(Arc::new(config).into())
}

fn connector(root: &str) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(root)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("{root}: {error}"))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    certificates.map_err(|error| format!("{file}: {error}"))
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| format!("{file}: {error}"))
}
