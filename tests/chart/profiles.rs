//! Each profile says to its load balancer what it needs to hear, and the files in deploy/profiles can be used as they are.

use serde_json::{Value, json};

use crate::render::{good, profiles};

const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer-";
/// What external-dns reads, before its release 0.22 and since.
const EXTERNAL_DNS: [&str; 2] = [
    "external-dns.alpha.kubernetes.io/hostname",
    "external-dns.kubernetes.io/hostname",
];

/// The Service under these values.
fn service(values: &str) -> Option<Value> {
    Some(good(&[values])?.service().clone())
}

/// Its annotations are these, besides those for external-dns.
fn annotations(service: &Value, wanted: &[(&str, &str)]) {
    let mut annotations = service["metadata"]["annotations"].clone();
    let object = annotations.as_object_mut().expect("annotations");
    for key in EXTERNAL_DNS {
        assert_eq!(object.remove(key), Some("kafka.example.com".into()));
    }
    let wanted = wanted
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)));
    let wanted: serde_json::Map<String, Value> = wanted.collect();
    assert_eq!(*object, wanted);
}

#[test]
fn the_generic_profile_assumes_nothing() {
    for profile in ["generic", "k3s"] {
        let Some(service) = service(&format!("{{profile: {profile}}}")) else {
            return;
        };
        annotations(&service, &[]);
        let spec = &service["spec"];
        assert_eq!(spec["type"], "LoadBalancer");
        assert_eq!(spec["externalTrafficPolicy"], "Cluster");
        for unset in [
            "loadBalancerClass",
            "allocateLoadBalancerNodePorts",
            "loadBalancerIP",
        ] {
            assert!(spec[unset].is_null(), "{profile}: {unset}");
        }
    }
}

#[test]
fn an_nlb_has_pods_as_targets_and_one_check_for_all_ports() {
    for (values, scheme, header) in [
        ("{profile: aws-nlb}", "internet-facing", false),
        (
            "{profile: aws-nlb, service: {internal: true}, proxyProtocol: {mode: required, trustedNetworks: [10.0.0.0/8]}}",
            "internal",
            true,
        ),
    ] {
        let Some(service) = service(values) else {
            return;
        };
        let attributes = format!(
            "deregistration_delay.timeout_seconds=180,proxy_protocol_v2.enabled={header},\
             target_health_state.unhealthy.connection_termination.enabled=false,\
             target_health_state.unhealthy.draining_interval_seconds=300"
        );
        let wanted = [
            ("nlb-target-type", "ip"),
            ("scheme", scheme),
            ("healthcheck-protocol", "http"),
            ("healthcheck-port", "9644"),
            ("healthcheck-path", "/lbz"),
            ("healthcheck-interval", "10"),
            ("healthcheck-healthy-threshold", "2"),
            ("healthcheck-unhealthy-threshold", "2"),
            ("target-group-attributes", &attributes),
        ];
        let wanted = wanted.map(|(key, value)| (format!("{AWS}{key}"), value));
        let wanted: Vec<(&str, &str)> =
            wanted.iter().map(|(key, value)| (&**key, *value)).collect();
        annotations(&service, &wanted);
        let spec = &service["spec"];
        assert_eq!(spec["loadBalancerClass"], "service.k8s.aws/nlb");
        assert_eq!(spec["allocateLoadBalancerNodePorts"], false);
    }
}

/// The attributes of the NLB's target groups.
fn attributes(values: &str) -> Option<Vec<String>> {
    let service = service(values)?;
    let list = &service["metadata"]["annotations"][format!("{AWS}target-group-attributes")];
    let list = list.as_str().expect("attributes").split(',');
    Some(list.map(str::to_owned).collect())
}

#[test]
fn on_a_release_that_runs_the_header_comes_after_the_pods() {
    let on = "trustedNetworks: [10.0.0.0/8]";
    for (proxy, sent) in [
        ("mode: 'off'".to_owned(), false),
        ("mode: 'off', balancerSends: false".to_owned(), false),
        (format!("mode: optional, {on}"), true),
        (format!("mode: optional, {on}, balancerSends: false"), false),
        (format!("mode: optional, {on}, balancerSends: true"), true),
        (format!("mode: required, {on}, balancerSends: true"), true),
        (format!("mode: required, {on}"), true),
    ] {
        let values = format!("{{profile: aws-nlb, proxyProtocol: {{{proxy}}}}}");
        let Some(attributes) = attributes(&values) else {
            return;
        };
        let wanted = format!("proxy_protocol_v2.enabled={sent}");
        assert!(attributes.contains(&wanted), "{values}: {attributes:?}");
    }
}

#[test]
fn who_sends_the_header_is_no_change_of_the_pods() {
    let pod = |sends: bool| {
        let values = format!(
            "{{profile: aws-nlb, proxyProtocol: {{mode: optional, trustedNetworks: [10.0.0.0/8], balancerSends: {sends}}}}}"
        );
        Some(good(&[&values])?.pod().clone())
    };
    assert_eq!(pod(false), pod(true));
}

#[test]
fn own_attributes_are_put_together_with_those_of_the_profile() {
    let own = "preserve_client_ip.enabled=true, deregistration_delay.timeout_seconds=60";
    let values = format!(
        "{{profile: aws-nlb, service: {{annotations: {{{AWS}target-group-attributes: '{own}'}}}}, proxyProtocol: {{mode: required, \
         trustedNetworks: [10.0.0.0/8]}}}}"
    );
    let Some(attributes) = attributes(&values) else {
        return;
    };
    let wanted = [
        "deregistration_delay.timeout_seconds=60",
        "preserve_client_ip.enabled=true",
        "proxy_protocol_v2.enabled=true",
        "target_health_state.unhealthy.connection_termination.enabled=false",
        "target_health_state.unhealthy.draining_interval_seconds=300",
    ];
    assert_eq!(attributes, wanted);
}

