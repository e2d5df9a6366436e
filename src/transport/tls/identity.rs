//! An own certificate chain and its key.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};

use super::chain;
use super::inspect::{Certificate, Side};
use super::pem::{self, Wrong};
use crate::config::Fault;

/// A chain and its key, which go together.
#[derive(Debug)]
pub(super) struct Identity {
    /// As rustls has them.
    pub(super) certified: Arc<CertifiedKey>,
    /// The names of the own certificate.
    pub(super) names: Vec<String>,
    /// Whether the own certificate is an authority's.
    pub(super) is_authority: bool,
    /// Until when it is good, in seconds since 1970.
    pub(super) not_after: i64,
    /// What is odd about it.
    pub(super) warnings: Vec<String>,
    /// What is worth knowing, and no more than that.
    pub(super) note: Option<String>,
}

impl Identity {
    /// Reads both files. `known` are authorities that peers can be expected to know, `section` is the path of the table
    /// with the keys `certificate` and `key`.
    pub(super) fn load(
        (certificate, key): (&Path, &Path),
        side: Side,
        known: &[&RootCertStore],
        section: &str,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let chain = pem::certificates(certificate);
        let signing = signing_key(key);
        let mut loaded = None;
        match &chain {
            Err(wrong) => faults.push(wrong.clone().fault(section, "certificate")),
            Ok(ders) => match parse(certificate, ders) {
                Err(wrong) => faults.push(wrong.fault(section, "certificate")),
                Ok(parsed) => {
                    let findings = chain::check(certificate, &parsed, side, known, now());
                    let wrong = findings.wrong.into_iter();
                    faults.extend(wrong.map(|wrong| wrong.fault(section, "certificate")));
                    let own = parsed.first();
                    if let Some(wrong) = own.and_then(|own| nameless(certificate, own)) {
                        faults.push(wrong.fault(section, "certificate"));
                    }
                    let names = own.map(Certificate::names).unwrap_or_default();
                    let not_after = chain::not_after(&parsed);
                    let is_authority = own.is_some_and(Certificate::is_authority);
                    loaded = Some((
                        names,
                        is_authority,
                        not_after,
                        findings.warnings,
                        findings.note,
                    ));
                }
            },
        }
        if let Err(wrong) = &signing {
            faults.push(wrong.clone().fault(section, "key"));
        }
        let (Ok(ders), Ok(signing), Some((names, is_authority, not_after, warnings, note))) =
            (chain, signing, loaded)
        else {
            return Err(faults);
        };
        match pair(certificate, key, ders, signing) {
            // Said already.
            Err(("certificate", _)) if !faults.is_empty() => {}
            Err((named, wrong)) => faults.push(wrong.fault(section, named)),
            Ok(certified) if faults.is_empty() => {
                return Ok(Identity {
                    certified: Arc::new(certified),
                    names,
                    is_authority,
                    not_after,
                    warnings,
                    note,
                });
            }
            Ok(_) => {}
        }
        Err(faults)
    }
}

/// The cryptography of all connections. It is always passed explicitly: nothing depends on what a process installed.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// A private key that can sign.
pub(crate) fn signing_key(file: &Path) -> Result<Arc<dyn SigningKey>, Wrong> {
    let key = pem::key(file)?;
    let loaded = provider().key_provider.load_private_key(key);
    // What exactly is wrong inside a key is not told.
    loaded.map_err(|_| {
        Wrong::new(
            file,
            "the private key is damaged, or of a kind that is not supported",
            "give an RSA key of 2048 bits or more, an ECDSA key (P-256, P-384, P-521), or an Ed25519 key",
        )
    })
}

/// Certificates of version 1 are what `openssl x509 -req` makes without a file of extensions.
fn nameless(file: &Path, own: &Certificate<'_>) -> Option<Wrong> {
    let problem = "the certificate has no extensions (it is not of version 3), and so no names";
    let remedy = "sign it again with its names: openssl x509 -req ... -extfile FILE, where FILE has the line \
                  subjectAltName=DNS:kafka.example.com";
    (!own.is_version_3()).then(|| Wrong::new(file, problem, remedy))
}

fn parse<'a>(file: &Path, ders: &'a [CertificateDer<'_>]) -> Result<Vec<Certificate<'a>>, Wrong> {
    let parse = |(n, der)| {
        Certificate::parse(der).map_err(|error| {
            let problem = format!("certificate {}: {error}", n + 1);
            Wrong::new(
                file,
                problem,
                "give the certificate as its authority issued it",
            )
        })
    };
    ders.iter().enumerate().map(parse).collect()
}

/// Puts both together; else which of the two keys is at fault.
fn pair(
    certificate: &Path,
    key: &Path,
    ders: Vec<CertificateDer<'static>>,
    signing: Arc<dyn SigningKey>,
) -> Result<CertifiedKey, (&'static str, Wrong)> {
    use rustls::{Error::InconsistentKeys, InconsistentKeys::*};
    let certified = CertifiedKey::new(ders, signing.clone());
    match certified.keys_match() {
        Ok(()) | Err(InconsistentKeys(Unknown)) => Ok(certified),
        Err(InconsistentKeys(KeyMismatch)) => {
            let is_its = |der: &CertificateDer<'static>| {
                let other = CertifiedKey::new(vec![der.clone()], signing.clone());
                other.keys_match().is_ok()
            };
            if let Some(n) = certified.cert.iter().position(is_its) {
                let problem = format!(
                    "the key is that of certificate {} in {}",
                    n + 1,
                    certificate.display()
                );
                let remedy = "put that certificate first";
                return Err(("key", Wrong::new(key, problem, remedy)));
            }
            let of_authority = certified
                .cert
                .first()
                .is_some_and(|der| Certificate::parse(der).is_ok_and(|first| first.is_authority()));
            let (whose, remedy) = match of_authority {
                true => (
                    "the certificate of an authority",
                    "put the own certificate first, with the key that it was requested with",
                ),
                false => (
                    "the certificate",
                    "give the key that the certificate was requested with",
                ),
            };
            let problem = format!(
                "the key does not match {whose} in {}",
                certificate.display()
            );
            Err(("key", Wrong::new(key, problem, remedy)))
        }
        Err(error) => {
            let remedy = "give an X.509 certificate of version 3";
            Err(("certificate", Wrong::new(certificate, error, remedy)))
        }
    }
}
