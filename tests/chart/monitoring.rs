//! The rules and the dashboard of the chart are those of deploy/monitoring, and the operator is told how to scrape.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::cache::run_tool;
use crate::common::helm::{Helm, chart};
use crate::render::good;

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn monitoring(name: &str) -> String {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    text(&deploy.join("monitoring").join(name))
}

#[test]
fn its_files_are_identical_to_those_of_deploy_monitoring() {
    // A chart must have all its files inside, and links in a package are not links any more.
    let files = fs::read_dir(chart().join("files")).expect("files");
    let names = files.map(|file| {
        file.expect("a file")
            .file_name()
            .into_string()
            .expect("a name")
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["alerts.yaml", "dashboard.json"]);
    for name in names {
        let copy = text(&chart().join("files").join(&name));
        assert!(
            copy == monitoring(&name),
            "cp deploy/monitoring/{name} deploy/helm/portolan/files/{name}"
        );
    }
}

#[test]
fn a_package_has_them_inside_and_no_values_for_tests() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(mut helm) = Helm::Three.command() else {
        return;
    };
    let helm = helm.arg("package").arg(chart());
    run_tool(helm.arg("--destination").arg(directory.path()));
    let package = directory.path().join("portolan-0.1.0.tgz");
    let list = Command::new("tar").arg("-tzf").arg(&package).output();
    let list = String::from_utf8_lossy(&list.expect("tar runs").stdout).into_owned();
    for name in [
        "files/alerts.yaml",
        "files/dashboard.json",
        "values.schema.json",
        "README.md",
    ] {
        let name = format!("portolan/{name}");
        assert!(list.lines().any(|line| line == name), "{name}: {list}");
    }
    assert!(!list.contains("/ci/"), "{list}");
}

#[test]
fn the_rule_is_what_deploy_monitoring_has_for_the_operator() {
    let values = "{prometheusRule: {enabled: true, labels: {release: stack}}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let rule = rendered.object("PrometheusRule/portolan");
    let wanted: Value = serde_norway::from_str(&monitoring("prometheusrule.yaml")).expect("YAML");
    assert_eq!(rule["spec"], wanted["spec"]);
    assert!(
        rule["spec"]["groups"]
            .as_array()
            .is_some_and(|groups| !groups.is_empty())
    );
    assert_eq!(rule["apiVersion"], wanted["apiVersion"]);
    assert_eq!(rule["metadata"]["labels"]["release"], "stack");
}

#[test]
fn the_dashboard_arrives_whole() {
    let values = "{dashboard: {enabled: true, labels: {folder: kafka}, annotations: {grafana_folder: Kafka}}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let map = rendered.object("ConfigMap/portolan-dashboard");
    let labels = &map["metadata"]["labels"];
    assert_eq!(labels["grafana_dashboard"], "1");
    assert_eq!(labels["folder"], "kafka");
    assert_eq!(
        map["metadata"]["annotations"],
        json!({"grafana_folder": "Kafka"})
    );
    let dashboard = map["data"]["portolan.json"].as_str().expect("a text");
    assert_eq!(
        dashboard.trim_end(),
        monitoring("dashboard.json").trim_end()
    );
}

#[test]
fn a_monitor_scrapes_the_admin_port_and_keeps_our_labels() {
    for (kind, value, endpoints) in [
        ("PodMonitor", "podMonitor", "podMetricsEndpoints"),
        ("ServiceMonitor", "serviceMonitor", "endpoints"),
    ] {
        let values =
            format!("{{{value}: {{enabled: true, interval: 15s, labels: {{release: stack}}}}}}");
        let Some(rendered) = good(&[&values]) else {
            return;
        };
        let monitor = rendered.object(&format!("{kind}/portolan"));
        let endpoint =
            json!([{"port": "admin", "path": "/metrics", "interval": "15s", "honorLabels": true}]);
        assert_eq!(monitor["spec"][endpoints], endpoint);
        assert_eq!(monitor["metadata"]["labels"]["release"], "stack");
        let selector = monitor["spec"]["selector"]["matchLabels"].as_object();
        let selector = selector.expect("a selector");
        let finds = |object: &Value| {
            let labels = &object["metadata"]["labels"];
            selector.iter().all(|(key, value)| labels[key] == *value)
        };
        match kind {
            "PodMonitor" => assert!(finds(rendered.pod())),
            // The Service of clients has no admin port.
            _ => assert!(finds(rendered.admin()) && !finds(rendered.service())),
        }
    }
}
