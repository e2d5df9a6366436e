//! `timeouts.max_connection_age`: connections end between two requests, nothing is lost, and not all at one time.

use std::time::{Duration, Instant};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tls_client::Certificate;
use crate::common::wire::End;
use crate::setup::{Setup, heartbeat, open, talking, wait_for_ends};

const AGE: Duration = Duration::from_millis(500);

fn setup(broker: &Broker) -> Setup {
    Setup::with(broker).section(&format!(
        "[timeouts]\nmax_connection_age = \"{}ms\"",
        AGE.as_millis()
    ))
}

/// Waits until a connection that was made at `begin` is older than any may become.
fn grow_old(begin: Instant) {
    std::thread::sleep((AGE + AGE / 4).saturating_sub(begin.elapsed()));
}

#[test]
fn an_old_connection_is_closed_between_two_requests() {
    let broker = Broker::start();
    let proxy = setup(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    assert_eq!(client.end(), End::Closed);
    drop(client);
    link.end();
    wait_for_ends(&proxy, "max_connection_age", 1);
    proxy.assert_calm();
}

#[test]
fn requests_in_flight_are_answered_before_an_old_connection_is_closed() {
    let broker = Broker::start();
    let proxy = setup(&broker).start();
    let begin = Instant::now();
    let three: Vec<u8> = (1..=3).flat_map(heartbeat).collect();
    let (mut client, mut link) = open(&proxy, &broker, &three);
    let requests: Vec<_> = (0..3).map(|_| link.request()).collect();
    grow_old(begin);
    assert!(client.is_silent(), "it is not over yet");
    for request in &requests {
        link.send(&request.answer_bytes(b"late"));
    }
    for request in &requests {
        assert_eq!(client.frame()[..4], request.correlation_id.to_be_bytes());
    }
    assert_eq!(client.end(), End::Closed);
    drop(client);
    wait_for_ends(&proxy, "max_connection_age", 1);
    proxy.assert_calm();
}

#[test]
fn a_request_that_has_begun_is_finished_and_answered_however_old_the_connection_is() {
    let broker = Broker::start();
    let proxy = setup(&broker).start();
    for bytes in [20, 100_000, 3_000_000] {
        let begin = Instant::now();
        let request = frames::raw_request(12, 0, 1, &vec![7; bytes]);
        let half = request.len() / 2;
        let (mut client, mut link) = open(&proxy, &broker, &request[..half]);
        grow_old(begin);
        let sender = std::thread::spawn(move || {
            client.send(&request[half..]);
            (client, request)
        });
        let received = link.request();
        let (mut client, request) = sender.join().unwrap();
        assert!(
            received.frame == request[4..],
            "{bytes} bytes arrive as sent"
        );
        link.send(&received.answer_bytes(b"done"));
        assert_eq!(client.frame()[4..], *b"done");
        assert_eq!(client.end(), End::Closed);
    }
    wait_for_ends(&proxy, "max_connection_age", 3);
    proxy.assert_calm();
}

#[test]
fn over_tls_an_old_connection_ends_in_the_same_way() {
    let broker = Broker::start();
    let certificate = Certificate::new();
    let proxy = setup(&broker).section(&certificate.table()).start();
    let begin = Instant::now();
    let request = frames::raw_request(12, 0, 1, &[7; 100_000]);
    let mut client = certificate.handshake(Client::connect(proxy.bootstrap("main")));
    client.send(&request[..50_000]);
    let mut link = broker.accept();
    grow_old(begin);
    client.send(&request[50_000..]);
    let received = link.request();
    assert!(received.frame == request[4..]);
    link.send(&received.answer_bytes(b"done"));
    assert_eq!(client.frame()[4..], *b"done");
    assert_eq!(client.try_frame(), None);
    drop(client);
    wait_for_ends(&proxy, "max_connection_age", 1);
    proxy.assert_calm();
}

/// How old each connection became that ended for its age, in seconds.
fn ages(proxy: &Proxy) -> Vec<f64> {
    let log = proxy.log();
    let old = log
        .iter()
        .filter(|line| line["reason"] == "max_connection_age");
    old.map(|line| line["seconds"].as_f64().unwrap()).collect()
}

#[test]
fn connections_that_were_made_together_all_end_and_none_before_its_time() {
    const CONNECTIONS: usize = 20;
    let broker = Broker::start();
    let proxy = setup(&broker).start();
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| talking(&proxy, &broker)).collect();
    for (mut client, _link) in clients {
        assert_eq!(client.end(), End::Closed);
    }
    wait_until("all to end", || ages(&proxy).len() == CONNECTIONS);
    let ages = ages(&proxy);
    let youngest = ages.iter().copied().fold(f64::MAX, f64::min);
    assert!(youngest >= 0.9 * AGE.as_secs_f64(), "{ages:?}");
}
