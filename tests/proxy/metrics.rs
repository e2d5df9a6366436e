//! What is counted of real connections: bytes by node, requests in flight, clients by software.

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Setup, exchange, heartbeat, open, talking};

const IN_FLIGHT: &str = "portolan_in_flight{cluster=\"main\"}";

fn bytes(proxy: &Proxy, node: &str, direction: &str) -> f64 {
    let series = format!(
        "portolan_node_bytes_total{{cluster=\"main\",direction=\"{direction}\",node=\"{node}\"}}"
    );
    proxy.metric(&series)
}

#[test]
fn bytes_are_counted_by_node_and_direction() {
    let brokers = [(); 2].map(|()| Broker::start());
    let setup = Setup::bootstrap(brokers[0].address());
    let proxy = setup
        .node(7, brokers[0].address())
        .node(1001, brokers[1].address())
        .start();
    let names = ["bootstrap", "7", "1001"];
    for node in names {
        assert_eq!(bytes(&proxy, node, "request"), 0.0);
        assert_eq!(bytes(&proxy, node, "response"), 0.0);
    }
    let mut client = Client::connect(proxy.node("main", 1001));
    client.send(&heartbeat(1));
    let mut link = brokers[1].accept();
    let request = link.request();
    let answer = request.answer_bytes(&[7; 100_000]);
    link.send(&answer);
    client.frame();
    let sent = heartbeat(1).len() as f64;
    wait_until("the answer to be counted", || {
        bytes(&proxy, "1001", "response") == answer.len() as f64
    });
    assert_eq!(bytes(&proxy, "1001", "request"), sent);
    for node in ["bootstrap", "7"] {
        assert_eq!(bytes(&proxy, node, "request"), 0.0);
        assert_eq!(bytes(&proxy, node, "response"), 0.0);
    }
    talking(&proxy, &brokers[0]);
    wait_until("the bootstrap route's", || {
        bytes(&proxy, "bootstrap", "request") == heartbeat(1000).len() as f64
    });
}

#[test]
fn requests_are_in_flight_until_they_are_answered() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    assert_eq!(proxy.metric(IN_FLIGHT), 0.0);
    let three: Vec<u8> = (1..=3).flat_map(heartbeat).collect();
    let (mut client, mut link) = open(&proxy, &broker, &three);
    let requests = [(); 3].map(|()| link.request());
    wait_until("three in flight", || proxy.metric(IN_FLIGHT) == 3.0);
    link.send(&requests[0].answer_bytes(b"alive"));
    client.frame();
    wait_until("two in flight", || proxy.metric(IN_FLIGHT) == 2.0);
    // Another connection's are added up.
    let (other, unanswered) = open(&proxy, &broker, &heartbeat(9));
    wait_until("three again", || proxy.metric(IN_FLIGHT) == 3.0);
    // What nobody waits for any more is not in flight.
    client.into_wire().reset();
    drop((other, unanswered));
    wait_until("nothing in flight", || proxy.metric(IN_FLIGHT) == 0.0);
}

fn introduction(id: i32, version: i16, name: &str, software_version: &str) -> Vec<u8> {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let request = match version {
        3.. => ApiVersionsRequest::default()
            .with_client_software_name(text(name))
            .with_client_software_version(text(software_version)),
        _ => ApiVersionsRequest::default(),
    };
    frames::request(id, version, &request)
}

fn software(proxy: &Proxy) -> Vec<String> {
    let (_, text) = proxy.get("/metrics");
    let lines = text.lines();
    lines
        .filter_map(|line| line.strip_prefix("portolan_client_software"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn clients_are_counted_by_what_they_say_that_they_are_once_a_connection() {
    let broker = Broker::answering(|request| Some(request.answer(&ApiVersionsResponse::default())));
    let proxy = Setup::with(&broker).start();
    let ask = |pieces: usize, requests: &[Vec<u8>]| {
        let mut client = Client::connect(proxy.bootstrap("main"));
        for request in requests {
            for piece in request.chunks(request.len().div_ceil(pieces)) {
                client.send(piece);
            }
            client.frame();
        }
    };
    ask(1, &[introduction(1, 2, "", "")]);
    assert!(software(&proxy).is_empty(), "version 2 does not say it");
    let java = introduction(1, 3, "apache-kafka-java", "4.3.1");
    // The second is a client's habit before it authenticates anew; a connection counts once.
    ask(1, &[java.clone(), java.clone()]);
    ask(7, &[java]);
    // The first is answered by the proxy with what it knows.
    ask(
        1,
        &[
            frames::raw_request(18, 99, 1, b"\0\0"),
            introduction(2, 4, "librdkafka", "2.5.0"),
        ],
    );
    ask(1, &[introduction(1, 3, "no \"broker\" accepts", "1")]);
    ask(1, &[introduction(1, 3, "x", &"9".repeat(900))]);
    assert_eq!(
        software(&proxy),
        [
            r#"{cluster="main",name="apache-kafka-java",version="4.3.1"} 2"#,
            r#"{cluster="main",name="librdkafka",version="2.5.0"} 1"#,
            r#"{cluster="main",name="other",version="other"} 2"#,
        ]
    );
    proxy.assert_calm();
}

#[test]
fn an_introduction_that_cannot_be_read_passes_and_counts_nobody() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    // The name would reach beyond the frame.
    let broken = frames::raw_request(18, 3, 1, &[0, 200, b'a']);
    let (mut client, mut link) = open(&proxy, &broker, &broken);
    let request = link.request();
    assert_eq!(request.frame, broken[4..]);
    link.send(&request.answer(&ApiVersionsResponse::default()));
    client.frame();
    exchange(&mut client, &mut link, 2);
    assert!(software(&proxy).is_empty());
}
