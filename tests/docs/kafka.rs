//! Kafka itself accepts what the StatefulSet of the examples configures.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_norway::Value;

use crate::common::tools::available;
use crate::read;
use crate::toolchain::{KAFKA_4, jars};
use crate::yaml::documents_of;

const MANIFESTS: &str = "deploy/examples/statefulset/kafka.yaml";

/// The container's variables, as the kubelet gives them to the pod with that number.
fn variables(manifests: &str, pod: usize) -> BTreeMap<String, String> {
    let objects = documents_of(manifests).expect("YAML");
    let set = objects.iter().find(|one| one["kind"] == "StatefulSet");
    let container = &set.expect("a StatefulSet")["spec"]["template"]["spec"]["containers"][0];
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for variable in container["env"].as_sequence().expect("variables") {
        let name = variable["name"].as_str().expect("a name").to_owned();
        let path = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str();
        let mut value = match path {
            Some("metadata.name") => format!("kafka-{pod}"),
            Some("metadata.namespace") => "kafka".to_owned(),
            Some(_) => pod.to_string(),
            None => text(&variable["value"]),
        };
        // Those that stand before it.
        for (name, text) in &known {
            value = value.replace(&format!("$({name})"), text);
        }
        known.insert(name, value);
    }
    known
}

fn text(value: &Value) -> String {
    let value = value.as_str();
    value.expect("Kubernetes takes nothing but text").to_owned()
}

/// What the image makes of them: https://github.com/apache/kafka/blob/trunk/docker/examples/README.md
fn properties(variables: &BTreeMap<String, String>) -> String {
    let settings = variables.iter().filter_map(|(name, value)| {
        let name = name
            .strip_prefix("KAFKA_")?
            .to_lowercase()
            .replace('_', ".");
        Some(format!("{name}={value}\n"))
    });
    settings.collect()
}

/// What Kafka says against it when it is to format its storage, as the image does at the first start.
fn refused(variables: &BTreeMap<String, String>) -> Option<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("server.properties");
    let logs = dir.path().join("logs").display().to_string();
    let settings = properties(variables).replace("/var/lib/kafka/data/logs", &logs);
    assert!(settings.contains(&logs), "{settings}");
    fs::write(&file, &settings).expect("it can be written");
    let output = Command::new("java")
        .args(["-Xmx256m", "-cp", &jars(KAFKA_4), "kafka.tools.StorageTool"])
        .args(["format", "-t", &variables["CLUSTER_ID"], "-c"])
        .arg(&file)
        .output()
        .expect("java runs");
    let words = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&words).into_owned())
}

#[test]
fn kafka_accepts_the_stateful_sets_settings() {
    if !available(&["java", "mvn"]) {
        return;
    }
    let manifests = read(MANIFESTS);
    assert!(manifests.contains(&format!("image: apache/kafka:{KAFKA_4}\n")));
    let mut good = variables(&manifests, 2);
    assert_eq!(good["KAFKA_NODE_ID"], "2");
    let advertised = "PLAINTEXT://kafka-2.kafka-headless.kafka.svc.cluster.local:9092";
    assert_eq!(good["KAFKA_ADVERTISED_LISTENERS"], advertised);
    assert_eq!(refused(&good), None);
    // It would tell: this one has no controller's listener.
    good.insert("KAFKA_LISTENERS".to_owned(), "PLAINTEXT://:9092".to_owned());
    assert!(refused(&good).is_some_and(|words| words.contains("controller.listener.names")));
}
