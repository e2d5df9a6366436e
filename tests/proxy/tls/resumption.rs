//! Sessions that are taken up again: at the same proxy, at another one with the same ticket keys, and nowhere else.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};

use super::{NAME, Pki, alive, client, is_served};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::Proxy;
use crate::setup::{Setup, wait_for_ends};

/// Two keys as `openssl rand -base64 32` prints them.
const KEYS: [&str; 2] = [
    "Zm9yIHRlc3RzIG9ubHksIG5vdCBzZWNyZXQgYXQgYWw=\n",
    "YW5vdGhlciBvbmUsIG9mIHRoZSBzYW1lIGxlbmd0aC4=\n",
];

/// The kind of handshake of the next connection, and of its TLS.
fn kind(proxy: &Proxy, config: &Arc<ClientConfig>) -> HandshakeKind {
    let mut client = Client::connect(proxy.bootstrap("main")).secured(config, NAME);
    // Tickets of TLS 1.3 come behind the handshake.
    is_served(&mut client);
    let kind = client.tls().connection().handshake_kind();
    kind.expect("the handshake is over")
}

fn start(pki: &Pki, broker: &Broker, lines: &str) -> Proxy {
    let setup = Setup::with(broker).section(&pki.tls(&[NAME], lines));
    setup.start()
}

fn with_keys(pki: &Pki, name: &str, keys: &str) -> String {
    format!("ticket_keys = {:?}", pki.write(name, keys))
}

#[test]
fn a_session_is_resumed_at_the_same_proxy() {
    let (pki, broker) = (Pki::new(), alive());
    let proxy = start(&pki, &broker, "");
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&pki.authority, None, &[version]));
        assert_eq!(kind(&proxy, &config), HandshakeKind::Full);
        for _ in 0..5 {
            assert_eq!(kind(&proxy, &config), HandshakeKind::Resumed);
        }
    }
    proxy.assert_calm();
}

#[test]
fn replicas_with_the_same_keys_resume_each_others_sessions() {
    let (pki, broker) = (Pki::new(), alive());
    let lines = with_keys(&pki, "tickets", KEYS[0]);
    let replicas = [start(&pki, &broker, &lines), start(&pki, &broker, &lines)];
    // The second is on its way to other keys.
    let rotated = with_keys(&pki, "rotated", &KEYS.concat());
    let third = start(&pki, &broker, &rotated);
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&pki.authority, None, &[version]));
        assert_eq!(kind(&replicas[0], &config), HandshakeKind::Full);
        for proxy in [&replicas[1], &replicas[0], &third, &replicas[1]] {
            assert_eq!(kind(proxy, &config), HandshakeKind::Resumed);
        }
    }
}

#[test]
fn proxies_with_other_keys_do_not() {
    let (pki, broker) = (Pki::new(), alive());
    let first = start(&pki, &broker, &with_keys(&pki, "tickets", KEYS[0]));
    let other = start(&pki, &broker, &with_keys(&pki, "others", KEYS[1]));
    let own = [start(&pki, &broker, ""), start(&pki, &broker, "")];
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&pki.authority, None, &[version]));
        for proxy in [&first, &other, &own[0], &own[1]] {
            assert_eq!(kind(proxy, &config), HandshakeKind::Full);
        }
    }
}

#[test]
fn a_ticket_is_no_way_round_a_client_certificate() {
    let (pki, broker) = (Pki::new(), alive());
    let keys = with_keys(&pki, "tickets", KEYS[0]);
    let open = start(&pki, &broker, &keys);
    let asking = format!(
        "{keys}\nclient_ca = {:?}\nclient_auth = \"required\"",
        pki.ca()
    );
    let asking = start(&pki, &broker, &asking);
    for version in [&TLS12, &TLS13] {
        let nobody = Arc::new(client(&pki.authority, None, &[version]));
        assert_eq!(kind(&open, &nobody), HandshakeKind::Full);
        let mut client = Client::connect(asking.bootstrap("main"));
        let refused = client.secure(Client::tls(&nobody, NAME));
        if refused.is_ok() {
            client.alert();
        }
    }
    wait_for_ends(&asking, "client_certificate_refused", 2);
}

#[test]
fn a_session_with_a_client_certificate_is_resumed() {
    let (pki, broker) = (Pki::new(), alive());
    let keys = with_keys(&pki, "tickets", KEYS[0]);
    let lines = format!(
        "{keys}\nclient_ca = {:?}\nclient_auth = \"required\"",
        pki.ca()
    );
    let replicas = [start(&pki, &broker, &lines), start(&pki, &broker, &lines)];
    let own = pki.authority.client("a client");
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&pki.authority, Some(&own), &[version]));
        assert_eq!(kind(&replicas[0], &config), HandshakeKind::Full);
        assert_eq!(kind(&replicas[1], &config), HandshakeKind::Resumed);
    }
}
