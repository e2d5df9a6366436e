//! Node ports that one chooses oneself.

use serde_json::Value;

use crate::refusals::refused;
use crate::render::{Rendered, good};

/// The node port of each port of the Service, by its name.
fn node_ports(rendered: &Rendered) -> Vec<(&str, Option<u64>)> {
    let list = rendered.service()["spec"]["ports"].as_array();
    let ports = list.expect("ports").iter();
    let ports = ports.map(|port| {
        let name = port["name"].as_str().expect("a name");
        (name, port["nodePort"].as_u64())
    });
    ports.collect()
}

#[test]
fn none_is_chosen_unless_one_says_so() {
    let Some(rendered) = good(&["{service: {type: NodePort}}"]) else {
        return;
    };
    let ports = node_ports(&rendered);
    assert_eq!(ports.len(), 17);
    assert!(ports.iter().all(|(_, port)| port.is_none()), "{ports:?}");
}

#[test]
fn they_are_as_far_apart_as_ports_are() {
    let three = "ports: {brokers: {count: 2}}";
    let ranges = "brokers: {ranges: [{ids: 0-1}, {ids: 20-21}]}";
    let beside = "sni: {mode: beside}, tls: {client: {existingSecret: a}}";
    let only = "sni: {mode: only}, tls: {client: {existingSecret: a}}";
    for (values, wanted) in [
        (
            format!("{{service: {{nodePorts: {{bootstrap: 30000}}}}, {three}}}"),
            vec![("bootstrap", 30000), ("node-0", 30001), ("node-1", 30002)],
        ),
        (
            format!(
                "{{service: {{type: NodePort, nodePorts: {{bootstrap: 30090, first: 31000}}}}, {three}}}"
            ),
            vec![("bootstrap", 30090), ("node-0", 31000), ("node-1", 31001)],
        ),
        (
            format!("{{service: {{nodePorts: {{bootstrap: 30000, first: 30500}}}}, {ranges}}}"),
            vec![
                ("bootstrap", 30000),
                ("node-0", 30500),
                ("node-1", 30501),
                ("node-20", 30520),
                ("node-21", 30521),
            ],
        ),
        (
            format!(
                "{{service: {{nodePorts: {{bootstrap: 30001, sni: 30000}}}}, {three}, {beside}}}"
            ),
            vec![
                ("bootstrap", 30001),
                ("node-0", 30002),
                ("node-1", 30003),
                ("sni", 30000),
            ],
        ),
        (
            format!("{{service: {{nodePorts: {{sni: 30443}}}}, {only}}}"),
            vec![("sni", 30443)],
        ),
    ] {
        let Some(rendered) = good(&[&values]) else {
            return;
        };
        let wanted: Vec<(&str, Option<u64>)> = wanted
            .into_iter()
            .map(|(name, port)| (name, Some(port)))
            .collect();
        assert_eq!(node_ports(&rendered), wanted, "{values}");
    }
}

#[test]
fn asked_for_ones_are_allocated_where_the_profile_would_have_none() {
    let values = "{profile: metallb, service: {nodePorts: {bootstrap: 30000}}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let allocate = &rendered.service()["spec"]["allocateLoadBalancerNodePorts"];
    assert_eq!(*allocate, Value::Null, "it says no");
}

#[test]
fn where_there_are_none_they_are_refused() {
    refused(
        "{service: {type: ClusterIP, nodePorts: {bootstrap: 30000}}}",
        "service.nodePorts: a Service of type ClusterIP has no node ports; write service.type: NodePort or LoadBalancer, or take \
         them out",
    );
    refused(
        "{service: {allocateLoadBalancerNodePorts: false, nodePorts: {bootstrap: 30000}}}",
        "service.nodePorts asks for node ports, and service.allocateLoadBalancerNodePorts is false; take one of the two out",
    );
}

#[test]
fn one_that_is_missing_or_too_many_is_refused() {
    let tls = "tls: {client: {existingSecret: a}}";
    refused(
        "{service: {nodePorts: {first: 30001}}}",
        "service.nodePorts.bootstrap is not set, and the others are; write that of the bootstrap port, too, such as 30000",
    );
    refused(
        &format!("{{service: {{nodePorts: {{bootstrap: 30001}}}}, sni: {{mode: beside}}, {tls}}}"),
        "service.nodePorts.sni is not set, and with sni.mode \"beside\" there is a port for it; write its node port, too",
    );
    refused(
        &format!(
            "{{service: {{nodePorts: {{bootstrap: 30001, sni: 30000}}}}, sni: {{mode: only}}, {tls}}}"
        ),
        "service.nodePorts.bootstrap and first have no effect with sni.mode \"only\", where there is one port; write \
         service.nodePorts.sni",
    );
    refused(
        "{service: {nodePorts: {bootstrap: 30001, sni: 30000}}}",
        "service.nodePorts.sni has no effect with sni.mode \"off\"; take it out, or write sni.mode: only, or beside",
    );
}

#[test]
fn one_for_two_ports_is_refused() {
    refused(
        "{service: {nodePorts: {bootstrap: 30003, first: 30000}}}",
        "service.nodePorts: bootstrap and node-3 would both have node port 30003; write another for one of them",
    );
    refused(
        "{service: {nodePorts: {bootstrap: 30000, sni: 30016}}, sni: {mode: beside}, tls: {client: {existingSecret: a}}}",
        "service.nodePorts: node-15 and sni would both have node port 30016; write another for one of them",
    );
}

#[test]
fn ports_that_are_too_far_apart_are_refused() {
    refused(
        "{service: {nodePorts: {bootstrap: 30000}}, brokers: {ranges: [{ids: 0}, {ids: 40000}]}}",
        "service.nodePorts: node ports are as far apart as ports are, so that node-40000 would get 70001, which is no port; write \
         another service.nodePorts.first, or ports that are closer together",
    );
    refused(
        "{service: {nodePorts: {bootstrap: 30000, first: 100}}, brokers: {ranges: [{ids: 300}, {ids: 0}]}}",
        "so that node-0 would get -200, which is no port",
    );
    refused(
        "{ports: {bootstrap: 40000}, brokers: {ranges: [{ids: 0-1, firstPort: 10000}]}, service: {nodePorts: {bootstrap: 30000}}}",
        "so that node-0 would get 0, which is no port",
    );
}
