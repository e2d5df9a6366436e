//! Through the proxy: plaintext and TLS on either leg, one port for each node.

use crate::client::{Program, Sasl};
use crate::cluster::{self, Cluster, Listener};
use crate::front::{Clients, Front, NAME, Options};
use crate::round_trip::{SCRAM, round_trip_through};
use crate::tls::{expect_refusal, java, old_java, tests_of_programs};
use crate::{go, librdkafka, node, python};

tests_of_programs! {
    java_by_tls_to_plaintext: java, tls_to_plaintext;
    java_by_plaintext_to_tls: java, plaintext_to_tls;
    java_by_tls_to_mutual_tls: java, tls_to_mutual_tls;
    java_by_mutual_tls_to_scram: java, mutual_tls_to_scram;

    librdkafka_by_tls_to_plaintext: librdkafka::librdkafka, tls_to_plaintext;
    librdkafka_by_plaintext_to_tls: librdkafka::librdkafka, plaintext_to_tls;
    librdkafka_by_tls_to_mutual_tls: librdkafka::librdkafka, tls_to_mutual_tls;
    librdkafka_by_mutual_tls_to_scram: librdkafka::librdkafka, mutual_tls_to_scram;

    franz_go_by_tls_to_plaintext: go::franz_go, tls_to_plaintext;
    franz_go_by_plaintext_to_tls: go::franz_go, plaintext_to_tls;
    franz_go_by_tls_to_mutual_tls: go::franz_go, tls_to_mutual_tls;
    franz_go_by_mutual_tls_to_scram: go::franz_go, mutual_tls_to_scram;

    kafka_python_by_tls_to_plaintext: python::kafka_python, tls_to_plaintext;
    kafka_python_by_plaintext_to_tls: python::kafka_python, plaintext_to_tls;
    kafka_python_by_tls_to_mutual_tls: python::kafka_python, tls_to_mutual_tls;
    kafka_python_by_mutual_tls_to_scram: python::kafka_python, mutual_tls_to_scram;

    old_java_by_mutual_tls_to_scram: old_java, mutual_tls_to_scram;
    sarama_by_mutual_tls_to_scram: go::sarama, mutual_tls_to_scram;
    aiokafka_by_mutual_tls_to_scram: python::aiokafka, mutual_tls_to_scram;
    confluent_kafka_by_mutual_tls_to_scram: python::confluent_kafka, mutual_tls_to_scram;
    kafkajs_by_mutual_tls_to_scram: node::kafkajs, mutual_tls_to_scram;

    java_is_refused_without_a_good_certificate: java, is_refused;
    librdkafka_is_refused_without_a_good_certificate: librdkafka::librdkafka, is_refused;
    franz_go_is_refused_without_a_good_certificate: go::franz_go, is_refused;
    kafka_python_is_refused_without_a_good_certificate: python::kafka_python, is_refused;
}

fn tls_to_plaintext(program: &Program, topic: &str) {
    pass(program, topic, Clients::Tls, Listener::Plaintext, None);
}

fn plaintext_to_tls(program: &Program, topic: &str) {
    pass(program, topic, Clients::Plaintext, Listener::Ssl, None);
}

fn tls_to_mutual_tls(program: &Program, topic: &str) {
    pass(program, topic, Clients::Tls, Listener::Mtls, None);
}

fn mutual_tls_to_scram(program: &Program, topic: &str) {
    let (clients, listener) = (Clients::MutualTls, Listener::SaslSsl);
    pass(program, topic, clients, listener, Some(SCRAM));
}

fn pass(program: &Program, topic: &str, clients: Clients, listener: Listener, sasl: Option<Sasl>) {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let front = front(cluster, clients, listener);
    round_trip_through(&front, program, sasl, topic);
}

fn front(cluster: &Cluster, clients: Clients, listener: Listener) -> Front {
    let options = Options {
        clients,
        ..Options::default()
    };
    Front::with(cluster, listener, cluster.ids(), options)
}

fn is_refused(program: &Program, name: &str) {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let front = front(cluster, Clients::MutualTls, Listener::Plaintext);
    let fine = front.access(None);
    assert_eq!(program.refused(&fine), None, "{name}");

    let door = front.door.as_ref().expect("TLS");
    // What the alerts have in common in the words of all libraries: certificate_required, decrypt_error, certificate_expired.
    let wrong = [
        (None, "certificate required"),
        (Some(door.stranger()), "decrypt"),
        (Some(door.expired()), "expired"),
    ];
    for (identity, alert) in wrong {
        let mut access = fine.clone();
        access.tls.as_mut().expect("TLS").identity = identity;
        expect_refusal(program, &access, alert);
    }
    let refused = "client_certificate_refused";
    let series =
        format!("portolan_connection_ends_total{{cluster=\"{NAME}\",reason=\"{refused}\"}}");
    front.proxy.wait_for_metric(&series, 3.0);

    let mut distrustful = fine.clone();
    distrustful.tls.as_mut().expect("TLS").ca = cluster.identities().ca().to_owned();
    expect_refusal(program, &distrustful, "cert");
    front.proxy.wait_for_end(NAME, "certificate_not_trusted");
}
