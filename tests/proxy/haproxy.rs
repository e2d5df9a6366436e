//! HAProxy in front, the PROXY protocol peer that most installations have: real headers, real health checks.

use kafka_protocol::messages::MetadataRequest;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::haproxy::Haproxy;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tools;
use crate::proxy_protocol::setup;

/// What a client at this front is told, and as whom the proxy logs it.
fn through(haproxy: &Haproxy, front: usize, proxy: &Proxy) {
    let mut client = Client::connect(haproxy.fronts[front]);
    let answer = client.ask(12, &MetadataRequest::default());
    let told = &answer.brokers[0];
    assert_eq!(
        told.host.as_str(),
        "127.0.0.1",
        "the destination of the header"
    );
    assert_eq!(told.port, i32::from(proxy.node("main", 0).port()));
    let own = client.local_address().to_string();
    drop(client);
    wait_until("the session's end with the client's own address", || {
        proxy
            .log()
            .iter()
            .any(|line| line["reason"] == "client_closed" && line["client"] == own)
    });
}

/// A proxy that wants headers, and its broker; `None` where there is no HAProxy.
fn behind_haproxy() -> Option<(Proxy, Broker)> {
    tools::available(&["haproxy"]).then(|| {
        let broker = Broker::answering(|request| Some(request.answer(&frames::metadata(12, &[0]))));
        let proxy = setup(&broker, "required")
            .line("advertise = \"dialled\"")
            .start();
        (proxy, broker)
    })
}

#[test]
fn clients_behind_haproxy_are_seen_as_who_they_are() {
    let Some((proxy, _broker)) = behind_haproxy() else {
        return;
    };
    let port = proxy.bootstrap("main");
    let haproxy = Haproxy::start(&[
        format!("{port} send-proxy"),
        format!("{port} send-proxy-v2"),
        format!("{port} send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"),
    ]);
    for front in 0..haproxy.fronts.len() {
        for _ in 0..3 {
            through(&haproxy, front, &proxy);
        }
    }
    proxy.assert_calm();
}

#[test]
fn health_checks_of_haproxy_are_no_fault() {
    let Some((proxy, broker)) = behind_haproxy() else {
        return;
    };
    let port = proxy.bootstrap("main");
    // By version 1 a check looks like any client; by version 2 it is LOCAL; the third sends no header.
    let haproxy = Haproxy::start(&[
        format!("{port} send-proxy check inter 50ms rise 1"),
        format!("{port} send-proxy-v2 check inter 50ms rise 1"),
        format!("{port} send-proxy-v2 no-check-send-proxy check inter 50ms rise 1"),
    ]);
    // It ends its checks by a reset, mostly.
    let checks = || ["client_reset", "bare_connect"].map(|end| proxy.ends("main", end));
    wait_until("checks", || checks().iter().sum::<f64>() >= 20.0);
    for front in 0..haproxy.fronts.len() {
        through(&haproxy, front, &proxy);
    }
    assert_eq!(
        broker.connections(),
        haproxy.fronts.len(),
        "no check reaches the broker"
    );
    proxy.assert_calm();
}
