//! Large frames among small ones: what goes through a pipe of the kernel comes out as if it had been copied.

use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use kafka_protocol::messages::fetch_response::{
    FetchResponse, FetchableTopicResponse, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use rustix::process::Signal;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames::{self, INTERNAL_PORT, internal_host};
use crate::common::proxy::{Proxy, splices, wait_until};
use crate::common::wire::End;
use crate::setup::{Numbers, Setup, exchange, open, talking};

const SPLICED: &str = "portolan_spliced_bytes_total";
const COPIED: &str = "portolan_copied_bytes_total";

/// Bytes that differ from place to place, so that a lost or doubled piece shows.
fn pattern(n: usize, seed: usize) -> Vec<u8> {
    (0..n).map(|i| ((i + seed) * 31 % 251) as u8).collect()
}

/// A size near one of those at which something changes, or any.
fn size(numbers: &mut Numbers) -> usize {
    const NEAR: [usize; 9] = [
        0, 490, 512, 4096, 16_384, 32_768, 65_536, 262_144, 1_048_576,
    ];
    let near = NEAR[numbers.below(NEAR.len() as u64) as usize];
    let off = numbers.below(64) as usize;
    match numbers.below(4) {
        0 => near / 2 + off,
        1 => near.saturating_sub(off),
        _ => near + off,
    }
}

/// Sends in pieces whose sizes differ widely.
fn send_in_odd_pieces(mut bytes: &[u8], numbers: &mut Numbers, mut send: impl FnMut(&[u8])) {
    while !bytes.is_empty() {
        let most = [16, 600, 20_000, 300_000, 3_000_000][numbers.below(5) as usize];
        let n = 1 + numbers.below(most) as usize;
        let (piece, rest) = bytes.split_at(n.min(bytes.len()));
        send(piece);
        bytes = rest;
    }
}

#[test]
fn frames_of_any_size_come_out_as_they_went_in() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for seed in 0..6 {
        let numbers = &mut Numbers::new(seed);
        let mut requests = Vec::new();
        let mut answers = Vec::new();
        for id in 0..60 {
            let n = size(numbers);
            let produce =
                |acks| frames::request(id, 9, &frames::produce(9, acks, &pattern(n, id as usize)));
            let mut answered = true;
            requests.push(match numbers.below(4) {
                0 => frames::raw_request(12, 0, id, &pattern(n % 700, 3)),
                1 => {
                    answered = false;
                    produce(0)
                }
                2 => frames::raw_request(1, 12, id, &pattern(n, 9)),
                _ => produce(1),
            });
            if answered {
                let answer = [&id.to_be_bytes()[..], &pattern(size(numbers), 5)].concat();
                answers.push(frames::framed(&answer));
            }
        }
        let mut client = Client::connect(proxy.bootstrap("main"));
        let sent = requests.concat();
        let stream = client.stream().try_clone().unwrap();
        let mut pieces = Numbers::new(seed + 100);
        let sender = thread::spawn(move || {
            let mut wire = crate::common::wire::Wire::new(stream);
            send_in_odd_pieces(&sent, &mut pieces, |piece| wire.send(piece));
        });
        let mut link = broker.accept();
        let expected = requests.clone();
        let told = answers.concat();
        let mut pieces = Numbers::new(seed + 200);
        let answering = thread::spawn(move || {
            for request in &expected {
                assert!(link.frame() == request[4..], "a request differs");
            }
            send_in_odd_pieces(&told, &mut pieces, |piece| link.send(piece));
            link
        });
        for answer in &answers {
            assert!(client.frame() == answer[4..], "an answer differs");
        }
        sender.join().unwrap();
        let mut link = answering.join().unwrap();
        exchange(&mut client, &mut link, 1000);
    }
    assert_eq!(proxy.metric(SPLICED) > 0.0, splices());
    proxy.assert_calm();
}

/// A Fetch answer: so many partitions, each with a set of records of a size from this range, and endpoints or none.
fn fetched(
    partitions: usize,
    sizes: RangeInclusive<usize>,
    endpoints: usize,
    numbers: &mut Numbers,
) -> FetchResponse {
    let partitions = (0..partitions).map(|n| {
        let spread = (sizes.end() - sizes.start() + 1) as u64;
        let bytes = sizes.start() + numbers.below(spread) as usize;
        PartitionData::default()
            .with_partition_index(n as i32)
            .with_records(Some(pattern(bytes, n).into()))
    });
    let topic = FetchableTopicResponse::default().with_partitions(partitions.collect());
    let endpoints = (0..endpoints).map(|id| {
        NodeEndpoint::default()
            .with_node_id(BrokerId(id as i32))
            .with_host(internal_host(id as i32).into())
            .with_port(INTERNAL_PORT)
    });
    FetchResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(endpoints.collect())
}