#[test]
fn own_annotations_come_before_those_of_the_profile() {
    let key = format!("{AWS}scheme");
    let values =
        format!("{{profile: aws-nlb, service: {{annotations: {{{key}: internal, other: one}}}}}}");
    let Some(service) = service(&values) else {
        return;
    };
    let annotations = &service["metadata"]["annotations"];
    assert_eq!(annotations[&key], "internal");
    assert_eq!(annotations["other"], "one");
    assert_eq!(annotations[format!("{AWS}nlb-target-type")], "ip");
}

#[test]
fn clouds_hear_whether_the_address_is_public() {
    let internal = "service: {internal: true}";
    let idle = (
        "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout",
        "30",
    );
    for (values, wanted) in [
        (
            "{profile: gke}".to_owned(),
            vec![("cloud.google.com/l4-rbs", "enabled")],
        ),
        (
            format!("{{profile: gke, {internal}}}"),
            vec![("networking.gke.io/load-balancer-type", "Internal")],
        ),
        ("{profile: aks}".to_owned(), vec![idle]),
        (
            format!("{{profile: aks, {internal}}}"),
            vec![
                idle,
                (
                    "service.beta.kubernetes.io/azure-load-balancer-internal",
                    "true",
                ),
            ],
        ),
    ] {
        let Some(service) = service(&values) else {
            return;
        };
        annotations(&service, &wanted);
    }
}

#[test]
fn metallb_needs_no_node_ports_unless_they_are_wanted() {
    for (values, wanted) in [
        ("{profile: metallb}", json!(false)),
        (
            "{profile: metallb, service: {allocateLoadBalancerNodePorts: true}}",
            Value::Null,
        ),
        (
            "{service: {allocateLoadBalancerNodePorts: false}}",
            json!(false),
        ),
    ] {
        let Some(service) = service(values) else {
            return;
        };
        assert_eq!(
            service["spec"]["allocateLoadBalancerNodePorts"], wanted,
            "{values}"
        );
    }
}

#[test]
fn what_the_service_may_be_told_arrives() {
    let values = "{service: {annotations: {a: b}, loadBalancerClass: example.com/balancer, loadBalancerIP: 192.0.2.1, \
                  sourceRanges: [203.0.113.0/24], externalTrafficPolicy: Local, ipFamilyPolicy: PreferDualStack, externalDns: \
                  false}, listenAddress: '::'}";
    let Some(service) = service(values) else {
        return;
    };
    assert_eq!(service["metadata"]["annotations"], json!({"a": "b"}));
    let spec = &service["spec"];
    assert_eq!(spec["loadBalancerClass"], "example.com/balancer");
    assert_eq!(spec["loadBalancerIP"], "192.0.2.1");
    assert_eq!(spec["loadBalancerSourceRanges"], json!(["203.0.113.0/24"]));
    assert_eq!(spec["externalTrafficPolicy"], "Local");
    assert_eq!(spec["ipFamilyPolicy"], "PreferDualStack");
}

#[test]
fn external_dns_hears_of_a_load_balancer_or_where_one_says_so() {
    for (values, is_told) in [
        ("{}", true),
        ("{service: {externalDns: false}}", false),
        ("{service: {type: NodePort}}", false),
        ("{service: {type: ClusterIP}}", false),
        ("{service: {type: NodePort, externalDns: true}}", true),
        ("{advertised: {host: 192.0.2.1}}", false),
    ] {
        let Some(service) = service(values) else {
            return;
        };
        let annotations = &service["metadata"]["annotations"];
        let wanted = match is_told {
            true => {
                json!({EXTERNAL_DNS[0]: "kafka.example.com", EXTERNAL_DNS[1]: "kafka.example.com"})
            }
            false => Value::Null,
        };
        assert_eq!(*annotations, wanted, "{values}");
    }
}

#[test]
fn each_file_of_a_profile_is_good_and_chooses_it() {
    let names: Vec<String> = profiles().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["aks", "aws-nlb", "generic", "gke", "k3s", "metallb"]
    );
    for (name, text) in profiles() {
        let values: Value = serde_norway::from_str(&text).expect("YAML");
        assert_eq!(values, json!({"profile": name}));
        let command = format!("-f deploy/profiles/{name}.yaml");
        assert!(text.contains(&command), "it says how it is used: {command}");
        if good(&[&text]).is_none() {
            return;
        }
    }
}

#[test]
fn what_is_commented_out_in_a_profile_can_be_taken_in() {
    for (name, text) in profiles() {
        let mut options: Vec<String> = Vec::new();
        let mut goes_on = false;
        for line in text.lines() {
            // What is commented out has no space after the sign, but where it is indented below such a line.
            let code = line.strip_prefix('#');
            let code =
                code.filter(|code| !code.starts_with(' ') || (goes_on && code.starts_with("  ")));
            match (code, options.last_mut()) {
                (Some(code), Some(option)) if goes_on => *option += &format!("{code}\n"),
                (Some(code), _) => options.push(format!("{code}\n")),
                (None, _) => {}
            }
            goes_on = code.is_some();
        }
        assert!(!options.is_empty(), "{name}");
        for option in options {
            let changed = good(&[&text, &option]);
            let (Some(changed), Some(plain)) = (changed, good(&[&text])) else {
                return;
            };
            let same = changed
                .all()
                .zip(plain.all())
                .all(|(one, other)| one == other);
            assert!(!same, "{name}: {option} does nothing");
        }
    }
}
