//! Handshakes that do not go on: bounded in time and in number, so that others get in.

use std::thread;
use std::time::Duration;

use super::{NAME, Pki, alive, is_served};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::wire::Wire;
use crate::setup::{Setup, told_end, wait_for_ends};

fn start(pki: &Pki, sections: &str) -> (Proxy, Broker) {
    let broker = alive();
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], ""));
    (setup.section(sections).start(), broker)
}

/// A client's first message.
fn hello(pki: &Pki) -> Vec<u8> {
    let mut hello = Vec::new();
    let mut tls = Client::tls(&pki.client(), NAME);
    tls.write_tls(&mut hello).unwrap();
    hello
}

/// A client that has sent these bytes.
fn begun(proxy: &Proxy, bytes: &[u8]) -> Wire {
    let mut client = Client::connect(proxy.bootstrap("main")).into_wire();
    client.send(bytes);
    client
}

fn gets_in(proxy: &Proxy, pki: &Pki) {
    let config = pki.client();
    // Where time is short, a busy machine may need more of it.
    wait_until("a handshake", || {
        let mut client = Client::connect(proxy.bootstrap("main"));
        let secured = client.secure(Client::tls(&config, NAME));
        secured.map(|()| is_served(&mut client)).is_ok()
    });
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki, "");
    let mut client = Client::connect(proxy.bootstrap("main"));
    let tls = Client::tls(&pki.client(), NAME);
    client.secure_in_pieces(tls, 1).unwrap();
    is_served(&mut client);
    proxy.assert_calm();
}

#[test]
fn a_handshake_that_never_ends_is_ended() {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki, "[timeouts]\ntls_handshake = \"1s\"");
    let hello = hello(&pki);
    // One byte, a part, all of it.
    for bytes in [&hello[..1], &hello[..60], &hello] {
        let mut client = begun(&proxy, bytes);
        client.rest();
    }
    wait_for_ends(&proxy, "tls_handshake_timeout", 3);
    let (message, remedy) = told_end(&proxy, "tls_handshake_timeout");
    assert_eq!(
        message,
        "session ended: no complete TLS handshake within timeouts.tls_handshake"
    );
    assert!(remedy.contains("timeouts.tls_handshake"), "{remedy}");
    // One that sends on and on is no better than one that is silent.
    let mut client = begun(&proxy, &[]);
    for byte in hello.chunks(1) {
        if client.try_send(byte).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    wait_for_ends(&proxy, "tls_handshake_timeout", 4);
    assert_eq!(broker.connections(), 0);
    gets_in(&proxy, &pki);
}

#[test]
fn a_client_that_is_silent_behind_its_handshake_is_no_fault() {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki, "[timeouts]\nfirst_bytes = \"2s\"");
    let client = Client::connect(proxy.bootstrap("main"));
    let mut client = client.secured(&pki.client(), NAME);
    client.end();
    proxy.wait_for_end("main", "bare_connect");
    proxy.assert_calm();
    let client = Client::connect(proxy.bootstrap("main"));
    let mut client = client.secured(&pki.client(), NAME);
    client.send(&[0, 0]);
    client.end();
    proxy.wait_for_end("main", "first_bytes_timeout");
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_first_message_that_is_longer_than_any_is_refused_before_it_ends() {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki, "");
    let record = [&[22, 3, 1, 0x40, 0][..], &[0; 16_384]].concat();
    let mut client = begun(&proxy, &[22, 3, 1, 0, 4, 1, 0, 0xff, 0xff]);
    for _ in 0..4 {
        if client.try_send(&record).is_err() {
            break;
        }
    }
    client.rest();
    let (message, _) = told_end(&proxy, "tls_handshake_failed");
    assert!(
        message.contains("a first message of more than 16384 bytes"),
        "{message}"
    );
    assert_eq!(broker.connections(), 0);
    gets_in(&proxy, &pki);
}

#[test]
fn stalled_handshakes_hold_their_places_no_longer_than_the_timeout() {
    let pki = Pki::new();
    let (proxy, _broker) = start(
        &pki,
        // Less than the second after which a silent one makes room.
        "[timeouts]\ntls_handshake = \"900ms\"\n[limits]\ntls_handshakes = 1",
    );
    let stalled = begun(&proxy, &hello(&pki));
    // The proxy's answer: it has its place.
    stalled.wait_for_bytes();
    // These wait meanwhile, and are not refused.
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let (address, config) = (proxy.bootstrap("main"), pki.client());
            thread::spawn(move || {
                let mut client = Client::connect(address);
                let secured = client.secure(Client::tls(&config, NAME));
                secured.map(|()| is_served(&mut client))
            })
        })
        .collect();
    proxy.wait_for_metric(
        "portolan_limit_rejections_total{limit=\"tls_handshakes\"}",
        4.0,
    );
    proxy.wait_for_end("main", "tls_handshake_timeout");
    for client in waiting {
        client
            .join()
            .unwrap()
            .expect("that they waited is not held against them");
    }
    assert_eq!(proxy.ends("main", "tls_handshake_timeout"), 1.0);
    gets_in(&proxy, &pki);
    drop(stalled);
}

#[test]
fn who_waits_for_a_place_in_vain_is_told_apart() {
    let pki = Pki::new();
    let (proxy, _broker) = start(
        &pki,
        "[timeouts]\nfirst_bytes = \"1400ms\"\n[limits]\ntls_handshakes = 1",
    );
    let hello = hello(&pki);
    // A busy machine may need another try.
    wait_until("one that waits in vain", || {
        // This one is let go first, before the other gives way to it, and speaks last.
        let mut waiting = begun(&proxy, &[]);
        thread::sleep(Duration::from_millis(500));
        let stalled = begun(&proxy, &hello);
        stalled.wait_for_bytes();
        let _ = waiting.try_send(&hello);
        waiting.rest();
        proxy.ends("main", "tls_handshakes") > 0.0
    });
    let (message, remedy) = told_end(&proxy, "tls_handshakes");
    assert!(message.ends_with("limits.tls_handshakes others were under way all the time"));
    assert!(remedy.contains("raise limits.tls_handshakes"), "{remedy}");
    gets_in(&proxy, &pki);
}

#[test]
fn who_has_not_said_its_first_message_takes_no_place() {
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki, "[limits]\ntls_handshakes = 1");
    let hello = hello(&pki);
    let silent: Vec<Wire> = (0..60).map(|n| begun(&proxy, &hello[..n % 20])).collect();
    gets_in(&proxy, &pki);
    wait_until("no buffer to be lent", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    drop(silent);
}

#[test]
fn who_is_silent_counts_among_the_connections_of_its_client() {
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki, "[limits]\nconnections_per_client = 3");
    let silent: Vec<Wire> = (0..3).map(|_| begun(&proxy, &[])).collect();
    begun(&proxy, &[]).rest();
    wait_for_ends(&proxy, "connections_per_client", 1);
    drop(silent);
    gets_in(&proxy, &pki);
}
