//! A TLS port with a certificate of its own, and raw clients that speak TLS to it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::client::Client;

/// The name in the certificate.
pub const NAME: &str = "kafka.example.test";

/// A certificate on disk, and clients that trust it.
pub struct Certificate {
    directory: tempfile::TempDir,
    config: Arc<ClientConfig>,
}

impl Certificate {
    /// For [`NAME`], signed by itself.
    pub fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, pem: String| {
            std::fs::write(directory.path().join(name), pem).expect("a file");
        };
        write("tls.crt", cert.pem());
        write("tls.key", signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Certificate {
            directory,
            config: Arc::new(config),
        }
    }

    /// The table that makes the ports of cluster `main` speak TLS.
    pub fn table(&self) -> String {
        let path = self.directory.path().display();
        format!("[clusters.main.tls]\ncertificate = \"{path}/tls.crt\"\nkey = \"{path}/tls.key\"")
    }

    /// The same clients without resumption, so that each handshake is a full one.
    pub fn without_resumption(mut self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = rustls::client::Resumption::disabled();
        self.config = Arc::new(config);
        self
    }

    /// The state of a client that has said nothing yet.
    pub fn connection(&self) -> ClientConnection {
        let name = NAME.try_into().expect("a name");
        ClientConnection::new(self.config.clone(), name).expect("a client")
    }

    /// A client's first message.
    pub fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        self.connection().write_tls(&mut hello).expect("bytes");
        hello
    }

    /// Does the handshake over a connection.
    pub fn handshake(&self, client: Client) -> TlsClient {
        self.try_handshake(client).expect("a handshake")
    }

    /// Does the handshake if the peer takes part in it.
    pub fn try_handshake(&self, client: Client) -> io::Result<TlsClient> {
        let stream = client.into_wire().into_stream();
        let mut stream = StreamOwned::new(self.connection(), stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(TlsClient(stream))
    }
}

/// A client whose handshake is over.
pub struct TlsClient(pub StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    /// Sends exactly these bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the peer takes the bytes");
    }

    /// The next frame, without its size field; `None` when the connection ends before it.
    pub fn try_frame(&mut self) -> Option<Vec<u8>> {
        let mut size = [0; 4];
        self.0.read_exact(&mut size).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        self.0.read_exact(&mut frame).ok()?;
        Some(frame)
    }

    /// The next frame, without its size field.
    pub fn frame(&mut self) -> Vec<u8> {
        self.try_frame().expect("a frame, and not the end")
    }
}
