//! Peers that connect and say nothing, or begin and do not go on.

use std::thread::sleep;
use std::time::Duration;

use crate::common::client::Client;
use crate::common::proxy::wait_until;
use crate::common::tools;
use crate::stage::{Stage, descriptors, flood_time, is_full, peers};

/// Most of what a connection may cost that has said nothing.
const SILENT_BYTES: u64 = 5 * 1024;

fn silent_connections(name: &'static str, tls: bool) {
    let count = peers(10_000);
    // An eighth is in reserve, and there are others.
    let needed = count * 5 / 4 + 500;
    if descriptors() < needed as u64 {
        tools::lacks(&format!("a limit of {needed} open files (ulimit -n)"));
        return;
    }
    let limits = format!("[limits]\nconnections = {}", count + 100);
    let stage = Stage::new(name, tls, &limits);
    stage.attack(count, SILENT_BYTES, || {
        let open: Vec<_> = (0..count).map(|_| Client::connect(stage.port())).collect();
        wait_until("all to be accepted", || stage.connections() >= count);
        sleep(flood_time());
        assert!(
            open.iter().all(|client| client.is_silent()),
            "none is refused"
        );
    });
}

#[test]
fn silent_connections_cost_next_to_nothing() {
    silent_connections("silent connections", false);
}

#[test]
fn silent_connections_to_a_tls_port_cost_no_more() {
    silent_connections("silent connections, TLS port", true);
}

/// Most of what a TLS handshake may cost whose client does not go on.
const HALF_OPEN_BYTES: u64 = 24 * 1024;

#[test]
fn half_open_handshakes_are_bounded_and_make_room() {
    let count = peers(2000);
    let places = if is_full() { 1024 } else { 200 };
    let limits = format!("[limits]\ntls_handshakes = {places}");
    let stage = Stage::new("half-open TLS handshakes", true, &limits);
    let hello = stage.tls().hello();
    stage.attack(count, HALF_OPEN_BYTES, || {
        let open: Vec<_> = (0..count)
            .map(|_| {
                let mut client = Client::connect(stage.port());
                client.send(&hello);
                client
            })
            .collect();
        // Those for which there was no place at first get theirs, for others make room.
        stage.wait_for_ends("tls_handshake_gave_way", count - places);
        sleep(Duration::from_secs(1));
        drop(open);
    });
}
