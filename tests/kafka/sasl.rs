//! SASL between real clients and real brokers: every mechanism, again and again, and in the manner of old clients.

use kafka_protocol::messages::{
    DescribeClusterRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::client::{Program, Sasl};
use crate::cluster::{self, Listener, USER};
use crate::front::Front;
use crate::round_trip::{SCRAM, round_trip};
use crate::toolchain::KAFKA_4;
use crate::wire::Wire;

#[test]
fn plain_passes() {
    by_mechanism("PLAIN", "by-plain");
}

#[test]
fn scram_sha_256_passes() {
    by_mechanism("SCRAM-SHA-256", "by-scram-sha-256");
}

#[test]
fn scram_sha_512_passes() {
    by_mechanism("SCRAM-SHA-512", "by-scram-sha-512");
}

#[test]
fn oauthbearer_passes() {
    by_mechanism("OAUTHBEARER", "by-oauthbearer");
}

fn by_mechanism(mechanism: &'static str, topic: &str) {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let sasl = Sasl { mechanism, ..SCRAM };
    round_trip(&Program::java(KAFKA_4), cluster, Some(sasl), topic);
}

#[test]
fn clients_authenticate_again_in_mid_traffic() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let topic = "authenticates-again";
    cluster.create_topic(topic, 3);
    let front = Front::start(cluster, Listener::Reauth);
    // The client counts what succeeded, and goes on until that is five.
    let result = Program::java(KAFKA_4).run("reauthentication", &front, topic, Some(SCRAM));
    assert_eq!(result, serde_json::json!({"refused": 0}));
    // A connection authenticates with two tokens; what is above that was sent by one that had authenticated before.
    let nodes = cluster.ids().iter().map(|&id| front.connections_to(id));
    let connections = nodes.sum::<f64>() + front.connections_to_bootstrap();
    let tokens = front.count("requests_total", "SaslAuthenticate");
    assert!(
        tokens >= 2.0 * connections + 10.0,
        "{tokens} tokens on {connections} connections"
    );
    front.assert_no_leak();
    front.proxy.assert_calm();
}

#[test]
fn a_wrong_password_is_refused_by_the_broker_in_its_own_words() {
    for cluster in [cluster::newest(), cluster::previous()]
        .into_iter()
        .flatten()
    {
        let front = Front::start(cluster, Listener::Sasl);
        let mut wire = Wire::connect(front.bootstrap()).expect("the proxy accepts");
        let handshake = wire.ask(&handshake(), 1).expect("an answer");
        assert_eq!(handshake.error_code, 0);
        let wrong = plain_token("wrong");
        let request = SaslAuthenticateRequest::default().with_auth_bytes(wrong.into());
        let answer = wire.ask(&request, 2).expect("an answer");
        assert_eq!(answer.error_code, 58);
        let words = answer.error_message.expect("the broker says why");
        assert_eq!(
            words.as_str(),
            "Authentication failed: Invalid username or password"
        );
        front.assert_no_leak();
    }
}

#[test]
fn raw_plain_tokens_after_handshake_v0_pass() {
    for cluster in [cluster::newest(), cluster::previous()]
        .into_iter()
        .flatten()
    {
        let front = Front::start(cluster, Listener::Sasl);
        let mut wire = Wire::connect(front.bootstrap()).expect("the proxy accepts");
        let answer = wire.ask(&handshake(), 0).expect("an answer");
        assert_eq!(answer.error_code, 0, "Kafka {}", cluster.version());
        wire.send_raw(&plain_token(USER.1))
            .expect("the proxy reads");
        let token = wire.receive_raw().expect("the broker's token");
        assert_eq!(
            token, b"",
            "PLAIN has nothing to say after a right password"
        );
        let request = MetadataRequest::default().with_topics(Some(vec![]));
        let metadata = wire.ask(&request, 12).expect("an answer");
        assert_eq!(metadata.brokers.len(), 3);
        let request = DescribeClusterRequest::default();
        let described = wire.ask(&request, 0).expect("an answer");
        for broker in described.brokers {
            let told = format!("{}:{}", broker.host, broker.port);
            assert_eq!(told, front.node(broker.broker_id.0));
        }
        front.assert_no_leak();
        front.proxy.assert_calm();
    }
}

fn handshake() -> SaslHandshakeRequest {
    SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"))
}

fn plain_token(password: &str) -> Vec<u8> {
    format!("\0{}\0{password}", USER.0).into_bytes()
}
