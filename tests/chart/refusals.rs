//! Values that cannot work together are refused, in words that say what to write instead: of Kafka, addresses, ports and names.

use crate::common::helm::Helm;
use crate::render::{TWO, good, render};

/// With [`TWO`] and these values Helm refuses, and says this.
pub(crate) fn refused(values: &str, words: &str) {
    refused_all(Helm::Three, &[TWO, values], &[words]);
}

/// The same by either major with these values alone, and of everything that is wrong at once.
pub(crate) fn refused_all(helm: Helm, values: &[&str], words: &[&str]) {
    let Some(rendered) = render(helm, values) else {
        return;
    };
    let said = rendered.err();
    let said = said.unwrap_or_else(|| panic!("{values:?} are accepted"));
    let number = format!("{} of the values cannot be used", words.len());
    assert!(said.contains(&number), "{values:?}: {said}");
    for words in words {
        assert!(said.contains(words), "{values:?}: {words}\n{said}");
    }
}

#[test]
fn both_values_that_must_be_set_are_asked_for_at_once() {
    refused_all(
        Helm::Three,
        &[],
        &[
            "kafka.bootstrapServers is empty; write where Kafka is found inside the cluster, such as: \
             kafka.bootstrapServers=kafka.kafka.svc:9092",
            "advertised.host is empty; write the name that clients reach the LoadBalancer by, such as: \
             advertised.host=kafka.example.com; or set advertised.fromService=true",
        ],
    );
}

#[test]
fn a_server_without_a_port() {
    refused(
        "{kafka: {bootstrapServers: 'a:9092,kafka.kafka.svc'}}",
        "kafka.bootstrapServers: \"kafka.kafka.svc\" is not host:port; write one such as kafka.kafka.svc:9092",
    );
    refused(
        "{kafka: {bootstrapServers: ['http://kafka:9092']}}",
        "kafka.bootstrapServers: \"http://kafka:9092\" is not host:port",
    );
}

#[test]
fn a_host_that_is_none() {
    for host in [
        "kafka.example.com:9092",
        "https://kafka",
        "[2001:db8::1]",
        "*.example.com",
    ] {
        refused(
            &format!("{{advertised: {{host: '{host}'}}}}"),
            &format!(
                "advertised.host: \"{host}\" is no name or address; write it without scheme, port or brackets"
            ),
        );
    }
    refused(
        "{advertised: {host: 0.0.0.0}}",
        "advertised.host: clients cannot connect to 0.0.0.0; write the name or address of the LoadBalancer",
    );
}

#[test]
fn two_sources_of_the_host() {
    refused(
        "{advertised: {fromService: true}}",
        "advertised.host and advertised.fromService are both set; take one out",
    );
    refused(
        "{advertised: {host: '', dialled: true, fromService: true}, tls: {client: {existingSecret: a}}}",
        "advertised.fromService and advertised.dialled are both set; take one out",
    );
}

#[test]
fn nothing_that_tells_what_was_dialled() {
    refused(
        "{advertised: {host: '', dialled: true}}",
        "advertised.host is empty",
    );
}

#[test]
fn the_address_of_a_service_that_gets_none() {
    refused(
        "{advertised: {host: '', fromService: true}, service: {type: NodePort}}",
        "a Service of type NodePort gets no address from a load balancer; write service.type: LoadBalancer, or \
         advertised.host",
    );
}

#[test]
fn sources_of_the_host_where_clients_are_told_names() {
    refused(
        "{advertised: {fromService: true}, sni: {mode: only}, tls: {client: {existingSecret: a}}}",
        "have no effect with sni.mode \"only\", where clients are told names; take them out, or write sni.mode: beside",
    );
}

#[test]
fn another_count_than_there_are_ids() {
    refused(
        "{ports: {brokers: {count: 2}}, brokers: {ids: 0}}",
        "ports.brokers.count is 2, but brokers.ids \"0\" are 1; write ports.brokers.count: 1",
    );
    refused(
        "{ports: {brokers: {count: 16}}, brokers: {ids: '0-2,1000-1002'}}",
        "ports.brokers.count is 16, but brokers.ids \"0-2,1000-1002\" are 6; write ports.brokers.count: 6, or leave one of \
         the two out",
    );
}

#[test]
fn ids_that_are_none() {
    refused(
        "{brokers: {ids: '0-2,broker-3'}}",
        "brokers.ids: \"broker-3\" is no id or range; write one such as \"0-15\" or \"0-2,1000-1002\"",
    );
    refused(
        "{brokers: {ids: '5-3'}}",
        "brokers.ids: \"5-3\" runs backwards; write \"3-5\"",
    );
    refused(
        "{brokers: {ids: '0-3,2'}}",
        "brokers.ids: \"0-3,2\" names an id twice; name each once",
    );
    refused(
        "{brokers: {ids: '2147483648'}}",
        "no broker has an id above 2147483647; write the ids that brokers have or may get",
    );
    refused(
        "{brokers: {ids: '0-2000000000'}}",
        "there are more than 1000 ids; name only those that brokers have or may get",
    );
}

#[test]
fn ports_inside_the_brokers_ports() {
    refused(
        "{ports: {admin: 9100}}",
        "ports.admin: 9100 lies inside the brokers' ports 9093-9108; write one outside of them, or move them by \
         ports.brokers.first",
    );
    refused(
        "{ports: {bootstrap: 9108, brokers: {first: 9093}}}",
        "ports.bootstrap: 9108 lies inside the brokers' ports 9093-9108",
    );
    refused(
        "{sni: {mode: beside, port: 9093}, tls: {client: {existingSecret: a}}}",
        "sni.port: 9093 lies inside the brokers' ports 9093-9108",
    );
}

