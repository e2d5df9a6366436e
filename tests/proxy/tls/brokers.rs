//! Brokers that the proxy cannot or may not speak TLS with: told as the fault of the broker or of the configuration, with
//! what to write instead.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::{Pki, is_served, provider, server};
use crate::common::broker::{Broker, Received};
use crate::common::certificates::{Authority, Identity, Kind};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Setup, heartbeat, told_end};

fn alive_by_tls(config: ServerConfig) -> Broker {
    Broker::answering_by_tls(Arc::new(config), |request| {
        Some(request.answer_bytes(b"alive"))
    })
}

fn start(broker: &Broker, upstream_tls: &str) -> Proxy {
    Setup::with(broker).section(upstream_tls).start()
}

/// That a client gets nothing, and what is said of it.
fn cannot_connect(proxy: &Proxy) -> String {
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    client.end();
    proxy.wait_for_end("main", "connect_failed");
    let line = proxy.wait_for_log("cannot connect: ");
    assert_eq!(
        (&line["level"], &line["reason"]),
        (&"WARN".into(), &"tls".into())
    );
    let series =
        "portolan_upstream_connect_failures_total{cluster=\"main\",node=\"0\",reason=\"tls\"}";
    assert_eq!(proxy.metric(series), 1.0);
    line["message"].as_str().unwrap().to_owned()
}

fn serves(proxy: &Proxy) {
    for _ in 0..3 {
        is_served(&mut Client::connect(proxy.node("main", 0)));
    }
    proxy.assert_calm();
}

#[test]
fn brokers_are_verified() {
    let pki = Pki::new();
    let own = |kind, names: &[&str]| pki.authority.server_of(kind, names);
    let stranger = Authority::new("Another Root").server(&["127.0.0.1"]);
    let impostor = Authority::new("Test Root").server(&["127.0.0.1"]);
    for (identity, why, remedy) in [
        (stranger, "UnknownIssuer", "upstream_tls.ca"),
        (impostor, "BadSignature", "upstream_tls.ca"),
        (
            own(Kind::Usual, &["kafka.test"]),
            "not valid for name",
            "upstream_tls.server_name",
        ),
        (
            own(Kind::Expired, &["127.0.0.1"]),
            "expired",
            "renew the broker's certificate",
        ),
        (
            own(Kind::NotYetValid, &["127.0.0.1"]),
            "not valid yet",
            "clock",
        ),
        (
            pki.authority.client("a client"),
            "does not allow extended key usage",
            "a certificate that is good for a server",
        ),
    ] {
        for version in [&TLS12, &TLS13] {
            let broker = alive_by_tls(server(&identity, &[version]));
            let proxy = start(&broker, &pki.upstream_tls(""));
            let message = cannot_connect(&proxy);
            let address = broker.address();
            assert!(
                message.contains(&format!("TLS with {address} failed: ")),
                "{message}"
            );
            assert!(
                message.contains(why) && message.contains(remedy),
                "{message}"
            );
            wait_until("the broker to hear of it", || !broker.refused().is_empty());
            let heard = broker.refused().concat();
            assert!(heard.contains("received fatal alert"), "{heard}");
        }
    }
}

#[test]
fn brokers_that_are_good_are_served_by_their_name_or_the_one_configured() {
    let pki = Pki::new();
    for (names, lines) in [
        (["127.0.0.1"], ""),
        (["kafka.test"], "server_name = \"kafka.test\""),
        (["kafka-0.test"], "server_name = \"kafka-{node_id}.test\""),
        (
            ["*.kafka.test"],
            "server_name = \"broker-{node_id}.kafka.test\"",
        ),
    ] {
        let broker = alive_by_tls(server(&pki.authority.server(&names), &[&TLS13]));
        serves(&start(&broker, &pki.upstream_tls(lines)));
    }
    // Another node's name.
    let broker = alive_by_tls(server(&pki.authority.server(&["kafka-1.test"]), &[&TLS13]));
    let lines = "server_name = \"kafka-{node_id}.test\"";
    let message = cannot_connect(&start(&broker, &pki.upstream_tls(lines)));
    assert!(message.contains("kafka-0.test"), "{message}");
}

#[test]
fn a_chain_with_intermediates_is_verified() {
    let pki = Pki::new();
    let below = pki.authority.intermediate("Between").intermediate("Below");
    let broker = alive_by_tls(server(&below.server(&["127.0.0.1"]), &[&TLS12, &TLS13]));
    serves(&start(&broker, &pki.upstream_tls("")));
}

