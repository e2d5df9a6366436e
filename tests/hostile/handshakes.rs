//! Full TLS handshakes, as fast as they go.

use crate::common::client::Client;
use crate::stage::{Stage, flood};

#[test]
fn a_flood_of_whole_handshakes_leaves_nothing_behind() {
    let stage = Stage::new("TLS handshake flood", true, "");
    stage.attack(0, 0, || {
        let done = flood(|| {
            let client = stage.tls().handshake(Client::connect(stage.port()));
            let socket = client.0.sock;
            crate::common::wire::Wire::new(socket).reset();
        });
        println!("{done} handshakes");
    });
    stage.proxy().assert_calm();
}

#[test]
fn a_flood_of_what_is_no_handshake_leaves_nothing_behind() {
    let stage = Stage::new("TLS garbage flood", true, "");
    let hello = stage.tls().hello();
    stage.attack(0, 0, || {
        let done = flood(|| {
            let mut client = Client::connect(stage.port());
            // A first message that does not parse.
            let mut bytes = hello.clone();
            bytes[5..40].fill(0xff);
            client.send(&bytes);
            client.into_wire().reset();
        });
        println!("{done} first messages");
    });
}
