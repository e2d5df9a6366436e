//! Names and addresses that are advertised.

use crate::cluster::Cluster;
use crate::look;

#[test]
fn a_cluster_in_good_order_is_found_so() {
    let cluster = Cluster::start(&[0, 1, 2]);
    let report = look(&cluster.target(), &[]).fine();
    assert_eq!(report.codes(), [""; 0]);
    assert_eq!(report.json["target"], cluster.target());
    assert_eq!(report.json["cluster_id"], "test-cluster");
    assert_eq!(report.json["bootstrap"]["kafka"], "answers");
    for id in 0..3 {
        let node = report.node(id);
        assert_eq!(node["address"], cluster.address(id).to_string());
        assert_eq!(node["resolved"][0], "127.0.0.1");
        assert_eq!(
            (&node["port"], &node["kafka"], &node["identity"]),
            (&"open".into(), &"answers".into(), &"proven".into())
        );
        assert_eq!(node["leads"], 1);
    }
}

#[test]
fn nothing_is_changed_by_looking() {
    let cluster = Cluster::start(&[0, 1, 2]);
    look(&cluster.target(), &[]).fine();
    let asked = cluster.state().requests.clone();
    let is_a_question = |(_, key): &(i32, i16)| [2, 3, 18, 32, 60].contains(key);
    assert!(asked.iter().all(is_a_question), "{asked:?}");
}

#[test]
fn a_bootstrap_name_that_does_not_resolve_is_nothing_to_look_at() {
    let report = look("kafka.invalid:9092", &[]).blind();
    assert_eq!(report.codes(), ["name-does-not-resolve"]);
    report.provokes(
        "name-does-not-resolve",
        None,
        "check the spelling of kafka.invalid, or add a DNS record for it",
    );
}

#[test]
fn an_advertised_name_that_does_not_resolve_is_told_and_the_others_are_looked_at() {
    let cluster = Cluster::start(&[0, 1, 2]);
    cluster
        .state()
        .brokers
        .insert(1, ("broker-1.kafka.invalid".into(), 9093));
    let report = look(&cluster.target(), &[]).faulty();
    assert_eq!(
        report.codes(),
        ["name-does-not-resolve", "leader-unreachable"]
    );
    let finding = report.provokes(
        "name-does-not-resolve",
        Some(1),
        "add a DNS record for broker-1.kafka.invalid, or advertise a name that has one: advertised_host in Portolan's configuration, advertised.listeners at a broker",
    );
    assert_eq!(finding["severity"], "fault");
    assert_eq!(finding["address"], "broker-1.kafka.invalid:9093");
    for id in [0, 2] {
        assert_eq!(report.node(id)["identity"], "proven");
    }
}

#[test]
fn internal_names_are_recognised() {
    for host in [
        "kafka-1",
        "kafka-1.kafka-headless.kafka.svc",
        "kafka-1.kafka-headless.kafka.svc.cluster.local",
        "ip-10-0-0-1.eu-central-1.compute.internal",
    ] {
        let cluster = Cluster::start(&[0, 1]);
        cluster.state().brokers.insert(1, (host.into(), 9092));
        let report = look(&cluster.target(), &[]).faulty();
        let finding = report.provokes(
            "internal-name-leaked",
            Some(1),
            "bootstrap from its port, and give node 1 a port in [[clusters.<name>.nodes]]; else set advertised.listeners of node 1",
        );
        assert!(
            finding["seen"].as_str().unwrap().starts_with(host),
            "{finding}"
        );
    }
}

#[test]
fn an_advertised_wildcard_is_told_and_nobody_connects_to_it() {
    let cluster = Cluster::start(&[0, 1]);
    let (_, port) = cluster.told(1);
    for host in ["0.0.0.0", "::"] {
        cluster.state().brokers.insert(1, (host.into(), port));
        let report = look(&cluster.target(), &[]).faulty();
        let words = format!(
            "set advertised.listeners of node 1 to its own name (listeners may stay {host})"
        );
        report.provokes("advertised-wildcard", Some(1), &words);
        assert_eq!(report.node(1)["port"], "-");
    }
    assert_eq!(cluster.connections(1), 0);
}

#[test]
fn two_nodes_at_one_address_are_told() {
    let cluster = Cluster::start(&[0, 1, 2]);
    let first = cluster.told(0);
    cluster.state().brokers.insert(2, first);
    let report = look(&cluster.target(), &[]).faulty();
    let finding = report.provokes(
        "same-address",
        None,
        "give each broker a port or a name of its own",
    );
    let seen = finding["seen"].as_str().unwrap();
    assert!(
        seen.starts_with("nodes 0, 2 are all advertised at 127.0.0.1:"),
        "{seen}"
    );
    report.provokes("wrong-broker", Some(2), "lead to node 2 alone");
}