#[test]
fn endpoints_behind_large_sets_of_records_are_blanked() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let numbers = &mut Numbers::new(7);
    let mut id = 0;
    for (partitions, sizes) in [
        (1, 1_000_000..=1_000_000),
        (1, 16_000..=17_000),
        (6, 30_000..=70_000),
        (6, 0..=40_000),
        (40, 100..=33_000),
        (300, 0..=2_000),
    ] {
        for endpoints in [0, 1, 3] {
            for _ in 0..4 {
                id += 1;
                let answer = fetched(partitions, sizes.clone(), endpoints, numbers);
                client.send(&frames::request(id, 17, &FetchRequest::default()));
                let sent = link.request().answer(&answer);
                let sending = thread::spawn(move || {
                    link.send(&sent);
                    (link, sent)
                });
                let frame = client.frame();
                let sent;
                (link, sent) = sending.join().unwrap();
                if endpoints == 0 {
                    assert!(frame == sent[4..], "it was changed without need");
                    continue;
                }
                assert_eq!(frame.len(), sent.len() - 4);
                frames::assert_no_leak(&frame);
                let (_, mut told) = frames::decode_response::<FetchRequest>(&frame, 17);
                told.unknown_tagged_fields.clear();
                let expected = answer.with_node_endpoints(Vec::new());
                assert!(told == expected, "more was changed than the endpoints");
            }
        }
    }
    proxy.assert_calm();
}

#[test]
fn large_sets_of_records_are_not_copied() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let numbers = &mut Numbers::new(3);
    for (version, partitions, records) in [
        (12, 1, 1_000_000),
        (17, 1, 1_000_000),
        (17, 6, 65_536),
        (17, 1, 65_536),
    ] {
        let (mut client, mut link) = talking(&proxy, &broker);
        let moved = || (proxy.metric(SPLICED), proxy.metric(COPIED));
        let (spliced, copied) = moved();
        for id in 0..50 {
            let mut answer = fetched(partitions, records..=records, 0, numbers);
            if version < 13 {
                answer.responses[0].topic = TopicName("records".into());
            }
            client.send(&frames::request(id, version, &FetchRequest::default()));
            let sent = link.request().answer(&answer);
            let sending = thread::spawn(move || {
                link.send(&sent);
                link
            });
            client.frame();
            link = sending.join().unwrap();
        }
        let (spliced, copied) = (moved().0 - spliced, moved().1 - copied);
        let share = spliced / (spliced + copied);
        let wanted = match splices() {
            true => share >= 0.95,
            false => share == 0.0,
        };
        assert!(
            wanted,
            "version {version}, {partitions} x {records}: {share} of the bytes was spliced"
        );
    }
}

#[test]
fn more_slow_readers_than_there_are_pipes_hold_nobody_up() {
    const SLOW: usize = 150;
    const BYTES: usize = 3_000_000;
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let request = frames::raw_request(1, 12, 1, b"slow");
    let answer = frames::framed(&[&1i32.to_be_bytes()[..], &pattern(BYTES, 1)].concat());
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut client = Client::with_small_window(proxy.bootstrap("main"));
        client.send(&request);
        let mut link = broker.accept();
        link.request();
        let answer = answer.clone();
        let sending = thread::spawn(move || link.send(&answer));
        slow.push((client, sending));
    }
    let (mut client, mut link) = open(&proxy, &broker, &request);
    for _ in 0..5 {
        link.request();
        let sending = thread::spawn({
            let answer = answer.clone();
            move || {
                link.send(&answer);
                link
            }
        });
        assert!(client.frame() == answer[4..], "the bytes differ");
        link = sending.join().unwrap();
        client.send(&request);
    }
    assert!(
        proxy.metric(COPIED) > BYTES as f64,
        "there were pipes for all"
    );
    for (mut client, sending) in slow {
        assert!(
            client.frame() == answer[4..],
            "a slow reader's bytes differ"
        );
        sending.join().unwrap();
    }
    // The last bytes are here a moment before their buffer is given back.
    wait_until("no buffer is lent", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    proxy.assert_calm();
}

#[test]
fn both_sides_may_be_stuck_at_once() {
    const FRAMES: i32 = 40;
    const BYTES: usize = 1_000_000;
    let answer = |id: i32| frames::framed(&[&id.to_be_bytes()[..], &pattern(BYTES, 2)].concat());
    // While its answer is not taken, such a broker reads nothing.
    let broker = Broker::serving(move |mut link| {
        while let Some(request) = link.try_request() {
            link.send(&answer(request.correlation_id));
        }
    });
    let proxy = Setup::with(&broker)
        .section("[runtime]\nthreads = 1")
        .start();
    for _ in 0..3 {
        let mut client = Client::connect(proxy.bootstrap("main"));
        let stream = client.stream().try_clone().unwrap();
        let mut wire = crate::common::wire::Wire::new(stream);
        let sending = thread::spawn(move || {
            for id in 0..FRAMES {
                wire.send(&frames::raw_request(1, 12, id, &pattern(BYTES, 1)));
            }
        });
        // Until nothing moves in either direction any more.
        let moved = || proxy.metric(SPLICED) + proxy.metric(COPIED);
        let mut before = -1.0;
        while moved() > before {
            before = moved();
            thread::sleep(Duration::from_millis(200));
        }
        for id in 0..FRAMES {
            assert!(client.frame() == answer(id)[4..], "answer {id} differs");
        }
        sending.join().unwrap();
    }
}

