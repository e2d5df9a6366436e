//! Limits for each client, and that every limit that is met is counted by its name. Clients are told apart by PROXY
//! protocol headers, so that one machine can be many.

use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::headers::v2;
use crate::proxy_protocol::setup;
use crate::setup::{Setup, answer_heartbeat, exchange, heartbeat, told_end, wait_for_ends};

/// A client of this address that has sent its first request.
fn client_at(proxy: &Proxy, address: &str) -> Client {
    let (source, destination) = match address.contains(':') {
        true => (format!("[{address}]:4711"), "[::1]:9092"),
        false => (format!("{address}:4711"), "127.0.0.1:9092"),
    };
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&[v2(&source, destination, &[]), heartbeat(1)].concat());
    client
}

/// The same, and that it is served.
fn served(proxy: &Proxy, broker: &Broker, address: &str) -> (Client, Link) {
    let mut client = client_at(proxy, address);
    let mut link = broker.accept();
    answer_heartbeat(&mut client, &mut link, 1);
    (client, link)
}

/// The client closes, and then so does the broker.
fn close((client, mut link): (Client, Link)) {
    drop(client);
    link.end();
}

/// How often a limit was met.
pub(crate) fn met(proxy: &Proxy, limit: &str) -> f64 {
    proxy.metric(&format!(
        "portolan_limit_rejections_total{{limit={limit:?}}}"
    ))
}

/// That this end was told once, in these words, and with this remedy.
fn assert_told_once(proxy: &Proxy, reason: &str, message: &str) {
    let (told, remedy) = told_end(proxy, reason);
    assert_eq!(told, format!("session ended: {message}"));
    assert_eq!(
        remedy,
        "see why the client connects so often; raise the limit if it is as it should be, or set proxy_protocol if this is the address of a load balancer"
    );
    let lines = proxy.log();
    let lines = lines.iter().filter(|line| line["reason"] == reason);
    assert_eq!(lines.count(), 1);
}

#[test]
fn a_client_may_have_as_many_connections_as_its_limit_and_others_have_their_own() {
    let broker = Broker::start();
    let proxy = setup(&broker, "required")
        .section("[limits]\nconnections_per_client = 2")
        .start();
    // An IPv6 client is its first 64 bits.
    for [first, same, other] in [
        ["10.1.1.1", "10.1.1.1", "10.1.1.2"],
        ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"],
        ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"],
    ] {
        let before = met(&proxy, "connections_per_client");
        let mut one = served(&proxy, &broker, first);
        let mut two = served(&proxy, &broker, same);
        for address in [first, same] {
            client_at(&proxy, address).rest();
        }
        wait_until("two refusals", || {
            met(&proxy, "connections_per_client") == before + 2.0
        });
        let _other = served(&proxy, &broker, other);
        for (client, link) in [&mut one, &mut two] {
            exchange(client, link, 2);
        }
        // Once one is over there is room again.
        let ended = proxy.ends("main", "client_closed");
        close(one);
        wait_until("its end", || proxy.ends("main", "client_closed") > ended);
        let _again = served(&proxy, &broker, same);
    }
    wait_for_ends(&proxy, "connections_per_client", 6);
    assert_told_once(
        &proxy,
        "connections_per_client",
        "this client met limits.connections_per_client",
    );
}

#[test]
fn a_client_that_connects_too_often_is_refused_and_others_are_not() {
    let broker = Broker::start();
    let proxy = setup(&broker, "required")
        .section("[limits]\nconnection_rate_per_client = \"3/h\"")
        .start();
    let mut open: Vec<_> = (0..3)
        .map(|_| served(&proxy, &broker, "10.1.1.1"))
        .collect();
    for _ in 0..5 {
        client_at(&proxy, "10.1.1.1").rest();
    }
    let _other = served(&proxy, &broker, "10.1.1.2");
    // That its connections are over gives a client no new ones.
    close(open.pop().unwrap());
    wait_for_ends(&proxy, "client_closed", 1);
    client_at(&proxy, "10.1.1.1").rest();
    wait_for_ends(&proxy, "connection_rate_per_client", 6);
    assert_eq!(met(&proxy, "connection_rate_per_client"), 6.0);
    assert_eq!(broker.connections(), 4);
    assert_told_once(
        &proxy,
        "connection_rate_per_client",
        "this client met limits.connection_rate_per_client",
    );
}

#[test]
fn without_a_header_the_peer_is_the_client() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nconnections_per_client = 1")
        .start();
    let connect = |last: u8| {
        let source = std::net::Ipv4Addr::new(127, 0, 0, last);
        let mut client = Client::connect_from(source.into(), proxy.bootstrap("main"));
        client.send(&heartbeat(1));
        client
    };
    let mut open = Vec::new();
    for last in [1, 2, 3] {
        let mut client = connect(last);
        let mut link = broker.accept();
        answer_heartbeat(&mut client, &mut link, 1);
        open.push((client, link));
    }
    connect(2).rest();
    wait_for_ends(&proxy, "connections_per_client", 1);
    assert_eq!(broker.connections(), 3);
}

#[test]
fn requests_that_meet_a_limit_are_counted_by_its_name() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nrequest_bytes = 4096\nsasl_bytes = 1024")
        .start();
    for limit in [
        "request_bytes",
        "sasl_bytes",
        "tls_handshakes",
        "open_files",
    ] {
        assert_eq!(met(&proxy, limit), 0.0, "{limit}");
    }
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&frames::raw_request(12, 0, 1, &[0; 4096]));
    client.rest();
    wait_for_ends(&proxy, "request_too_large", 1);
    assert_eq!(met(&proxy, "request_bytes"), 1.0);
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&frames::raw_request(
        36,
        0,
        1,
        &[[0, 0, 8, 0].as_slice(), &[0; 2048]].concat(),
    ));
    client.rest();
    wait_for_ends(&proxy, "sasl_token_too_large", 1);
    assert_eq!(met(&proxy, "sasl_bytes"), 1.0);
    assert_eq!(broker.connections(), 0);
}
