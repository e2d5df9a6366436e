//! Straight to the brokers: what the tests of the proxy build on.

use crate::access::{Access, Tls};
use crate::client::Program;
use crate::cluster::{self, Listener};
use crate::common::certificates::{self, Authority};
use crate::round_trip::{SCRAM, round_trip_by};
use crate::tls::{expect_refusal, java, old_java, tests_of_programs};
use crate::{go, librdkafka, node, python};

tests_of_programs! {
    java_with_a_certificate: java, with_a_certificate;
    old_java_with_a_certificate: old_java, with_a_certificate;
    librdkafka_with_a_certificate: librdkafka::librdkafka, with_a_certificate;
    franz_go_with_a_certificate: go::franz_go, with_a_certificate;
    kafka_python_with_a_certificate: python::kafka_python, with_a_certificate;
    sarama_with_a_certificate: go::sarama, with_a_certificate;
    aiokafka_with_a_certificate: python::aiokafka, with_a_certificate;
    confluent_kafka_with_a_certificate: python::confluent_kafka, with_a_certificate;
    kafkajs_with_a_certificate: node::kafkajs, with_a_certificate;

    java_by_scram_over_tls: java, by_scram;
    librdkafka_by_scram_over_tls: librdkafka::librdkafka, by_scram;
    franz_go_by_scram_over_tls: go::franz_go, by_scram;
    kafka_python_by_scram_over_tls: python::kafka_python, by_scram;

    java_verifies_and_is_verified: java, verifies_and_is_verified;
    old_java_verifies_and_is_verified: old_java, verifies_and_is_verified;
    librdkafka_verifies_and_is_verified: librdkafka::librdkafka, verifies_and_is_verified;
    franz_go_verifies_and_is_verified: go::franz_go, verifies_and_is_verified;
    kafka_python_verifies_and_is_verified: python::kafka_python, verifies_and_is_verified;
}

fn with_a_certificate(program: &Program, topic: &str) {
    let Some(cluster) = cluster::newest().filter(|_| program.finds_names()) else {
        return;
    };
    let mut access = Access::straight_by_tls(cluster, Listener::Mtls);
    if let Some(tls) = &mut access.tls {
        tls.identity = Some(cluster.identities().client().clone());
    }
    round_trip_by(&access, program, topic);
}

fn by_scram(program: &Program, topic: &str) {
    let Some(cluster) = cluster::newest().filter(|_| program.finds_names()) else {
        return;
    };
    let access = Access {
        sasl: Some(SCRAM),
        ..Access::straight_by_tls(cluster, Listener::SaslSsl)
    };
    round_trip_by(&access, program, topic);
}

/// Without this, a client that verifies nothing would pass all other tests.
fn verifies_and_is_verified(program: &Program, name: &str) {
    let Some(cluster) = cluster::newest().filter(|_| program.finds_names()) else {
        return;
    };
    let fine = Access::straight_by_tls(cluster, Listener::Ssl);
    assert_eq!(program.refused(&fine), None, "{name}");

    let hosts = tempfile::NamedTempFile::new().expect("a temporary file");
    let (host, _) = fine.bootstrap.split_once(':').expect("a port");
    let another = cluster.plaintext(cluster.ids()[1]).ip();
    std::fs::write(hosts.path(), format!("{another} {host}\n")).expect("it can be written");
    let another_name = Access {
        hosts: Some(hosts.path().to_owned()),
        ..fine.clone()
    };
    expect_refusal(program, &another_name, "cert");

    let dir = tempfile::tempdir().expect("a temporary directory");
    // Of the same name, but that is not what counts.
    let stranger = Authority::new("Root of a cluster");
    let ca = certificates::write(dir.path(), "ca.crt", stranger.root_pem());
    let another_authority = Access {
        tls: Some(Tls { ca, identity: None }),
        ..fine.clone()
    };
    expect_refusal(program, &another_authority, "cert");

    let anonymous = Access::straight_by_tls(cluster, Listener::Mtls);
    expect_refusal(program, &anonymous, "cert");
}
