//! Other ways to configure and to run the proxy, with the newest Java client and real brokers.

use serde_json::json;

use crate::client::Program;
use crate::cluster::{self, Cluster, Listener};
use crate::disturbed::leaders_move;
use crate::front::{Front, Options};
use crate::round_trip::{SCRAM, round_trip_through};
use crate::toolchain::KAFKA_4;
use crate::traffic::under_traffic_through;

#[test]
fn addresses_are_learned_from_what_brokers_say() {
    round_trip_with(
        "learned",
        Listener::Plaintext,
        Options {
            learned: true,
            ..Options::default()
        },
    );
}

#[test]
fn addresses_are_learned_on_the_way_where_brokers_want_sasl() {
    round_trip_with(
        "learned-by-scram",
        Listener::Sasl,
        Options {
            learned: true,
            ..Options::default()
        },
    );
}

#[test]
fn apis_that_are_unknown_may_be_forwarded() {
    round_trip_with(
        "forwarded",
        Listener::Plaintext,
        Options {
            line: "unknown_apis = \"forward\"",
            ..Options::default()
        },
    );
}

fn round_trip_with(topic: &str, listener: Listener, options: Options) {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let front = Front::with(cluster, listener, cluster.ids(), options);
    let sasl = (listener == Listener::Sasl).then_some(SCRAM);
    round_trip_through(&front, &Program::java(KAFKA_4), sasl, topic);
}

#[test]
fn nothing_is_lost_while_leaders_move_and_endpoints_are_capped() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let options = Options {
        line: "fetch_endpoints = \"cap\"",
        ..Options::default()
    };
    let front = Front::with(cluster, Listener::Plaintext, cluster.ids(), options);
    let programs = [Program::java(KAFKA_4)];
    under_traffic_through(&front, cluster, "capped", &programs, leaders_move);
    // At the versions below, brokers do not send the addresses of new leaders.
    assert_eq!(front.count("addresses_rewritten_total", "Produce"), 0.0);
    assert_eq!(front.count("endpoints_neutralised_total", "Fetch"), 0.0);
    front.proxy.assert_calm();
}

#[test]
fn nothing_is_lost_while_the_proxy_is_replaced() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    replace_the_proxy(cluster);
}

/// A rolling update of the proxy: a new one takes new connections, the old one drains.
fn replace_the_proxy(cluster: &Cluster) {
    let topic = "proxy-replaced";
    cluster.create_topic(topic, 6);
    let mut front = Front::start(cluster, Listener::Plaintext);
    let traffic = Program::java(KAFKA_4).start_traffic(&front, topic, None);
    traffic.wait_for(300);
    for _ in 0..2 {
        let mut old = front.replace_proxy();
        old.terminate();
        let status = old.wait();
        assert!(status.success(), "{status}:\n{}", old.log_text());
        old.assert_calm();
        traffic.wait_for(traffic.received() + 300);
    }
    let result = traffic.finish();
    for wrong in ["missing", "duplicates", "failed"] {
        assert_eq!(result[wrong], json!([]), "{wrong} in {result}");
    }
    assert_eq!(result["acked"], result["received"], "{result}");
    front.assert_no_leak();
    front.proxy.assert_calm();
}
