//! Keys that change in mid-stream (KeyUpdate of RFC 8446, section 4.6.3), and peers that want more of that than is decent.

use super::legs::{Plan, Speech};
use crate::common::wire::End;
use crate::setup::{answer_heartbeat, heartbeat, told_end};

const BOTH: (Speech, Speech) = (Speech::Tls13, Speech::Tls13);

#[test]
fn both_peers_may_change_keys_between_frames_and_within() {
    let legs = Plan::new(BOTH).start();
    let (mut client, mut link) = legs.talking();
    for id in 0..100 {
        let (sent, cut) = (heartbeat(id), 1 + id as usize % 20);
        client.send(&sent[..cut]);
        client.update_keys();
        client.send(&sent[cut..]);
        let request = link.request();
        assert_eq!(request.frame, sent[4..]);
        let answer = request.answer_bytes(b"alive");
        link.send(&answer[..7]);
        link.update_keys();
        link.send(&answer[7..]);
        assert_eq!(client.frame(), answer[4..]);
    }
    legs.proxy.assert_calm();
}

#[test]
fn keys_may_change_while_much_is_on_its_way() {
    let legs = Plan::new(BOTH).start();
    let (mut client, mut link) = legs.talk(legs.connect_with_small_window());
    client.send(&heartbeat(1));
    let answer = link.request().answer_bytes(&vec![3; 3_000_000]);
    let sending = std::thread::spawn({
        let answer = answer.clone();
        move || {
            for piece in answer.chunks(200_000) {
                link.send(piece);
                link.update_keys();
            }
            link
        }
    });
    let mut read = Vec::new();
    // The proxy's answers to these have to get out beside what waits for this client.
    while read.len() < answer.len() {
        read.extend(client.read((answer.len() - read.len()).min(150_000)));
        client.update_keys();
        client.send(&heartbeat(read.len() as i32));
    }
    assert!(read == answer, "the bytes differ");
    let mut link = sending.join().unwrap();
    for n in 1..=answer.len().div_ceil(150_000) {
        let id = (n * 150_000).min(answer.len()) as i32;
        answer_heartbeat(&mut client, &mut link, id);
    }
    legs.proxy.assert_calm();
}

#[test]
fn a_flood_of_key_updates_ends_the_session() {
    let legs = Plan::new((Speech::Tls13, Speech::Plain)).start();
    let (mut client, mut link) = legs.talking();
    // Each asks for an answer, and none is read.
    for _ in 0..1000 {
        let socket = client.stream().try_clone().unwrap();
        if client.tls().update_keys(&socket).is_err() {
            break;
        }
    }
    assert!(matches!(link.end(), End::Closed | End::Reset));
    let (message, _) = told_end(&legs.proxy, "tls_broken");
    assert!(message.contains("KeyUpdate"), "{message}");
    drop(client);
    let (mut client, mut link) = legs.talking();
    client.send(&heartbeat(1));
    answer_heartbeat(&mut client, &mut link, 1);
}

#[test]
fn a_broker_that_floods_with_key_updates_is_left() {
    let legs = Plan::new((Speech::Plain, Speech::Tls13)).start();
    let (mut client, mut link) = legs.talking();
    for _ in 0..1000 {
        let socket = link.stream().try_clone().unwrap();
        if link.tls().update_keys(&socket).is_err() {
            break;
        }
    }
    client.end();
    legs.proxy.wait_for_end("main", "broker_tls_broken");
}
