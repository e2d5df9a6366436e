//! Time: keepalive on both legs, peers that stop reading, connections that say nothing, brokers that do not answer.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use kafka_protocol::messages::FindCoordinatorRequest;
use socket2::{Domain, Socket, Type};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::dns::Dns;
use crate::common::frames;
use crate::common::proxy::wait_until;
use crate::common::wire::{End, Wire};
use crate::setup::{Setup, answer_heartbeat, exchange, heartbeat, open, talking, told_end};

/// The timer of the proxy's socket that is connected to this peer, as the kernel tells it: 2 is keepalive, 0 is none.
fn timer(proxys_end: &SocketAddr, peers_end: &SocketAddr) -> Option<u32> {
    let hex = |address: &SocketAddr| match address {
        SocketAddr::V4(v4) => format!(
            "{:08X}:{:04X}",
            u32::from_le_bytes(v4.ip().octets()),
            v4.port()
        ),
        SocketAddr::V6(_) => panic!("IPv4 only"),
    };
    let (local, remote) = (hex(proxys_end), hex(peers_end));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields.get(1) == Some(&local.as_str()) && fields.get(2) == Some(&remote.as_str()))
            .then(|| fields[5].split(':').next().unwrap().parse().unwrap())
    })
}

/// Waits until the proxy's socket towards this peer has that timer: other ones run while bytes are under way.
fn wait_for_timer(peer: &Wire, expected: u32) {
    let stream = peer.stream();
    let proxys_end = stream.peer_addr().unwrap();
    let peers_end = stream.local_addr().unwrap();
    wait_until("the socket's timer", || {
        timer(&proxys_end, &peers_end) == Some(expected)
    });
}

// Trap 14
#[test]
fn keepalive_is_on_on_both_legs() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (client, link) = talking(&proxy, &broker);
    wait_for_timer(&client, 2);
    wait_for_timer(&link, 2);
}

// Trap 14
#[test]
fn keepalive_can_be_turned_off() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nkeepalive = \"off\"")
        .start();
    let (client, link) = talking(&proxy, &broker);
    wait_for_timer(&client, 0);
    wait_for_timer(&link, 0);
}

// Trap 14
#[test]
fn a_client_that_stops_reading_is_cut_off_after_stalled_write() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nstalled_write = \"300ms\"")
        .start();
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    let request = link.request();
    let size = 100_000_000i32.to_be_bytes();
    link.send(&[size, request.correlation_id.to_be_bytes()].concat());
    let taken = link.send_until_stuck(90_000_000);
    assert!(
        taken < 90_000_000,
        "the broker feels that the client is slow"
    );
    proxy.wait_for_end("main", "client_stalled");
    assert_eq!(
        told_end(&proxy, "client_stalled"),
        (
            "session ended: the client took no bytes within timeouts.stalled_write".to_owned(),
            "the client stopped reading; look for a hung client or a broken network path"
                .to_owned()
        )
    );
}

// Trap 14
#[test]
fn a_broker_that_stops_reading_is_cut_off_after_stalled_write() {
    let broker = Broker::with_small_window();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nstalled_write = \"300ms\"")
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    let request = frames::raw_request(12, 0, 1, &vec![0; 90_000_000]);
    client.send(&request[..1000]);
    let _link = broker.accept();
    let taken = client.send_until_stuck(80_000_000);
    assert!(
        taken < 80_000_000,
        "the client feels that the broker is slow"
    );
    proxy.wait_for_end("main", "broker_stalled");
    assert_eq!(
        told_end(&proxy, "broker_stalled"),
        (
            "session ended: the broker took no bytes within timeouts.stalled_write".to_owned(),
            "the broker stopped reading; look at its request queue and its network".to_owned()
        )
    );
}

