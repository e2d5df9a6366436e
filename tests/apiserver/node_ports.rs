//! What the documents say of node ports: each port of the Service takes one of a cluster's 2,768, and none where the chart is told so.

use std::collections::BTreeSet;

use crate::control_plane::ControlPlane;
use crate::rendered::{TWO, set, templated};

#[test]
fn node_ports_that_are_chosen_are_given_once_and_from_the_range_only() {
    let Some(cluster) = ControlPlane::start() else {
        return;
    };
    let kubectl = cluster.admin();
    let chosen = |namespace: &str, port: u16| {
        let port = format!("service.nodePorts.bootstrap={port}");
        let text = templated(namespace, &set(&[&TWO[..], &[&port]].concat()))?;
        kubectl.strict_namespace(namespace);
        Some(kubectl.try_apply(namespace, &text))
    };
    let Some(done) = chosen("first", 30_010) else {
        return;
    };
    done.expect("they are free");
    let service = kubectl.get("first", "service/portolan");
    let ports = service["spec"]["ports"].as_array().expect("ports").iter();
    let given = ports.map(|port| port["nodePort"].as_u64().expect("a number"));
    assert!(given.eq(30_010..=30_026), "{service}");
    // As docs/deploy/troubleshooting.md quotes them.
    for (namespace, port, says) in [
        ("second", 30_026, "provided port is already allocated"),
        ("third", 29_999, "provided port is not in the valid range"),
    ] {
        let refused = chosen(namespace, port).expect("there was Helm");
        let said = refused.expect_err("nobody can have them");
        assert!(said.contains(says), "{said}");
    }
}

/// As many brokers as the chart lets one have.
const MOST: usize = 1000;

#[test]
fn each_port_takes_a_node_port_until_there_are_none() {
    let Some(cluster) = ControlPlane::start() else {
        return;
    };
    let kubectl = cluster.admin();
    let count = format!("ports.brokers.count={MOST}");
    let many = |namespace: &str, more: &[&str]| {
        // Away from the admin port.
        let elsewhere = ["ports.bootstrap=20000", "ports.brokers.first=20001"];
        let values = [&TWO[..], &[&count], &elsewhere, more].concat();
        templated(namespace, &set(&values))
    };
    let node_ports = |namespace: &str| -> Vec<u64> {
        let service = kubectl.get(namespace, "service/portolan");
        let ports = service["spec"]["ports"].as_array().expect("ports");
        assert_eq!(ports.len(), MOST + 1);
        ports
            .iter()
            .filter_map(|port| port["nodePort"].as_u64())
            .collect()
    };
    let mut taken = BTreeSet::new();
    for namespace in ["one", "two"] {
        let Some(text) = many(namespace, &[]) else {
            return;
        };
        kubectl.strict_namespace(namespace);
        kubectl.apply(namespace, &text);
        taken.extend(node_ports(namespace));
    }
    assert_eq!(taken.len(), 2 * (MOST + 1));
    assert!(
        taken.iter().all(|port| (30_000..=32_767).contains(port)),
        "{taken:?}"
    );
    // 2,768 in all: 766 are left.
    kubectl.strict_namespace("three");
    let text = many("three", &[]).expect("there was Helm");
    let said = kubectl
        .try_apply("three", &text)
        .expect_err("no more ports");
    // As docs/deploy/troubleshooting.md quotes it.
    let says = "failed to allocate a nodePort: range is full";
    assert!(said.contains(says), "{said}");
    let none = ["service.allocateLoadBalancerNodePorts=false"];
    let text = many("three", &none).expect("there was Helm");
    kubectl.apply("three", &text);
    assert_eq!(node_ports("three"), [0; 0]);
}
