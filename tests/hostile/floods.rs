//! As fast as it goes: connections that come and go, PROXY protocol headers, records of one byte.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::client::Client;
use crate::common::frames;
use crate::headers::v2;
use crate::stage::{Stage, flood};
use crate::watch::Peer;

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let stage = Stage::new("connection churn", false, "");
    stage.attack(0, 0, || {
        let churned = flood(|| {
            // Nothing, or half a request; by a reset, so that no port of this machine has to wait.
            Client::connect(stage.port()).into_wire().reset();
            let mut client = Client::connect(stage.port());
            client.send(&[0, 0, 0]);
            client.into_wire().reset();
        });
        println!("{} connections", 2 * churned);
    });
    stage.proxy().assert_calm();
}

#[test]
fn headers_of_many_clients_leave_a_bounded_table_behind() {
    let stage = Stage::with_lines(
        "PROXY header flood",
        false,
        "proxy_protocol = \"optional\"\nproxy_protocol_from = [\"127.0.0.0/8\"]",
        "[limits]\nconnection_rate_per_client = \"1000/h\"\nconnections_per_client = 100",
    );
    let next = AtomicU32::new(0);
    // As many clients without a connection are remembered at most.
    stage.attack(65_536, 160, || {
        let sent = flood(|| {
            let source = Ipv4Addr::from(0x0a00_0000 + next.fetch_add(1, Ordering::Relaxed));
            let header = v2(&format!("{source}:1"), "10.0.0.1:2", &[(4, &[0; 4000])]);
            let mut client = Client::connect(stage.port());
            client.send(&header);
            client.into_wire().reset();
        });
        println!("{sent} headers");
    });
}

#[test]
fn records_of_one_byte_cost_time_and_no_memory() {
    const BODY: usize = 20_000;
    let stage = Stage::new("TLS records of one byte", true, "");
    stage.attack(4, 512 * 1024, || {
        let sent = flood(|| {
            let mut peer = Peer::connect(&stage);
            let Peer::Tls(client) = &mut peer else {
                return;
            };
            // All records of one request are encrypted first, and go out at once.
            let request = frames::raw_request(12, 0, 1, &vec![0; BODY]);
            let mut encrypted = Vec::new();
            for byte in request.chunks(1) {
                std::io::Write::write_all(&mut client.0.conn.writer(), byte).unwrap();
                while client.0.conn.wants_write() {
                    client.0.conn.write_tls(&mut encrypted).unwrap();
                }
            }
            std::io::Write::write_all(&mut client.0.sock, &encrypted).unwrap();
            peer.frame();
        });
        println!("{} records", sent * BODY);
    });
}
