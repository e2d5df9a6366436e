//! Clients that are asked for a certificate: who is let in, and what the others are told, as is the operator.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, SupportedProtocolVersion};

use super::{NAME, Pki, alive, client, is_served, refusal};
use crate::common::broker::Broker;
use crate::common::certificates::{Authority, Identity, Kind};
use crate::common::client::Client;
use crate::common::proxy::Proxy;
use crate::setup::{Setup, told_end};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A proxy that asks clients as `client_auth` says, with a list that revokes this one.
fn start(pki: &Pki, client_auth: &str, revoked: &[&Identity]) -> (Proxy, Broker) {
    let broker = alive();
    let crl = pki.write("clients.crl", &pki.authority.crl_pem(revoked));
    let lines = format!(
        "client_ca = {:?}\nclient_auth = {client_auth:?}\ncrl = {crl:?}",
        pki.ca()
    );
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], &lines));
    (setup.start(), broker)
}

fn serves(proxy: &Proxy, pki: &Pki, own: Option<&Identity>) {
    for version in VERSIONS {
        let config = Arc::new(client(&pki.authority, own, &[version]));
        let client = Client::connect(proxy.bootstrap("main"));
        is_served(&mut client.secured(&config, NAME));
    }
}

/// That such a client is refused with this alert, and told once, as this.
fn refuses(proxy: &Proxy, pki: &Pki, own: Option<&Identity>, alert: AlertDescription, told: &str) {
    for version in VERSIONS {
        let config = Arc::new(client(&pki.authority, own, &[version]));
        assert_eq!(refusal(proxy.bootstrap("main"), &config, NAME), alert);
    }
    let (message, remedy) = told_end(proxy, "client_certificate_refused");
    assert!(
        message.contains("the client's certificate was not accepted"),
        "{message}"
    );
    assert!(message.contains(told), "{message}");
    for part in [
        "tls.client_ca",
        "ssl.keystore.location",
        "ssl.certificate.location",
    ] {
        assert!(remedy.contains(part), "{remedy}");
    }
    crate::setup::wait_for_ends(proxy, "client_certificate_refused", 2);
    let told = proxy
        .log()
        .into_iter()
        .filter(|line| line["level"] == "WARN");
    assert_eq!(told.count(), 1, "the second is only counted");
}

/// Each with the alert that is due to it and a word of the log.
fn bad(pki: &Pki) -> Vec<(Identity, AlertDescription, &'static str)> {
    let of = |kind| pki.authority.client_of(kind, "a client");
    // Of the same name as the right one, and with another key.
    let impostor = Authority::new("Test Root").client("a client");
    let stranger = Authority::new("Another Root").client("a client");
    vec![
        (stranger, AlertDescription::UnknownCA, "UnknownIssuer"),
        (impostor, AlertDescription::DecryptError, "BadSignature"),
        (
            of(Kind::Expired),
            AlertDescription::CertificateExpired,
            "expired",
        ),
        (
            of(Kind::NotYetValid),
            AlertDescription::CertificateExpired,
            "not valid yet",
        ),
        (
            pki.authority.server(&["server.example.test"]),
            AlertDescription::UnsupportedCertificate,
            "certificate does not allow extended key usage",
        ),
    ]
}

#[test]
fn a_required_certificate_must_be_there_and_good() {
    let pki = Pki::new();
    let good = pki.authority.client("a client");
    let (proxy, broker) = start(&pki, "required", &[]);
    serves(&proxy, &pki, Some(&good));
    let served = broker.connections();
    refuses(
        &proxy,
        &pki,
        None,
        AlertDescription::CertificateRequired,
        "no certificates",
    );
    assert_eq!(broker.connections(), served);
    for (own, alert, told) in bad(&pki) {
        let (proxy, broker) = start(&pki, "required", &[]);
        refuses(&proxy, &pki, Some(&own), alert, told);
        assert_eq!(broker.connections(), 0);
    }
}

#[test]
fn an_optional_certificate_may_be_missing_but_not_bad() {
    let pki = Pki::new();
    let good = pki.authority.client("a client");
    let (proxy, _broker) = start(&pki, "optional", &[]);
    serves(&proxy, &pki, Some(&good));
    serves(&proxy, &pki, None);
    proxy.assert_calm();
    for (own, alert, told) in bad(&pki) {
        let (proxy, broker) = start(&pki, "optional", &[]);
        refuses(&proxy, &pki, Some(&own), alert, told);
        assert_eq!(broker.connections(), 0);
    }
}

#[test]
fn a_revoked_certificate_is_refused_and_others_are_not() {
    let pki = Pki::new();
    let (revoked, good) = (
        pki.authority.client("lost"),
        pki.authority.client("a client"),
    );
    for client_auth in ["required", "optional"] {
        let (proxy, broker) = start(&pki, client_auth, &[&revoked]);
        refuses(
            &proxy,
            &pki,
            Some(&revoked),
            AlertDescription::CertificateRevoked,
            "Revoked",
        );
        assert_eq!(broker.connections(), 0);
        serves(&proxy, &pki, Some(&good));
    }
}

#[test]
fn a_client_below_an_intermediate_authority_is_let_in_with_its_chain() {
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki, "required", &[]);
    let below = pki.authority.intermediate("Clients").client("a client");
    serves(&proxy, &pki, Some(&below));
    proxy.assert_calm();
}

#[test]
fn a_certificate_that_nobody_asks_for_does_not_matter() {
    let pki = Pki::new();
    let broker = alive();
    let proxy = Setup::with(&broker).section(&pki.tls(&[NAME], "")).start();
    let stranger = Authority::new("Another Root").client("a client");
    serves(&proxy, &pki, Some(&stranger));
    proxy.assert_calm();
}
