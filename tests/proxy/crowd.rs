//! Many clients at a time, each with its own mix of requests, pieces and rude ends: none gets what is another's.

use kafka_protocol::messages::{FetchRequest, FindCoordinatorRequest, MetadataRequest};

use crate::common::broker::{Broker, Link, Received};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Numbers, Setup, heartbeat};

const CLIENTS: u64 = 24;
const ROUNDS: u64 = 12;
const DEPTH: i32 = 20;

/// Answers with what the request says, so that each client knows its own answers.
fn echo(mut link: Link) {
    let mut numbers = Numbers::new(0);
    while let Some(request) = link.try_request() {
        if request.api_key == 0 {
            // acks=0: nobody waits.
            continue;
        }
        let answer = answer(&request);
        let piece = 1 + numbers.below(answer.len() as u64) as usize;
        for bytes in answer.chunks(piece) {
            if link.try_send(bytes).is_err() {
                return;
            }
        }
    }
}

fn answer(request: &Received) -> Vec<u8> {
    match request.api_key {
        3 => request.answer(&frames::metadata(12, &[0, 9])),
        10 => request.answer_bytes(&[0, 0, 0, 0, 0, 1, 0]),
        1 => request.answer_bytes(&[[0; 12], [0; 12]].concat()[..13]),
        _ => request.answer_bytes(&request.frame),
    }
}

fn one_client(proxy: &Proxy, seed: u64) {
    let mut numbers = Numbers::new(seed);
    for _ in 0..ROUNDS {
        let mut client = Client::connect(proxy.node("main", 0));
        let mut requests = Vec::new();
        for id in 0..DEPTH {
            requests.push(match numbers.below(6) {
                0 => frames::request(id, 12, &MetadataRequest::default()),
                1 => frames::request(id, 4, &FindCoordinatorRequest::default()),
                2 => frames::request(id, 16, &FetchRequest::default()),
                3 => frames::request(id, 9, &frames::produce(9, 0, b"nobody answers this")),
                4 => frames::raw_request(
                    12,
                    0,
                    id,
                    &vec![seed as u8; numbers.below(20_000) as usize],
                ),
                _ => heartbeat(id),
            });
        }
        let bytes = requests.concat();
        let piece = 1 + numbers.below(bytes.len() as u64) as usize;
        client.send_in_pieces(&bytes, piece);
        let rude = numbers.below(4) == 0;
        for (id, request) in requests.iter().enumerate() {
            let api_key = i16::from_be_bytes([request[4], request[5]]);
            if api_key == 0 {
                continue;
            }
            if rude && id > DEPTH as usize / 2 {
                client.into_wire().reset();
                break;
            }
            let frame = client.frame();
            assert_eq!(frame[..4], (id as i32).to_be_bytes());
            frames::assert_no_leak(&frame);
            if api_key == 12 {
                assert!(frame[4..] == request[4..], "this answer is another's");
            }
            if id + 1 == requests.len() {
                client.half_close();
                client.end();
                break;
            }
        }
    }
}

#[test]
fn a_crowd_of_clients_gets_each_its_own_answers() {
    let broker = Broker::serving(echo);
    let proxy = Setup::with(&broker).start();
    std::thread::scope(|scope| {
        for seed in 1..=CLIENTS {
            let proxy = &proxy;
            scope.spawn(move || one_client(proxy, seed));
        }
    });
    assert_eq!(broker.connections() as u64, CLIENTS * ROUNDS);
    let gauge = "portolan_connections{cluster=\"main\",route=\"node-0\"}";
    wait_until("all sessions to end", || proxy.metric(gauge) == 0.0);
    wait_until("all buffers to be given back", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    // Node 9 is not in the map, which is told; nothing else is.
    for line in proxy.log() {
        let expected = line["message"]
            .as_str()
            .is_some_and(|m| m.starts_with("node 9 is not"));
        assert!(expected || line["level"] != "WARN", "{line}");
        assert_ne!(line["level"], "ERROR", "{line}");
    }
}
