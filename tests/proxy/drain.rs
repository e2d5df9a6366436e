//! SIGTERM: what is in flight is answered, what is idle ends at once, nothing new is taken, and the exit code says how it went.

use std::io::ErrorKind;
use std::net::TcpStream;

use kafka_protocol::messages::{MetadataRequest, SaslHandshakeRequest, SaslHandshakeResponse};
use rustix::process::Signal;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::wire::End;
use crate::setup::{Setup, answer_heartbeat, heartbeat, open, talking};

fn terminate(proxy: &Proxy) {
    proxy.terminate();
    proxy.wait_for_log("draining");
}

/// The same, and waits until no more requests are taken from so many clients.
fn terminate_and_stop(proxy: &Proxy, clients: usize) {
    const TOLD: &str = "draining: no more requests are taken from this client";
    proxy.terminate();
    wait_until(TOLD, || {
        let log = proxy.log();
        let told = log.iter().filter(|line| line["message"] == TOLD);
        told.count() == clients
    });
}

#[test]
fn requests_in_flight_are_answered_and_the_exit_code_is_0() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let id = client.request(1, &MetadataRequest::default());
    let requests = [link.request(), link.request()];
    terminate(&proxy);
    let answer = requests[0].answer_bytes(b"alive");
    link.send(&answer);
    assert_eq!(client.frame(), answer[4..]);
    link.answer(&requests[1], &frames::metadata(1, &[0]));
    assert_eq!(client.answer::<MetadataRequest>(id, 1).brokers.len(), 1);
    assert_eq!(client.end(), End::Closed);
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(proxy.log_has("drained"));
    proxy.assert_calm();
}

#[test]
fn idle_connections_end_at_once() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let mut talked: Vec<_> = (0..5).map(|_| talking(&proxy, &broker)).collect();
    let mut bare = Client::connect(proxy.bootstrap("main"));
    let series = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
    proxy.wait_for_metric(series, 6.0);
    // The grace is 30 s, which is as long as anything here may take: waiting for it would fail.
    proxy.terminate();
    for (client, _) in &mut talked {
        assert_eq!(client.end(), End::Closed);
    }
    assert_eq!(bare.end(), End::Closed);
    drop((talked, bare));
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn a_request_that_has_begun_is_finished_and_answered() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let request = heartbeat(1);
    let (head, tail) = request.split_at(20);
    let (mut client, mut link) = open(&proxy, &broker, head);
    link.wait_for_bytes();
    terminate(&proxy);
    client.send(tail);
    answer_heartbeat(&mut client, &mut link, 1);
    assert_eq!(client.end(), End::Closed);
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn what_a_client_sends_too_late_takes_no_answer_away_from_it() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let request = heartbeat(1);
    let (head, tail) = request.split_at(20);
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(head);
    let mut link = broker.accept();
    link.wait_for_bytes();
    terminate_and_stop(&proxy, 1);
    client.send(&[tail, &heartbeat(2)].concat());
    let answer = link.request().answer_bytes(&[7; 40_000]);
    link.send(&answer);
    assert_eq!(link.rest().0, b"", "the second request got through");
    // The client reads only now, when the proxy is gone: had the proxy left the second request unread, its close would
    // have been a reset.
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(client.frame(), answer[4..]);
    assert_eq!(client.end(), End::Closed);
    proxy.assert_calm();
}

#[test]
fn requests_that_were_read_before_are_answered_one_by_one() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 1")
        .start();
    let requests: Vec<u8> = (0..3).flat_map(heartbeat).collect();
    let (mut client, mut link) = open(&proxy, &broker, &requests);
    let first = link.request();
    terminate_and_stop(&proxy, 1);
    // This one comes too late, and is no end of the client's either.
    client.send(&heartbeat(3));
    link.send(&first.answer_bytes(b"alive"));
    client.frame();
    for id in 1..3 {
        answer_heartbeat(&mut client, &mut link, id);
    }
    assert_eq!(client.end(), End::Closed);
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    let reasons = proxy.log().into_iter().filter(|l| l["reason"] == "drained");
    assert_eq!(
        reasons.count(),
        1,
        "the client did not close before it was told"
    );
}

#[test]
fn no_further_request_is_taken_while_draining() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let request = link.request();
    terminate_and_stop(&proxy, 1);
    client.send(&heartbeat(2));
    let answer = request.answer_bytes(b"alive");
    link.send(&answer);
    assert_eq!(client.frame(), answer[4..]);
    assert_eq!(client.end(), End::Closed);
    drop(client);
    assert_eq!(link.rest().0.len(), 0, "the second request got through");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_slow_client_gets_the_whole_answer_while_draining() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    let answer = link.request().answer_bytes(&vec![7; 20_000_000]);
    let expected = answer[4..].to_vec();
    let sender = std::thread::spawn(move || link.send(&answer));
    client.wait_for_bytes();
    terminate(&proxy);
    assert!(client.frame() == expected, "the bytes differ");
    assert_eq!(client.end(), End::Closed);
    drop(client);
    sender.join().unwrap();
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn new_connections_are_refused_while_draining_and_the_endpoints_stay() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let request = link.request();
    terminate(&proxy);
    for address in [proxy.bootstrap("main"), proxy.node("main", 0)] {
        let error = TcpStream::connect(address).expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(proxy.get("/livez").0, 200);
    assert_eq!(proxy.get("/readyz").0, 200);
    assert_eq!(
        proxy.metric("portolan_connections{cluster=\"main\",route=\"bootstrap\"}"),
        1.0
    );
    link.send(&request.answer_bytes(b"alive"));
    client.frame();
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn when_the_grace_is_over_connections_are_cut_and_the_log_says_so() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker)
        .section("[drain]\ngrace = \"200ms\"")
        .start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    proxy.terminate();
    client.end();
    link.end();
    proxy.wait();
    let line = proxy.wait_for_log("drain.grace is over: cutting the remaining connections");
    assert_eq!(line["connections"], 1);
    let line = proxy.wait_for_log("session ended");
    assert_eq!(line["reason"], "drain_timeout");
    assert_eq!(line["in_flight"], 1);
    assert_eq!(
        line["remedy"],
        "raise drain.grace if brokers need longer; clients send again what was not answered, but records with acks=0 that had \
         not reached the broker are lost"
    );
}

