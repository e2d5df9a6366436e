//! Versions, cipher suites and names that a client and the proxy can or cannot agree on.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CipherSuite, ClientConfig, ProtocolVersion, RootCertStore};

use super::{NAME, Pki, alive, client, is_served, provider, refusal};
use crate::common::certificates::{Authority, Kind};
use crate::common::client::Client;
use crate::common::proxy::Proxy;
use crate::setup::{Setup, told_end, wait_for_ends};

fn start(pki: &Pki, lines: &str) -> (Proxy, crate::common::broker::Broker) {
    let broker = alive();
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], lines));
    (setup.start(), broker)
}

#[test]
fn both_versions_are_spoken() {
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki, "");
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = Arc::new(client(&pki.authority, None, &[version]));
        let mut client = Client::connect(proxy.node("main", 0)).secured(&config, NAME);
        is_served(&mut client);
        let spoken = client.tls().connection().protocol_version();
        assert_eq!(spoken, Some(expected));
    }
    proxy.assert_calm();
}

#[test]
fn a_client_of_an_older_version_than_the_least_is_refused() {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki, "min_version = \"1.3\"");
    let old = Arc::new(client(&pki.authority, None, &[&TLS12]));
    let alert = refusal(proxy.bootstrap("main"), &old, NAME);
    assert_eq!(alert, AlertDescription::ProtocolVersion);
    let (message, remedy) = told_end(&proxy, "tls_handshake_failed");
    assert!(message.contains("TLS handshake: "), "{message}");
    assert!(remedy.contains("tls.min_version"), "{remedy}");
    assert_eq!(broker.connections(), 0);
    let client = Client::connect(proxy.bootstrap("main"));
    is_served(&mut client.secured(&pki.client(), NAME));
}

#[test]
fn a_client_without_a_suite_that_fits_the_key_is_refused() {
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki, "");
    // For keys of RSA, and the proxy's is of another kind.
    let mut rsa_only = (*provider()).clone();
    rsa_only.cipher_suites.retain(|suite| {
        let suite = suite.suite();
        suite == CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    });
    let config = ClientConfig::builder_with_provider(Arc::new(rsa_only))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let alert = refusal(proxy.bootstrap("main"), &Arc::new(config), NAME);
    assert_eq!(alert, AlertDescription::HandshakeFailure);
    proxy.wait_for_end("main", "tls_handshake_failed");
}

#[test]
fn keys_of_rsa_are_good_for_both_versions() {
    let pki = Pki::new();
    let broker = alive();
    let identity = pki.authority.server_of(Kind::Rsa, &[NAME]);
    let proxy = Setup::with(&broker)
        .section(&pki.tls_with(&identity, ""))
        .start();
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&pki.authority, None, &[version]));
        let client = Client::connect(proxy.bootstrap("main"));
        is_served(&mut client.secured(&config, NAME));
    }
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_told_with_a_remedy() {
    let pki = Pki::new();
    for version in [&TLS12, &TLS13] {
        // An authority that the client knows, and that signed nothing; and a name that is not in the certificate.
        let stranger = Authority::new("Another Root");
        let wrong_ca = client(&stranger, None, &[version]);
        let wrong_name = client(&pki.authority, None, &[version]);
        for (config, name, says) in [
            (wrong_ca, NAME, "UnknownCA"),
            (wrong_name, "other.example.test", "BadCertificate"),
        ] {
            let (proxy, broker) = start(&pki, "");
            let mut client = Client::connect(proxy.bootstrap("main"));
            let tls = Client::tls(&Arc::new(config), name);
            client.secure(tls).expect_err("it is not trusted");
            drop(client);
            let (message, remedy) = told_end(&proxy, "certificate_not_trusted");
            assert!(
                message.contains("the client did not accept tls.certificate"),
                "{message}"
            );
            assert!(message.contains(says), "{message}");
            for part in [
                "tls.certificate",
                "ssl.truststore.location",
                "ssl.ca.location",
                "by a name",
            ] {
                assert!(remedy.contains(part), "{remedy}");
            }
            wait_for_ends(&proxy, "certificate_not_trusted", 1);
            assert_eq!(broker.connections(), 0);
        }
    }
}
