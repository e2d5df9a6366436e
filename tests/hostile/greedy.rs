//! Peers that ask for much: and never read the answers, or have as many requests in flight as they may.

use crate::common::client::Client;
use crate::common::frames;
use crate::setup::heartbeat;
use crate::stage::{ANSWER, LARGE_API, Stage, peers};
use crate::watch::Peer;

/// Most of what a peer may cost that takes no answers: a buffer each way, what is encrypted, what the queue holds.
const STUCK_BYTES: u64 = 160 * 1024;

/// So many answers of a quarter of a MiB are more than all buffers of the system between broker and client hold.
const LARGE_ANSWERS: i32 = 64;

fn never_reading(name: &'static str, tls: bool) {
    let count = peers(200);
    let stage = Stage::new(name, tls, "[timeouts]\nstalled_write = \"2s\"");
    let requests: Vec<u8> = (0..LARGE_ANSWERS)
        .flat_map(|id| frames::raw_request(LARGE_API, 0, id, b"all of it"))
        .collect();
    stage.attack(count, STUCK_BYTES, || {
        let greedy = |_| {
            let client = Client::with_small_window(stage.port());
            let mut peer = match stage.certificate() {
                Some(certificate) => Peer::Tls(Box::new(certificate.handshake(client))),
                None => Peer::Plain(client),
            };
            peer.send(&requests);
            peer
        };
        let _open: Vec<Peer> = (0..count).map(greedy).collect();
        stage.wait_for_ends("client_stalled", count);
    });
}

#[test]
fn clients_that_never_read_are_cut_off() {
    never_reading("never reads", false);
}

#[test]
fn clients_that_never_read_over_tls_are_cut_off() {
    never_reading("never reads, TLS", true);
}

/// Many tiny requests at once, more than may be in flight; every one is answered, in its order.
#[test]
fn clients_that_have_all_in_flight_that_they_may_get_all_answers() {
    const REQUESTS: i32 = 4096;
    let count = peers(200);
    let stage = Stage::new("all in flight", false, "");
    let requests: Vec<u8> = (0..REQUESTS).flat_map(heartbeat).collect();
    stage.attack(count, STUCK_BYTES, || {
        let mut open: Vec<_> = (0..count).map(|_| Client::connect(stage.port())).collect();
        for client in &mut open {
            client.send(&requests);
        }
        for client in &mut open {
            for id in 0..REQUESTS {
                assert_eq!(client.frame(), [&id.to_be_bytes(), ANSWER].concat());
            }
        }
    });
}
