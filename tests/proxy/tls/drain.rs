//! A proxy that goes away while clients speak TLS with it, or are about to.

use super::legs::{ALL, Plan, Speech};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::wire::End;
use crate::setup::heartbeat;

#[test]
fn clients_are_answered_and_told_that_no_more_comes() {
    for legs in ALL {
        let mut legs = Plan::new(legs).start();
        let (mut idle, _idle_link) = legs.talking();
        let (mut busy, mut link) = legs.talking();
        busy.send(&heartbeat(1));
        let request = link.request();
        legs.proxy.terminate();
        assert_eq!(idle.end(), End::Closed, "announced by TLS, too");
        let answer = request.answer_bytes(b"alive");
        link.send(&answer);
        assert_eq!(busy.frame(), answer[4..]);
        assert_eq!(busy.end(), End::Closed);
        drop((idle, busy));
        assert!(legs.proxy.wait().success());
    }
}

#[test]
fn handshakes_do_not_hold_it_up() {
    let mut legs = Plan::new((Speech::Tls13, Speech::Plain)).start();
    let address = legs.proxy.bootstrap("main");
    let mut begun = [&[][..], &[22], &[22, 3, 1, 2, 0, 1, 0]].map(|bytes| {
        let mut client = Client::connect(address);
        client.send(bytes);
        client
    });
    // It has seen them all when it has served one that came later.
    legs.talking();
    legs.proxy.terminate();
    for client in &mut begun {
        client.end();
    }
    assert!(legs.proxy.wait().success());
}

#[test]
fn an_old_connection_is_closed_between_two_requests() {
    for legs in [
        (Speech::Tls13, Speech::Plain),
        (Speech::Tls12, Speech::Tls13),
    ] {
        let legs = Plan::new(legs)
            .section("[timeouts]\nmax_connection_age = \"3s\"")
            .start();
        let (mut client, mut link) = legs.talking();
        client.send(&heartbeat(1));
        let request = link.request();
        std::thread::sleep(std::time::Duration::from_millis(3200));
        let answer = request.answer_bytes(b"alive");
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..]);
        assert_eq!(client.end(), End::Closed);
        drop(client);
        legs.proxy.wait_for_end("main", "max_connection_age");
        legs.proxy.assert_calm();
    }
}

#[test]
fn records_with_acks_0_that_come_late_reach_the_broker() {
    for legs in ALL {
        for bytes in [100, 300_000] {
            let mut legs = Plan::new(legs).start();
            let (mut client, mut link) = legs.talking();
            legs.proxy.terminate();
            assert_eq!(client.end(), End::Closed);
            let produce = |acks| frames::produce(9, acks, &vec![7; bytes]);
            let unheard = frames::request(1, 9, &produce(0));
            let heard = frames::request(2, 9, &produce(-1));
            let expected = unheard.clone();
            let sending = std::thread::spawn(move || {
                client.send(&[&unheard[..], &heard, &unheard].concat());
                client.half_close();
            });
            for _ in 0..2 {
                assert!(link.frame() == expected[4..], "{bytes} bytes");
            }
            assert_eq!(link.end(), End::Closed);
            sending.join().unwrap();
            assert!(legs.proxy.wait().success());
            legs.proxy.assert_calm();
        }
    }
}
