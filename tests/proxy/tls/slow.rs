//! Peers that read slowly, or not at all, by TLS; and what is left in memory when they are gone.

use std::collections::VecDeque;
use std::time::Duration;

use super::legs::{ALL, Plan, Speech};
use crate::common::frames;
use crate::common::proxy::wait_until;
use crate::setup::{answer_heartbeat, heartbeat, told_end};

const STALLED: &str = "[timeouts]\nstalled_write = \"300ms\"";

#[test]
fn a_client_that_does_not_read_is_left_and_others_are_not() {
    for legs in ALL {
        let legs = Plan::new(legs).section(STALLED).start();
        let (mut other, mut others_link) = legs.talking();
        let (mut client, mut link) = legs.talk(legs.connect_with_small_window());
        client.send(&heartbeat(1));
        let answer = link.request().answer_bytes(&vec![7; 32_000_000]);
        // It is cut off in the middle.
        let _ = link.try_send(&answer);
        told_end(&legs.proxy, "client_stalled");
        other.send(&heartbeat(2));
        answer_heartbeat(&mut other, &mut others_link, 2);
    }
}

#[test]
fn a_broker_that_does_not_read_is_left() {
    for legs in ALL {
        let legs = Plan::new(legs).small_window().section(STALLED).start();
        let (mut client, link) = legs.talking();
        let head = frames::raw_request(12, 0, 1, &[]);
        client.send(&90_000_000u32.to_be_bytes());
        client.send(&head[4..]);
        client.send_until_stuck(90_000_000);
        told_end(&legs.proxy, "broker_stalled");
        drop(link);
    }
}

#[test]
fn a_broker_that_answers_late_is_waited_for() {
    for legs in ALL {
        let legs = Plan::new(legs).section(STALLED).start();
        let (mut client, mut link) = legs.talking();
        client.send(&heartbeat(1));
        link.wait_for_bytes();
        std::thread::sleep(Duration::from_millis(700));
        assert!(client.is_silent());
        answer_heartbeat(&mut client, &mut link, 1);
        legs.proxy.assert_calm();
    }
}

#[test]
fn nothing_is_held_while_sessions_are_idle() {
    let legs = Plan::new((Speech::Tls13, Speech::Tls13)).start();
    let mut open = VecDeque::new();
    for id in 0..200 {
        let (mut client, mut link) = legs.talking();
        let sent = frames::raw_request(12, 0, id, &[1; 300_000]);
        std::thread::scope(|scope| {
            scope.spawn(|| client.send(&sent));
            let answer = link.request().answer_bytes(&[2; 300_000]);
            let link = &mut link;
            scope.spawn(move || link.send(&answer));
        });
        assert_eq!(client.frame().len(), 300_004);
        open.push_back((client, link));
        // Some end, and some stay.
        open.truncate(50);
    }
    wait_until("all buffers to be given back", || {
        legs.proxy.metric("portolan_buffers") == 0.0
    });
    legs.proxy.assert_calm();
}
