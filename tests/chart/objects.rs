//! Which objects there are: six by default, and each other one where its value asks for it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::helm::Helm;
use crate::common::rendered::SIX;
use crate::render::{TWO, good, render};

/// These values add these objects to the six, and take none away.
fn adds(values: &str, more: &[&str]) {
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let wanted: BTreeSet<&str> = SIX.iter().chain(more).copied().collect();
    let names: BTreeSet<&str> = rendered.names().into_iter().collect();
    assert_eq!(names, wanted, "{values}");
}

#[test]
fn two_values_make_six_objects() {
    for helm in [Helm::Three, Helm::Four] {
        let Some(rendered) = render(helm, &[TWO]) else {
            return;
        };
        let rendered = rendered.unwrap_or_else(|said| panic!("{said}"));
        assert_eq!(rendered.names(), SIX);
    }
}

#[test]
fn each_value_adds_its_own() {
    let from_service = "{advertised: {host: '', fromService: true}}";
    adds(from_service, &["Role/portolan", "RoleBinding/portolan"]);
    for (value, object) in [
        ("hpa", "HorizontalPodAutoscaler/portolan"),
        ("networkPolicy", "NetworkPolicy/portolan"),
        ("podMonitor", "PodMonitor/portolan"),
        ("serviceMonitor", "ServiceMonitor/portolan"),
        ("prometheusRule", "PrometheusRule/portolan"),
        ("dashboard", "ConfigMap/portolan-dashboard"),
    ] {
        adds(&format!("{{{value}: {{enabled: true}}}}"), &[object]);
    }
    let issued = "{tls: {client: {certManager: {enabled: true, issuerRef: {name: a}}}}}";
    adds(issued, &["Certificate/portolan"]);
    adds("{tls: {client: {existingSecret: a}}}", &[]);
}

#[test]
fn one_pod_has_no_budget_and_an_account_that_is_there_is_not_made() {
    let values = "{replicas: 1, serviceAccount: {create: false, name: existing}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let names = rendered.names();
    assert!(
        !names.contains(&"PodDisruptionBudget/portolan"),
        "{names:?}"
    );
    assert!(!names.contains(&"ServiceAccount/portolan"), "{names:?}");
    let spec = &rendered.pod()["spec"];
    assert_eq!(spec["serviceAccountName"], "existing");
}

#[test]
fn a_map_that_is_taken_away_is_an_empty_one() {
    // Helm's way to be rid of a default.
    let values = "{profile: aws-nlb, service: {annotations: null}, commonLabels: null, podLabels: null, podAnnotations: null, \
                  dashboard: {enabled: true, labels: null}, config: {admin: null, limits: null}, nodeSelector: null}";
    for helm in [Helm::Three, Helm::Four] {
        let (Some(nothing), Some(plain)) = (
            render(helm, &[TWO, values]),
            render(
                helm,
                &[TWO, "{profile: aws-nlb, dashboard: {enabled: true}}"],
            ),
        ) else {
            return;
        };
        let nothing = nothing.unwrap_or_else(|said| panic!("{said}"));
        let plain = plain.unwrap_or_else(|said| panic!("{said}"));
        assert_eq!(nothing.names(), plain.names());
        assert_eq!(nothing.service(), plain.service());
        assert_eq!(nothing.config(), plain.config());
    }
}

#[test]
fn everything_is_in_the_namespace_of_the_release_and_has_its_labels() {
    let values = "{advertised: {host: '', fromService: true}, hpa: {enabled: true}, networkPolicy: {enabled: true}, \
                  podMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}, \
                  commonLabels: {team: streaming}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    for (name, object) in rendered.all() {
        let metadata = &object["metadata"];
        assert_eq!(metadata["namespace"], "gate", "{name}");
        let labels = &metadata["labels"];
        assert_eq!(labels["app.kubernetes.io/instance"], "portolan", "{name}");
        assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{name}");
        assert_eq!(labels["team"], "streaming", "{name}");
    }
}

