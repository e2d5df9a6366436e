//! Whose time it was: the broker's, or the proxy's own.

use std::thread::sleep;
use std::time::Duration;

use kafka_protocol::messages::MetadataRequest;

use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Setup, exchange, heartbeat, open, talking};

const PAUSE: Duration = Duration::from_millis(250);

/// More than the kernel keeps for a client that does not read.
const LARGE: usize = 16 * 1024 * 1024;

fn of_api(api: &str, what: &str) -> String {
    match what {
        "sum" | "count" => {
            format!("portolan_request_seconds_{what}{{api=\"{api}\",cluster=\"main\"}}")
        }
        le => {
            format!("portolan_request_seconds_bucket{{api=\"{api}\",cluster=\"main\",le=\"{le}\"}}")
        }
    }
}

fn passed(proxy: &Proxy) -> f64 {
    proxy.metric("portolan_proxy_seconds_count{cluster=\"main\"}")
}

/// Frames that took the proxy longer than this.
fn slower_than(proxy: &Proxy, le: &str) -> f64 {
    let bucket = format!("portolan_proxy_seconds_bucket{{cluster=\"main\",le=\"{le}\"}}");
    passed(proxy) - proxy.metric(&bucket)
}

#[test]
fn what_the_broker_takes_is_counted_by_api() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let heartbeats = proxy.metric(&of_api("Heartbeat", "count"));
    assert_eq!(heartbeats, 1.0);
    let id = client.request(1, &MetadataRequest::default());
    let request = link.request();
    sleep(PAUSE);
    link.answer(&request, &frames::metadata(1, &[0]));
    client.answer::<MetadataRequest>(id, 1);
    assert_eq!(proxy.metric(&of_api("Metadata", "count")), 1.0);
    assert!(proxy.metric(&of_api("Metadata", "sum")) >= PAUSE.as_secs_f64());
    assert_eq!(proxy.metric(&of_api("Metadata", "0.1")), 0.0);
    assert_eq!(proxy.metric(&of_api("Metadata", "+Inf")), 1.0);
    assert_eq!(proxy.metric(&of_api("Heartbeat", "count")), 1.0);
}

#[test]
fn requests_that_are_sent_together_have_a_time_each() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let both: Vec<u8> = (1..=2).flat_map(heartbeat).collect();
    let (mut client, mut link) = open(&proxy, &broker, &both);
    for id in 1..=2 {
        let request = link.request();
        assert_eq!(request.correlation_id, id);
        sleep(PAUSE);
        link.send(&request.answer_bytes(b"alive"));
        client.frame();
    }
    assert_eq!(proxy.metric(&of_api("Heartbeat", "count")), 2.0);
    let sum = proxy.metric(&of_api("Heartbeat", "sum"));
    assert!(sum >= 3.0 * PAUSE.as_secs_f64(), "{sum} seconds");
}

#[test]
fn a_request_begins_to_wait_when_its_last_byte_is_read() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    // Of as many one at least is answered in less time than the client takes to send it.
    for id in 1..=5 {
        let sent = frames::raw_request(8, 0, id, &[7; 1000]);
        let (begin, end) = sent.split_at(500);
        client.send(begin);
        sleep(PAUSE);
        client.send(end);
        let request = link.request();
        link.send(&request.answer_bytes(b"committed"));
        client.frame();
    }
    assert_eq!(proxy.metric(&of_api("OffsetCommit", "count")), 5.0);
    assert!(proxy.metric(&of_api("OffsetCommit", "0.1")) >= 1.0);
}

#[test]
fn what_no_broker_answers_is_not_counted_as_its_time() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    client.send(&frames::request(1, 9, &frames::produce(9, 0, &[7; 100])));
    link.request();
    // Answered by the proxy.
    client.send(&frames::raw_request(18, 99, 2, b"\0\0"));
    client.frame();
    exchange(&mut client, &mut link, 3);
    assert_eq!(proxy.metric(&of_api("Produce", "count")), 0.0);
    assert_eq!(proxy.metric(&of_api("ApiVersions", "count")), 0.0);
    assert_eq!(proxy.metric(&of_api("Heartbeat", "count")), 2.0);
    // Two exchanges, a request, and an answer.
    wait_until("every frame to be counted", || passed(&proxy) == 6.0);
}

#[test]
fn waiting_for_a_peer_is_no_share_of_the_proxys() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    wait_until("the first exchange", || passed(&proxy) == 2.0);
    let rounds = 3;
    let request = |id| frames::raw_request(12, 0, id, &[7; 1000]);
    for id in 1..=rounds {
        // In the middle of a request.
        let sent = request(id);
        client.send(&sent[..300]);
        sleep(PAUSE);
        client.send(&sent[300..]);
        // In the middle of an answer.
        let answer = link.request().answer_bytes(&[7; 1000]);
        link.send(&answer[..300]);
        sleep(PAUSE);
        link.send(&answer[300..]);
        client.frame();
    }
    // A client that does not read: the broker can send no more for a while.
    let (mut slow, mut slow_link) = slow_client(&proxy, &broker);
    for id in 1..=rounds {
        slow.send(&request(id));
        let answer = slow_link.request().answer_bytes(&vec![7; LARGE]);
        std::thread::scope(|scope| {
            scope.spawn(|| slow_link.send(&answer));
            sleep(PAUSE);
            slow.frame();
        });
    }
    // Both clients had an exchange before.
    let frames = 2.0 * 2.0 + 4.0 * f64::from(rounds);
    wait_until("every frame to be counted", || passed(&proxy) == frames);
    // If any of the three ways to wait were in it, as many would be.
    let slow = slower_than(&proxy, "0.1");
    assert!(slow < f64::from(rounds), "{slow} of {frames} frames");
}

fn slow_client(proxy: &Proxy, broker: &Broker) -> (Client, Link) {
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    let answer = link.request().answer_bytes(b"alive");
    link.send(&answer);
    client.frame();
    (client, link)
}
