//! A certificate and its key in files that are replaced while somebody uses them.

use std::collections::BTreeMap;
use std::fs;

use super::certificates::{Files, Identity};
use super::kubelet::{Directory, File};

/// What Kubernetes makes of a Secret: a directory whose files are replaced at once.
pub struct Mount {
    directory: Directory,
}

impl Mount {
    /// Writes the first pair.
    pub fn new(identity: &Identity) -> Self {
        let mount = Mount {
            directory: Directory::new(None),
        };
        mount.swap(identity);
        mount
    }

    /// Where the pair is, whichever it is.
    pub fn files(&self) -> Files {
        Files {
            certificate: self.directory.path().join("tls.crt"),
            key: self.directory.path().join("tls.key"),
        }
    }

    /// Puts another pair into its place at once, as Kubernetes does.
    pub fn swap(&self, identity: &Identity) {
        self.swap_halves(identity, identity);
    }

    /// The same with the certificate of one and the key of the other.
    pub fn swap_halves(&self, certificate: &Identity, key: &Identity) {
        let file = |text: &str| File {
            bytes: text.as_bytes().to_vec(),
            mode: 0o644,
            owner: None,
        };
        let files = [
            ("tls.crt".to_owned(), file(certificate.chain_pem())),
            ("tls.key".to_owned(), file(&key.key_pem())),
        ];
        self.directory.write(&BTreeMap::from(files));
    }

    /// Writes another pair into the same files, one after the other, as `cp` does.
    pub fn rewrite(&self, identity: &Identity) {
        let Files { certificate, key } = self.files();
        fs::write(certificate, identity.chain_pem()).expect("it is ours");
        fs::write(key, identity.key_pem()).expect("it is ours");
    }
}