#[test]
fn no_selector_finds_the_pod_of_the_test() {
    let Some(rendered) = good(&["{networkPolicy: {enabled: true}}"]) else {
        return;
    };
    let test = &rendered.object("Pod/portolan-test")["metadata"]["labels"];
    let pod = &rendered.pod()["metadata"]["labels"];
    let selectors = [
        &rendered.service()["spec"]["selector"],
        &rendered.admin()["spec"]["selector"],
        &rendered.object("Deployment/portolan")["spec"]["selector"]["matchLabels"],
        &rendered.object("PodDisruptionBudget/portolan")["spec"]["selector"]["matchLabels"],
        &rendered.object("NetworkPolicy/portolan")["spec"]["podSelector"]["matchLabels"],
    ];
    for selector in selectors {
        let selector = selector.as_object().expect("a selector");
        let finds = |labels: &Value| selector.iter().all(|(key, value)| labels[key] == *value);
        assert!(finds(pod) && !finds(test), "{selector:?}");
    }
}

#[test]
fn the_test_looks_at_the_cluster_as_clients_do() {
    let arguments = |values: &str| {
        let rendered = good(&[values])?;
        let pod = rendered.object("Pod/portolan-test");
        let container = &pod["spec"]["containers"][0];
        assert_eq!(
            container["image"],
            rendered.pod()["spec"]["containers"][0]["image"]
        );
        Some(container["args"].clone())
    };
    for (values, wanted) in [
        ("{}", json!(["check", "kafka.example.com:9092"])),
        (
            "{advertised: {host: '', fromService: true}}",
            json!(["check", "portolan.gate.svc:9092"]),
        ),
        (
            "{advertised: {host: '2001:db8::1'}}",
            json!(["check", "[2001:db8::1]:9092"]),
        ),
        (
            "{tls: {client: {existingSecret: a}}, test: {caSecret: b, args: [--sasl-mechanism=PLAIN]}}",
            json!([
                "check",
                "kafka.example.com:9092",
                "--tls",
                "--tls-ca=/etc/portolan/ca/ca.crt",
                "--sasl-mechanism=PLAIN"
            ]),
        ),
        (
            "{sni: {mode: only, advertisedPort: 443}, tls: {client: {existingSecret: a}}, test: {address: 'a:443'}}",
            json!(["check", "a:443", "--tls"]),
        ),
    ] {
        let Some(arguments) = arguments(values) else {
            return;
        };
        assert_eq!(arguments, wanted, "{values}");
    }
}

#[test]
fn the_autoscaler_alone_says_how_many_pods() {
    let Some(rendered) = good(&["{hpa: {enabled: true}}"]) else {
        return;
    };
    let deployment = &rendered.object("Deployment/portolan")["spec"];
    assert!(deployment["replicas"].is_null());
    let hpa = &rendered.object("HorizontalPodAutoscaler/portolan")["spec"];
    assert_eq!([&hpa["minReplicas"], &hpa["maxReplicas"]], [2, 6]);
    assert_eq!(hpa["scaleTargetRef"]["name"], "portolan");
    let down = &hpa["behavior"]["scaleDown"];
    assert_eq!(down["stabilizationWindowSeconds"], 600);
    let slowly = json!([{"type": "Pods", "value": 1, "periodSeconds": 300}]);
    assert_eq!(down["policies"], slowly);
}

#[test]
fn a_change_of_the_config_rolls_the_pods_and_other_changes_of_values_do_not() {
    let checksum = |values: &str| {
        let rendered = good(&[values])?;
        Some(rendered.pod()["metadata"]["annotations"]["checksum/config"].clone())
    };
    let (Some(first), Some(changed), Some(same)) = (
        checksum("{}"),
        checksum("{brokers: {ids: 0-16}}"),
        checksum("{replicas: 5, service: {sourceRanges: [10.0.0.0/8]}}"),
    ) else {
        return;
    };
    assert!(first.as_str().is_some_and(|sum| sum.len() == 64), "{first}");
    assert_ne!(first, changed);
    assert_eq!(first, same);
}