#[test]
fn a_second_signal_ends_the_process_at_once_with_exit_code_1() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (_client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    terminate(&proxy);
    let told = "a second signal: stopped before all connections were drained";
    wait_until(told, || {
        proxy.terminate();
        proxy.log_text().contains(told)
    });
    assert_eq!(proxy.wait().code(), Some(1));
}

#[test]
fn an_interrupt_drains_as_well() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let request = link.request();
    proxy.interrupt();
    proxy.wait_for_log("draining");
    link.send(&request.answer_bytes(b"alive"));
    client.frame();
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    let line = proxy.wait_for_log("told to stop");
    assert_eq!(line["signal"], "SIGINT");
}

#[test]
fn a_broker_that_never_closes_does_not_hold_up_the_end() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, _link) = talking(&proxy, &broker);
    // The broker's end stays open to the last line.
    proxy.terminate();
    assert_eq!(client.end(), End::Closed);
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn a_client_that_is_gone_and_a_broker_that_never_closes_do_not_hold_up_the_end() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (client, mut link) = talking(&proxy, &broker);
    drop(client);
    assert_eq!(link.end(), End::Closed);
    proxy.terminate();
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn without_connections_the_process_ends_at_once() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    proxy.terminate();
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(proxy.log_has("drained"));
    proxy.assert_calm();
}

#[test]
fn a_request_whose_broker_is_still_being_looked_for_is_answered() {
    let dns = crate::common::dns::Dns::start();
    let broker = Broker::start();
    let name = format!("later.test:{}", broker.address().port());
    let mut proxy = Setup::bootstrap(&name)
        .nodes("0", Some(&name))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"30s\"")
        .start();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    dns.wait_until_asked("later.test", 1);
    terminate(&proxy);
    dns.set("later.test", &["127.0.0.1"]);
    let mut link = broker.accept();
    answer_heartbeat(&mut client, &mut link, 1);
    assert_eq!(client.end(), End::Closed);
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn requests_behind_a_full_queue_are_answered_or_not_taken() {
    let broker = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    for _ in 0..5 {
        let mut proxy = Setup::with(&broker)
            .section("[limits]\nin_flight = 1")
            .start();
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&(0..500).flat_map(heartbeat).collect::<Vec<u8>>());
        client.frame();
        proxy.terminate();
        let mut answered = 1;
        while let Some(frame) = client.try_frame() {
            assert_eq!(frame[..4], i32::to_be_bytes(answered));
            answered += 1;
        }
        drop(client);
        assert_eq!(proxy.wait().code(), Some(0));
        proxy.assert_calm();
    }
}

// Trap 5
#[test]
fn a_gssapi_token_that_is_never_answered_does_not_hold_up_the_end() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let handshake = SaslHandshakeRequest::default().with_mechanism("GSSAPI".into());
    let (mut client, mut link) = open(&proxy, &broker, &frames::request(1, 0, &handshake));
    let request = link.request();
    link.answer(&request, &SaslHandshakeResponse::default());
    client.frame();
    client.send(&frames::framed(b"\x05\x04 wrap: layer"));
    link.frame();
    proxy.terminate();
    assert_eq!(client.end(), End::Closed);
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn what_the_kernel_has_accepted_is_not_lost() {
    let broker = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    for threads in [1, 2, 3] {
        let mut proxy = Setup::with(&broker)
            .section(&format!("[runtime]\nthreads = {threads}"))
            .start();
        // While it stands still the kernel completes connections and takes their first requests.
        proxy.signal(Signal::STOP);
        let mut clients: Vec<_> = (0..60)
            .map(|_| {
                let mut client = Client::connect(proxy.bootstrap("main"));
                client.send(&heartbeat(1));
                client
            })
            .collect();
        let mut silent = Client::connect(proxy.bootstrap("main"));
        proxy.terminate();
        proxy.signal(Signal::CONT);
        for client in &mut clients {
            assert_eq!(client.frame()[..4], 1i32.to_be_bytes());
            assert_eq!(client.end(), End::Closed);
        }
        assert_eq!(silent.end(), End::Closed);
        drop(clients);
        drop(silent);
        assert_eq!(proxy.wait().code(), Some(0));
        proxy.assert_calm();
    }
}

#[test]
fn a_connection_that_waits_for_a_place_ends_at_once() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker)
        .section("[limits]\nconnections = 1")
        .start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let request = link.request();
    let mut waiting = Client::connect(proxy.bootstrap("main"));
    waiting.send(&heartbeat(2));
    proxy.wait_for_log("as many connections are open as there may be");
    proxy.terminate();
    waiting.end();
    link.send(&request.answer_bytes(b"alive"));
    client.frame();
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(broker.connections(), 1);
}
