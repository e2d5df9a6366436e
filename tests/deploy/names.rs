//! Names, labels and selectors of what the chart makes: what the schemas do not know of them, and an API server or a controller does.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Map, Value};

use crate::common::helm::{Helm, chart};
use crate::common::objects::{is_hook, parsed};
use crate::common::rendered::SIX;
use crate::render::{Render, renders};

type Objects = BTreeMap<String, Value>;

/// What the release's objects are called: as its Deployment.
fn full_name(objects: &Objects) -> &str {
    let deployment = objects.keys().find_map(|id| id.strip_prefix("Deployment/"));
    deployment.expect("a Deployment")
}

fn deployment(objects: &Objects) -> &Value {
    &objects[&format!("Deployment/{}", full_name(objects))]
}

/// Looks at all renders, one by one.
fn each(look: impl Fn(&Render, &Objects)) {
    if let Some(renders) = renders() {
        assert!(!renders.is_empty());
        for render in renders {
            look(render, &parsed(&render.text));
        }
    }
}

#[test]
fn a_default_install_is_six_objects() {
    each(|render, objects| {
        if render.values == "default" {
            let kept = objects.iter().filter(|(_, object)| !is_hook(object));
            let names: BTreeSet<&str> = kept.map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, SIX.into());
        }
    });
}

#[test]
fn all_names_are_those_of_the_release() {
    each(|render, objects| {
        let full = full_name(objects);
        for (id, object) in objects {
            let name = object["metadata"]["name"].as_str().expect("a name");
            let ours = name == full || name.starts_with(&format!("{full}-"));
            assert!(ours && is_label(name), "{id} of {}", render.values);
            let namespace = &object["metadata"]["namespace"];
            assert_eq!(namespace, "kafka-edge", "{id} of {}", render.values);
        }
    });
}

#[test]
fn names_stay_short_enough_whatever_the_release_is_called() {
    // Helm itself allows no longer one.
    let release = "r".repeat(53);
    let Some(mut helm) = Helm::Three.command() else {
        return;
    };
    let values = chart().join("ci/default-values.yaml");
    helm.args(["template", &release]).arg(chart());
    let text = said(helm.arg("--values").arg(values));
    let objects = parsed(&text);
    for (id, object) in &objects {
        let name = object["metadata"]["name"].as_str().expect("a name");
        assert!(is_label(name) && name.starts_with("rrrr"), "{id}");
        look_at_labels(id, &object["metadata"]["labels"]);
    }
    let services = objects.keys().filter(|id| id.starts_with("Service/"));
    assert_eq!(services.count(), 2);
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("helm runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_object_has_the_recommended_labels() {
    each(|render, objects| {
        for (id, object) in objects {
            let place = format!("{id} of {}", render.values);
            let labels = &object["metadata"]["labels"];
            look_at_labels(&place, labels);
            // A pod of `helm test` must not be taken for a proxy.
            let name = if is_hook(object) {
                "portolan-test"
            } else {
                "portolan"
            };
            assert_eq!(labels["app.kubernetes.io/name"], name, "{place}");
            assert_eq!(labels["app.kubernetes.io/instance"], "portolan", "{place}");
            assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{place}");
            let version = env!("CARGO_PKG_VERSION");
            assert_eq!(labels["app.kubernetes.io/version"], version, "{place}");
            let chart = labels["helm.sh/chart"].as_str().unwrap_or_default();
            assert!(chart.starts_with("portolan-"), "{place}: {labels}");
        }
    });
}

#[test]
fn selectors_find_the_pods_and_never_change() {
    each(|render, objects| {
        let pod = &deployment(objects)["spec"]["template"]["metadata"]["labels"];
        look_at_labels(&render.values, pod);
        for (id, selector) in selectors(objects) {
            let place = format!("{id} of {}: {selector}", render.values);
            let selector = selector.as_object().expect("a selector");
            // A Deployment's cannot be changed, so that nothing of a release may be in it; the others' need no more.
            let keys: Vec<&str> = selector.keys().map(String::as_str).collect();
            let stable = ["app.kubernetes.io/instance", "app.kubernetes.io/name"];
            assert_eq!(keys, stable, "{place}");
            assert!(matches(selector, pod), "{place}, {pod}");
        }
    });
}

/// The selectors of pods, and whose they are.
fn selectors(objects: &Objects) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    for (id, object) in objects {
        let spec = &object["spec"];
        let pods = &spec["template"]["spec"];
        let spread = pods["topologySpreadConstraints"].as_array();
        let spread = spread.into_iter().flatten();
        found.extend(spread.map(|one| (id.as_str(), &one["labelSelector"]["matchLabels"])));
        let selector = match id.split('/').next().unwrap_or_default() {
            "Service" => &spec["selector"],
            "Deployment" | "PodDisruptionBudget" | "PodMonitor" => &spec["selector"]["matchLabels"],
            "NetworkPolicy" => &spec["podSelector"]["matchLabels"],
            _ => continue,
        };
        found.push((id.as_str(), selector));
    }
    assert!(found.len() >= 3, "{found:?}");
    found
}

#[test]
fn a_service_monitor_finds_the_admin_service_alone() {
    let mut found = 0;
    if let Some(renders) = renders() {
        for render in renders {
            let objects = parsed(&render.text);
            let full = full_name(&objects);
            let Some(monitor) = objects.get(&format!("ServiceMonitor/{full}")) else {
                continue;
            };
            let selector = &monitor["spec"]["selector"]["matchLabels"];
            let selector = selector.as_object().expect("a selector");
            let services = objects.iter().filter(|(id, service)| {
                id.starts_with("Service/") && matches(selector, &service["metadata"]["labels"])
            });
            let services: Vec<&str> = services.map(|(id, _)| id.as_str()).collect();
            let expected = format!("Service/{full}-admin");
            assert_eq!(services, [expected], "{}", render.values);
            found += 1;
        }
        assert!(found > 0, "no values with a ServiceMonitor");
    }
}

#[test]
fn the_admin_port_is_never_on_the_load_balancer() {
    each(|render, objects| {
        let containers = &deployment(objects)["spec"]["template"]["spec"]["containers"];
        let ports = containers[0]["ports"].as_array().expect("ports");
        let admin = ports.iter().find(|port| port["name"] == "admin");
        let admin = &admin.expect("an admin port")["containerPort"];
        let outside =
            objects[&format!("Service/{}", full_name(objects))]["spec"]["ports"].as_array();
        for port in outside.expect("ports") {
            let leads_there = [&port["port"], &port["targetPort"]].contains(&admin);
            assert!(
                !leads_there && port["targetPort"] != "admin",
                "{}: {port}",
                render.values
            );
        }
    });
}

fn matches(selector: &Map<String, Value>, labels: &Value) -> bool {
    selector.iter().all(|(key, value)| labels[key] == *value)
}

/// What an API server wants of labels beyond that they are text.
fn look_at_labels(place: &str, labels: &Value) {
    let labels = labels.as_object();
    for (key, value) in labels.unwrap_or_else(|| panic!("{place}: no labels")) {
        let value = value.as_str().unwrap_or_else(|| panic!("{place}: {key}"));
        let good = value.len() <= 63
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !value.starts_with(['-', '_', '.'])
            && !value.ends_with(['-', '_', '.']);
        assert!(good, "{place}: {key}: {value:?}");
    }
}

/// Whether it is a name that any object may have.
fn is_label(name: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(good)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
