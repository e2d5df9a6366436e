//! The kustomizations say what the chart says: each overlay the same as the values of its name, object by object.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::helm::{Helm, chart};
use crate::common::objects::{is_hook, parsed};
use crate::common::toolbox::{program, ready};
use crate::schemas::{Objects, VERSIONS, assert_valid};

/// Which values of the chart each says the same as, beside the two that must be set.
const SAME_AS: [(&str, &[&str]); 9] = [
    ("base", &[]),
    ("overlays/aks", &["profile=aks"]),
    ("overlays/aws-nlb", &["profile=aws-nlb"]),
    ("overlays/gke", &["profile=gke"]),
    (
        "overlays/gke-internal",
        &["profile=gke", "service.internal=true"],
    ),
    ("overlays/k3s", &["profile=k3s"]),
    ("overlays/metallb", &["profile=metallb"]),
    (
        "overlays/monitoring",
        &[
            "podMonitor.enabled=true",
            "prometheusRule.enabled=true",
            "dashboard.enabled=true",
        ],
    ),
    (
        "overlays/tls-cert-manager",
        &[
            "tls.client.certManager.enabled=true",
            "tls.client.certManager.issuerRef.name=letsencrypt",
            "tls.client.certManager.issuerRef.kind=ClusterIssuer",
        ],
    ),
];

/// Labels by which Helm knows its own, and kustomize has nothing of the kind.
const LABELS_OF_HELM: [&str; 2] = ["app.kubernetes.io/managed-by", "helm.sh/chart"];

/// Helm has pods replaced by this when the configuration changes; kustomize, by a new name of the ConfigMap.
const CHECKSUM: &str = "checksum/config";

/// The directory of them all.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize")
}

/// What kustomize makes of one of them.
fn built(place: &str) -> String {
    built_in(&root().join(place))
}

