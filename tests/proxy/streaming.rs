//! Frames stream: in any pieces, of any size, at the pace of the slower side, with bounded memory.

use kafka_protocol::messages::{FetchRequest, FindCoordinatorRequest, MetadataRequest};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames::{self, INTERNAL_PORT, internal_host};
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{
    ADVERTISED_HOST, Setup, answer_heartbeat, exchange, heartbeat, open, talking, told_end,
};

/// What one connection may cost at most while megabytes pass: some buffers, and what the allocator keeps.
const BOUNDED: u64 = 8 * 1024 * 1024;

/// The most memory that the proxy has ever had, in bytes.
fn peak(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// One broker of a Metadata answer in version 7.
fn broker_v7(id: i32, host: &str, port: i32) -> Vec<u8> {
    let length = u16::try_from(host.len()).unwrap().to_be_bytes();
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(host.as_bytes());
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes.extend_from_slice(&[0xff, 0xff]); // no rack
    bytes
}

/// The head of a Metadata answer in version 7: these brokers, no cluster id.
fn head_v7(brokers: &[Vec<u8>], controller: i32) -> Vec<u8> {
    let count = i32::try_from(brokers.len()).unwrap();
    [
        &[0; 4][..],
        &count.to_be_bytes(),
        &brokers.concat(),
        &[0xff, 0xff],
        &controller.to_be_bytes(),
    ]
    .concat()
}

/// One topic of 10,000 partitions in version 7, of some 50 MB: error code and leader as given for each.
fn topics_v7(partition: impl Fn(i32) -> (i16, i32)) -> Vec<u8> {
    const PARTITIONS: i32 = 10_000;
    const REPLICAS: i32 = 1_250;
    let mut replicas = REPLICAS.to_be_bytes().to_vec();
    for id in 0..REPLICAS {
        replicas.extend_from_slice(&id.to_be_bytes());
    }
    let mut bytes = 1i32.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 4]);
    bytes.extend_from_slice(b"many\0");
    bytes.extend_from_slice(&PARTITIONS.to_be_bytes());
    for n in 0..PARTITIONS {
        let (error, leader) = partition(n);
        bytes.extend_from_slice(&error.to_be_bytes());
        bytes.extend_from_slice(&n.to_be_bytes());
        bytes.extend_from_slice(&leader.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]); // leader epoch
        bytes.extend_from_slice(&replicas);
        bytes.extend_from_slice(&[0; 4]); // no in-sync replicas
        bytes.extend_from_slice(&[0; 4]); // no offline replicas
    }
    bytes
}

/// A Metadata answer of 50 MB passes; what comes out is compared with `expected`, its end with `topics`.
fn fifty_megabytes(brokers: &[i32], told: &[i32], sent: Vec<u8>, expected: &[u8]) {
    assert!(sent.len() > 50_000_000);
    let broker = Broker::start();
    let proxy = Setup::with(&broker).node(1, broker.address()).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let before = peak(&proxy);
    client.send(&frames::request(1, 7, &MetadataRequest::default()));
    let request = link.request();
    let internal: Vec<_> = brokers
        .iter()
        .map(|&id| broker_v7(id, &internal_host(id), INTERNAL_PORT))
        .collect();
    let answer = request.answer_bytes(&[head_v7(&internal, 0), sent].concat());
    let sender = std::thread::spawn(move || {
        link.send(&answer);
        link
    });
    let frame = client.frame();
    let advertised: Vec<_> = told
        .iter()
        .map(|&id| broker_v7(id, ADVERTISED_HOST, proxy.node("main", id).port().into()))
        .collect();
    let head = [&1i32.to_be_bytes()[..], &head_v7(&advertised, 0)].concat();
    assert_eq!(frame[..head.len()], head);
    assert!(frame[head.len()..] == *expected, "the topics differ");
    assert!(
        peak(&proxy) < before + BOUNDED,
        "from {before} to {} bytes",
        peak(&proxy)
    );
    let mut link = sender.join().unwrap();
    exchange(&mut client, &mut link, 2);
}

#[test]
fn a_metadata_answer_of_50_mb_costs_bounded_memory() {
    let topics = topics_v7(|n| (0, n % 2));
    fifty_megabytes(&[0, 1], &[0, 1], topics.clone(), &topics);
}

// Trap 11
#[test]
fn a_metadata_answer_of_50_mb_with_an_unmapped_leader_costs_bounded_memory() {
    let sent = topics_v7(|n| (0, n % 3 * 5 % 9));
    let expected = topics_v7(|n| match n % 3 * 5 % 9 {
        5 => (5, -1),
        leader => (0, leader),
    });
    // Leaders are 0, 5 and 1; node 5 is not in the map.
    fifty_megabytes(&[0, 5, 1], &[0, 1], sent, &expected);
}

