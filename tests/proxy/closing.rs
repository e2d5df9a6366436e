//! How connections end: a half-close passes as one, a reset as one, and nothing that was on its way is lost.

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::wait_until;
use crate::common::wire::End;
use crate::setup::{Setup, answer_heartbeat, exchange, heartbeat, open, talking};

const OPEN: &str = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";

// Trap 13
#[test]
fn a_client_that_half_closes_gets_its_slow_answers() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let requests = [heartbeat(1), heartbeat(2)].concat();
    let (mut client, mut link) = open(&proxy, &broker, &requests);
    client.half_close();
    let received = [link.request(), link.request()];
    assert_eq!(link.end(), End::Closed, "the half-close is passed on");
    for request in &received {
        let answer = request.answer_bytes(b"late");
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..]);
    }
    drop(link);
    assert_eq!(client.end(), End::Closed);
    proxy.wait_for_end("main", "client_closed");
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_broker_that_half_closes_still_gets_requests() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    link.half_close();
    assert_eq!(client.end(), End::Closed, "the half-close is passed on");
    client.send(&heartbeat(2));
    assert_eq!(link.request().correlation_id, 2);
    drop(client);
    assert_eq!(link.end(), End::Closed);
    proxy.wait_for_end("main", "broker_closed");
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_reset_by_the_client_becomes_a_reset_of_the_broker() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for in_flight in [false, true] {
        let (mut client, mut link) = talking(&proxy, &broker);
        if in_flight {
            client.send(&heartbeat(2));
            link.request();
        }
        client.into_wire().reset();
        assert_eq!(link.end(), End::Reset);
    }
    crate::setup::wait_for_ends(&proxy, "client_reset", 2);
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_reset_by_the_broker_becomes_a_reset_of_the_client() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for in_flight in [false, true] {
        let (mut client, mut link) = talking(&proxy, &broker);
        if in_flight {
            client.send(&heartbeat(2));
            link.request();
        }
        link.into_wire().reset();
        assert_eq!(client.end(), End::Reset);
    }
    crate::setup::wait_for_ends(&proxy, "broker_reset", 2);
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_broker_that_closes_with_requests_in_flight_closes_the_client() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    drop(link);
    assert_eq!(client.end(), End::Closed);
    drop(client);
    proxy.wait_for_end("main", "broker_closed");
    proxy.assert_calm();
}

// Trap 13
#[test]
fn an_answer_followed_by_the_brokers_close_arrives_whole() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    let answer = link.request().answer_bytes(&vec![7; 2_000_000]);
    link.send(&answer);
    drop(link);
    assert!(client.frame() == answer[4..], "the bytes differ");
    assert_eq!(client.end(), End::Closed);
    proxy.assert_calm();
}

#[test]
fn a_broker_that_closes_between_requests_closes_the_client_and_is_no_fault() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, link) = talking(&proxy, &broker);
    drop(link);
    assert_eq!(client.end(), End::Closed);
    drop(client);
    proxy.wait_for_end("main", "broker_closed");
    proxy.assert_calm();
}

#[test]
fn a_client_that_closes_between_requests_closes_the_broker_and_is_no_fault() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (client, mut link) = talking(&proxy, &broker);
    drop(client);
    assert_eq!(link.end(), End::Closed);
    drop(link);
    proxy.wait_for_end("main", "client_closed");
    proxy.assert_calm();
}

#[test]
fn a_broker_restart_is_survived_by_a_new_connection() {
    let mut broker = Broker::start();
    let address = broker.address();
    let proxy = Setup::with(&broker).start();
    let (mut client, link) = talking(&proxy, &broker);
    broker.stop();
    drop(link);
    client.end();
    drop(client);
    let broker = Broker::start_at(address);
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    answer_heartbeat(&mut client, &mut link, 1);
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_client_that_half_closes_before_its_broker_is_reached_is_answered() {
    let dns = crate::common::dns::Dns::start();
    let broker = Broker::start();
    let name = format!("later.test:{}", broker.address().port());
    let proxy = Setup::bootstrap(&name)
        .nodes("0", Some(&name))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"30s\"")
        .start();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&[heartbeat(1), heartbeat(2)].concat());
    client.half_close();
    dns.wait_until_asked("later.test", 1);
    dns.set("later.test", &["127.0.0.1"]);
    let mut link = broker.accept();
    for id in [1, 2] {
        answer_heartbeat(&mut client, &mut link, id);
    }
    assert_eq!(link.end(), End::Closed);
    drop(link);
    assert_eq!(client.end(), End::Closed);
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_client_that_half_closes_behind_a_full_queue_is_answered_to_the_last() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 2")
        .start();
    let all: Vec<u8> = (0..7).flat_map(heartbeat).collect();
    let (mut client, mut link) = open(&proxy, &broker, &all);
    client.half_close();
    for id in 0..7 {
        answer_heartbeat(&mut client, &mut link, id);
    }
    assert_eq!(link.end(), End::Closed);
    drop(link);
    assert_eq!(client.end(), End::Closed);
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_client_that_resets_behind_a_full_queue_is_noticed() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 1")
        .start();
    let (client, mut link) = open(&proxy, &broker, &[heartbeat(1), heartbeat(2)].concat());
    link.request();
    client.into_wire().reset();
    assert_eq!(link.end(), End::Reset);
    proxy.wait_for_end("main", "client_reset");
}

