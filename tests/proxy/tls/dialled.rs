//! Clients that are told the host that they dialled themselves, by the TLS server name.

use kafka_protocol::messages::MetadataRequest;

use super::{Pki, is_served};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::setup::{ADVERTISED_HOST, Setup, told_end};

const NAMES: [&str; 2] = ["kafka.private.test", "kafka.public.test"];

fn start(pki: &Pki, setup: Setup) -> Proxy {
    let names = [NAMES[0], NAMES[1], ADVERTISED_HOST, "127.0.0.1"];
    let setup = setup.line("advertise = \"dialled\"");
    setup.section(&pki.tls(&names, "")).start()
}

fn metadata() -> Broker {
    Broker::answering(|request| {
        Some(match request.api_key {
            3 => request.answer(&frames::metadata(request.api_version, &[0])),
            _ => request.answer_bytes(b"alive"),
        })
    })
}

/// The host and port that a client of this name is told.
fn told(proxy: &Proxy, pki: &Pki, name: &str) -> (String, i32) {
    let client = Client::connect(proxy.bootstrap("main"));
    let mut client = client.secured(&pki.client(), name);
    let metadata = client.ask(9, &MetadataRequest::default());
    let broker = &metadata.brokers[0];
    (broker.host.to_string(), broker.port)
}

#[test]
fn each_client_is_told_the_name_that_it_dialled() {
    let (pki, broker) = (Pki::new(), metadata());
    let proxy = start(&pki, Setup::with(&broker));
    let port = i32::from(proxy.node("main", 0).port());
    for name in NAMES.into_iter().chain(NAMES) {
        assert_eq!(told(&proxy, &pki, name), (name.to_owned(), port));
    }
    // In lower case, as names are compared.
    let shouted = told(&proxy, &pki, &NAMES[0].to_uppercase());
    assert_eq!(shouted, (NAMES[0].to_owned(), port));
    proxy.assert_calm();
}

#[test]
fn clients_of_two_names_do_not_meet_each_others() {
    let (pki, broker) = (Pki::new(), metadata());
    let proxy = start(&pki, Setup::with(&broker));
    let mut clients = NAMES.map(|name| {
        let client = Client::connect(proxy.bootstrap("main"));
        client.secured(&pki.client(), name)
    });
    for _ in 0..10 {
        for (client, name) in clients.iter_mut().zip(NAMES) {
            let metadata = client.ask(9, &MetadataRequest::default());
            assert_eq!(metadata.brokers[0].host.as_str(), name);
        }
    }
}

#[test]
fn without_a_name_it_is_the_configured_host() {
    let (pki, broker) = (Pki::new(), metadata());
    let proxy = start(&pki, Setup::with(&broker));
    let (host, _) = told(&proxy, &pki, "127.0.0.1");
    assert_eq!(host, ADVERTISED_HOST);
    proxy.assert_calm();
}

#[test]
fn without_a_name_and_a_configured_host_there_is_no_session() {
    let (pki, broker) = (Pki::new(), metadata());
    let toml = Setup::with(&broker)
        .line("advertise = \"dialled\"")
        .section(&pki.tls(&[NAMES[0], "127.0.0.1"], ""))
        .toml()
        .replace(&format!("advertised_host = {ADVERTISED_HOST:?}\n"), "");
    let proxy = Proxy::start(&toml);
    let client = Client::connect(proxy.bootstrap("main"));
    client.secured(&pki.client(), "127.0.0.1").end();
    let (message, remedy) = told_end(&proxy, "no_advertised_host");
    assert!(
        message.contains("nothing says what this client dialled"),
        "{message}"
    );
    assert!(remedy.contains("advertised_host"), "{remedy}");
    assert_eq!(broker.connections(), 0);
    let (host, _) = told(&proxy, &pki, NAMES[0]);
    assert_eq!(host, NAMES[0]);
    let client = Client::connect(proxy.bootstrap("main"));
    is_served(&mut client.secured(&pki.client(), NAMES[0]));
}