#[test]
fn a_slow_reader_holds_up_its_broker_and_costs_bounded_memory() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    client.send(&frames::request(1, 12, &FetchRequest::default()));
    let mut link = broker.accept();
    let request = link.request();
    let before = peak(&proxy);
    const BYTES: usize = 40_000_000;
    let size = i32::try_from(BYTES + 4).unwrap();
    link.send(&[size.to_be_bytes(), request.correlation_id.to_be_bytes()].concat());
    let taken = link.send_until_stuck(BYTES);
    assert!(taken < BYTES, "nothing holds the broker up");
    assert!(peak(&proxy) < before + BOUNDED);
    let sender = std::thread::spawn(move || {
        link.send(&vec![0; BYTES - taken]);
        link
    });
    assert_eq!(client.frame().len(), BYTES + 4);
    assert!(peak(&proxy) < before + BOUNDED);
    let mut link = sender.join().unwrap();
    exchange(&mut client, &mut link, 2);
    proxy.assert_calm();
}

#[test]
fn a_request_of_40_mb_passes_in_bounded_memory() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let before = peak(&proxy);
    let produce = frames::request(1, 9, &frames::produce(9, 1, &vec![7; 40_000_000]));
    let expected = produce[4..].to_vec();
    let sender = std::thread::spawn(move || {
        client.send(&produce);
        client
    });
    let request = link.request();
    assert!(request.frame == expected, "the bytes differ");
    assert!(peak(&proxy) < before + BOUNDED);
    link.send(&request.answer_bytes(b"done"));
    let mut client = sender.join().unwrap();
    assert_eq!(client.frame()[4..], *b"done");
    exchange(&mut client, &mut link, 2);
}

#[test]
fn frames_may_be_split_anywhere() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let request = frames::request(1, 12, &MetadataRequest::default());
    let answer = frames::metadata(12, &[0, 5]);
    let mut told = None;
    for cut in 1..request.len() {
        client.send(&request[..cut]);
        client.send(&request[cut..]);
        let received = link.request();
        assert_eq!(received.frame, request[4..], "request cut at {cut}");
        link.answer(&received, &answer);
        let frame = client.frame();
        assert_eq!(*told.get_or_insert_with(|| frame.clone()), frame);
    }
    let told = told.unwrap();
    frames::assert_no_leak(&told);
    let sent = frames::response(1, 12, &answer);
    for cut in 1..sent.len() {
        client.send(&request);
        link.request();
        link.send(&sent[..cut]);
        link.send(&sent[cut..]);
        assert_eq!(client.frame(), told, "answer cut at {cut}");
    }
}

#[test]
fn both_sides_may_send_byte_by_byte() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    for version in 0..=13 {
        let request = frames::request(1, version, &MetadataRequest::default());
        client.send_in_pieces(&request, 1);
        let received = link.request();
        assert_eq!(received.frame, request[4..]);
        let answer = received.answer(&frames::metadata(version, &[0, 5]));
        link.send_in_pieces(&answer, 1);
        let frame = client.frame();
        frames::assert_no_leak(&frame);
        let (_, told) = frames::decode_response::<MetadataRequest>(&frame, version);
        assert_eq!(told.brokers.len(), 1, "version {version}");
    }
}

#[test]
fn many_frames_in_one_segment_are_told_apart() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let mut requests = Vec::new();
    for id in 0..50 {
        requests.extend(match id % 3 {
            0 => heartbeat(id),
            1 => frames::request(id, 12, &MetadataRequest::default()),
            _ => frames::request(id, 4, &FindCoordinatorRequest::default()),
        });
    }
    client.send(&requests);
    let mut answers = Vec::new();
    for id in 0..50 {
        let request = link.request();
        assert_eq!(request.correlation_id, id);
        answers.extend(match request.api_key {
            3 => request.answer(&frames::metadata(12, &[0])),
            10 => request.answer_bytes(&[0, 0, 0, 0, 0, 1, 0]),
            _ => request.answer_bytes(b"alive"),
        });
    }
    link.send(&answers);
    for id in 0..50i32 {
        let frame = client.frame();
        assert_eq!(frame[..4], id.to_be_bytes());
        frames::assert_no_leak(&frame);
    }
    proxy.assert_calm();
}

#[test]
fn the_limit_of_requests_in_flight_holds_back_and_loses_nothing() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 2")
        .start();
    let all: Vec<u8> = (0..10).flat_map(heartbeat).collect();
    let (mut client, mut link) = open(&proxy, &broker, &all);
    let mut waiting = vec![link.request(), link.request()];
    for id in 2..10 {
        assert!(link.is_silent(), "two are in flight, and {id} came");
        let oldest = waiting.remove(0);
        let answer = oldest.answer_bytes(b"alive");
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..]);
        let next = link.request();
        assert_eq!(next.correlation_id, id);
        waiting.push(next);
    }
    // Each of the eight had to wait.
    let met = "portolan_limit_rejections_total{limit=\"in_flight\"}";
    assert_eq!(proxy.metric(met), 8.0);
    for request in waiting {
        let answer = request.answer_bytes(b"alive");
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..]);
    }
    assert_eq!(
        proxy.metric("portolan_requests_total{api=\"Heartbeat\",cluster=\"main\"}"),
        10.0
    );
    proxy.assert_calm();
}

