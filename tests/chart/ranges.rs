//! Several pools of brokers, each with ids, ports and addresses of its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::refusals::refused;
use crate::render::{Rendered, good};

/// The port of each name on the Service.
fn ports(rendered: &Rendered) -> BTreeMap<String, u64> {
    let list = rendered.service()["spec"]["ports"].as_array();
    let ports = list.expect("ports").iter().map(|port| {
        let name = port["name"].as_str().expect("a name").to_owned();
        (name, port["port"].as_u64().expect("a number"))
    });
    ports.collect()
}

/// The [[nodes]] of the configuration.
fn entries(rendered: &Rendered) -> Value {
    let config: toml::Table = toml::from_str(rendered.config()).expect("TOML");
    let config = serde_json::to_value(config).expect("JSON");
    config["clusters"]["main"]["nodes"].clone()
}

#[test]
fn each_range_is_an_entry_of_the_config() {
    let values = "{brokers: {ranges: [{ids: 0-2, address: 'a-{node_id}.a.kafka.svc:9092'}, {ids: '7,5', firstPort: 20000, \
                  address: 'b-{ordinal}.b.kafka.svc:9094'}, {ids: 100000001, firstPort: 20002}]}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let wanted = json!([
        {"ids": "0-2", "port": 9093, "address": "a-{node_id}.a.kafka.svc:9092"},
        {"ids": "7,5", "port": 20000, "address": "b-{ordinal}.b.kafka.svc:9094"},
        {"ids": "100000001", "port": 20002},
    ]);
    assert_eq!(entries(&rendered), wanted);
    let ports = ports(&rendered);
    let wanted = [
        ("bootstrap", 9092),
        ("node-0", 9093),
        ("node-1", 9094),
        ("node-100000001", 20002),
        ("node-2", 9095),
        ("node-5", 20001),
        ("node-7", 20000),
    ];
    let wanted = wanted.map(|(name, port)| (name.to_owned(), port));
    assert_eq!(ports, BTreeMap::from(wanted));
}

#[test]
fn names_alone_need_no_ports() {
    let values = "{brokers: {ranges: [{ids: 0-1}, {ids: 2000000000}]}, sni: {mode: only}, tls: {client: {existingSecret: a}}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let wanted = json!([{"ids": "0-1"}, {"ids": "2000000000"}]);
    assert_eq!(entries(&rendered), wanted);
    assert_eq!(ports(&rendered), BTreeMap::from([("sni".to_owned(), 9443)]));
}

#[test]
fn a_range_that_grows_or_comes_moves_no_port_of_another() {
    let all = |ranges: &str| {
        let rendered = good(&[&format!("{{brokers: {{ranges: [{ranges}]}}}}")])?;
        Some(ports(&rendered))
    };
    let Some(before) = all("{ids: 0-2}, {ids: '100-102'}, {ids: 200-202, firstPort: 30000}") else {
        return;
    };
    assert_eq!(before["node-100"], 9193);
    for later in [
        "{ids: 0-9}, {ids: 100-109}, {ids: 200-209, firstPort: 30000}",
        "{ids: '0-2,7'}, {ids: '100-102,90'}, {ids: '200-202,3', firstPort: 30000}",
        "{ids: 50-59}, {ids: 100-102}, {ids: 200-202, firstPort: 30000}, {ids: 0-2}",
    ] {
        let Some(after) = all(later) else { return };
        assert!(after.len() > before.len(), "{later}");
        for (name, port) in &before {
            assert_eq!(after[name], *port, "{later}: {name}");
        }
    }
}

#[test]
fn brokers_follow_the_bootstrap_port() {
    for (values, wanted) in [
        ("{ports: {bootstrap: 19092}}", 19093),
        ("{ports: {bootstrap: 19092}, brokers: {ids: 5}}", 19093),
        ("{ports: {bootstrap: 19092, brokers: {first: 9093}}}", 9093),
        (
            "{ports: {bootstrap: 19092}, brokers: {ranges: [{ids: 5}]}}",
            19098,
        ),
    ] {
        let Some(rendered) = good(&[values]) else {
            return;
        };
        assert_eq!(entries(&rendered)[0]["port"], wanted, "{values}");
    }
}