#[test]
fn a_drain_sets_free_what_is_stuck_and_answers_it() {
    const FRAMES: i32 = 40;
    const BYTES: usize = 1_000_000;
    let answer = |id: i32| frames::framed(&[&id.to_be_bytes()[..], &pattern(BYTES, 2)].concat());
    let (told, taken) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let broker = Broker::serving(move |mut link| {
        let mut requests = 0;
        while let Some(request) = link.try_request() {
            requests += 1;
            link.send(&answer(request.correlation_id));
        }
        told.lock().unwrap().send(requests).unwrap();
    });
    let mut proxy = Setup::with(&broker)
        .section("[runtime]\nthreads = 1")
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    let stream = client.stream().try_clone().unwrap();
    let sending = thread::spawn(move || {
        let mut wire = crate::common::wire::Wire::new(stream);
        for id in 0..FRAMES {
            let request = frames::raw_request(1, 12, id, &pattern(BYTES, 1));
            if wire.try_send(&request).is_err() {
                return;
            }
        }
    });
    let moved = || proxy.metric(SPLICED) + proxy.metric(COPIED);
    let mut before = -1.0;
    while moved() > before {
        before = moved();
        thread::sleep(Duration::from_millis(200));
    }
    proxy.terminate();
    proxy.wait_for_log("draining");
    let mut answers = 0;
    while let Some(frame) = client.try_frame() {
        assert!(frame == answer(answers)[4..], "answer {answers} differs");
        answers += 1;
    }
    drop(client);
    sending.join().unwrap();
    assert!(proxy.wait().success());
    assert_eq!(answers, taken.recv().unwrap());
    assert!((1..FRAMES).contains(&answers), "{answers} answers");
}

/// Half of a large answer, after one that was whole.
fn half_an_answer(proxy: &Proxy, broker: &Broker) -> (Client, crate::common::broker::Link) {
    let request = frames::raw_request(1, 12, 1, b"cut");
    let answer = frames::framed(&[&1i32.to_be_bytes()[..], &pattern(1_000_000, 1)].concat());
    let (mut client, mut link) = open(proxy, broker, &request);
    link.request();
    let sending = thread::spawn(move || {
        link.send(&answer);
        link.request();
        link.send(&answer[..500_000]);
        link
    });
    client.frame();
    client.send(&request);
    assert_eq!(client.read(500_000).len(), 500_000);
    (client, sending.join().unwrap())
}

#[test]
fn an_end_in_the_middle_of_a_large_answer_is_passed_on() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, link) = half_an_answer(&proxy, &broker);
    drop(link);
    assert_eq!(client.rest().0.len(), 0);
    drop(client);
    proxy.wait_for_end("main", "broker_closed_mid_frame");

    let (client, mut link) = half_an_answer(&proxy, &broker);
    client.into_wire().reset();
    link.end();
    proxy.wait_for_end("main", "client_reset");
    assert_eq!(proxy.metric("portolan_buffers"), 0.0);
}

#[test]
fn an_end_in_the_middle_of_a_large_request_is_passed_on() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let request = frames::request(7, 9, &frames::produce(9, 1, &pattern(1_000_000, 1)));
    let sending = thread::spawn(move || {
        client.send(&request);
        client.send(&request[..500_000]);
        client.half_close();
        client
    });
    link.request();
    let (rest, _) = link.rest();
    assert_eq!(rest.len(), 500_000);
    drop((sending.join().unwrap(), link));
    proxy.wait_for_end("main", "client_closed_mid_frame");
}

#[test]
fn a_reset_takes_nothing_away_that_came_whole_before_it() {
    const BYTES: usize = 60_000;
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let request = frames::raw_request(1, 12, 1, b"reset");
    let answer = frames::framed(&[&1i32.to_be_bytes()[..], &pattern(BYTES, 1)].concat());
    for _ in 0..5 {
        let (mut client, mut link) = open(&proxy, &broker, &request);
        link.request();
        link.send(&answer);
        client.frame();
        client.send(&request);
        link.request();
        // It gets to see the answer and the reset together.
        proxy.signal(Signal::STOP);
        link.send(&answer);
        link.into_wire().reset();
        proxy.signal(Signal::CONT);
        let (bytes, end) = client.rest();
        assert!(bytes == answer, "{} bytes arrived", bytes.len());
        assert_eq!(end, End::Reset);
    }
    let produce = frames::request(1, 9, &frames::produce(9, 0, &pattern(BYTES, 1)));
    for _ in 0..5 {
        let (mut client, mut link) = open(&proxy, &broker, &produce);
        link.request();
        proxy.signal(Signal::STOP);
        client.send(&produce);
        client.into_wire().reset();
        proxy.signal(Signal::CONT);
        let (bytes, end) = link.rest();
        assert!(bytes == produce, "{} bytes arrived", bytes.len());
        assert_eq!(end, End::Reset);
    }
}
