//! Bytes arrive as they were sent, whatever each leg speaks, and however records and frames lie to each other.

use std::thread;

use kafka_protocol::messages::MetadataRequest;

use super::legs::{ALL, Plan};
use crate::common::broker::{Link, Received};
use crate::common::client::Client;
use crate::common::frames;
use crate::setup::{ADVERTISED_HOST, Numbers, answer_heartbeat, heartbeat};

/// What a record holds at most.
const RECORD: usize = 16 * 1024;

/// One exchange of frames of these sizes, each sent and read at once.
fn exchange(client: &mut Client, link: &mut Link, id: i32, sizes: (usize, usize)) {
    let numbers = &mut Numbers::new(id as u64);
    let mut bytes = |n: usize| {
        (0..n)
            .map(|_| numbers.below(256) as u8)
            .collect::<Vec<u8>>()
    };
    let sent = frames::raw_request(12, 0, id, &bytes(sizes.0));
    let body = bytes(sizes.1);
    thread::scope(|scope| {
        scope.spawn(|| client.send(&sent));
        let request = link.request();
        assert!(
            request.frame == sent[4..],
            "the request of {} bytes differs",
            sizes.0
        );
        let answer = request.answer_bytes(&body);
        assert_eq!(request.correlation_id, id);
        scope.spawn(move || link.send(&answer));
    });
    let frame = client.frame();
    assert_eq!(frame[..4], id.to_be_bytes());
    assert!(
        frame[4..] == body,
        "the answer of {} bytes differs",
        sizes.1
    );
}

#[test]
fn frames_of_all_sizes_arrive_whole_over_every_pair_of_legs() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talking();
        let sizes = [
            0,
            1,
            100,
            RECORD - 40,
            RECORD,
            RECORD + 1,
            2 * RECORD,
            4 * RECORD,
            1_000_000,
            3_000_000,
        ];
        for (n, size) in sizes.into_iter().enumerate() {
            exchange(&mut client, &mut link, n as i32, (size, 1));
            exchange(&mut client, &mut link, n as i32, (1, size));
        }
        exchange(&mut client, &mut link, 99, (3_000_000, 3_000_000));
        legs.proxy.assert_calm();
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talking();
        let all: Vec<u8> = (0..500).flat_map(heartbeat).collect();
        client.send(&all);
        for id in 0..500 {
            answer_heartbeat(&mut client, &mut link, id);
        }
        client.send(&all);
        let requests: Vec<_> = (0..500).map(|_| link.request()).collect();
        let answers = requests.iter().flat_map(|r| r.answer_bytes(b"alive"));
        link.send(&answers.collect::<Vec<u8>>());
        for id in 0..500i32 {
            assert_eq!(client.frame()[..4], id.to_be_bytes());
        }
        legs.proxy.assert_calm();
    }
}

#[test]
fn both_directions_may_be_busy_at_once() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talking();
        client.send(&heartbeat(0));
        let mut due = link.request();
        for id in 1..4 {
            let request = frames::raw_request(12, 0, id, &vec![id as u8; 1_000_000]);
            let answer = due.answer_bytes(&vec![9; request.len() - 8]);
            let mut pieces = (Vec::new(), Vec::new());
            for (request, answer) in request.chunks(50_000).zip(answer.chunks(50_000)) {
                client.send(request);
                link.send(answer);
                pieces.0.extend(link.read(request.len()));
                pieces.1.extend(client.read(answer.len()));
            }
            assert!(pieces == (request, answer), "the bytes differ");
            due = Received::parse(pieces.0[4..].to_vec());
        }
    }
}

#[test]
fn records_of_one_byte_are_put_together() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talking();
        for id in 0..5 {
            client.send_in_pieces(&heartbeat(id), 1);
            let request = link.request();
            assert_eq!(request.frame, heartbeat(id)[4..]);
            let answer = request.answer_bytes(b"alive");
            link.send_in_pieces(&answer, 1);
            assert_eq!(client.frame(), answer[4..]);
        }
    }
}

#[test]
fn records_that_arrive_byte_by_byte_are_put_together() {
    for legs in &ALL[1..] {
        let legs = Plan::new(*legs).start();
        let (mut client, mut link) = legs.talking();
        if legs.is_secure().0 {
            client.tls().in_pieces(1);
        }
        if legs.is_secure().1 {
            link.tls().in_pieces(1);
        }
        for id in 0..5 {
            client.send(&heartbeat(id));
            answer_heartbeat(&mut client, &mut link, id);
        }
        exchange(&mut client, &mut link, 7, (1000, 1000));
    }
}

#[test]
fn frames_lie_across_small_records() {
    for legs in &ALL[1..] {
        let legs = Plan::new(*legs).records(64).start();
        let (mut client, mut link) = legs.talking();
        for (id, size) in [(1, 59), (2, 300), (3, 20_000)] {
            exchange(&mut client, &mut link, id, (size, size));
        }
        // Frames and records that never end at the same place.
        let all: Vec<u8> = (0..100).flat_map(heartbeat).collect();
        client.send_in_pieces(&all, 47);
        for id in 0..100 {
            answer_heartbeat(&mut client, &mut link, id);
        }
    }
}

#[test]
fn addresses_are_rewritten_wherever_records_cut_them() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talking();
        let port = i32::from(legs.proxy.node("main", 0).port());
        for piece in [1, 7, 64, usize::MAX] {
            let id = client.request(9, &MetadataRequest::default());
            let request = link.request();
            let answer = request.answer(&frames::metadata(9, &[0]));
            link.send_in_pieces(&answer, piece.min(answer.len()));
            let told = client.answer::<MetadataRequest>(id, 9);
            assert_eq!(told.brokers.len(), 1);
            let broker = &told.brokers[0];
            assert_eq!((broker.host.as_str(), broker.port), (ADVERTISED_HOST, port));
        }
        legs.proxy.assert_calm();
    }
}
