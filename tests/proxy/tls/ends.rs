//! How connections end by TLS: announced, unannounced, reset, and broken on purpose.

use std::io::Write;

use rustls::AlertDescription;

use super::legs::{ALL, Plan, Speech};
use crate::common::proxy::wait_until;
use crate::common::wire::End;
use crate::setup::{answer_heartbeat, heartbeat, told_end, wait_for_ends};

#[test]
fn a_client_that_half_closes_gets_its_slow_answers() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talking();
        client.send(&[heartbeat(1), heartbeat(2)].concat());
        client.half_close();
        let received = [link.request(), link.request()];
        assert_eq!(link.end(), End::Closed, "the half-close is passed on");
        for request in &received {
            let answer = request.answer_bytes(b"late");
            link.send(&answer);
            assert_eq!(client.frame(), answer[4..]);
        }
        link.half_close();
        assert_eq!(client.end(), End::Closed);
        legs.proxy.wait_for_end("main", "client_closed");
        legs.proxy.assert_calm();
    }
}

#[test]
fn a_broker_that_half_closes_still_gets_requests() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talking();
        link.half_close();
        assert_eq!(client.end(), End::Closed, "the half-close is passed on");
        client.send(&heartbeat(2));
        assert_eq!(link.request().correlation_id, 2);
        client.half_close();
        assert_eq!(link.end(), End::Closed);
        legs.proxy.wait_for_end("main", "broker_closed");
        legs.proxy.assert_calm();
    }
}

#[test]
fn an_end_that_only_tcp_tells_is_one_between_frames() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (client, mut link) = legs.talking();
        client.half_close_unannounced();
        assert_eq!(link.end(), End::Closed, "to the broker it is announced");
        drop(link);
        legs.proxy.wait_for_end("main", "client_closed");
        let (mut client, link) = legs.talking();
        link.half_close_unannounced();
        assert_eq!(client.end(), End::Closed, "to the client it is announced");
        drop(client);
        legs.proxy.wait_for_end("main", "broker_closed");
        legs.proxy.assert_calm();
    }
}

#[test]
fn an_end_within_a_frame_is_told_apart() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        for announced in [true, false] {
            let (mut client, mut link) = legs.talking();
            client.send(&heartbeat(1)[..9]);
            match announced {
                true => client.half_close(),
                false => client.half_close_unannounced(),
            }
            let (bytes, end) = link.rest();
            assert!(heartbeat(1).starts_with(&bytes), "bytes that nobody sent");
            assert_eq!(end, End::Closed);
            drop(link);
            client.end();
            let (mut client, mut link) = legs.talking();
            client.send(&heartbeat(1));
            let answer = link.request().answer_bytes(b"alive");
            link.send(&answer[..10]);
            match announced {
                true => link.half_close(),
                false => link.half_close_unannounced(),
            }
            assert_eq!(client.rest().0, answer[..10]);
        }
        wait_for_ends(&legs.proxy, "client_closed_mid_frame", 2);
        wait_for_ends(&legs.proxy, "broker_closed_mid_frame", 2);
    }
}

#[test]
fn a_reset_of_one_leg_is_one_of_the_other() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (client, mut link) = legs.talking();
        client.into_wire().reset();
        assert_eq!(link.end(), End::Reset);
        let (mut client, link) = legs.talking();
        link.into_wire().reset();
        assert_eq!(client.end(), End::Reset);
        legs.proxy.wait_for_end("main", "client_reset");
        legs.proxy.wait_for_end("main", "broker_reset");
        legs.proxy.assert_calm();
    }
}

#[test]
fn an_answer_followed_by_the_brokers_close_arrives_whole() {
    for legs in ALL {
        let legs = Plan::new(legs).start();
        let (mut client, mut link) = legs.talk(legs.connect_with_small_window());
        client.send(&heartbeat(1));
        let answer = link.request().answer_bytes(&vec![7; 2_000_000]);
        let sending = std::thread::spawn({
            let answer = answer.clone();
            move || {
                link.send(&answer);
                link.half_close();
            }
        });
        assert!(client.frame() == answer[4..], "the bytes differ");
        assert_eq!(client.end(), End::Closed);
        sending.join().unwrap();
        legs.proxy.assert_calm();
    }
}

/// A record of application data that nobody's keys made.
fn forged() -> Vec<u8> {
    [&[23, 3, 3, 0, 40], [0x5a; 40].as_slice()].concat()
}

