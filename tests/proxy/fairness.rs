//! One direction at full speed leaves the other its share.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::PATIENCE;
use crate::common::wire::Wire;
use crate::setup::{Setup, heartbeat};

/// Reads as fast as it can, and answers what is not a Produce request.
fn answer_all_but_produce(wire: &Wire) -> std::io::Result<()> {
    let mut stream = wire.stream();
    let mut piece = vec![0; 1 << 20];
    loop {
        let mut prefix = [0; 12];
        stream.read_exact(&mut prefix)?;
        let [s0, s1, s2, s3, header @ ..] = prefix;
        let mut left = u32::from_be_bytes([s0, s1, s2, s3]) as usize - header.len();
        while left > 0 {
            let most = left.min(piece.len());
            stream.read_exact(&mut piece[..most])?;
            left -= most;
        }
        if !header.starts_with(&[0, 0]) {
            stream.write_all(&frames::framed(&header[4..]))?;
        }
    }
}

// Trap 1
#[test]
fn a_client_that_never_stops_sending_gets_its_answers() {
    let broker = Broker::serving(|link| {
        let _ = answer_all_but_produce(&link.into_wire());
    });
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    let answered = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let mut stream = client.stream().try_clone().unwrap();
        let answered = answered.clone();
        let produce = frames::request(1, 9, &frames::produce(9, 0, &vec![7; 4 << 20]));
        move || {
            for _ in 0..20 {
                stream.write_all(&produce).unwrap();
            }
            stream.write_all(&heartbeat(2)).unwrap();
            // It does not pause before the answer is there, or the test has failed.
            let begin = Instant::now();
            while !answered.load(Ordering::SeqCst) && begin.elapsed() < PATIENCE {
                stream.write_all(&produce).unwrap();
            }
        }
    });
    assert_eq!(client.frame(), 2i32.to_be_bytes());
    answered.store(true, Ordering::SeqCst);
    flood.join().unwrap();
}

#[test]
fn heavy_connections_leave_the_others_of_their_thread_a_turn() {
    const PINGS: i32 = 200;
    // The bytes that a ping may see go by, on average: twice two turns, and what passes while its client and its broker
    // wait for a processor.
    const MOST_BYTES_A_PING: f64 = 48.0 * 1024.0 * 1024.0;
    let broker = Broker::serving(|link| {
        let _ = answer_all_but_produce(&link.into_wire());
    });
    let proxy = Setup::with(&broker)
        .section("[runtime]\nthreads = 1")
        .start();
    let over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (0..2)
        .map(|_| {
            let client = Client::connect(proxy.bootstrap("main"));
            let over = over.clone();
            let produce = frames::request(1, 9, &frames::produce(9, 0, &vec![7; 4 << 20]));
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    client.stream().write_all(&produce).unwrap();
                }
            })
        })
        .collect();
    let moved = || proxy.metric("portolan_bytes_total{cluster=\"main\",direction=\"request\"}");
    proxy.wait_for_metric(
        "portolan_bytes_total{cluster=\"main\",direction=\"request\"}",
        100e6,
    );
    let mut client = Client::connect(proxy.bootstrap("main"));
    let before = moved();
    for id in 0..PINGS {
        client.send(&heartbeat(id));
        assert_eq!(client.frame(), id.to_be_bytes());
    }
    let a_ping = (moved() - before) / f64::from(PINGS);
    over.store(true, Ordering::SeqCst);
    for flood in floods {
        flood.join().unwrap();
    }
    assert!(a_ping > 0.0, "nothing went by");
    assert!(
        a_ping < MOST_BYTES_A_PING,
        "{a_ping} bytes went by for each ping"
    );
}
