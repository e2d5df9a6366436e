//! The certificates of a cluster: one authority vouches for its nodes and for those who may come without a password.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::certificates::{self, Authority, Files, Identity};

/// The authority, and what everybody needs of it as files.
pub struct Identities {
    /// Signs by an intermediate authority, as most companies' do.
    authority: Authority,
    ca: PathBuf,
    client: Files,
}

impl Identities {
    /// Writes the files into a directory that it makes.
    pub fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("the directory can be made");
        let root = Authority::new("Root of a cluster");
        let authority = root.intermediate("Authority of a cluster");
        Identities {
            ca: certificates::write(dir, "ca.crt", root.root_pem()),
            client: authority.client("portolan-tests").write(dir, "client"),
            authority,
        }
    }

    /// What whoever connects to a node must trust.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// A certificate with which nodes let clients in.
    pub fn client(&self) -> &Files {
        &self.client
    }

    /// Another certificate with which nodes let clients in.
    pub fn another_client(&self) -> Identity {
        self.authority.client("portolan-tests")
    }

    /// Writes what a node needs into its directory, and returns the lines of its configuration. Java reads PEM, but wants the key and
    /// the chain in one file.
    pub fn node(&self, host: &str, dir: &Path) -> String {
        let identity = self.authority.server(&[host]);
        let text = identity.key_pem() + identity.chain_pem();
        let key = certificates::write(dir, "node.pem", &text);
        format!(
            "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n",
            key.display(),
            self.ca.display(),
        )
    }
}
