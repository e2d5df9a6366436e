//! deploy/examples: each has values that the chart accepts, and the StatefulSet is one that works.

use std::fs;

use serde_norway::Value;

use crate::configs::Files;
use crate::yaml::{documents_of, refused};
use crate::{files_below, read, root};

#[test]
fn every_example_has_a_page_and_values_that_the_chart_accepts() {
    let files = Files::new();
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("deploy/examples")).expect("examples") {
        let name = entry.expect("it can be read").file_name();
        let name = name.to_string_lossy().into_owned();
        let dir = format!("deploy/examples/{name}");
        assert!(
            read(&format!("{dir}/README.md")).contains(&format!("{dir}/values.yaml")),
            "{name}"
        );
        let values = read(&format!("{dir}/values.yaml"));
        let keys: Value = serde_norway::from_str(&values).expect("YAML");
        for (table, key) in [("kafka", "bootstrapServers"), ("advertised", "host")] {
            assert!(keys[table][key].is_string(), "{name}: {table}.{key}");
        }
        assert_eq!(refused(&values, &files), None, "{name}");
        found.push(name);
    }
    found.sort();
    assert_eq!(found, ["bitnami", "confluent", "statefulset", "strimzi"]);
}

#[test]
fn every_manifest_of_the_examples_has_a_kind_and_a_name() {
    let mut paths = Vec::new();
    files_below(&root().join("deploy/examples"), "yaml", &mut paths);
    let mut objects = 0;
    for path in paths.iter().filter(|path| !path.ends_with("values.yaml")) {
        for object in documents_of(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}")) {
            objects += 1;
            for key in ["apiVersion", "kind"] {
                assert!(object[key].is_string(), "{path}: {key}");
            }
            assert!(object["metadata"]["name"].is_string(), "{path}");
        }
    }
    assert!(objects >= 5, "only {objects} objects");
}

/// What is wrong with a StatefulSet of brokers and its Services.
fn faults(manifests: &str) -> Vec<&'static str> {
    let objects = documents_of(manifests).expect("YAML");
    let of = |kind: &str| {
        objects
            .iter()
            .filter(|one| one["kind"] == kind)
            .collect::<Vec<_>>()
    };
    let set = of("StatefulSet")[0];
    let spec = &set["spec"];
    let pod = &spec["template"]["spec"];
    let kafka = &pod["containers"][0];
    let services = of("Service");
    let governing = services
        .iter()
        .find(|one| one["metadata"]["name"] == spec["serviceName"]);
    let labels = &spec["template"]["metadata"]["labels"];
    let variable = |name: &str| {
        let variables = kafka["env"].as_sequence().expect("variables");
        let one = variables.iter().find(|one| one["name"] == name);
        one.map(|one| one.get("value").unwrap_or(&one["valueFrom"]).clone())
    };
    let text = |name: &str| {
        variable(name)
            .and_then(|value| Some(value.as_str()?.to_owned()))
            .unwrap_or_default()
    };
    let headless = governing.is_some_and(|one| one["spec"]["clusterIP"] == "None");
    let early = governing.is_some_and(|one| one["spec"]["publishNotReadyAddresses"] == true);
    let selected = services
        .iter()
        .all(|one| one["spec"]["selector"] == *labels)
        && spec["selector"]["matchLabels"] == *labels;
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    let domain = format!(
        "{}.$(NAMESPACE).svc.cluster.local",
        spec["serviceName"].as_str().unwrap_or_default()
    );
    let advertised = format!("PLAINTEXT://$(POD_NAME).{domain}:9092");
    let voters: Vec<String> = (0..spec["replicas"].as_u64().unwrap_or_default())
        .map(|id| format!("{id}@{name}-{id}.{domain}:9093"))
        .collect();
    let index = "metadata.labels['apps.kubernetes.io/pod-index']";
    let index =
        variable("KAFKA_NODE_ID").is_some_and(|from| from["fieldRef"]["fieldPath"] == index);
    [
        (headless, "the governing Service is not headless"),
        (early, "names are missing while brokers start"),
        (selected, "labels differ"),
        (
            text("KAFKA_ADVERTISED_LISTENERS") == advertised,
            "it advertises something else than its name",
        ),
        (
            text("KAFKA_CONTROLLER_QUORUM_VOTERS") == voters.join(","),
            "the voters are not the pods",
        ),
        (index, "ids are not the pods' indices"),
        // Else Kubernetes sets KAFKA_PORT and the like for Services, and the image takes them for settings.
        (
            pod["enableServiceLinks"] == false,
            "variables of Services become settings",
        ),
    ]
    .into_iter()
    .filter_map(|(right, fault)| (!right).then_some(fault))
    .collect()
}

