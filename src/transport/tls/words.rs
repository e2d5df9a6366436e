//! What rustls says, in words of whoever can mend it, where its own are those of its source.

use rustls::{CertificateError, Error};

/// The error as text.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(inner)) => {
            // The crate that checks certificates has no words but the names of its errors.
            let name = inner.0.to_string();
            match WORDS.iter().find(|(known, _)| *known == name) {
                Some((_, words)) => format!("invalid peer certificate: {words}"),
                None => format!("invalid peer certificate: {name}"),
            }
        }
        other => other.to_string(),
    }
}

const WORDS: [(&str, &str); 2] = [
    (
        "CaUsedAsEndEntity",
        "it is an authority's (as openssl req -x509 makes them), where the peer's own must be",
    ),
    (
        "UnsupportedCertVersion",
        "it is not of version 3 (openssl x509 -req makes others where -extfile is missing)",
    ),
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[test]
    fn no_error_is_told_as_source() {
        let other = |name: &'static str| {
            let inner = Arc::new(std::io::Error::other(name));
            told(&Error::InvalidCertificate(CertificateError::Other(
                OtherError(inner),
            )))
        };
        assert_eq!(
            other("CaUsedAsEndEntity"),
            "invalid peer certificate: it is an authority's (as openssl req -x509 makes them), where the peer's own must be"
        );
        assert_eq!(
            other("SomethingElse"),
            "invalid peer certificate: SomethingElse"
        );
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(told(&unknown), unknown.to_string());
    }
}