#[test]
fn a_network_policy_lets_each_range_in_and_nothing_between() {
    let values = "{networkPolicy: {enabled: true}, brokers: {ranges: [{ids: 0-2}, {ids: 100}]}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let policy = rendered.object("NetworkPolicy/portolan");
    let wanted = json!([
        {"port": 9092, "protocol": "TCP"},
        {"port": 9093, "endPort": 9095, "protocol": "TCP"},
        {"port": 9193, "endPort": 9193, "protocol": "TCP"},
    ]);
    assert_eq!(policy["spec"]["ingress"][0]["ports"], wanted);
}

#[test]
fn what_is_said_in_two_places_is_refused() {
    for (key, values) in [
        ("brokers.ids", "brokers: {ids: 0, ranges: [{ids: 0}]}"),
        (
            "brokers.address",
            "brokers: {address: 'a:1', ranges: [{ids: 0}]}",
        ),
        (
            "ports.brokers.first",
            "brokers: {ranges: [{ids: 0}]}, ports: {brokers: {first: 9093}}",
        ),
        (
            "ports.brokers.count",
            "brokers: {ranges: [{ids: 0}]}, ports: {brokers: {count: 1}}",
        ),
        (
            "brokers.address, brokers.ids, ports.brokers.count",
            "brokers: {ids: 0, address: 'a:1', ranges: [{ids: 0}]}, ports: {brokers: {count: 2}}",
        ),
    ] {
        refused(
            &format!("{{{values}}}"),
            &format!(
                "brokers.ranges has the ids, ports and addresses of all brokers, and beside it is set: {key}; move what that says \
                 into brokers.ranges (ids, firstPort, address), or leave brokers.ranges out"
            ),
        );
    }
}

/// With these ranges Helm refuses, and says this.
fn refused_ranges(ranges: &str, words: &str) {
    refused(&format!("{{brokers: {{ranges: [{ranges}]}}}}"), words);
}

#[test]
fn no_range_is_refused() {
    refused_ranges(
        "",
        "brokers.ranges is an empty list; write a range at least, such as [{ids: \"0-9\"}], or leave it out",
    );
}

#[test]
fn ids_in_two_ranges_are_refused() {
    refused_ranges(
        "{ids: 0-9}, {ids: '20,9', firstPort: 20000}",
        "brokers.ranges[1].ids: id 9 stands in brokers.ranges[0] already; name each id once",
    );
    refused_ranges(
        "{ids: 0-9}, {ids: 20}, {ids: 7-12, firstPort: 20000}",
        "brokers.ranges[2].ids: id 7 and 2 more stand in brokers.ranges[0] already; name each id once",
    );
}

#[test]
fn ids_that_are_none_are_refused_where_they_stand() {
    refused_ranges(
        "{ids: 0-9}, {ids: 12-10}",
        "brokers.ranges[1].ids: \"12-10\" runs backwards; write \"10-12\"",
    );
    refused_ranges(
        "{ids: a}",
        "brokers.ranges[0].ids: \"a\" is no id or range; write one such as \"0-15\"",
    );
    refused_ranges(
        "{ids: '1,1'}",
        "brokers.ranges[0].ids: \"1,1\" names an id twice; name each once",
    );
    refused_ranges(
        "{ids: 0-599, firstPort: 10000}, {ids: 1000-1599, firstPort: 20000}",
        "brokers.ranges: together they have 1200 ids, more than 1000; name only those that brokers have or may get",
    );
}

#[test]
fn ports_in_two_ranges_are_refused() {
    refused_ranges(
        "{ids: 0-9}, {ids: 100-101, firstPort: 9102}, {ids: 200}",
        "brokers.ranges[1]: its ports 9102-9103 and those of brokers.ranges[0], 9093-9102, overlap; write another \
         brokers.ranges[1].firstPort, such as 9294",
    );
    // By default, too: 20 has the tenth port of the first.
    refused_ranges(
        "{ids: '0-8,20'}, {ids: 9}",
        "brokers.ranges[1]: its ports 9102-9102 and those of brokers.ranges[0], 9093-9102, overlap",
    );
    // Ports that clients know stay where they are, whichever of the two is written first.
    for (ranges, grown, new) in [
        ("{ids: '0-9,300-302'}, {ids: 10-19}", 0, "\"300-302\""),
        ("{ids: 10-19}, {ids: '0-9, 300-302'}", 1, "\"300-302\""),
        ("{ids: 0-12}, {ids: 20-29, firstPort: 9103}", 0, "..."),
    ] {
        refused_ranges(
            ranges,
            &format!(
                "overlap; write another brokers.ranges[1].firstPort, such as 9113, unless clients know its ports: where \
                 brokers.ranges[{grown}] grew on a release that runs, move neither, and write the new ids as a range of their own, \
                 {{ids: {new}, address: ...}}"
            ),
        );
    }
    good(&["{brokers: {ranges: [{ids: 0-9}, {ids: 10-19}, {ids: 300-302}]}}"]);
    // A port more, and they do not.
    good(&["{brokers: {ranges: [{ids: 0-9}, {ids: 100-101, firstPort: 9103}]}}"]);
}

