//! `/status`: what is known of the process, of clients, of certificates and of reloads.

use kafka_protocol::messages::ApiVersionsRequest;

use crate::common::broker::Broker;
use crate::common::proxy::wait_until;
use crate::health::status;
use crate::reload::Reloading;
use crate::setup::{Setup, answer_heartbeat, heartbeat, open};
use crate::tls::{NAME, Pki};

#[test]
fn clients_and_what_they_moved_are_told() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    answer_heartbeat(&mut client, &mut link, 1);
    let hello = ApiVersionsRequest::default()
        .with_client_software_name("a-client".to_owned().into())
        .with_client_software_version("1.2.3".to_owned().into());
    client.request(3, &hello);
    let asked = link.request();
    assert_eq!(asked.api_key, 18);
    link.send(&asked.answer(&kafka_protocol::messages::ApiVersionsResponse::default()));
    client.frame();
    // What was sent is counted a moment later.
    wait_until("the answers to be counted", || {
        let bytes = &status(&proxy)["clusters"][0]["routes"][0]["response_bytes"];
        bytes.as_u64().is_some_and(|bytes| bytes > 20)
    });
    let status = status(&proxy);
    let cluster = &status["clusters"][0];
    assert_eq!(
        cluster["clients"],
        serde_json::json!([{"name": "a-client", "version": "1.2.3", "connections_total": 1}])
    );
    let bootstrap = &cluster["routes"][0];
    assert_eq!(bootstrap["route"], "bootstrap");
    assert_eq!(bootstrap["connections"], 1);
    let asked_bytes = heartbeat(1).len() as u64 + 4 + asked.frame.len() as u64;
    assert_eq!(bootstrap["request_bytes"], asked_bytes);
    assert_eq!(cluster["latency"]["requests"], 2);
    for seconds in ["broker_seconds", "proxy_seconds"] {
        assert!(
            cluster["latency"][seconds].as_f64().unwrap() > 0.0,
            "{status}"
        );
    }
    assert_eq!(status["state"], "serving");
    assert_eq!(status["process"]["connections"], 1);
    assert!(
        status["process"]["open_fds"].as_u64().unwrap() > 3,
        "{status}"
    );
    assert_eq!(status["config"]["file"], serde_json::Value::Null);
    assert_eq!(status["drain"], serde_json::Value::Null);
}

#[test]
fn certificates_and_reloads_are_told() {
    let (pki, broker) = (Pki::new(), Broker::start());
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], ""));
    let reloading = Reloading::start(&setup.toml());
    let proxy = &reloading.proxy;
    let before = status(proxy);
    let certificates = &before["clusters"][0]["certificates"];
    assert_eq!(certificates[0]["side"], "client");
    assert_eq!(certificates[0]["until"], "3000-01-01T00:00:00Z");
    assert!(certificates[0]["days_left"].as_i64().unwrap() > 300_000);
    let file = before["config"]["file"].as_str().unwrap();
    assert!(file.ends_with("portolan.toml"), "{file}");
    assert_eq!(before["config"]["last_fault"], serde_json::Value::Null);
    reloading.refuse("nonsense");
    let fault = status(proxy)["config"]["last_fault"]["message"].clone();
    assert!(fault.as_str().unwrap().contains("nonsense"), "{fault}");
    assert_eq!(status(proxy)["config"]["reloads"]["failure"], 1);
    reloading.reload(&setup.node(1, broker.address()).toml());
    let after = status(proxy);
    assert_eq!(after["config"]["last_fault"], serde_json::Value::Null);
    assert_eq!(after["config"]["reloads"]["success"], 1);
    assert_eq!(after["clusters"][0]["routes"].as_array().unwrap().len(), 3);
}