#[test]
fn the_certificate_has_the_names_that_clients_are_told() {
    let spec = |values: &str| {
        let manager = "{tls: {client: {certManager: {enabled: true, issuerRef: {name: a, kind: ClusterIssuer}}}}}";
        let rendered = good(&[manager, values])?;
        let mounted = &rendered.pod()["spec"]["volumes"][1]["secret"]["secretName"];
        let spec = &rendered.object("Certificate/portolan")["spec"];
        assert_eq!(&spec["secretName"], mounted);
        assert_eq!(spec["issuerRef"]["kind"], "ClusterIssuer");
        if let Some(names) = spec["dnsNames"].as_array() {
            let names = names.iter().filter_map(Value::as_str);
            // But for those that only the certificate is to have.
            let names = names.filter(|name| *name != "other.example.com");
            let annotations = &rendered.service()["metadata"]["annotations"];
            let told = &annotations["external-dns.kubernetes.io/hostname"];
            assert_eq!(*told, names.collect::<Vec<_>>().join(","), "{values}");
        }
        Some(spec.clone())
    };
    for (values, names, addresses) in [
        ("{}", json!(["kafka.example.com"]), Value::Null),
        (
            "{advertised: {host: 192.0.2.1}}",
            Value::Null,
            json!(["192.0.2.1"]),
        ),
        (
            "{sni: {mode: only}}",
            json!(["kafka.example.com", "*.kafka.example.com"]),
            Value::Null,
        ),
        (
            "{brokers: {ids: '7,9'}, sni: {mode: beside, bootstrapHost: a.example.com, nodeHost: 'b.{node_id}.example.com'}}",
            json!([
                "kafka.example.com",
                "a.example.com",
                "b.7.example.com",
                "b.9.example.com"
            ]),
            Value::Null,
        ),
        // A wildcard for no name above those that lead here, but below either of them.
        (
            "{brokers: {ids: '0-1'}, sni: {mode: only, nodeHost: 'kafka-{node_id}.example.com'}}",
            json!([
                "kafka.example.com",
                "kafka-0.example.com",
                "kafka-1.example.com"
            ]),
            Value::Null,
        ),
        (
            "{brokers: {ids: 5}, sni: {mode: only, nodeHost: 'b{node_id}.other-kafka.example.com'}}",
            json!(["kafka.example.com", "b5.other-kafka.example.com"]),
            Value::Null,
        ),
        (
            "{sni: {mode: only, nodeHost: 'b{node_id}.nodes.kafka.example.com'}}",
            json!(["kafka.example.com", "*.nodes.kafka.example.com"]),
            Value::Null,
        ),
        (
            "{sni: {mode: beside, bootstrapHost: boot.example.com, nodeHost: 'b{node_id}.kafka.example.com'}}",
            json!([
                "kafka.example.com",
                "boot.example.com",
                "*.kafka.example.com"
            ]),
            Value::Null,
        ),
        // Ordinals begin at 0 in each range, as in the config.
        (
            "{brokers: {ranges: [{ids: 0-1}, {ids: 7}]}, sni: {mode: only, nodeHost: 'b{node_id}-{ordinal}.example.com'}}",
            json!([
                "kafka.example.com",
                "b0-0.example.com",
                "b1-1.example.com",
                "b7-0.example.com"
            ]),
            Value::Null,
        ),
        (
            "{tls: {client: {certManager: {dnsNames: [other.example.com]}}}}",
            json!(["kafka.example.com", "other.example.com"]),
            Value::Null,
        ),
    ] {
        let Some(spec) = spec(values) else { return };
        assert_eq!(spec["dnsNames"], names, "{values}");
        assert_eq!(spec["ipAddresses"], addresses, "{values}");
    }
}
