//! What one value may be: the schema knows each of them, and nothing else.

use std::fs;

use serde_json::Value;

use crate::common::helm::{Helm, chart};
use crate::render::{TWO, render};

/// Both majors of Helm refuse these values by the schema, and name the key.
fn refused(values: &str, key: &str) {
    for helm in [Helm::Three, Helm::Four] {
        let Some(rendered) = render(helm, &[TWO, values]) else {
            return;
        };
        let said = rendered.err();
        let said = said.unwrap_or_else(|| panic!("{values} is accepted"));
        assert!(said.contains("schema"), "{values}: {said}");
        // One says a.b, the other /a/b.
        let slashes = key.replace('.', "/");
        assert!(
            said.contains(key) || said.contains(&slashes),
            "{values}: {key}\n{said}"
        );
    }
}

#[test]
fn a_key_that_is_not_known() {
    refused("{replica: 3}", "replica");
    refused("{tls: {client: {secret: a}}}", "tls.client");
}

#[test]
fn a_word_that_is_none_of_those() {
    refused("{profile: eks}", "profile");
    refused(
        "{service: {externalTrafficPolicy: local}}",
        "service.externalTrafficPolicy",
    );
    refused("{service: {type: ExternalName}}", "service.type");
    refused("{proxyProtocol: {mode: on}}", "proxyProtocol.mode");
    refused("{sni: {mode: yes}}", "sni.mode");
    refused(
        "{tls: {client: {minVersion: '1.1'}}}",
        "tls.client.minVersion",
    );
    refused("{log: {level: verbose}}", "log.level");
}

#[test]
fn a_port_that_takes_privileges_or_is_none() {
    refused("{ports: {bootstrap: 443}}", "ports.bootstrap");
    refused("{ports: {admin: 80}}", "ports.admin");
    refused("{ports: {brokers: {first: 65536}}}", "ports.brokers.first");
    refused("{ports: {brokers: {count: 0}}}", "ports.brokers.count");
    refused("{ports: {brokers: {count: 1001}}}", "ports.brokers.count");
    refused("{ports: {admin: '9644'}}", "ports.admin");
}

#[test]
fn ranges_of_another_form() {
    let ranges = |range: &str, key: &str| {
        let values = format!("{{brokers: {{ranges: [{{ids: 0}}, {range}]}}}}");
        refused(&values, &format!("brokers.ranges.1{key}"));
    };
    ranges("{ids: 1, port: 9100}", "");
    ranges("{firstPort: 9100}", "");
    ranges("{ids: 1, firstPort: 1023}", ".firstPort");
    ranges("{ids: 1, firstPort: 65536}", ".firstPort");
    ranges("{ids: 1, firstPort: '9100'}", ".firstPort");
    ranges("{ids: ''}", ".ids");
    ranges("{ids: -1}", ".ids");
    ranges("{ids: null}", "");
    ranges("{ids: 1, address: 9092}", ".address");
    ranges("0-9", "");
    refused("{brokers: {ranges: {ids: 0}}}", "brokers.ranges");
}

#[test]
fn node_ports_that_are_none() {
    refused(
        "{service: {nodePorts: {bootstrap: 0}}}",
        "service.nodePorts.bootstrap",
    );
    refused(
        "{service: {nodePorts: {bootstrap: 1, first: 65536}}}",
        "service.nodePorts.first",
    );
    refused(
        "{service: {nodePorts: {broker: 30000}}}",
        "service.nodePorts",
    );
    refused("{service: {nodePorts: [30000]}}", "service.nodePorts");
}

#[test]
fn numbers_and_times_out_of_bounds() {
    refused("{replicas: 0}", "replicas");
    refused("{drain: {lameDuck: 15}}", "drain.lameDuck");
    refused("{drain: {grace: 30 seconds}}", "drain.grace");
    refused("{pdb: {maxUnavailable: 0}}", "pdb.maxUnavailable");
    refused(
        "{networkPolicy: {apiServerPorts: []}}",
        "networkPolicy.apiServerPorts",
    );
    refused("{rollout: {maxSurge: many}}", "rollout.maxSurge");
}

#[test]
fn texts_of_another_form() {
    refused(
        "{service: {sourceRanges: [10.0.0.1]}}",
        "service.sourceRanges.0",
    );
    refused(
        "{service: {annotations: {a: true}}}",
        "service.annotations.a",
    );
    refused("{image: {digest: abc}}", "image.digest");
    refused(
        "{tls: {client: {existingSecret: My Secret}}}",
        "tls.client.existingSecret",
    );
    refused("{kafka: {clusterName: a.b}}", "kafka.clusterName");
    refused("{nameOverride: kafka.gate}", "nameOverride");
    refused("{brokers: {ids: ''}}", "brokers.ids");
    refused("{brokers: {ids: -1}}", "brokers.ids");
    refused(
        "{kafka: {bootstrapServers: 9092}}",
        "kafka.bootstrapServers",
    );
}