/// What it makes of a directory anywhere.
pub(crate) fn built_in(directory: &Path) -> String {
    let place = directory.display();
    let mut kubectl = Command::new(program("kubectl"));
    let output = kubectl.arg("kustomize").arg(directory).output();
    let output = output.expect("kubectl runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    // Its warnings are of fields that are to go.
    let good = output.status.success() && errors.is_empty();
    assert!(good, "{place}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What the chart makes of some values.
fn rendered(values: &[&str]) -> Option<String> {
    let mut helm = Helm::Three.command()?;
    helm.args(["template", "portolan"]).arg(chart());
    helm.args(["--namespace", "kafka-edge"]);
    let required = [
        "kafka.bootstrapServers=kafka.kafka.svc:9092",
        "advertised.host=kafka.example.com",
    ];
    for value in required.iter().chain(values) {
        helm.args(["--set", value]);
    }
    let output = helm.output().expect("helm runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{values:?}: {errors}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn no_overlay_is_left_out() {
    let overlays = fs::read_dir(root().join("overlays")).expect("overlays");
    let mut found: Vec<String> = overlays
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| format!("overlays/{}", name.to_string_lossy()))
        .chain(["base".to_owned()])
        .collect();
    found.sort();
    assert_eq!(found, SAME_AS.map(|(place, _)| place));
}

#[test]
fn every_object_is_valid_in_every_version() {
    if ready() {
        let objects = SAME_AS.into_iter().flat_map(|(place, _)| {
            let text = built(place);
            VERSIONS.map(|version| Objects {
                name: place.to_owned(),
                version,
                text: text.clone(),
            })
        });
        assert_valid(&objects.collect::<Vec<_>>());
    }
}

#[test]
fn each_says_what_the_chart_says() {
    if !ready() {
        return;
    }
    for (place, values) in SAME_AS {
        let Some(by_chart) = rendered(values) else {
            return;
        };
        let by_chart = comparable(&by_chart);
        let by_kustomize = comparable(&built(place));
        let names: (Vec<_>, Vec<_>) = (by_chart.keys().collect(), by_kustomize.keys().collect());
        assert_eq!(names.0, names.1, "{place}");
        for (id, chart) in &by_chart {
            let mut differences = Vec::new();
            differ(id, chart, &by_kustomize[id], &mut differences);
            let differences = differences.join("\n");
            assert!(differences.is_empty(), "{place}:\n{differences}");
        }
    }
}

/// The objects without what may differ between Helm and kustomize.
fn comparable(text: &str) -> BTreeMap<String, Value> {
    let objects = parsed(text).into_values();
    // What `helm test` runs is no part of an installation.
    let objects = objects.filter(|object| !is_hook(object));
    objects
        .map(|mut object| {
            // The namespace is given to `helm install`, and here to `kubectl apply`.
            fields(&mut object["metadata"]).remove("namespace");
            let templates = ["/metadata", "/spec/template/metadata"];
            for metadata in templates {
                if let Some(metadata) = object.pointer_mut(metadata) {
                    leave_out(metadata, "labels", &LABELS_OF_HELM);
                    leave_out(metadata, "annotations", &[CHECKSUM]);
                }
            }
            without_hashes(&mut object);
            in_order_of_names(&mut object);
            if let Some(config) = object.pointer_mut("/data/portolan.toml") {
                // As it is read: kustomize's has comments.
                let read: toml::Table =
                    toml::from_str(config.as_str().expect("text")).expect("TOML");
                *config = serde_json::to_value(read).expect("JSON");
            }
            let of = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            (format!("{}/{name}", of("kind")), object)
        })
        .collect()
}

fn fields(value: &mut Value) -> &mut serde_json::Map<String, Value> {
    value.as_object_mut().expect("an object")
}

/// Takes keys out of a table, and the table too when it has no others.
fn leave_out(metadata: &mut Value, table: &str, keys: &[&str]) {
    if let Some(found) = metadata.get_mut(table) {
        fields(found).retain(|key, _| !keys.contains(&key.as_str()));
        if fields(found).is_empty() {
            fields(metadata).remove(table);
        }
    }
}

/// Names a ConfigMap of kustomize as it is called in its files, in all texts that are its name.
fn without_hashes(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(hash) = text.strip_prefix("portolan-")
                && hash.len() == 10
                && hash.chars().any(|c| c.is_ascii_digit())
                && hash
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            {
                *text = "portolan".to_owned();
            }
        }
        Value::Array(all) => all.iter_mut().for_each(without_hashes),
        Value::Object(all) => all.values_mut().for_each(without_hashes),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Volumes and mounts, whose order says nothing: a patch of kustomize puts its own first.
fn in_order_of_names(object: &mut Value) {
    for list in ["volumes", "containers/0/volumeMounts"] {
        let list = object.pointer_mut(&format!("/spec/template/spec/{list}"));
        if let Some(list) = list.and_then(Value::as_array_mut) {
            list.sort_by_key(|one| one["name"].to_string());
        }
    }
}

/// Where two documents differ, each with what the chart has and what kustomize has.
fn differ(path: &str, chart: &Value, kustomize: &Value, found: &mut Vec<String>) {
    match (chart, kustomize) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let (a, b) = (of(a).unwrap_or_default(), of(b).unwrap_or_default());
                differ(&format!("{path}.{key}"), &a, &b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{path}.{index}"), a, b, found);
            }
        }
        _ if chart == kustomize => {}
        _ => found.push(format!(
            "{path}: {chart} in the chart, {kustomize} in kustomize"
        )),
    }
}

#[test]
fn a_difference_would_be_found_with_its_place() {
    let service =
        "{kind: Service, metadata: {name: it}, spec: {ports: [{port: 9092}, {port: 9093}]}}";
    let chart = comparable(service);
    let kustomize = comparable(&service.replace("9093", "9094, name: more"));
    let mut found = Vec::new();
    let id = "Service/it";
    differ(id, &chart[id], &kustomize[id], &mut found);
    let expected = [
        "Service/it.spec.ports.1.name: null in the chart, \"more\" in kustomize",
        "Service/it.spec.ports.1.port: 9093 in the chart, 9094 in kustomize",
    ];
    assert_eq!(found, expected);
}
