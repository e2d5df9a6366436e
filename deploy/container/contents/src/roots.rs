//! Mozilla's authorities in PEM, where programs of most distributions look for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The file in the image.
pub(crate) const PATH: &str = "etc/ssl/certs/ca-certificates.crt";

/// Characters a line, as RFC 7468 has it.
const LINE: usize = 64;

/// All of them.
pub(crate) fn bundle() -> String {
    let mut text = String::from(
        "# The authorities that Mozilla trusts for servers, from the crate webpki-root-certs; licence: CDLA-Permissive-2.0.\n",
    );
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(rest.len().min(LINE));
            text.push_str(line);
            text.push('\n');
            rest = behind;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