#[test]
fn the_stateful_set_is_sound() {
    let manifests = read("deploy/examples/statefulset/kafka.yaml");
    assert_eq!(faults(&manifests), [""; 0]);
    let wrong = manifests
        .replace("clusterIP: None", "clusterIP: \"\"")
        .replace(
            "publishNotReadyAddresses: true",
            "publishNotReadyAddresses: false",
        )
        .replace("replicas: 3", "replicas: 4")
        .replace("PLAINTEXT://$(POD_NAME)", "PLAINTEXT://localhost")
        .replace("enableServiceLinks: false", "enableServiceLinks: true")
        .replace("pod-index", "pod-ordinal")
        .replacen("app: kafka", "app: other", 1);
    assert_eq!(faults(&wrong).len(), 7, "{:?}", faults(&wrong));
}

/// The ranges of ids and addresses that go with the pools of brokers in a cluster of Strimzi, by how its operator calls pods.
fn ranges_of_pools(manifests: &str) -> Vec<(String, String)> {
    let objects = documents_of(manifests).expect("YAML");
    let of = |kind: &'static str| objects.iter().filter(move |one| one["kind"] == kind);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kafka = of("Kafka").next().expect("a cluster");
    let cluster = text(&kafka["metadata"]["name"]);
    let namespace = text(&kafka["metadata"]["namespace"]);
    let listeners = kafka["spec"]["kafka"]["listeners"].as_sequence();
    let plain = listeners.expect("listeners").iter();
    let plain = plain
        .filter(|one| one["type"] == "internal" && one["tls"] == false)
        .find_map(|one| one["port"].as_u64())
        .expect("a listener without TLS");
    let is_broker = |pool: &&Value| {
        let roles = pool["spec"]["roles"].as_sequence().expect("roles");
        roles.iter().any(|role| role == "broker")
    };
    let pools = of("KafkaNodePool").filter(is_broker).map(|pool| {
        let metadata = &pool["metadata"];
        assert_eq!(metadata["labels"]["strimzi.io/cluster"], cluster.as_str());
        assert_eq!(metadata["namespace"], namespace.as_str());
        let ids = text(&metadata["annotations"]["strimzi.io/next-node-ids"]);
        let name = text(&metadata["name"]);
        let address = format!(
            "{cluster}-{name}-{{node_id}}.{cluster}-kafka-brokers.{namespace}.svc.cluster.local:{plain}"
        );
        (ids.trim_matches(['[', ']']).to_owned(), address)
    });
    pools.collect()
}

#[test]
fn the_ranges_for_strimzi_are_those_of_its_pools() {
    let values = read("deploy/examples/strimzi/values.yaml");
    let values: Value = serde_norway::from_str(&values).expect("YAML");
    let ranges = values["brokers"]["ranges"].as_sequence().expect("ranges");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let ranges = ranges
        .iter()
        .map(|range| (text(&range["ids"]), text(&range["address"])));
    let ranges: Vec<(String, String)> = ranges.collect();
    let manifests = read("deploy/examples/strimzi/kafka.yaml");
    assert_eq!(ranges, ranges_of_pools(&manifests));
    assert_eq!(ranges.len(), 2);
    let changed = manifests.replace("name: large", "name: huge");
    assert_ne!(ranges, ranges_of_pools(&changed));
}