// Trap 14
#[test]
fn a_slow_client_that_makes_progress_is_not_cut_off() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nstalled_write = \"2s\"")
        .start();
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    let answer = link.request().answer_bytes(&vec![7; 30_000_000]);
    let expected = answer[4..].to_vec();
    let sender = std::thread::spawn(move || {
        link.send(&answer);
        link
    });
    let size = client.read(4);
    assert_eq!(size, (expected.len() as u32).to_be_bytes());
    // More than two seconds in all, with progress all the time: this must sleep, for slowness is the fact.
    let mut found = Vec::new();
    for _ in 0..15 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        found.extend(client.read(expected.len() / 20));
    }
    found.extend(client.read(expected.len() - found.len()));
    assert!(found == expected, "the bytes differ");
    let mut link = sender.join().unwrap();
    exchange(&mut client, &mut link, 2);
    proxy.assert_calm();
}

// Trap 14
#[test]
fn an_idle_connection_ends_after_the_idle_timeout_if_there_is_one() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nidle = \"300ms\"")
        .start();
    let (mut client, mut link) = talking(&proxy, &broker);
    assert_eq!(client.end(), End::Closed);
    assert_eq!(link.end(), End::Closed);
    proxy.wait_for_end("main", "idle");
    proxy.assert_calm();
}

#[test]
fn a_client_that_waits_for_an_answer_is_not_idle() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nidle = \"100ms\"")
        .start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let request = link.request();
    // Another connection is idle for as long and longer, and ends.
    let (mut idle, _link) = talking(&proxy, &broker);
    assert_eq!(idle.end(), End::Closed);
    let answer = request.answer_bytes(b"late");
    link.send(&answer);
    assert_eq!(client.frame(), answer[4..]);
    assert_eq!(client.end(), End::Closed, "now it is idle, too");
}

/// A listener whose backlog is full: the kernel drops further connections without a word.
pub(crate) fn deaf() -> (Socket, Vec<TcpStream>, SocketAddr) {
    deaf_at((Ipv4Addr::LOCALHOST, 0).into())
}

fn deaf_at(address: SocketAddr) -> (Socket, Vec<TcpStream>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    let moment = std::time::Duration::from_millis(100);
    while let Ok(stream) = TcpStream::connect_timeout(&address, moment) {
        waiting.push(stream);
        assert!(waiting.len() < 20, "the backlog never fills");
    }
    (socket, waiting, address)
}

#[test]
fn a_broker_that_does_not_answer_is_given_up_after_the_connect_timeout() {
    let (_socket, _waiting, address) = deaf();
    let proxy = Setup::bootstrap(address)
        .node(0, address)
        .section("[timeouts]\nconnect = \"300ms\"")
        .start();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    assert_eq!(client.end(), End::Reset);
    let line = proxy.wait_for_log("cannot connect");
    assert_eq!(
        line["message"],
        format!(
            "cannot connect: {address} does not answer (timed out); \
             check network policies and firewalls between here and the broker"
        )
    );
    assert_eq!(line["reason"], "timed_out");
}

// Trap 12
#[test]
fn an_address_that_does_not_answer_does_not_use_up_the_time_of_the_next() {
    let (_socket, _waiting, deaf) = deaf();
    let broker = Broker::start_at(SocketAddr::from(([127, 0, 0, 2], deaf.port())));
    let dns = Dns::start();
    dns.set("kafka.test", &["127.0.0.1", "127.0.0.2"]);
    let proxy = Setup::bootstrap("127.0.0.1:1")
        .nodes("0", Some(&format!("kafka.test:{}", deaf.port())))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"20s\"")
        .start();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    answer_heartbeat(&mut client, &mut broker.accept(), 1);
    proxy.assert_calm();
}

// Trap 12
#[test]
fn many_addresses_that_do_not_answer_are_passed_within_the_connect_timeout() {
    let broker = Broker::start_at(SocketAddr::from(([127, 0, 0, 100], 0)));
    let port = broker.address().port();
    let mut addresses = Vec::new();
    let mut deaf = Vec::new();
    for n in 101..=110 {
        let address = SocketAddr::from(([127, 0, 0, n], port));
        deaf.push(deaf_at(address));
        addresses.push(address.ip().to_string());
    }
    addresses.push(broker.address().ip().to_string());
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let dns = Dns::start();
    dns.set("kafka.test", &addresses);
    let proxy = Setup::bootstrap(format!("kafka.test:{port}"))
        .node(0, broker.address())
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"2s\"")
        .start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    answer_heartbeat(&mut client, &mut link, 1);
    proxy.assert_calm();
}