#[test]
fn a_forged_record_of_a_client_ends_the_session_with_an_alert() {
    for speech in [Speech::Tls12, Speech::Tls13] {
        let legs = Plan::new((speech, Speech::Plain)).start();
        let (mut client, mut link) = legs.talking();
        client.send(&heartbeat(1));
        let answer = link.request();
        client.stream().write_all(&forged()).unwrap();
        assert_eq!(client.alert(), AlertDescription::BadRecordMac);
        assert!(matches!(link.end(), End::Closed | End::Reset));
        drop(answer);
        let (message, remedy) = told_end(&legs.proxy, "tls_broken");
        assert!(
            message.starts_with("session ended: TLS from the client: "),
            "{message}"
        );
        assert!(remedy.contains("no TLS record"), "{remedy}");
    }
}

#[test]
fn plaintext_within_a_clients_session_ends_it() {
    for speech in [Speech::Tls12, Speech::Tls13] {
        let legs = Plan::new((speech, Speech::Plain)).start();
        let (client, mut link) = legs.talking();
        client.stream().write_all(&heartbeat(1)).unwrap();
        assert!(matches!(link.end(), End::Closed | End::Reset));
        legs.proxy.wait_for_end("main", "tls_broken");
    }
}

#[test]
fn a_forged_record_of_a_broker_ends_the_session_and_is_told_as_its_own() {
    for speech in [Speech::Tls12, Speech::Tls13] {
        let legs = Plan::new((Speech::Plain, speech)).start();
        let (mut client, mut link) = legs.talking();
        client.send(&heartbeat(1));
        link.request();
        link.stream().write_all(&forged()).unwrap();
        client.end();
        assert_eq!(link.alert(), AlertDescription::BadRecordMac);
        let (message, _) = told_end(&legs.proxy, "broker_tls_broken");
        assert!(
            message.starts_with("session ended: TLS from the broker: "),
            "{message}"
        );
    }
}

/// As Kafka's brokers do once in a while when they are told the end.
#[test]
fn a_record_that_cannot_be_read_is_an_end_to_whom_the_end_was_told() {
    for speech in [Speech::Tls12, Speech::Tls13] {
        let legs = Plan::new((speech, speech)).start();
        let (mut client, mut link) = legs.talking();
        client.half_close();
        assert_eq!(link.end(), End::Closed);
        link.stream().write_all(&forged()).unwrap();
        assert_eq!(client.end(), End::Closed);
        legs.proxy.wait_for_end("main", "client_closed");

        let (mut client, mut link) = legs.talking();
        link.half_close();
        assert_eq!(client.end(), End::Closed);
        client.stream().write_all(&forged()).unwrap();
        assert_eq!(link.end(), End::Closed);
        legs.proxy.wait_for_end("main", "broker_closed");
        legs.proxy.assert_calm();
    }
}

#[test]
fn what_was_sent_before_a_forged_record_is_served_or_dropped_and_never_changed() {
    let legs = Plan::new((Speech::Tls13, Speech::Plain)).start();
    for _ in 0..20 {
        let (mut client, mut link) = legs.talking();
        client.send(&heartbeat(1));
        client.stream().write_all(&forged()).unwrap();
        let (bytes, _) = link.rest();
        assert!(heartbeat(1).starts_with(&bytes), "bytes that nobody sent");
    }
    wait_for_ends(&legs.proxy, "tls_broken", 20);
}

#[test]
fn a_session_that_ends_leaves_no_descriptor_behind() {
    let open = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
    let legs = Plan::new((Speech::Tls13, Speech::Tls13)).start();
    drop(legs.talking());
    wait_until("the session to end", || legs.proxy.metric(open) == 0.0);
    let before = legs.proxy.metric("portolan_open_fds");
    for n in 0..40 {
        let (mut client, mut link) = legs.talking();
        match n % 4 {
            0 => client.into_wire().reset(),
            1 => link.into_wire().reset(),
            2 => client.stream().write_all(&forged()).unwrap(),
            _ => {
                client.send(&heartbeat(n));
                answer_heartbeat(&mut client, &mut link, n);
            }
        }
    }
    wait_until("the sessions to end", || legs.proxy.metric(open) == 0.0);
    wait_until("the descriptors to be closed", || {
        legs.proxy.metric("portolan_open_fds") <= before
    });
}