#[test]
fn ports_of_something_else_are_refused() {
    refused_ranges(
        "{ids: 0}, {ids: 100-101, firstPort: 9091}",
        "ports.bootstrap: 9092 lies inside the brokers' ports 9091-9092; write one outside of them, or move them by \
         brokers.ranges[1].firstPort",
    );
    refused_ranges(
        "{ids: 551}",
        "ports.admin: 9644 lies inside the brokers' ports 9644-9644; write one outside of them, or move them by \
         brokers.ranges[0].firstPort",
    );
    let names = "sni: {mode: beside, advertisedPort: 9193}, tls: {client: {existingSecret: a}}";
    refused(
        &format!("{{brokers: {{ranges: [{{ids: 0}}, {{ids: 100}}]}}, {names}}}"),
        "sni.advertisedPort: the Service has port 9193 already; write another, such as 443",
    );
}

#[test]
fn ports_past_the_last_are_refused() {
    refused_ranges(
        "{ids: 0}, {ids: 56443}",
        "brokers.ranges[1]: the last of 1 would have port 65536, and there is none above 65535; write a lower \
         brokers.ranges[1].firstPort, or fewer ids",
    );
    refused_ranges(
        "{ids: 0-9, firstPort: 65527}",
        "brokers.ranges[0]: the last of 10 would have port 65536, and there is none above 65535",
    );
    good(&["{brokers: {ranges: [{ids: 56442}]}}"]);
}

#[test]
fn one_address_for_several_brokers_is_refused() {
    refused(
        "{brokers: {address: 'kafka.kafka.svc:9092'}}",
        "brokers.address: all 16 brokers would have the same; write {node_id} or {ordinal} where they differ",
    );
    refused_ranges(
        "{ids: 0, address: 'a:9092'}, {ids: 5-6, address: 'b:9092'}",
        "brokers.ranges[1].address: all 2 brokers would have the same; write {node_id} or {ordinal} where they differ",
    );
    refused_ranges(
        "{ids: 0-1, address: 'a-{ordinal}:9092'}, {ids: 5-6, address: 'a-{ordinal}:9092'}",
        "brokers.ranges[1].address: \"a-{ordinal}:9092\" stands in brokers.ranges[0].address, too, and would lead to the same \
         brokers; write the address of this range's own",
    );
    good(&[
        "{brokers: {ranges: [{ids: 0-1, address: 'a-{node_id}:9092'}, {ids: 5-6, address: 'a-{node_id}:9092'}]}}",
    ]);
}

#[test]
fn an_address_that_is_none_is_refused() {
    refused(
        "{brokers: {address: 'kafka-{id}.kafka.svc:9092'}}",
        "brokers.address: \"{id}\" is no placeholder; write {node_id}, or {ordinal}, which is 0 for the first id",
    );
    for address in ["kafka-{node_id}.kafka.svc", "http://kafka-{node_id}:9092"] {
        refused_ranges(
            &format!("{{ids: 0-1, address: '{address}'}}"),
            &format!(
                "brokers.ranges[0].address: \"{address}\" is not host:port; write one such as \
                 kafka-{{node_id}}.kafka-headless.kafka.svc:9092"
            ),
        );
    }
    good(&["{brokers: {ids: 0, address: '[2001:db8::1]:9092'}}"]);
}

#[test]
fn names_by_ordinals_of_several_ranges_are_refused() {
    let values = |host: &str| {
        format!(
            "{{brokers: {{ranges: [{{ids: 0-1}}, {{ids: 5-6}}]}}, sni: {{mode: only, nodeHost: '{host}.example.com'}}, tls: {{client: \
             {{existingSecret: a}}}}}}"
        )
    };
    refused(
        &values("b{ordinal}"),
        "sni.nodeHost: {ordinal} begins at 0 in each of brokers.ranges, so that \"b{ordinal}.example.com\" would name several \
         brokers; write {node_id}",
    );
    good(&[&values("b{node_id}")]);
}