// Trap 13
#[test]
fn a_client_that_only_the_proxy_answered_may_half_close_as_well() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&frames::raw_request(18, 77, 1, b"\0"));
    client.half_close();
    assert_eq!(client.frame()[..6], [0, 0, 0, 1, 0, 35]);
    assert_eq!(client.end(), End::Closed);
    assert_eq!(broker.connections(), 0);
    proxy.wait_for_end("main", "client_closed");
}

#[test]
fn a_client_that_gives_up_while_its_broker_is_dialled_leaves_nothing_behind() {
    let dns = crate::common::dns::Dns::start();
    let proxy = Setup::bootstrap("nowhere.test:9092")
        .nodes("0", Some("nowhere.test:9092"))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"1s\"")
        .start();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    dns.wait_until_asked("nowhere.test", 1);
    client.into_wire().reset();
    let gauge = "portolan_connections{cluster=\"main\",route=\"node-0\"}";
    wait_until("the session to end", || proxy.metric(gauge) == 0.0);
    frames::assert_no_leak(proxy.log_text().as_bytes());
}

#[test]
fn no_file_descriptor_stays_behind() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    drop(talking(&proxy, &broker));
    let gauge = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
    wait_until("the session to end", || proxy.metric(gauge) == 0.0);
    let before = proxy.metric("portolan_open_fds");
    for n in 0..30 {
        let (client, link) = talking(&proxy, &broker);
        match n % 3 {
            0 => client.into_wire().reset(),
            1 => link.into_wire().reset(),
            _ => {}
        }
    }
    wait_until("the sessions to end", || proxy.metric(gauge) == 0.0);
    wait_until("the descriptors to be closed", || {
        proxy.metric("portolan_open_fds") <= before
    });
}

#[test]
fn a_client_that_goes_away_behind_a_full_queue_is_noticed() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 1")
        .section("[timeouts]\nstalled_write = \"300ms\"")
        .start();
    let many: Vec<u8> = (0..4000).flat_map(heartbeat).collect();
    let (client, mut link) = open(&proxy, &broker, &many);
    link.request();
    client.into_wire().reset();
    proxy.wait_for_end("main", "client_reset");
}

// Trap 13
#[test]
fn requests_to_a_broker_that_is_gone_take_its_last_answer_from_nobody() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[runtime]\nthreads = 1")
        .start();
    let mut other = talking(&proxy, &broker);
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    let answer = link.request().answer_bytes(&[7; 60_000]);
    link.send(&answer);
    drop(link);
    client.wait_for_bytes();
    // The broker's system answers the first with a reset, so that the second cannot be passed on.
    for id in 2..4 {
        client.send(&heartbeat(id));
        // The one thread has read it when this is over.
        exchange(&mut other.0, &mut other.1, id);
    }
    proxy.wait_for_end("main", "broker_closed");
    assert!(client.frame() == answer[4..], "the bytes differ");
    assert_eq!(client.end(), End::Closed);
    proxy.assert_calm();
}

// Trap 13
#[test]
fn a_client_that_stays_when_its_broker_is_gone_is_let_go_after_stalled_write() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nstalled_write = \"300ms\"")
        .start();
    // Longer than that only a client is waited for that has half-closed and still has answers to come.
    let (mut patient, mut slow) = open(&proxy, &broker, &heartbeat(1));
    patient.half_close();
    let request = slow.request();
    assert_eq!(slow.end(), End::Closed);
    let (mut client, link) = talking(&proxy, &broker);
    drop(link);
    assert_eq!(client.end(), End::Closed);
    proxy.wait_for_end("main", "broker_closed");
    let answer = request.answer_bytes(b"late");
    slow.send(&answer);
    assert_eq!(patient.frame(), answer[4..]);
    drop(slow);
    assert_eq!(patient.end(), End::Closed);
    proxy.wait_for_end("main", "client_closed");
    proxy.assert_calm();
}

#[test]
fn requests_that_wait_for_a_broker_that_is_gone_do_not_keep_the_connection() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 1\n[timeouts]\nstalled_write = \"10m\"")
        .start();
    // What waits fits the buffer, or fills it.
    for more in [0, 100_000] {
        let mut requests = [heartbeat(1), heartbeat(2)].concat();
        requests.extend(frames::raw_request(12, 0, 3, &vec![0; more]));
        let (mut client, mut link) = open(&proxy, &broker, &requests);
        link.request();
        drop(link);
        assert_eq!(client.end(), End::Closed);
        drop(client);
        wait_until("the end of the session", || proxy.metric(OPEN) == 0.0);
    }
    assert_eq!(proxy.ends("main", "broker_closed"), 2.0);
}
