//! All kinds of keys, in all forms that tools write.

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};
use x509_parser::der_parser::parse_der;

use super::*;

/// What PKCS#8 wraps: `RSAPrivateKey` of PKCS#1, or `ECPrivateKey` of SEC1.
fn unwrapped(key: &KeyPair, label: &str) -> String {
    let pkcs8 = key.serialize_der();
    let (_, wrapper) = parse_der(&pkcs8).unwrap();
    let inner = wrapper.as_sequence().unwrap()[2].as_slice().unwrap();
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, inner);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

#[test]
fn keys_of_all_kinds_are_taken() {
    let root = Authority::new("Root");
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let [p256, p384, ed25519] = [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ED25519,
    ]
    .map(|kind| KeyPair::generate_for(kind).unwrap());
    // As `openssl ecparam -genkey` writes it.
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let texts = [
        (&rsa, rsa.serialize_pem()),
        (&rsa, unwrapped(&rsa, "RSA PRIVATE KEY")),
        (&p256, p256.serialize_pem()),
        (&p256, unwrapped(&p256, "EC PRIVATE KEY")),
        (
            &p256,
            format!("{parameters}{}", unwrapped(&p256, "EC PRIVATE KEY")),
        ),
        (&p384, p384.serialize_pem()),
        (&p384, unwrapped(&p384, "EC PRIVATE KEY")),
        (&ed25519, ed25519.serialize_pem()),
    ];
    for (key, text) in texts {
        let files = Files::new();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = params.signed_by(key, &root.issuer).unwrap();
        let server = load(&files.tls(&own.pem(), &text)).unwrap();
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            handshake(&client(&root, None, version), server.config()).unwrap();
        }
        // One file with both in it, key first.
        let both = format!("{text}{}", own.pem());
        load(&files.tls(&both, &both)).unwrap();
    }
}
