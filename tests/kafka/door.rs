//! TLS between clients and the proxy: the files that the proxy is configured with, and what clients must know.

use std::fmt::Write;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::access::Tls;
use crate::common::certificates::{self, Authority, Files, Identity, Kind};
use crate::common::mount::Mount;

/// The name of the bootstrap route in SNI mode. Nobody's name server knows it (RFC 6761).
pub const BOOTSTRAP_HOST: &str = "kafka.portolan.test";

/// The name of the authority of clients.
const CLIENTS: &str = "Root of a proxy's clients";

/// The name of a node in SNI mode.
pub fn node_host(id: impl std::fmt::Display) -> String {
    format!("broker-{id}.{BOOTSTRAP_HOST}")
}

/// The certificates of a proxy and of its clients. The two authorities have nothing to do with each other, or with the brokers'.
pub struct Door {
    authority: Authority,
    clients: Authority,
    /// What the proxy shows to clients.
    mount: Mount,
    /// Whether clients must have a certificate.
    mutual: bool,
    dir: TempDir,
}

impl Door {
    /// Writes the files.
    pub fn new(mutual: bool) -> Self {
        let authority = Authority::new("Root of a proxy").intermediate("Authority of a proxy");
        let door = Door {
            mount: Mount::new(&identity(&authority)),
            authority,
            clients: Authority::new(CLIENTS),
            mutual,
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        certificates::write(door.dir.path(), "ca.crt", door.authority.root_pem());
        certificates::write(door.dir.path(), "clients.crt", door.clients.root_pem());
        door.clients
            .client("portolan-tests")
            .write(door.dir.path(), "client");
        door
    }

    /// Another certificate for the same names by the same authority, with another key.
    pub fn identity(&self) -> Identity {
        identity(&self.authority)
    }

    /// A certificate by the same authority for these names alone.
    pub fn identity_for(&self, names: &[&str]) -> Identity {
        self.authority.server(names)
    }

    /// Where the certificate is that the proxy shows to clients.
    pub fn mount(&self) -> &Mount {
        &self.mount
    }

    /// The section of a cluster's configuration.
    pub fn config(&self, cluster: &str) -> String {
        let Files { certificate, key } = self.mount.files();
        let mut text =
            format!("[clusters.{cluster}.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
        if self.mutual {
            let ca = self.dir.path().join("clients.crt");
            let _ = writeln!(text, "client_ca = {ca:?}\nclient_auth = \"required\"");
        }
        text
    }

    /// What clients need to get in.
    pub fn tls(&self) -> Tls {
        Tls {
            ca: self.ca(),
            identity: self.mutual.then(|| self.files("client")),
        }
    }

    /// A certificate by another authority of the same name. A client asks its certificates for the name that the proxy gives, and would
    /// send none of another.
    pub fn stranger(&self) -> Files {
        let identity = Authority::new(CLIENTS).client("stranger");
        identity.write(self.dir.path(), "stranger")
    }

    /// A client's certificate that was good once.
    pub fn expired(&self) -> Files {
        let identity = self.clients.client_of(Kind::Expired, "expired");
        identity.write(self.dir.path(), "expired")
    }

    /// The certificate of the authority that clients trust.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// A hosts file that leads the names of SNI mode to this machine.
    pub fn hosts(&self, ids: &[i32]) -> PathBuf {
        let mut text = format!("127.0.0.1 localhost {BOOTSTRAP_HOST}\n");
        for id in ids {
            let _ = writeln!(text, "127.0.0.1 {}", node_host(id));
        }
        certificates::write(self.dir.path(), "hosts", &text)
    }

    fn files(&self, name: &str) -> Files {
        Files {
            certificate: self.dir.path().join(format!("{name}.crt")),
            key: self.dir.path().join(format!("{name}.key")),
        }
    }
}

fn identity(authority: &Authority) -> Identity {
    let wildcard = format!("*.{BOOTSTRAP_HOST}");
    authority.server(&[BOOTSTRAP_HOST, &wildcard, "127.0.0.1"])
}
