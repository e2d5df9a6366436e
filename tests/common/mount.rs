//! A certificate and its key in files that are replaced while somebody uses them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::certificates::{Files, Identity};

/// What Kubernetes makes of a secret: each file is a link to `..data/FILE` for ever, and `..data` one to a directory.
pub struct Mount {
    directory: TempDir,
    generation: AtomicUsize,
}

impl Mount {
    /// Writes the first pair.
    pub fn new(identity: &Identity) -> Self {
        let mount = Mount {
            directory: tempfile::tempdir().expect("a temporary directory"),
            generation: AtomicUsize::new(0),
        };
        mount.swap(identity);
        let Files { certificate, key } = mount.files();
        for link in [certificate, key] {
            let name = link.file_name().expect("it has a name");
            symlink(Path::new("..data").join(name), &link).expect("it is new");
        }
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
        let path = |name: &str| self.directory.path().join(name);
        let before = self.generation.fetch_add(1, Ordering::SeqCst);
        let now = format!("..{}", before + 1);
        fs::create_dir(path(&now)).expect("it is new");
        fs::write(path(&now).join("tls.crt"), certificate.chain_pem()).expect("it is ours");
        fs::write(path(&now).join("tls.key"), key.key_pem()).expect("it is ours");
        symlink(&now, path("..data_tmp")).expect("it is new");
        fs::rename(path("..data_tmp"), path("..data")).expect("it is ours");
        // The old ones go at once. Before the first there are none.
        let _ = fs::remove_dir_all(path(&format!("..{before}")));
    }

    /// Writes another pair into the same files, one after the other, as `cp` does.
    pub fn rewrite(&self, identity: &Identity) {
        let Files { certificate, key } = self.files();
        fs::write(certificate, identity.chain_pem()).expect("it is ours");
        fs::write(key, identity.key_pem()).expect("it is ours");
    }
}