#[test]
fn a_broker_that_refuses_at_one_address_and_is_silent_at_another_refuses() {
    let (_socket, _waiting, deaf) = deaf();
    let port = deaf.port();
    let dns = Dns::start();
    dns.set("kafka.test", &["127.0.0.1", "127.0.0.2"]);
    let proxy = Setup::bootstrap("127.0.0.1:1")
        .nodes("0", Some(&format!("kafka.test:{port}")))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"1s\"")
        .start();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    client.end();
    let line = proxy.wait_for_log("cannot connect");
    assert_eq!(line["reason"], "refused");
    let told = format!("(127.0.0.2:{port} refused, 127.0.0.1:{port} timed out)");
    assert!(line["message"].as_str().unwrap().contains(&told), "{line}");
}

#[test]
fn bootstrap_servers_that_do_not_answer_leave_time_for_the_next() {
    let (_socket, _waiting, deaf) = deaf();
    let broker = Broker::start();
    let proxy = Setup::bootstrap(deaf)
        .or(broker.address())
        .node(0, broker.address())
        .section("[timeouts]\nconnect = \"1s\"")
        .start();
    for _ in 0..2 {
        let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
        answer_heartbeat(&mut client, &mut link, 1);
    }
    proxy.assert_calm();
}

/// Sends these bytes one by one, so slowly that it takes two seconds in all: slowness is the fact, so this sleeps.
fn dribble(wire: &mut Wire, bytes: &[u8]) {
    let pause = std::time::Duration::from_secs(2) / bytes.len() as u32;
    for byte in bytes {
        std::thread::sleep(pause);
        wire.send(&[*byte]);
    }
}

// Trap 14
#[test]
fn a_connection_is_not_idle_while_bytes_come_from_either_side() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nidle = \"1500ms\"")
        .start();
    let (mut client, mut link) = talking(&proxy, &broker);
    // Nothing is passed on of a request before its prefix is whole, nor of an answer that must be held.
    let request = frames::request(1, 1, &FindCoordinatorRequest::default());
    dribble(&mut client, &request[..12]);
    client.send(&request[12..]);
    let answer = link.request().answer_bytes(&[0; 18]);
    dribble(&mut link, &answer[..12]);
    link.send(&answer[12..]);
    assert_eq!(client.frame(), answer[4..]);
    assert_eq!(client.end(), End::Closed);
    proxy.wait_for_end("main", "idle");
    proxy.assert_calm();
}

// Trap 14
#[test]
fn a_half_closed_clients_last_answer_may_come_slowly() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nstalled_write = \"1s\"")
        .start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let answer = link.request().answer_bytes(b"slowly");
    link.send(&answer[..8]);
    assert_eq!(client.read(8), answer[..8]);
    client.half_close();
    assert_eq!(link.end(), End::Closed);
    dribble(&mut link, &answer[8..]);
    assert_eq!(client.read(6), answer[8..]);
    drop(link);
    assert_eq!(client.end(), End::Closed);
    proxy.assert_calm();
}

// Trap 14
#[test]
fn a_slow_broker_that_makes_progress_is_not_cut_off() {
    let broker = Broker::with_small_window();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nstalled_write = \"2s\"")
        .start();
    let request = frames::raw_request(12, 0, 1, &vec![7; 30_000_000]);
    let expected = request[4..].to_vec();
    let mut client = Client::connect(proxy.bootstrap("main"));
    let sender = std::thread::spawn(move || {
        client.send(&request);
        client
    });
    let mut link = broker.accept();
    let size = link.read(4);
    assert_eq!(size, (expected.len() as u32).to_be_bytes());
    // As above: this must sleep.
    let mut found = Vec::new();
    for _ in 0..15 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        found.extend(link.read(expected.len() / 20));
    }
    found.extend(link.read(expected.len() - found.len()));
    assert!(found == expected, "the bytes differ");
    let answer = [0, 0, 0, 4, 0, 0, 0, 1];
    link.send(&answer);
    assert_eq!(sender.join().unwrap().frame(), answer[4..]);
    proxy.assert_calm();
}