/// Whether values and schema have the same keys, from `path` on down.
fn same(path: &str, values: &Value, schema: &Value) {
    let Some(known) = schema["properties"].as_object() else {
        // A map of whatever keys Kubernetes or Portolan has, or no map.
        let is_open = schema["additionalProperties"] != false;
        assert!(is_open, "{path}: no key is allowed");
        let is_map = values.as_object().is_some_and(|map| !map.is_empty());
        let may_be_map = schema["type"] == "object";
        assert!(!is_map || may_be_map, "{path}: the schema has no map");
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "{path}");
    let values = values
        .as_object()
        .unwrap_or_else(|| panic!("{path}: no map"));
    for key in values.keys() {
        assert!(known.contains_key(key), "{path}.{key} is not in the schema");
    }
    for (key, schema) in known {
        // Helm's own.
        if path.is_empty() && key == "global" {
            continue;
        }
        let value = values.get(key);
        let value = value.unwrap_or_else(|| panic!("{path}.{key} is not in values.yaml"));
        same(&format!("{path}.{key}"), value, schema);
    }
}

fn text(name: &str) -> String {
    fs::read_to_string(chart().join(name)).expect("it can be read")
}

fn defaults() -> Value {
    serde_norway::from_str(&text("values.yaml")).expect("YAML")
}

#[test]
fn values_and_schema_have_the_same_keys() {
    let schema = serde_json::from_str(&text("values.schema.json")).expect("JSON");
    same("", &defaults(), &schema);
}

/// Looks at each key with a default that templates rely on; Helm takes it out where somebody writes null, as they do who leave
/// a section with nothing in it. Those are required, which names the key, where a template would only say "nil pointer".
fn required(path: &str, values: &Value, schema: &Value, found: &mut usize) {
    let Some(known) = schema["properties"].as_object() else {
        return;
    };
    let none = Vec::new();
    let listed = schema["required"].as_array().unwrap_or(&none);
    for (key, schema) in known {
        let value = &values[key];
        let is_section = schema["properties"].is_object();
        let is_empty = value.is_null() || value == "" || value.is_array() || value.is_object();
        if is_section || !is_empty {
            let may_be_null = schema["type"]
                .as_array()
                .is_some_and(|types| types.contains(&"null".into()));
            let is_required = listed.contains(&key.as_str().into());
            assert_eq!(is_required, !may_be_null, "{path}.{key}");
            *found += 1;
        }
        required(&format!("{path}.{key}"), value, schema, found);
    }
}

#[test]
fn defaults_that_are_needed_are_required() {
    let schema = serde_json::from_str(&text("values.schema.json")).expect("JSON");
    let mut found = 0;
    required("", &defaults(), &schema, &mut found);
    assert!(found > 60, "only {found}");
    for (values, key) in [
        ("{brokers: null}", "brokers"),
        ("{ports: {bootstrap: null}}", "ports"),
        ("{service: {nodePorts: null}}", "nodePorts"),
        ("{tls: {client: {clientCa: null}}}", "clientCa"),
        ("{hpa: {enabled: null}}", "enabled"),
    ] {
        refused(values, key);
    }
}

/// The keys whose defaults are empty, each with null.
fn nulls(values: &Value) -> Value {
    let map = values.as_object().expect("a map");
    let empty = map.iter().filter_map(|(key, value)| match value {
        Value::Object(below) if !below.is_empty() => {
            let below = nulls(value);
            let is_there = below.as_object().is_some_and(|below| !below.is_empty());
            is_there.then(|| (key.clone(), below))
        }
        Value::String(text) if text.is_empty() => Some((key.clone(), Value::Null)),
        Value::Array(list) if list.is_empty() => Some((key.clone(), Value::Null)),
        Value::Object(_) => Some((key.clone(), Value::Null)),
        _ => None,
    });
    empty.collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_default_that_is_empty_may_as_well_be_null() {
    let nulls = nulls(&defaults()).to_string();
    assert!(nulls.matches(":null").count() > 40, "{nulls}");
    let kafka = "kafka: {bootstrapServers: 'kafka.kafka.svc:9092'}";
    for values in [
        format!("{{{kafka}, advertised: {{fromService: true}}}}"),
        format!(
            "{{{kafka}, sni: {{mode: only, bootstrapHost: kafka.example.com}}, tls: {{client: {{certManager: {{enabled: true, issuerRef: \
             {{name: a}}}}, clientCa: {{secret: b}}}}, upstream: {{enabled: true}}}}, profile: aws-nlb, networkPolicy: {{enabled: \
             true, healthCheckNetworks: [10.0.0.0/8]}}, hpa: {{enabled: true}}, podMonitor: {{enabled: true}}, prometheusRule: \
             {{enabled: true}}, dashboard: {{enabled: true}}}}"
        ),
    ] {
        for helm in [Helm::Three, Helm::Four] {
            let all = |values: &[&str]| {
                let rendered = render(helm, values)?;
                let rendered = rendered.unwrap_or_else(|said| panic!("{said}"));
                let objects = rendered.all();
                Some(
                    objects
                        .map(|(name, object)| (name.to_owned(), object.clone()))
                        .collect::<Vec<_>>(),
                )
            };
            let Some(plain) = all(&[&values]) else {
                return;
            };
            assert_eq!(all(&[&nulls, &values]), Some(plain), "{values}");
        }
    }
}