#[test]
fn the_beginning_of_a_frame_that_goes_no_further_holds_no_buffer() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    answer_heartbeat(&mut client, &mut link, 1);
    let request = heartbeat(2);
    // The correlation id, and a body that nobody looks at.
    let answer = frames::framed(&[0, 0, 0, 2, 1, 2, 3]);
    client.send(&request[..7]);
    wait_until("its buffer to be given back", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    client.send(&request[7..]);
    link.request();
    link.send(&answer[..3]);
    wait_until("its buffer to be given back", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    link.send(&answer[3..]);
    assert_eq!(client.frame(), answer[4..]);
}

#[test]
fn idle_connections_hold_no_buffer() {
    const CONNECTIONS: usize = 1000;
    let broker = Broker::answering(|request| Some(request.answer(&frames::metadata(1, &[0]))));
    let proxy = Setup::with(&broker).start();
    // A first one, so that what is needed once is there.
    Client::connect(proxy.bootstrap("main")).ask(1, &MetadataRequest::default());
    let before = proxy.resident_bytes();
    let clients: Vec<Client> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = Client::connect(proxy.bootstrap("main"));
            client.ask(1, &MetadataRequest::default());
            client
        })
        .collect();
    wait_until("the buffers to be given back", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    let each = (proxy.resident_bytes().saturating_sub(before)) / CONNECTIONS as u64;
    assert!(each < 8 * 1024, "{each} bytes an idle connection");
    assert_eq!(
        proxy.metric("portolan_connections{cluster=\"main\",route=\"bootstrap\"}") as usize,
        clients.len()
    );
    proxy.assert_calm();
}

#[test]
fn an_answer_that_cannot_be_held_is_told_with_the_limit_to_raise() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nresponse_rewrite_bytes = \"4KiB\"")
        .start();
    let request = frames::request(1, 4, &FindCoordinatorRequest::default());
    let (mut client, mut link) = open(&proxy, &broker, &request);
    let answer = link.request().answer_bytes(&[0; 5000]);
    link.send(&answer);
    client.rest();
    assert_eq!(
        told_end(&proxy, "response_too_large"),
        (
            "session ended: an answer that carries addresses needs 5004 bytes to be held, limits.response_rewrite_bytes is 4096".to_owned(),
            "raise limits.response_rewrite_bytes".to_owned()
        )
    );
}

#[test]
fn a_frame_that_is_larger_than_a_buffer_passes_between_small_ones() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let large = frames::raw_request(12, 0, 2, &vec![9; 100_000]);
    let (mut client, mut link) = open(
        &proxy,
        &broker,
        &[heartbeat(1), large.clone(), heartbeat(3)].concat(),
    );
    answer_heartbeat(&mut client, &mut link, 1);
    let request = link.request();
    assert_eq!(request.frame, large[4..]);
    let answer = request.answer_bytes(&vec![8; 100_000]);
    link.send(&answer);
    assert_eq!(client.frame(), answer[4..]);
    answer_heartbeat(&mut client, &mut link, 3);
}

#[test]
fn rewritten_answers_wait_for_a_slow_reader() {
    const REQUESTS: i32 = 200;
    let broker = Broker::start();
    let ids: Vec<i32> = (0..100).collect();
    let proxy = Setup::bootstrap(broker.address())
        .nodes(
            "0-99",
            Some(&format!(
                "b{{ordinal}}.localhost:{}",
                broker.address().port()
            )),
        )
        .start();
    let mut client = Client::with_small_window(proxy.bootstrap("main"));
    for id in 0..REQUESTS {
        client.send(&frames::request(id, 12, &MetadataRequest::default()));
    }
    let mut link = broker.accept();
    let answer = frames::metadata(12, &ids);
    let sender = std::thread::spawn(move || {
        for _ in 0..REQUESTS {
            let request = link.request();
            link.answer(&request, &answer);
        }
        link
    });
    // Nothing is read before the broker feels it, or has sent it all.
    wait_until("the answers to pile up", || {
        proxy.metric("portolan_buffers") > 0.0 || sender.is_finished()
    });
    for id in 0..REQUESTS {
        let told = client.answer::<MetadataRequest>(id, 12);
        assert_eq!(told.brokers.len(), 100);
        for broker in &told.brokers {
            let port = proxy.node("main", broker.node_id.0).port();
            assert_eq!((&*broker.host, broker.port), (ADVERTISED_HOST, port.into()));
        }
    }
    sender.join().unwrap();
    proxy.assert_calm();
}
