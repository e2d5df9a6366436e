//! Every object that deploy/ makes is taken by the API server into a namespace of the strictest Pod Security Standard, without a
//! warning, and so is a pod like the Deployment's.

use serde_json::{Value, json};

use crate::common::objects::parsed;
use crate::control_plane::{ControlPlane, shared};
use crate::custom_resources;
use crate::rendered::{TWO, set, templated, ways};

/// The pod that the controllers of a whole cluster would make of a Deployment.
fn pod(deployment: &Value) -> Value {
    let template = &deployment["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!("made");
    metadata["labels"]["pod-template-hash"] = json!("5d9f7c8b6");
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// The Deployment among objects.
fn deployment(text: &str) -> Value {
    let objects = parsed(text).into_values();
    let mut found = objects.filter(|object| object["kind"] == "Deployment");
    found.next().expect("a Deployment")
}

#[test]
fn every_object_is_taken_and_so_is_the_pod() {
    // Of its own, for some choose node ports, which namespaces share.
    let Some(cluster) = ControlPlane::start() else {
        return;
    };
    custom_resources::install(&cluster);
    let Some(ways) = ways() else { return };
    let kubectl = cluster.admin();
    for way in &ways {
        kubectl.strict_namespace(&way.name);
        // One that the values say is there.
        let existing =
            "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: existing}}\n---\n";
        let all = format!("{}{existing}{}", way.text, pod(&deployment(&way.text)));
        kubectl.apply(&way.name, &all);
        // As it was kept, with what the API server fills in.
        let kept = kubectl.get(&way.name, "pod/made");
        assert_eq!(
            kept["spec"]["containers"].as_array().map(Vec::len),
            Some(1),
            "{}",
            way.name
        );
        let namespace = format!("--namespace={}", way.name);
        kubectl.run(&["delete", "services", "--all", &namespace]);
    }
}

#[test]
fn a_pod_that_may_do_more_would_be_refused() {
    let Some(cluster) = shared() else { return };
    let namespace = "stricter";
    let Some(text) = templated(namespace, &set(&TWO)) else {
        return;
    };
    let kubectl = cluster.admin();
    kubectl.strict_namespace(namespace);
    kubectl.apply(namespace, &text);
    let good = deployment(&text);
    let forbidden = "is forbidden: violates PodSecurity \"restricted:latest\": ";
    for (place, value, says) in [
        ("/securityContext/runAsUser", json!(0), "runAsUser=0"),
        (
            "/securityContext/runAsNonRoot",
            json!(false),
            "runAsNonRoot != true",
        ),
        (
            "/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
            "seccompProfile",
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
            "allowPrivilegeEscalation != false",
        ),
        (
            "/containers/0/securityContext/capabilities",
            json!({}),
            "unrestricted capabilities",
        ),
        (
            "/volumes/0",
            json!({"name": "config", "hostPath": {"path": "/etc"}}),
            "restricted volume types",
        ),
    ] {
        let mut changed = good.clone();
        let spec = &mut changed["spec"]["template"]["spec"];
        *spec.pointer_mut(place).expect("it is said") = value;
        let refused = kubectl.try_apply(namespace, &pod(&changed).to_string());
        let said = refused.expect_err(place);
        assert!(
            said.contains(forbidden) && said.contains(says),
            "{place}: {said}"
        );
        let warned = kubectl.try_apply(namespace, &changed.to_string());
        let said = warned.expect_err("a warning");
        assert!(
            said.contains("Warning: would violate PodSecurity"),
            "{said}"
        );
    }
}
