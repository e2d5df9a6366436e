//! What is wrong with files is told: where, what, and what to do.

use super::*;

#[test]
fn a_good_pair_is_taken() {
    let files = Files::new();
    let authority = Authority::new("Root");
    let leaf = authority.leaf_with("localhost", |params| {
        params.not_after = date_time_ymd(2100, 2, 3);
        let ip = "2001:db8::1".parse().unwrap();
        params.subject_alt_names.push(rcgen::SanType::IpAddress(ip));
    });
    let chain = leaf.pem() + &authority.pem();
    let server = load(&files.tls(&chain, &leaf.key())).unwrap();
    assert_eq!(server.names(), ["localhost", "2001:db8::1"]);
    assert!(server.covers("LOCALHOST") && server.covers("2001:db8:0::1"));
    assert!(!server.covers("kafka.example.com"));
    assert_eq!(server.not_after(), 4_105_296_000);
    assert_eq!(server.warnings(), [""; 0]);
    assert_eq!(server.crl_next_update(), None);
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let client = client(&authority, None, version);
        let (kind, _) = handshake(&client, server.config()).unwrap();
        assert_eq!(kind, HandshakeKind::Full);
    }
}

#[test]
fn a_lower_version_than_the_lowest_is_refused() {
    let files = Files::new();
    let authority = Authority::new("Root");
    let leaf = authority.leaf("localhost");
    let tls = Tls {
        min_version: TlsVersion::Tls13,
        ..files.tls(&leaf.pem(), &leaf.key())
    };
    let server = load(&tls).unwrap();
    let old = client(&authority, None, TlsVersion::Tls12);
    assert!(handshake(&old, server.config()).is_err());
    let new = client(&authority, None, TlsVersion::Tls13);
    handshake(&new, server.config()).unwrap();
}

#[test]
fn wrong_files_are_told_by_what_is_in_them() {
    let authority = Authority::new("Root");
    let leaf = authority.leaf("localhost");
    let (chain, key) = (leaf.pem(), leaf.key());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let traditional = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let secret = "-----BEGIN PRIVATE KEY-----\nse-cret\n-----END PRIVATE KEY-----\n";
    let illegal = "-----BEGIN CERTIFICATE\nAAAA\n-----END CERTIFICATE-----\n";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let certificate = "clusters.main.tls.certificate: tls.crt: ";
    let certificates = "give a file of certificates in PEM";
    let its_key = "clusters.main.tls.key: tls.key: ";
    let keys = "give a private key in PEM, without a passphrase";
    let decrypt = "decrypt it: openssl pkey -in tls.key -out FILE, and give FILE, readable by this program only";
    let cut = chain.trim_end().trim_end_matches(|c| c != '\n');
    let big = "x".repeat((4 << 20) + 1);
    let issuers = authority.issuer.key().serialize_pem();
    let cases = [
        (
            "",
            key.as_str(),
            format!("{certificate}it is empty | {certificates}"),
        ),
        (
            "hello",
            &key,
            format!("{certificate}there is no certificate in it: it is not PEM | {certificates}"),
        ),
        (
            "0\u{82}\u{1}\u{1}",
            &key,
            format!("{certificate}there is no certificate in it: it is not PEM | {certificates}"),
        ),
        (
            &key,
            &key,
            format!(
                "{certificate}there is no certificate in it, but a private key | {certificates}"
            ),
        ),
        (
            &big,
            &key,
            format!("{certificate}it has more than 4 MiB | {certificates}"),
        ),
        (
            cut,
            &key,
            format!(
                "{certificate}it is cut off: the END line of \"CERTIFICATE\" is missing | {certificates}"
            ),
        ),
        (
            illegal,
            &key,
            format!("{certificate}it has a broken BEGIN line | {certificates}"),
        ),
        (
            no_certificate,
            &key,
            format!("{certificate}certificate 1: it is no X.509 certificate: "),
        ),
        (&chain, "", format!("{its_key}it is empty | {keys}")),
        (
            &chain,
            &chain,
            format!("{its_key}there is no private key in it, but a certificate | {keys}"),
        ),
        (
            &chain,
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            format!("{its_key}there is no private key in it, but a public key | {keys}"),
        ),
        (
            &chain,
            secret,
            format!(
                "{its_key}between BEGIN and END there is something that is not base64 | {keys}"
            ),
        ),
        (
            &chain,
            encrypted,
            format!("{its_key}the key is encrypted | {decrypt}"),
        ),
        (
            &chain,
            traditional,
            format!("{its_key}the key is encrypted | {decrypt}"),
        ),
        (
            &chain,
            damaged,
            format!(
                "{its_key}the private key is damaged, or of a kind that is not supported | give an RSA key of 2048 bits or more, an ECDSA key (P-256, P-384, P-521), or an Ed25519 key"
            ),
        ),
        (
            &chain,
            &authority.leaf("localhost").key(),
            format!(
                "{its_key}the key does not match the certificate in tls.crt | give the key that the certificate was requested with"
            ),
        ),
        (
            &chain,
            &issuers,
            format!(
                "{its_key}the key does not match the certificate in tls.crt | give the key that the certificate was requested with"
            ),
        ),
    ];
    for (chain, key, expected) in &cases {
        let files = Files::new();
        let told = files.told(&load(&files.tls(chain, key)).unwrap_err());
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(expected), "{} <> {expected}", told[0]);
    }
}

