//! Before TLS and in its handshake: PROXY protocol headers, clients that do not go on, and who makes room for whom.

use std::time::Duration;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::wait_until;
use crate::common::tls_client::{Certificate, TlsClient};
use crate::common::wire::End;
use crate::headers::{v1, v2};
use crate::limits::met;
use crate::proxy_protocol;
use crate::setup::{Setup, heartbeat, told_end, wait_for_ends};

/// A broker that answers everything.
fn answering() -> Broker {
    Broker::answering(|request| Some(request.answer_bytes(b"alive")))
}

fn ping(client: &mut TlsClient) {
    client.send(&heartbeat(1));
    assert_eq!(client.frame()[4..], *b"alive");
}

#[test]
fn a_header_stands_before_tls_at_once_or_byte_by_byte() {
    let broker = answering();
    let certificate = Certificate::new();
    let proxy = proxy_protocol::setup(&broker, "required")
        .section(&certificate.table())
        .start();
    let tlvs: [(u8, &[u8]); 1] = [(4, &[0; 700])];
    let source = "203.0.113.7:4711";
    for header in [
        v1(source, "192.0.2.1:9092"),
        v2(source, "192.0.2.1:9092", &tlvs),
    ] {
        // Alone; in one segment with all of the client's first message, in pieces, byte by byte.
        for piece in [header.len(), usize::MAX, 100, 1] {
            let mut client = Client::connect(proxy.bootstrap("main"));
            let mut connection = certificate.connection();
            let mut bytes = header.clone();
            connection.write_tls(&mut bytes).unwrap();
            client.send_in_pieces(&bytes, piece);
            let mut stream = client.into_wire().into_stream();
            while connection.is_handshaking() {
                connection.complete_io(&mut stream).unwrap();
            }
            ping(&mut TlsClient(rustls::StreamOwned::new(connection, stream)));
        }
    }
    wait_until("all ends", || {
        let log = proxy.log();
        let ended = |line: &&serde_json::Value| line["client"] == source;
        log.iter().filter(ended).count() == 8
    });
    proxy.assert_calm();
}

#[test]
fn who_does_not_go_on_with_a_handshake_runs_out_of_time() {
    let broker = answering();
    let certificate = Certificate::new();
    let proxy = Setup::with(&broker)
        .section(&certificate.table())
        .section("[timeouts]\ntls_handshake = \"300ms\"")
        .start();
    let hello = certificate.hello();
    for bytes in [&hello[..1], &hello[..hello.len() - 1], &hello] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(bytes);
        client.rest();
    }
    wait_for_ends(&proxy, "tls_handshake_timeout", 3);
    assert_eq!(
        told_end(&proxy, "tls_handshake_timeout"),
        (
            "session ended: no complete TLS handshake within timeouts.tls_handshake".to_owned(),
            "the client began a TLS handshake and did not go on; raise timeouts.tls_handshake for very slow links".to_owned()
        )
    );
    // Silence from the first to the last second is a load balancer's look at the port.
    let proxy = Setup::with(&broker)
        .section(&certificate.table())
        .section("[timeouts]\nfirst_bytes = \"300ms\"")
        .start();
    assert_eq!(Client::connect(proxy.bootstrap("main")).end(), End::Closed);
    wait_for_ends(&proxy, "bare_connect", 1);
    proxy.assert_calm();
}

/// So many clients that begin a handshake and do not go on, each once it has its place.
fn half_open(proxy: &crate::common::proxy::Proxy, hello: &[u8], count: usize) -> Vec<Client> {
    let begun = (0..count).map(|_| {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(hello);
        // The server's part of the handshake: it has a place.
        client.wait_for_bytes();
        client
    });
    begun.collect()
}

#[test]
fn handshakes_whose_clients_are_silent_make_room_for_others() {
    let broker = answering();
    let certificate = Certificate::new();
    let proxy = Setup::with(&broker)
        .section(&certificate.table())
        .section("[limits]\ntls_handshakes = 4")
        // None of these ends for want of time.
        .section("[timeouts]\ntls_handshake = \"1h\"\nfirst_bytes = \"1h\"")
        .start();
    let silent = half_open(&proxy, &certificate.hello(), 4);
    for _ in 0..2 {
        ping(&mut certificate.handshake(Client::connect(proxy.bootstrap("main"))));
    }
    wait_for_ends(&proxy, "tls_handshake_gave_way", 1);
    assert!(met(&proxy, "tls_handshakes") >= 1.0);
    // The second came after the first, whose place was free again. That the rest stays is what there is to wait for.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(proxy.ends("main", "tls_handshake_gave_way"), 1.0);
    let left = silent.iter().filter(|client| {
        client.stream().set_nonblocking(true).unwrap();
        let mut bytes = vec![0; 65_536];
        let mut stream = client.stream();
        loop {
            match std::io::Read::read(&mut stream, &mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    });
    assert_eq!(left.count(), 3);
    assert_eq!(
        told_end(&proxy, "tls_handshake_gave_way"),
        (
            "session ended: the client said nothing more in its TLS handshake, and others waited for its place among limits.tls_handshakes".to_owned(),
            "if these are genuine clients raise limits.tls_handshakes, else set limits.connection_rate_per_client".to_owned()
        )
    );
}
