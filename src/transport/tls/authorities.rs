//! Authorities: those of a file, and those of the system.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::inspect::{Certificate, date};
use super::pem::{self, Wrong};
use crate::transport::tls::identity::now;

/// The authorities of a file.
#[derive(Debug)]
pub(crate) struct Authorities {
    /// As rustls has them.
    pub(crate) roots: Arc<RootCertStore>,
    /// Their certificates, in the order of the file.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// What is odd about them.
    pub(super) warnings: Vec<String>,
}

impl Authorities {
    /// Reads them. Anything that signs itself counts as one, for that is how a single peer is trusted; certificates that
    /// others have signed only count if they may sign more.
    pub(crate) fn load(file: &Path) -> Result<Self, Wrong> {
        let certificates = pem::certificates(file)?;
        let mut roots = RootCertStore::empty();
        let (mut leaves, mut expired) = (Vec::new(), Vec::new());
        for (n, der) in certificates.iter().enumerate() {
            let wrong =
                |error: String| Wrong::new(file, format!("certificate {}: {error}", n + 1), REMEDY);
            let certificate = Certificate::parse(der).map_err(wrong)?;
            roots
                .add(der.clone())
                .map_err(|error| wrong(error.to_string()))?;
            if !certificate.is_authority() && !certificate.is_self_issued() {
                leaves.push(certificate.subject());
            }
            if certificate.not_after() < now() {
                let until = date(certificate.not_after());
                expired.push(format!("{} (on {until})", certificate.subject()));
            }
        }
        if leaves.len() == certificates.len() {
            let problem = format!("it has no authority, only {}", some(&leaves));
            return Err(Wrong::new(file, problem, REMEDY));
        }
        let file = file.display();
        let mut warnings = Vec::new();
        if !leaves.is_empty() {
            warnings.push(format!(
                "{file}: no authority, and of no use here: {}",
                some(&leaves)
            ));
        }
        if !expired.is_empty() {
            warnings.push(format!(
                "{file}: expired, but trusted as long as it is in the file: {}",
                some(&expired)
            ));
        }
        Ok(Authorities {
            roots: Arc::new(roots),
            certificates,
            warnings,
        })
    }
}

/// The authorities that this system trusts, which may be none. They are read once.
pub(crate) fn system() -> Arc<RootCertStore> {
    static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    });
    SYSTEM.clone()
}

/// A few of these, and how many more there are.
pub(super) fn some(names: &[String]) -> String {
    const FEW: usize = 3;
    let few = names.get(..FEW).unwrap_or(names).join("; ");
    match names.len().saturating_sub(FEW) {
        0 => few,
        more => format!("{few}; and {more} more"),
    }
}

const REMEDY: &str = "give certificates of authorities in PEM";
