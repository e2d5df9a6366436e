//! The kinds that are not Kubernetes' own: their definitions, from the modules of the programs that own them, are installed in the
//! cluster, and it holds objects to them.

use std::fs;

use crate::common::toolbox::custom_resources;
use crate::control_plane::{ControlPlane, shared};

/// Installs them all, and waits until the API server serves them.
pub(crate) fn install(cluster: &ControlPlane) {
    let directory = custom_resources();
    let entries = fs::read_dir(&directory).expect("definitions");
    assert_eq!(entries.count(), 4, "in {}", directory.display());
    let kubectl = cluster.admin();
    let directory = format!("--filename={}", directory.display());
    kubectl.run(&["apply", "--server-side", &directory]);
    let established = "--for=condition=Established";
    kubectl.run(&["wait", established, &directory, "--timeout=60s"]);
}

#[test]
fn objects_are_held_to_their_definitions() {
    let Some(cluster) = shared() else { return };
    let kubectl = cluster.admin();
    let namespace = "custom";
    kubectl.strict_namespace(namespace);
    let monitor = "apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: it}
spec: {selector: {}, podMetricsEndpoints: [{port: admin, interval: 30s}]}
";
    kubectl.apply(namespace, monitor);
    for (right, wrong, says) in [
        (
            "interval",
            "intervall",
            ".spec.podMetricsEndpoints[0].intervall: field not declared in schema",
        ),
        (
            "30s",
            "often",
            "spec.podMetricsEndpoints[0].interval in body should match",
        ),
        ("selector: {}, ", "", "spec.selector: Required value"),
    ] {
        let refused = kubectl.try_apply(
            namespace,
            &monitor
                .replace(right, wrong)
                .replace("name: it", "name: other"),
        );
        let said = refused.expect_err(wrong);
        assert!(said.contains(says), "{said}");
    }
}
