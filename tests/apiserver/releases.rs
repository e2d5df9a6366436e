//! The life of a release in a cluster, by both majors of Helm: installed, upgraded, rolled back, uninstalled without a trace.

use serde_json::Value;

use crate::common::helm::{Helm, chart};
use crate::control_plane::{ControlPlane, shared};
use crate::rendered::{TWO, set};

/// Runs Helm for the release "portolan": what it printed, or what it says went wrong. None where there is no Helm.
pub(crate) fn helm(
    cluster: &ControlPlane,
    helm: Helm,
    namespace: &str,
    arguments: &[String],
) -> Option<Result<String, String>> {
    let mut command = helm.command()?;
    command
        .env("KUBECONFIG", cluster.admin_kubeconfig())
        .args(arguments)
        .args(["--namespace", namespace]);
    let output = command.output().expect("helm runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    // The API server's warnings, as Helm tells them.
    let warns = said.contains("would violate") || said.contains("warnings.go");
    Some(match output.status.success() && !warns {
        true => Ok(said),
        false => Err(said),
    })
}

fn with_chart(command: &str, values: &[&str]) -> Vec<String> {
    let words = [command, "portolan", &chart().display().to_string()].map(str::to_owned);
    [&words[..], &set(values)].concat()
}

/// `helm install` with these values. None where there is no Helm.
pub(crate) fn install(
    cluster: &ControlPlane,
    with: Helm,
    namespace: &str,
    values: &[&str],
) -> Option<()> {
    let done = helm(cluster, with, namespace, &with_chart("install", values))?;
    done.unwrap_or_else(|said| panic!("{said}"));
    Some(())
}

/// `helm upgrade` with these values and no others.
fn upgrade(
    cluster: &ControlPlane,
    with: Helm,
    namespace: &str,
    values: &[&str],
) -> Result<String, String> {
    let done = helm(cluster, with, namespace, &with_chart("upgrade", values));
    done.expect("there is Helm")
}

/// Everything in a namespace, by "kind/name".
fn everything(cluster: &ControlPlane, namespace: &str) -> Vec<String> {
    let kubectl = cluster.admin();
    let kinds = kubectl.run(&[
        "api-resources",
        "--namespaced",
        "--verbs=list",
        "--output=name",
    ]);
    // Each has EndpointSlices, too, and to read one draws a warning.
    let kinds: Vec<&str> = kinds.lines().filter(|kind| *kind != "endpoints").collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    let namespace = format!("--namespace={namespace}");
    let found = kubectl.run(&["get", &kinds.join(","), &namespace, "--output=name"]);
    found.lines().map(str::to_owned).collect()
}

/// Which port of a Service leads to which of the pods.
fn ports(service: &Value) -> Vec<(u64, u64)> {
    let ports = service["spec"]["ports"].as_array().expect("ports").iter();
    let number = |port: &Value| port.as_u64();
    ports
        .map(|port| {
            let target = number(&port["targetPort"]);
            (
                number(&port["port"]).expect("a port"),
                target.expect("a port"),
            )
        })
        .collect()
}

/// The ports in the pods of a Deployment.
fn container_ports(deployment: &Value) -> Vec<u64> {
    let ports = &deployment["spec"]["template"]["spec"]["containers"][0]["ports"];
    let ports = ports.as_array().expect("ports").iter();
    ports
        .map(|port| port["containerPort"].as_u64().expect("a port"))
        .collect()
}

#[test]
fn a_release_is_upgraded_rolled_back_and_gone_without_a_trace() {
    let Some(cluster) = shared() else { return };
    for (with, namespace) in [(Helm::Three, "by-three"), (Helm::Four, "by-four")] {
        let kubectl = cluster.admin();
        kubectl.strict_namespace(namespace);
        let before = everything(&cluster, namespace);
        if install(&cluster, with, namespace, &TWO).is_none() {
            return;
        }
        let is = |bootstrap: u64, first: u64, count: u64| {
            let same = |port: u64| (port, port);
            let mut wanted = vec![same(bootstrap)];
            wanted.extend((first..first + count).map(same));
            let service = kubectl.get(namespace, "service/portolan");
            assert_eq!(ports(&service), wanted, "{namespace}");
            let mut inside: Vec<u64> = wanted.iter().map(|(_, target)| *target).collect();
            inside.push(9644);
            let deployment = kubectl.get(namespace, "deployment/portolan");
            assert_eq!(container_ports(&deployment), inside, "{namespace}");
        };
        is(9092, 9093, 16);
        // Other ports, some of which were others' before; more; fewer; and the first again.
        for (bootstrap, first, count) in [(9093, 9094, 16), (9092, 9093, 40), (19092, 19093, 3)] {
            let values = [
                TWO[0],
                TWO[1],
                &format!("ports.bootstrap={bootstrap}"),
                &format!("ports.brokers.first={first}"),
                &format!("ports.brokers.count={count}"),
            ];
            upgrade(&cluster, with, namespace, &values).unwrap_or_else(|said| panic!("{said}"));
            is(bootstrap, first, count);
        }
        let rollback = ["rollback", "portolan", "1"].map(str::to_owned);
        let done = helm(&cluster, with, namespace, &rollback).expect("there is Helm");
        done.unwrap_or_else(|said| panic!("{said}"));
        is(9092, 9093, 16);
        let uninstall = ["uninstall", "portolan"].map(str::to_owned);
        let done = helm(&cluster, with, namespace, &uninstall).expect("there is Helm");
        done.unwrap_or_else(|said| panic!("{said}"));
        assert_eq!(everything(&cluster, namespace), before, "{namespace}");
    }
}

#[test]
fn the_kind_of_service_may_change_but_for_its_class_which_is_for_good() {
    let Some(cluster) = shared() else { return };
    for (with, namespace) in [(Helm::Three, "class-three"), (Helm::Four, "class-four")] {
        let kubectl = cluster.admin();
        kubectl.strict_namespace(namespace);
        if install(&cluster, with, namespace, &TWO).is_none() {
            return;
        }
        let upgrade = |values: &[&str]| {
            let values = [&TWO[..], values].concat();
            upgrade(&cluster, with, namespace, &values)
        };
        let service = || kubectl.get(namespace, "service/portolan")["spec"].clone();
        for values in [
            ["profile=metallb"],
            ["service.type=ClusterIP"],
            ["service.type=NodePort"],
            ["service.externalTrafficPolicy=Local"],
            ["profile=generic"],
        ] {
            upgrade(&values).unwrap_or_else(|said| panic!("{values:?}: {said}"));
        }
        assert_eq!(service()["type"], "LoadBalancer");
        // As docs/deploy/troubleshooting.md says, and what it says to do.
        let said = upgrade(&["profile=aws-nlb"]).expect_err("a class");
        assert!(
            said.contains("spec.loadBalancerClass") && said.contains("may not change once set"),
            "{said}"
        );
        assert!(service()["loadBalancerClass"].is_null(), "{said}");
        kubectl.run(&[
            "delete",
            "service",
            "portolan",
            &format!("--namespace={namespace}"),
        ]);
        upgrade(&["profile=aws-nlb"]).unwrap_or_else(|said| panic!("{said}"));
        assert_eq!(service()["loadBalancerClass"], "service.k8s.aws/nlb");
    }
}