#[test]
fn a_listener_that_does_not_speak_our_tls_is_told() {
    let pki = Pki::new();
    // Kafka closes on a first message that is no request; others answer something, or nothing.
    let closes = Broker::serving(|mut link| drop(link.read(5)));
    let chatters = Broker::serving(|mut link| {
        link.read(5);
        let _ = link.try_send(b"SSH-2.0-OpenSSH\r\n");
        link.rest();
    });
    let silent = Broker::serving(|mut link| drop(link.rest()));
    let old = Broker::serving(|mut link| {
        link.read(5);
        let _ = link.try_send(&[21, 3, 1, 0, 2, 2, 70]);
        link.rest();
    });
    for (broker, remedy) in [
        (closes, "see that this listener of the broker speaks TLS"),
        (chatters, "take upstream_tls out, or use another listener"),
        (silent, "see that this listener of the broker speaks TLS"),
        (old, "let the broker speak TLS 1.2 or 1.3"),
    ] {
        let proxy = Setup::with(&broker)
            .section(&pki.upstream_tls(""))
            .section("[timeouts]\nconnect = \"1s\"")
            .start();
        let message = cannot_connect(&proxy);
        assert!(message.contains(remedy), "{message}");
    }
}

#[test]
fn a_tls_listener_without_upstream_tls_is_told() {
    let pki = Pki::new();
    let broker = alive_by_tls(server(
        &pki.authority.server(&["127.0.0.1"]),
        &[&TLS13, &TLS12],
    ));
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    client.end();
    let (message, remedy) = told_end(&proxy, "broker_wants_tls");
    assert_eq!(
        message,
        "session ended: the broker answered with a TLS alert"
    );
    assert!(
        remedy.contains("[clusters.<name>.upstream_tls]"),
        "{remedy}"
    );
}

/// A broker that wants a certificate of this authority.
fn asking(pki: &Pki, version: &'static rustls::SupportedProtocolVersion) -> Broker {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(pki.authority.root_pem().as_bytes());
    roots.add(root.unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let own = pki.authority.server(&["127.0.0.1"]);
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(super::chain(&own), super::key(&own))
        .unwrap();
    alive_by_tls(config)
}

fn with_own(pki: &Pki, own: &Identity) -> String {
    let files = own.write(pki.directory(), "upstream");
    let (certificate, key) = (files.certificate, files.key);
    pki.upstream_tls(&format!("certificate = {certificate:?}\nkey = {key:?}"))
}

#[test]
fn a_broker_that_wants_a_certificate_gets_ours() {
    let pki = Pki::new();
    let own = pki.authority.client("portolan");
    for version in [&TLS12, &TLS13] {
        let broker = asking(&pki, version);
        serves(&start(&broker, &with_own(&pki, &own)));
    }
}

#[test]
fn a_broker_that_wants_another_certificate_is_told() {
    let pki = Pki::new();
    let stranger = Authority::new("Another Root").client("portolan");
    for upstream_tls in [pki.upstream_tls(""), with_own(&pki, &stranger)] {
        // TLS 1.2: the broker's judgement comes within the handshake.
        let broker = asking(&pki, &TLS12);
        let message = cannot_connect(&start(&broker, &upstream_tls));
        assert!(
            message.contains("set upstream_tls.certificate and key"),
            "{message}"
        );
        // TLS 1.3: it comes behind it.
        let broker = asking(&pki, &TLS13);
        let proxy = start(&broker, &upstream_tls);
        let mut client = Client::connect(proxy.node("main", 0));
        client.send(&heartbeat(1));
        client.end();
        let (message, remedy) = told_end(&proxy, "broker_tls_broken");
        assert!(
            message.contains("TLS from the broker: received fatal alert"),
            "{message}"
        );
        assert!(remedy.contains("upstream_tls.certificate"), "{remedy}");
    }
}

/// Answers with the node 0 where it really is.
fn tells(request: &Received, port: u16) -> Vec<u8> {
    if request.api_key != 3 {
        return request.answer_bytes(b"alive");
    }
    let mut metadata = frames::metadata(request.api_version, &[0]);
    metadata.brokers[0].host = "127.0.0.1".into();
    metadata.brokers[0].port = port.into();
    request.answer(&metadata)
}

#[test]
fn addresses_are_learned_by_tls() {
    let pki = Pki::new();
    let config = || server(&pki.authority.server(&["127.0.0.1"]), &[&TLS13, &TLS12]);
    let node = alive_by_tls(config());
    let port = node.address().port();
    let bootstrap = Broker::answering_by_tls(Arc::new(config()), move |r| Some(tells(r, port)));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .section(&pki.upstream_tls(""))
        .start();
    serves(&proxy);
    assert_eq!(node.connections(), 3);
    assert!(bootstrap.connections() >= 1, "it was asked");
    assert_eq!((bootstrap.refused(), node.refused()), (vec![], vec![]));
}

#[test]
fn what_keeps_addresses_from_being_learned_by_tls_is_told() {
    let pki = Pki::new();
    let stranger = Authority::new("Another Root").server(&["127.0.0.1"]);
    let bootstrap = alive_by_tls(server(&stranger, &[&TLS13]));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .section(&pki.upstream_tls(""))
        .start();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    client.end();
    let line = proxy.wait_for_log("cannot connect: ");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("UnknownIssuer"), "{message}");
    assert!(message.contains("set upstream_tls.ca"), "{message}");
}
