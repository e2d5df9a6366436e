//! A draining proxy closes its connections one after the other, so that not all clients come to the next one at once.

use std::collections::BTreeSet;
use std::thread::JoinHandle;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::Proxy;
use crate::common::tls_client::Certificate;
use crate::common::wire::End;
use crate::setup::{Setup, heartbeat};

const CLIENTS: usize = 61;

const TURN: &str = "draining: no more requests are taken from this client";

/// A broker that answers whatever it is asked.
fn answering() -> Broker {
    Broker::answering(|request| Some(request.answer_bytes(b"alive")))
}

/// A client with one exchange behind it.
fn talked(mut client: Client) -> Client {
    client.send(&heartbeat(1));
    client.frame();
    client
}

/// Each of them waits for its end in a thread of its own, and closes its side then, as clients do.
fn closing(clients: Vec<Client>) -> Vec<JoinHandle<End>> {
    let close = |mut client: Client| std::thread::spawn(move || client.end());
    clients.into_iter().map(close).collect()
}

/// The tenths of a second in which connections ended, by the proxy's log, and the ports of their clients in that order.
fn ends(proxy: &Proxy) -> (BTreeSet<String>, Vec<u16>) {
    let log = proxy.log();
    let ended = log.iter().filter(|line| line["reason"] == "drained");
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().expect(key).to_owned();
    ended
        .map(|line| {
            let (time, client) = (text(line, "timestamp"), text(line, "client"));
            let seconds = time.find('.').expect("a fraction of a second");
            let (_, port) = client.rsplit_once(':').expect("a port");
            (
                time[..seconds + 2].to_owned(),
                port.parse::<u16>().expect("a number"),
            )
        })
        .unzip()
}

#[test]
fn idle_connections_are_closed_one_after_the_other_in_any_order() {
    let broker = answering();
    let mut proxy = Setup::with(&broker).start();
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|_| talked(Client::connect(proxy.bootstrap("main"))))
        .collect();
    let ports = clients.iter().map(|client| client.local_address().port());
    let ports: Vec<u16> = ports.collect();
    let closing = closing(clients);
    proxy.terminate();
    for end in closing {
        assert_eq!(end.join().unwrap(), End::Closed);
    }
    assert_eq!(proxy.wait().code(), Some(0));
    let line = proxy.wait_for_log("draining");
    assert_eq!(line["connections"], CLIENTS);
    assert_eq!(line["grace_seconds"], 30.0);
    assert_eq!(line["close_within_seconds"], 3.0);
    let (tenths, order) = ends(&proxy);
    assert_eq!(order.len(), CLIENTS);
    // There are thirty. On a machine that stands still now and then some are empty.
    assert!(tenths.len() >= 5, "{tenths:?}");
    assert_ne!(order, ports, "by chance once in 61! runs");
    proxy.assert_calm();
}

#[test]
fn until_its_turn_a_client_is_served_and_no_answer_is_cut() {
    let broker = answering();
    let mut proxy = Setup::with(&broker).start();
    let address = proxy.bootstrap("main");
    let ask = |_| {
        std::thread::spawn(move || {
            let mut client = Client::connect(address);
            let mut answered = 0;
            loop {
                answered += 1;
                // A request that comes too late stays unanswered, and is no fault.
                if client.try_send(&heartbeat(answered)).is_err() {
                    return answered;
                }
                match client.try_frame() {
                    Some(frame) => assert_eq!(frame[..4], answered.to_be_bytes()),
                    None => return answered,
                }
            }
        })
    };
    let asking: Vec<_> = (0..20).map(ask).collect();
    let idle: Vec<Client> = (0..CLIENTS)
        .map(|_| talked(Client::connect(address)))
        .collect();
    let idle = closing(idle);
    proxy.terminate();
    proxy.wait_for_log(TURN);
    let requests = "portolan_requests_total{api=\"Heartbeat\",cluster=\"main\"}";
    let (_, metrics) = proxy.get("/metrics");
    let before = metrics.lines().find_map(|line| line.strip_prefix(requests));
    let before: f64 = before.expect(requests).trim().parse().unwrap();
    let answered: i32 = asking
        .into_iter()
        .map(|asking| asking.join().unwrap() - 1)
        .sum();
    // All clients asked once, and those that were idle did not ask again.
    assert!(
        f64::from(answered) + CLIENTS as f64 > before,
        "nobody was served while draining"
    );
    for end in idle {
        assert_eq!(end.join().unwrap(), End::Closed);
    }
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn a_handshake_goes_on_while_others_are_closed() {
    let broker = answering();
    let certificate = Certificate::new();
    let mut proxy = Setup::with(&broker).section(&certificate.table()).start();
    let address = proxy.bootstrap("main");
    // They have said nothing yet. Their turns come within 5 s.
    let silent: Vec<Client> = (0..100).map(|_| Client::connect(address)).collect();
    proxy.wait_for_metric(
        "portolan_connections{cluster=\"main\",route=\"bootstrap\"}",
        100.0,
    );
    proxy.terminate();
    proxy.wait_for_log("draining");
    let mut served = 0;
    for client in silent {
        // Its turn may come at any time.
        if let Ok(mut client) = certificate.try_handshake(client) {
            client.send(&heartbeat(1));
            served += usize::from(client.try_frame().is_some());
        }
    }
    assert!(served > 0, "nobody was let in");
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}
