//! What pods may do, who may come to them, how they end, and where they are.

use serde_json::{Value, json};

use crate::common::helm::Helm;
use crate::render::{ci, good, render};

#[test]
fn every_pod_is_one_that_the_strictest_namespace_takes() {
    for (name, values) in ci() {
        let Some(rendered) = render(Helm::Three, &[&values]) else {
            return;
        };
        let rendered = rendered.unwrap_or_else(|said| panic!("{name}: {said}"));
        let test = rendered.object("Pod/portolan-test");
        for pod in [rendered.pod(), test] {
            if pod.is_null() {
                continue;
            }
            let spec = &pod["spec"];
            assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
            let security = &spec["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{name}");
            assert_eq!(security["runAsUser"], 65532, "{name}");
            assert_eq!(security["runAsGroup"], 65532, "{name}");
            assert_eq!(
                security["seccompProfile"]["type"], "RuntimeDefault",
                "{name}"
            );
            let containers = spec["containers"].as_array().expect("containers");
            assert_eq!(containers.len(), 1, "{name}");
            let own = &containers[0]["securityContext"];
            assert_eq!(own["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(own["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(own["capabilities"], json!({"drop": ["ALL"]}), "{name}");
            let resources = &containers[0]["resources"];
            assert_eq!(resources["limits"], json!({"memory": "256Mi"}), "{name}");
            let requests = json!({"cpu": "250m", "memory": "64Mi"});
            assert_eq!(resources["requests"], requests, "{name}");
        }
    }
}

#[test]
fn on_openshift_pods_have_the_users_of_their_namespace_and_are_as_strict_otherwise() {
    let values = "{openshift: true}";
    let (Some(plain), Some(rendered)) = (good(&[]), good(&[values])) else {
        return;
    };
    for name in ["Deployment/portolan", "Pod/portolan-test"] {
        let mut wanted = plain.object(name).clone();
        let spec = match name.starts_with("Pod") {
            true => &mut wanted["spec"],
            false => &mut wanted["spec"]["template"]["spec"],
        };
        let mut forget = |place: &str, keys: &[&str]| {
            let context = spec.pointer_mut(place).and_then(Value::as_object_mut);
            let context = context.expect("a security context");
            for key in keys {
                assert_eq!(context.remove(*key), Some(json!(65532)), "{name}: {key}");
            }
        };
        forget("/securityContext", &["runAsUser", "runAsGroup", "fsGroup"]);
        forget(
            "/containers/0/securityContext",
            &["runAsUser", "runAsGroup"],
        );
        assert_eq!(*rendered.object(name), wanted);
    }
}

#[test]
fn only_from_service_has_a_token_and_it_is_good_for_one_service() {
    let Some(plain) = good(&[]) else { return };
    let mounts = |pod: &Value| {
        let mounts = pod["spec"]["containers"][0]["volumeMounts"].as_array();
        let mounts = mounts.expect("mounts").iter();
        let paths = mounts.map(|mount| {
            assert_eq!(mount["readOnly"], true);
            mount["mountPath"].as_str().expect("a path").to_owned()
        });
        paths.collect::<Vec<String>>()
    };
    assert_eq!(mounts(plain.pod()), ["/etc/portolan/config"]);

    let values = "{advertised: {host: '', fromService: true}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let token = "/var/run/secrets/kubernetes.io/serviceaccount";
    assert_eq!(mounts(rendered.pod()), ["/etc/portolan/config", token]);
    let line = "advertised_from_service = \"gate/portolan\"";
    let config = rendered.config();
    assert!(config.lines().any(|found| found == line), "{config}");
    assert!(!config.contains("advertised_host"), "{config}");
    let rules = &rendered.object("Role/portolan")["rules"];
    let one = json!([{
        "apiGroups": [""],
        "resources": ["services"],
        "resourceNames": ["portolan"],
        "verbs": ["get", "watch"],
    }]);
    assert_eq!(*rules, one);
    let binding = rendered.object("RoleBinding/portolan");
    assert_eq!(binding["roleRef"]["name"], "portolan");
    let subject = json!([{"kind": "ServiceAccount", "name": "portolan", "namespace": "gate"}]);
    assert_eq!(binding["subjects"], subject);
    assert_eq!(rendered.service()["metadata"]["name"], "portolan");
}

#[test]
fn secrets_are_mounted_as_directories_where_the_config_looks_for_them() {
    let values = "{tls: {client: {existingSecret: a, clientCa: {secret: b}, ticketKeysSecret: c}, upstream: {enabled: true, \
                  caSecret: d, clientSecret: e}}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let spec = &rendered.pod()["spec"];
    let mounts = spec["containers"][0]["volumeMounts"].as_array();
    let mounts = mounts.expect("mounts");
    let volumes = spec["volumes"].as_array().expect("volumes");
    for (secret, path) in [
        ("a", "/etc/portolan/tls"),
        ("b", "/etc/portolan/client-ca"),
        ("c", "/etc/portolan/ticket-keys"),
        ("d", "/etc/portolan/upstream-ca"),
        ("e", "/etc/portolan/upstream-tls"),
    ] {
        let volume = volumes.iter().find(|v| v["secret"]["secretName"] == secret);
        let volume = volume.expect("a volume");
        assert_eq!(
            volume["secret"]["defaultMode"], 0o440,
            "for the group alone"
        );
        let mount = mounts.iter().find(|m| m["name"] == volume["name"]);
        let mount = mount.expect("a mount");
        assert_eq!(mount["mountPath"], path);
        assert!(mount["subPath"].is_null(), "that would never be updated");
        let config = rendered.config();
        assert!(config.contains(&format!("\"{path}/")), "{path}: {config}");
    }
}

#[test]
fn probes_ask_for_the_process_and_not_for_brokers() {
    let Some(rendered) = good(&[]) else { return };
    let container = &rendered.pod()["spec"]["containers"][0];
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = json!({"path": path, "port": "admin"});
        assert_eq!(container[probe]["httpGet"], get);
    }
}

#[test]
fn pods_are_replaced_one_by_one_and_spread() {
    let Some(rendered) = good(&[]) else { return };
    let spec = &rendered.object("Deployment/portolan")["spec"];
    assert_eq!(spec["replicas"], 2);
    assert_eq!(spec["minReadySeconds"], 10);
    let rolling = json!({"maxUnavailable": 0, "maxSurge": 1});
    assert_eq!(spec["strategy"]["rollingUpdate"], rolling);
    let budget = &rendered.object("PodDisruptionBudget/portolan")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    let spread = &rendered.pod()["spec"]["topologySpreadConstraints"];
    let spread = spread.as_array().expect("constraints");
    let keys: Vec<&Value> = spread.iter().map(|one| &one["topologyKey"]).collect();
    assert_eq!(
        keys,
        ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    );
    for one in spread {
        assert_eq!(one["maxSkew"], 1);
        assert_eq!(one["whenUnsatisfiable"], "ScheduleAnyway");
        let selector = &one["labelSelector"]["matchLabels"];
        assert_eq!(*selector, spec["selector"]["matchLabels"]);
        // Or the old pods of a rollout would push the new ones to one side.
        assert_eq!(one["matchLabelKeys"], json!(["pod-template-hash"]));
    }
}

#[test]
fn the_kubelet_kills_after_the_end() {
    for (values, lame_duck, grace, seconds) in [
        ("{}", "15s", "30s", 60),
        ("{profile: aws-nlb}", "180s", "105s", 300),
        ("{drain: {lameDuck: 1m, grace: 1500ms}}", "1m", "1500ms", 77),
        (
            "{drain: {terminationGracePeriodSeconds: 600}}",
            "15s",
            "30s",
            600,
        ),
    ] {
        let Some(rendered) = good(&[values]) else {
            return;
        };
        let config = rendered.config();
        let drain = format!("[drain]\nlame_duck = \"{lame_duck}\"\ngrace = \"{grace}\"\n");
        assert!(config.contains(&drain), "{values}: {config}");
        let spec = &rendered.pod()["spec"];
        assert_eq!(spec["terminationGracePeriodSeconds"], seconds, "{values}");
    }
}

#[test]
fn the_network_policy_opens_the_ports_and_nothing_else() {
    let values = "{networkPolicy: {enabled: true, healthCheckNetworks: [10.0.0.0/16]}, sni: {mode: beside}, tls: {client: \
                  {existingSecret: a}}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let spec = &rendered.object("NetworkPolicy/portolan")["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let namespace = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let ingress = json!([
        {"ports": [
            {"port": 9092, "protocol": "TCP"},
            {"port": 9093, "endPort": 9108, "protocol": "TCP"},
            {"port": 9443, "protocol": "TCP"},
        ]},
        {
            "ports": [{"port": 9644, "protocol": "TCP"}],
            "from": [namespace("monitoring"), {"ipBlock": {"cidr": "10.0.0.0/16"}}],
        },
    ]);
    assert_eq!(spec["ingress"], ingress);
    let egress = json!([
        {"to": [namespace("kafka")]},
        {
            "ports": [
                {"port": 53, "protocol": "UDP"},
                {"port": 53, "protocol": "TCP"},
                {"port": 5353, "protocol": "UDP"},
                {"port": 5353, "protocol": "TCP"},
            ],
            "to": [
                namespace("kube-system"),
                namespace("openshift-dns"),
                {"ipBlock": {"cidr": "169.254.20.10/32"}},
                {"ipBlock": {"cidr": "169.254.169.254/32"}},
            ],
        },
    ]);
    assert_eq!(spec["egress"], egress);
}

#[test]
fn the_network_policy_lets_to_kafka_and_where_asked_to_the_api_server() {
    let ranges = "ranges: [{ids: 0-1, address: 'a-{node_id}.a.one.svc:9092'}, {ids: 5, address: 'b.two.svc.cluster.local:9092'}]";
    for (servers, brokers, namespaces) in [
        ("kafka:9092", "", vec!["gate"]),
        (
            "kafka.prod.svc.cluster.local:9092,kafka-1.headless.prod.svc:9092",
            "",
            vec!["prod"],
        ),
        ("a.one.svc:9092,b.two.svc:9092", "", vec!["one", "two"]),
        (
            "kafka.prod.svc:9092",
            "address: 'kafka-{node_id}:9092'",
            vec!["prod", "gate"],
        ),
        ("kafka.one.svc:9092", ranges, vec!["one", "two"]),
    ] {
        let values = format!(
            "{{kafka: {{bootstrapServers: '{servers}'}}, brokers: {{{brokers}}}, networkPolicy: {{enabled: true}}, advertised: \
             {{host: '', fromService: true}}}}"
        );
        let Some(rendered) = good(&[&values]) else {
            return;
        };
        let egress = &rendered.object("NetworkPolicy/portolan")["spec"]["egress"];
        let to = egress[0]["to"].as_array().expect("peers").iter();
        let to =
            to.map(|peer| &peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]);
        assert_eq!(to.collect::<Vec<_>>(), namespaces, "{values}");
        let server = json!([{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]);
        assert_eq!(egress[2]["ports"], server);
    }
    let values = "{networkPolicy: {enabled: true, apiServerPorts: [16443]}, advertised: {host: '', fromService: true}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let egress = &rendered.object("NetworkPolicy/portolan")["spec"]["egress"];
    let server = json!([{"port": 16443, "protocol": "TCP"}]);
    assert_eq!(egress[2]["ports"], server);
}
