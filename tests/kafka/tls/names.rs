//! Through the one port of SNI mode: clients verify the name of each node, and the proxy knows the node by it.

use std::thread;

use crate::access::Access;
use crate::client::{Program, Sasl};
use crate::cluster::{self, Cluster, Listener};
use crate::door::node_host;
use crate::front::{Clients, Front, Mode, NAME, Options};
use crate::round_trip::{SCRAM, round_trip_by, round_trip_through};
use crate::tls::{expect_refusal, java, old_java, tests_of_programs};
use crate::{go, librdkafka, node, python};

tests_of_programs! {
    java_by_names: java, passes;
    librdkafka_by_names: librdkafka::librdkafka, passes;
    franz_go_by_names: go::franz_go, passes;
    kafka_python_by_names: python::kafka_python, passes;

    java_by_names_and_scram: java, passes_by_scram;
    old_java_by_names_and_scram: old_java, passes_by_scram;
    librdkafka_by_names_and_scram: librdkafka::librdkafka, passes_by_scram;
    franz_go_by_names_and_scram: go::franz_go, passes_by_scram;
    kafka_python_by_names_and_scram: python::kafka_python, passes_by_scram;
    sarama_by_names_and_scram: go::sarama, passes_by_scram;
    aiokafka_by_names_and_scram: python::aiokafka, passes_by_scram;
    confluent_kafka_by_names_and_scram: python::confluent_kafka, passes_by_scram;
    kafkajs_by_names_and_scram: node::kafkajs, passes_by_scram;

    java_hears_of_an_unknown_name: java, hears_of_an_unknown_name;
    librdkafka_hears_of_an_unknown_name: librdkafka::librdkafka, hears_of_an_unknown_name;
    franz_go_hears_of_an_unknown_name: go::franz_go, hears_of_an_unknown_name;
    kafka_python_hears_of_an_unknown_name: python::kafka_python, hears_of_an_unknown_name;
}

fn passes(program: &Program, topic: &str) {
    pass(program, topic, Listener::Plaintext, None);
}

fn passes_by_scram(program: &Program, topic: &str) {
    pass(program, topic, Listener::SaslSsl, Some(SCRAM));
}

fn pass(program: &Program, topic: &str, listener: Listener, sasl: Option<Sasl>) {
    let Some(cluster) = cluster::newest().filter(|_| program.finds_names()) else {
        return;
    };
    let front = front(cluster, Mode::Names, listener);
    round_trip_through(&front, program, sasl, topic);
    for &id in cluster.ids() {
        assert!(front.connections_to(id) > 0.0, "node {id}");
    }
}

fn front(cluster: &Cluster, mode: Mode, listener: Listener) -> Front {
    let options = Options {
        clients: Clients::MutualTls,
        mode,
        ..Options::default()
    };
    Front::with(cluster, listener, cluster.ids(), options)
}

/// Each client is told addresses of the kind that it came by; what it is told is compared with that.
#[test]
fn ports_and_names_stand_side_by_side() {
    let (Some(cluster), Some(program)) = (cluster::newest(), java()) else {
        return;
    };
    let front = front(cluster, Mode::Both, Listener::Mtls);
    let (by_port, by_name) = (front.access(None), front.access_by_name(None));
    assert_ne!(by_port.brokers, by_name.brokers);
    thread::scope(|scope| {
        scope.spawn(|| round_trip_by(&by_port, &program, "side-by-side-by-port"));
        scope.spawn(|| round_trip_by(&by_name, &program, "side-by-side-by-name"));
    });
    front.assert_understood();
    front.proxy.assert_calm();
}

/// The wildcard of the certificate covers the name, so it is the proxy that refuses it.
fn hears_of_an_unknown_name(program: &Program, name: &str) {
    let Some(cluster) = cluster::newest().filter(|_| program.finds_names()) else {
        return;
    };
    let front = front(cluster, Mode::Names, Listener::Plaintext);
    let fine = front.access(None);
    assert_eq!(program.refused(&fine), None, "{name}");
    let unknown = node_host(9999);
    let (_, port) = fine.bootstrap.split_once(':').expect("a port");
    let access = Access {
        bootstrap: format!("{unknown}:{port}"),
        hosts: front.door.as_ref().map(|door| door.hosts(&[9999])),
        ..fine
    };
    expect_refusal(program, &access, "unrecognized name");
    front.proxy.wait_for_end(NAME, "unknown_server_name");
}
