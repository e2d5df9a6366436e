//! Peers that send a byte at a time: some never come to the end of what they began, some do.

use std::thread::sleep;
use std::time::Duration;

use crate::common::client::Client;
use crate::headers::v2;
use crate::setup::heartbeat;
use crate::stage::{ANSWER, Stage, peers};
use crate::watch::Peer;

/// Most of what a peer may cost of whose first request a part is there: a buffer, and the session.
const PARTIAL_BYTES: u64 = 40 * 1024;

/// Sends the beginning of these bytes from so many peers, a byte of each at a time, with pauses.
fn dribble(stage: &Stage, count: usize, bytes: &[u8]) -> Vec<Client> {
    let mut open: Vec<_> = (0..count).map(|_| Client::connect(stage.port())).collect();
    for byte in bytes {
        for client in &mut open {
            // It may be over already.
            let _ = client.try_send(&[*byte]);
        }
        sleep(Duration::from_millis(100));
    }
    open
}

#[test]
fn slowloris_runs_out_of_time() {
    let count = peers(1000);
    let stage = Stage::new("slowloris", false, "[timeouts]\nfirst_bytes = \"4s\"");
    stage.attack(count, PARTIAL_BYTES, || {
        let _open = dribble(&stage, count, &heartbeat(1)[..7]);
        stage.wait_for_ends("first_bytes_timeout", count);
    });
}

#[test]
fn slowloris_in_a_tls_handshake_runs_out_of_time() {
    let count = peers(1000);
    let stage = Stage::new("slowloris, TLS", true, "[timeouts]\ntls_handshake = \"4s\"");
    let hello = stage.tls().hello();
    stage.attack(count, PARTIAL_BYTES, || {
        let _open = dribble(&stage, count, &hello[..10]);
        stage.wait_for_ends("tls_handshake_timeout", count);
    });
}

#[test]
fn slowloris_in_a_proxy_header_runs_out_of_time() {
    let count = peers(1000);
    let lines = "proxy_protocol = \"optional\"\nproxy_protocol_from = [\"127.0.0.0/8\"]";
    let timeouts = "[timeouts]\nfirst_bytes = \"4s\"";
    let stage = Stage::with_lines("slowloris, PROXY header", false, lines, timeouts);
    let header = v2("10.1.1.1:1", "10.1.1.2:2", &[(4, &[0; 4000])]);
    stage.attack(count, PARTIAL_BYTES, || {
        let mut open = dribble(&stage, count, &header[..5]);
        for client in &mut open {
            client.send(&header[5..4000]);
        }
        stage.wait_for_ends("first_bytes_timeout", count);
    });
}

/// Every client sends its requests a byte at a time (over TLS, in a record of its own) and gets its answers.
fn byte_at_a_time(name: &'static str, tls: bool) {
    const REQUESTS: usize = 3;
    let count = peers(200);
    let stage = Stage::new(name, tls, "");
    stage.attack(count, 128 * 1024, || {
        let mut open: Vec<_> = (0..count).map(|_| Peer::connect(&stage)).collect();
        for _ in 0..REQUESTS {
            for byte in heartbeat(7) {
                for client in &mut open {
                    client.send(&[byte]);
                }
            }
            for client in &mut open {
                assert_eq!(client.frame(), [&7i32.to_be_bytes(), ANSWER].concat());
            }
        }
    });
}

#[test]
fn clients_that_send_byte_by_byte_are_served() {
    byte_at_a_time("byte at a time", false);
}

#[test]
fn clients_that_send_byte_by_byte_over_tls_are_served() {
    byte_at_a_time("byte at a time, TLS", true);
}