#[test]
fn one_port_for_two() {
    refused(
        "{ports: {admin: 9092}}",
        "ports.admin and ports.bootstrap are both 9092; write another port for one of them",
    );
    refused(
        "{sni: {mode: beside, port: 9092}, tls: {client: {existingSecret: a}}}",
        "ports.bootstrap and sni.port are both 9092",
    );
    refused(
        "{sni: {mode: only, port: 9644}, tls: {client: {existingSecret: a}}}",
        "ports.admin and sni.port are both 9644",
    );
    refused(
        "{sni: {mode: beside, advertisedPort: 9092}, tls: {client: {existingSecret: a}}}",
        "sni.advertisedPort: the Service has port 9092 already; write another, such as 443",
    );
}

#[test]
fn ports_past_the_last() {
    refused(
        "{ports: {brokers: {first: 65530}}}",
        "brokers: the last of 16 would have port 65545, and there is none above 65535; write a lower ports.brokers.first, or \
         fewer ids",
    );
}

#[test]
fn more_ports_than_an_nlb_has() {
    refused(
        "{profile: aws-nlb, brokers: {ranges: [{ids: 0-24}, {ids: 100-124}]}}",
        "brokers.ranges: with 50 ids the Service has 51 ports, and an NLB has at most 50 listeners; write at most 49 ids",
    );
    refused(
        "{profile: aws-nlb, ports: {brokers: {count: 50}}}",
        "with 50 ids the Service has 51 ports, and an NLB has at most 50 listeners; write at most 49 ids, or \
         sni.mode: only, which needs one port for any number of brokers",
    );
    refused(
        "{profile: aws-nlb, ports: {brokers: {count: 49}}, sni: {mode: beside, port: 19443}, tls: {client: {existingSecret: a}}}",
        "write at most 48 ids",
    );
}

#[test]
fn more_targets_than_an_nlb_has() {
    const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer-";
    let words = |pods: u32, ports: u32| {
        format!(
            "service.annotations: with cross-zone balancing an NLB has at most 500 targets, and {pods} pods (with those that \
             rollout.maxSurge adds) x {ports} ports are {}; write fewer ids or replicas (with hpa.enabled: hpa.maxReplicas), or \
             take load_balancing.cross_zone.enabled out",
            pods * ports
        )
    };
    let values = |more: &str, annotation: &str| {
        format!("{{profile: aws-nlb, {more}, service: {{annotations: {{{AWS}{annotation}}}}}}}")
    };
    let on =
        "attributes: 'deletion_protection.enabled=true, load_balancing.cross_zone.enabled=true'";
    let ports = "ports: {brokers: {count: 49}}";
    // 50 ports for each: 10 pods, of which one is there only while they are replaced, are 500.
    for (pods, most, refused_at) in [
        ("replicas: 9", 10, false),
        ("replicas: 10", 11, true),
        ("replicas: 9, rollout: {maxSurge: 2}", 11, true),
        ("replicas: 8, rollout: {maxSurge: 25%}", 10, false),
        ("replicas: 9, rollout: {maxSurge: 25%}", 12, true),
        (
            "hpa: {enabled: true, maxReplicas: 9}, replicas: 20",
            10,
            false,
        ),
        ("hpa: {enabled: true, maxReplicas: 10}", 11, true),
    ] {
        let values = values(&format!("{pods}, {ports}"), on);
        match refused_at {
            true => refused(&values, &words(most, 50)),
            false => drop(good(&[&values])),
        }
    }
    // All ways in which it can be said, and the ways in which it is not.
    let many = "replicas: 40";
    for annotation in [
        on,
        "cross-zone-load-balancing-enabled: 'true'",
        "target-group-attributes: load_balancing.cross_zone.enabled=true",
    ] {
        refused(&values(many, annotation), &words(41, 17));
    }
    for annotation in [
        "attributes: load_balancing.cross_zone.enabled=false",
        "cross-zone-load-balancing-enabled: 'false'",
        "target-group-attributes: load_balancing.cross_zone.enabled=use_load_balancer_configuration",
    ] {
        good(&[&values(many, annotation)]);
    }
    good(&[&values(many, on).replace("aws-nlb", "generic")]);
}

#[test]
fn names_without_what_they_need() {
    refused(
        "{sni: {mode: only}}",
        "sni.mode is only, but clients have no TLS, by which they say the name; set tls.client.existingSecret or \
         tls.client.certManager.enabled",
    );
    refused(
        "{advertised: {host: ''}, sni: {mode: only}, tls: {client: {existingSecret: a}}}",
        "sni.bootstrapHost is empty, and advertised.host too; write the name that clients bootstrap from",
    );
    refused(
        "{advertised: {host: 192.0.2.1}, sni: {mode: only, nodeHost: 'b{node_id}.example.com'}, tls: {client: {existingSecret: a}}}",
        "sni.bootstrapHost: 192.0.2.1 is an address, which clients do not send as a server name; write a name",
    );
    refused(
        "{sni: {mode: only, nodeHost: broker.example.com}, tls: {client: {existingSecret: a}}}",
        "sni.nodeHost: \"broker.example.com\" is the same for all brokers; write one such as \
         broker-{node_id}.kafka.example.com",
    );
    refused(
        "{sni: {bootstrapHost: kafka.example.com}}",
        "have no effect with sni.mode \"off\"; write sni.mode: only, or beside",
    );
}
