//! What the log says where connections end as they may, and clients yet get no answers.

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::setup::{Setup, heartbeat, open, talking, told_end, wait_for_ends};

#[test]
fn a_broker_that_closes_instead_of_answering_is_told_once_with_what_it_may_mean() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for _ in 0..3 {
        let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
        link.request();
        drop(link);
        client.end();
    }
    wait_for_ends(&proxy, "broker_closed", 3);
    let line = proxy.wait_for_log("requests stayed unanswered");
    assert_eq!(
        line["message"],
        "requests stayed unanswered: the broker closed the connection; a broker that restarts does so; if it does so each \
         time, that listener wants SASL or TLS, which the client does not use (see the broker's log)"
    );
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["broker"], broker.address().to_string());
    let told =
        |line: &serde_json::Value| line["reason"] == "broker_closed" && line["level"] == "INFO";
    assert_eq!(proxy.log().iter().filter(|line| told(line)).count(), 1);
    proxy.assert_calm();
}

#[test]
fn a_broker_that_never_answers_is_told_when_its_client_gives_up() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    client.into_wire().reset();
    let line = proxy.wait_for_log("requests stayed unanswered");
    assert_eq!(
        line["message"],
        "requests stayed unanswered: the client reset the connection; the broker accepts connections and does not answer: \
         see whether it hangs"
    );
    assert_eq!(line["api"], "Heartbeat");
}

#[test]
fn a_client_that_leaves_with_a_request_in_flight_after_others_were_answered_is_not_told() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    client.send(&heartbeat(2));
    link.request();
    client.into_wire().reset();
    wait_for_ends(&proxy, "client_reset", 1);
    // The line of the end comes after its count, and the hint would come after that.
    proxy.wait_for_log("session ended");
    let mut other = Client::connect(proxy.bootstrap("main"));
    other.send(&[0, 0, 0, 1]);
    proxy.wait_for_end("main", "bad_request_size");
    assert!(!proxy.log_has("requests stayed unanswered"));
}

#[test]
fn a_web_server_in_the_place_of_a_broker_is_told_by_its_text() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    link.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    client.end();
    assert_eq!(
        told_end(&proxy, "bad_response_size"),
        (
            "session ended: answer size: it is the text \"HTTP\"".to_owned(),
            "what answers there does not speak the Kafka protocol; check the broker's address and listener".to_owned()
        )
    );
}