#[test]
fn a_certificate_without_extensions_is_told_how_to_get_its_names() {
    let files = Files::new();
    let key = Authority::new("Root").leaf("localhost").key();
    assert_eq!(
        files.told(&load(&files.tls(VERSION_1, &key)).unwrap_err()),
        [
            "clusters.main.tls.certificate: tls.crt: the certificate has no extensions (it is not of version 3), and so no \
             names | sign it again with its names: openssl x509 -req ... -extfile FILE, where FILE has the line \
             subjectAltName=DNS:kafka.example.com"
        ]
    );
}

#[test]
fn an_authority_in_the_place_of_the_server_is_told() {
    let files = Files::new();
    let authority = Authority::new("Root");
    let tls = files.tls(&authority.pem(), &authority.leaf("localhost").key());
    assert_eq!(
        files.told(&load(&tls).unwrap_err()),
        [
            "clusters.main.tls.key: tls.key: the key does not match the certificate of an authority in tls.crt | put the own \
             certificate first, with the key that it was requested with"
        ]
    );
}

#[test]
fn a_key_store_of_java_is_told_how_to_become_pem() {
    let files = Files::new();
    let leaf = Authority::new("Root").leaf("localhost");
    let tls = files.tls("", &leaf.key());
    fs::write(&tls.certificate, [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
    let told = files.told(&load(&tls).unwrap_err());
    let expected = "clusters.main.tls.certificate: tls.crt: there is no certificate in it: it is a key store of Java | give a \
                    file of certificates in PEM; make PKCS#12 of it by: keytool -importkeystore -srckeystore tls.crt ";
    assert!(told[0].starts_with(expected), "{told:?}");
}

#[test]
fn der_is_told_from_text() {
    let files = Files::new();
    let leaf = Authority::new("Root").leaf("localhost");
    let tls = files.tls("", &leaf.key());
    fs::write(&tls.certificate, leaf.certificate.der()).unwrap();
    assert_eq!(
        files.told(&load(&tls).unwrap_err()),
        [
            "clusters.main.tls.certificate: tls.crt: there is no certificate in it: it is not PEM, it looks like DER or \
             PKCS#12 | give a file of certificates in PEM; DER becomes PEM by: openssl x509 -inform DER -in tls.crt -out \
             FILE, PKCS#12 by: openssl pkcs12 -in tls.crt -nodes -out FILE"
        ]
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let files = Files::new();
    let tls = Tls {
        certificate: files.path("no-such.crt"),
        key: files.write("tls.key", "hello"),
        client_ca: file(&files.path("no-such-ca.crt")),
        client_auth: ClientAuth::Required,
        min_version: TlsVersion::Tls12,
        crl: file(&files.write("crl.pem", "hello")),
        ticket_keys: file(&files.write("tickets", "hello")),
    };
    let missing = "No such file or directory (os error 2)";
    assert_eq!(
        files.told(&load(&tls).unwrap_err()),
        [
            format!("clusters.main.tls.certificate: no-such.crt: {missing} | give a file of certificates in PEM"),
            "clusters.main.tls.key: tls.key: there is no private key in it: it is not PEM | give a private key in PEM, \
             without a passphrase"
                .into(),
            format!("clusters.main.tls.client_ca: no-such-ca.crt: {missing} | give a file of certificates in PEM"),
            "clusters.main.tls.crl: crl.pem: there is no revocation list in it: it is not PEM | give a file of certificate \
             revocation lists in PEM (BEGIN X509 CRL)"
                .into(),
            "clusters.main.tls.ticket_keys: tickets: line 1 is not base64 | write one key a line, each made by: openssl \
             rand -base64 32"
                .into(),
        ]
    );
    assert_eq!(
        Server::files(&tls),
        [
            tls.certificate.as_path(),
            tls.key.as_path(),
            tls.client_ca.as_ref().unwrap(),
            tls.crl.as_ref().unwrap(),
            tls.ticket_keys.as_ref().unwrap(),
        ]
    );
}

/// Made by: openssl x509 -req -in CSR -signkey KEY -days 36500
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBJDCBywIUGrNiZtB1aSs7Pxc/6pCYxXowcAEwCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjA3MDg1OVoYDzIxMjYxMTAyMDcwODU5
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAT4F7VEwIIkHWUcwbbd9raFTb7QmMRDcuFGx/ZcFx13hKzNoOCL+NgO671J0Qq5
bE3ul4JQTdVatzL5Dcx5pkMfMAoGCCqGSM49BAMCA0gAMEUCIHJLIGxf1SK+hRFD
ksFCMLCNNuLqPp6+fhSmYSox+6T2AiEA35GzlqAVCrECqXtg6jYMsbQqNyjIvk15
J8M13GLpD1o=
-----END CERTIFICATE-----
";
