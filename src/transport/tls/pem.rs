//! Files of certificates, keys and revocation lists: read with a bound, taken apart, and told what is wrong with them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::config::Fault;

/// What is wrong with a file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Begins with the file's path.
    pub(crate) problem: String,
    /// What to give instead.
    pub(crate) remedy: String,
}

impl Wrong {
    /// About this file.
    pub(crate) fn new(file: &Path, problem: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Wrong {
            problem: format!("{}: {problem}", file.display()),
            remedy: remedy.into(),
        }
    }

    /// The same, as a fault of the key that names the file.
    pub(crate) fn fault(self, section: &str, key: &str) -> Fault {
        Fault {
            key: format!("{section}.{key}"),
            line: None,
            problem: self.problem,
            remedy: self.remedy,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem, self.remedy)
    }
}

/// All certificates of a file, in its order, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let text = read(file, CERTIFICATES)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| broken(file, &error, CERTIFICATES))?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(missing(file, &text, "certificate", CERTIFICATES)),
    }
}

/// The private key of a file: the first one, for some tools write the parameters of its curve before it.
pub(crate) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, Wrong> {
    let text = read(file, KEY)?;
    if has(&text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(&text, "Proc-Type: 4,ENCRYPTED") {
        let remedy = format!(
            "decrypt it: openssl pkey -in {} -out FILE, and give FILE, readable by this program only",
            file.display()
        );
        return Err(Wrong::new(file, "the key is encrypted", remedy));
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            Err(missing(file, &text, "private key", KEY))
        }
        Err(error) => Err(broken(file, &error, KEY)),
    }
}

/// All revocation lists of a file, at least one.
pub(crate) fn revocation_lists(
    file: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Wrong> {
    let text = read(file, LISTS)?;
    let found = CertificateRevocationListDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| broken(file, &error, LISTS))?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(missing(file, &text, "revocation list", LISTS)),
    }
}

/// The bytes of a file, unless it has too many: a device may have no end.
pub(crate) fn read_file(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST_FILE {
        true => Err(io::Error::other("it has more than 4 MiB")),
        false => Ok(bytes),
    }
}

fn read(file: &Path, remedy: &str) -> Result<Vec<u8>, Wrong> {
    read_file(file).map_err(|error| unreadable(file, &error, remedy))
}

/// Why a file cannot be read; the remedy is for a file that should be another one.
pub(super) fn unreadable(file: &Path, error: &io::Error, remedy: &str) -> Wrong {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Wrong::new(
            file,
            error,
            "let the user that this program runs as read it",
        ),
        io::ErrorKind::NotFound if file.is_relative() => {
            Wrong::new(file, error, format!("{remedy}; {RELATIVE}"))
        }
        _ => Wrong::new(file, error, remedy),
    }
}

/// What the file has instead of what is looked for.
fn missing(file: &Path, text: &[u8], wanted: &str, remedy: &str) -> Wrong {
    let others = [
        ("-----BEGIN CERTIFICATE-----", "a certificate"),
        (
            "-----BEGIN TRUSTED CERTIFICATE-----",
            "a certificate in OpenSSL's own form",
        ),
        ("PRIVATE KEY-----", "a private key"),
        ("-----BEGIN X509 CRL-----", "a revocation list"),
        ("CERTIFICATE REQUEST-----", "a request for a certificate"),
        ("-----BEGIN PUBLIC KEY-----", "a public key"),
    ];
    let problem = match others.iter().find(|(marker, _)| has(text, marker)) {
        Some((_, other)) => format!("there is no {wanted} in it, but {other}"),
        None if has(text, "-----BEGIN ") => format!("there is no {wanted} in it"),
        // DER begins with a SEQUENCE of two or more bytes of length.
        None if matches!(text, [0x30, 0x81..=0x84, ..]) => {
            let problem =
                format!("there is no {wanted} in it: it is not PEM, it looks like DER or PKCS#12");
            let command = match wanted {
                "private key" => "pkey",
                "revocation list" => "crl",
                _ => "x509",
            };
            let name = file.display();
            let remedy = format!(
                "{remedy}; DER becomes PEM by: openssl {command} -inform DER -in {name} -out FILE, PKCS#12 by: openssl \
                 pkcs12 -in {name} -nodes -out FILE"
            );
            return Wrong::new(file, problem, remedy);
        }
        None if text.starts_with(&JAVA_KEY_STORE) => {
            let problem = format!("there is no {wanted} in it: it is a key store of Java");
            let remedy = format!(
                "{remedy}; make PKCS#12 of it by: keytool -importkeystore -srckeystore {} -destkeystore FILE \
                 -deststoretype PKCS12, and PEM of that by: openssl pkcs12 -in FILE -nodes -out FILE.pem",
                file.display()
            );
            return Wrong::new(file, problem, remedy);
        }
        None if text.is_empty() => "it is empty".to_owned(),
        None => format!("there is no {wanted} in it: it is not PEM"),
    };
    Wrong::new(file, problem, remedy)
}

fn broken(file: &Path, error: &rustls::pki_types::pem::Error, remedy: &str) -> Wrong {
    use rustls::pki_types::pem::Error::*;
    let problem = match error {
        MissingSectionEnd { end_marker } => {
            let end = String::from_utf8_lossy(end_marker);
            let end: String = end.chars().filter(|c| *c != '-').take(40).collect();
            format!(
                "it is cut off: the END line of \"{}\" is missing",
                end.replace("END ", "")
            )
        }
        IllegalSectionStart { .. } => "it has a broken BEGIN line".to_owned(),
        // Not the decoder's words: what is told of a key must not carry parts of it.
        Base64Decode(_) => "between BEGIN and END there is something that is not base64".to_owned(),
        other => other.to_string(),
    };
    Wrong::new(file, problem, remedy)
}

fn has(text: &[u8], marker: &str) -> bool {
    text.windows(marker.len())
        .any(|window| window == marker.as_bytes())
}

/// More than any list of authorities has, in bytes.
const LARGEST_FILE: u64 = 4 << 20;

/// The first bytes of a file in the format JKS.
const JAVA_KEY_STORE: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

const RELATIVE: &str = "a relative path begins where this program was started";
const CERTIFICATES: &str = "give a file of certificates in PEM";
const KEY: &str = "give a private key in PEM, without a passphrase";
const LISTS: &str = "give a file of certificate revocation lists in PEM (BEGIN X509 CRL)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_be_read_is_not_said_to_be_another_one() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let told = unreadable(Path::new("tls.key"), &denied, KEY).to_string();
        let expected = "tls.key: permission denied: let the user that this program runs as read it";
        assert_eq!(told, expected);
    }
}
