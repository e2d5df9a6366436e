//! What else is refused: of TLS, the Service, times, pods, network policies and free parts of the config.

use crate::common::helm::{Helm, chart};
use crate::refusals::{refused, refused_all};
use crate::render::{TWO, good};

#[test]
fn two_certificates() {
    refused(
        "{tls: {client: {existingSecret: a, certManager: {enabled: true, issuerRef: {name: b}}}}}",
        "tls.client: existingSecret and certManager.enabled are both set; take one out",
    );
}

#[test]
fn a_certificate_of_nobody_or_for_no_name() {
    refused(
        "{tls: {client: {certManager: {enabled: true}}}}",
        "tls.client.certManager.issuerRef.name is empty; write the name of the Issuer or ClusterIssuer",
    );
    refused(
        "{advertised: {host: '', fromService: true}, tls: {client: {certManager: {enabled: true, issuerRef: {name: b}}}}}",
        "tls.client.certManager.dnsNames is empty, and the chart does not know the host either; write the names that clients \
         connect to",
    );
}

#[test]
fn parts_of_tls_without_tls() {
    refused(
        "{tls: {client: {ticketKeysSecret: a, clientCa: {secret: b}}}}",
        "tls.client.clientCa.secret, tls.client.ticketKeysSecret: clients have no TLS; set tls.client.existingSecret or \
         tls.client.certManager.enabled, too",
    );
}

#[test]
fn certificates_of_clients_that_nobody_signs_or_wants() {
    refused(
        "{tls: {client: {existingSecret: a, clientAuth: required}}}",
        "tls.client.clientAuth is required, but nothing says who signs certificates of clients; set \
         tls.client.clientCa.secret",
    );
    refused(
        "{tls: {client: {existingSecret: a, clientAuth: none, clientCa: {secret: b}}}}",
        "tls.client.clientCa.secret has no effect with clientAuth \"none\"; write tls.client.clientAuth: required, or optional",
    );
    refused(
        "{tls: {client: {existingSecret: a, clientCa: {crlKey: ca.crl}}}}",
        "tls.client.clientCa.crlKey is set, but clientCa.secret, which is to have it, is not; set \
         tls.client.clientCa.secret",
    );
}

#[test]
fn tls_towards_brokers_that_is_off() {
    refused(
        "{tls: {upstream: {caSecret: a}}}",
        "caSecret, clientSecret and serverName have no effect while enabled is false; write tls.upstream.enabled: true",
    );
}

#[test]
fn headers_that_nobody_is_believed() {
    refused(
        "{proxyProtocol: {mode: required}}",
        "proxyProtocol.trustedNetworks is empty, and mode is required: nobody's header would be believed; write the networks \
         of the load balancer, such as [10.0.0.0/16]",
    );
    refused(
        "{proxyProtocol: {trustedNetworks: [10.0.0.0/8]}}",
        "proxyProtocol.trustedNetworks has no effect with mode \"off\"; write proxyProtocol.mode: required",
    );
}

#[test]
fn a_header_that_only_one_side_knows_of() {
    let on = "trustedNetworks: [10.0.0.0/8]";
    refused(
        "{profile: aws-nlb, proxyProtocol: {balancerSends: true}}",
        "proxyProtocol.balancerSends is true, and with mode \"off\" pods would take the header for a request and close; write \
         proxyProtocol.mode: optional first",
    );
    refused(
        &format!(
            "{{profile: aws-nlb, proxyProtocol: {{mode: required, {on}, balancerSends: false}}}}"
        ),
        "proxyProtocol.balancerSends is false, and with mode \"required\" pods close what comes without a header; write \
         proxyProtocol.mode: optional",
    );
    for sends in [false, true] {
        refused(
            &format!(
                "{{profile: gke, proxyProtocol: {{mode: optional, {on}, balancerSends: {sends}}}}}"
            ),
            "proxyProtocol.balancerSends: the profile gke does not know how to say it; leave it out",
        );
    }
    refused(
        "{profile: aws-nlb, service: {annotations: {service.beta.kubernetes.io/aws-load-balancer-target-group-attributes: \
         proxy_protocol_v2.enabled=true}}}",
        "target-group-attributes has proxy_protocol_v2.enabled=true, and proxyProtocol says false; take it out, and set \
         proxyProtocol.mode",
    );
}

#[test]
fn a_header_by_an_annotation_that_comes_before_the_profile() {
    let all = "aws-load-balancer-proxy-protocol";
    let some = "aws-load-balancer-proxy-protocol-per-target-group";
    let values = |profile: &str, name: &str, proxy: &str| {
        let value = if name == all { "*" } else { "9092" };
        format!(
            "{{profile: {profile}, service: {{annotations: {{service.beta.kubernetes.io/{name}: '{value}'}}}}, proxyProtocol: \
             {{{proxy}}}}}"
        )
    };
    let on = "mode: optional, trustedNetworks: [10.0.0.0/8]";
    for name in [all, some] {
        for profile in ["aws-nlb", "generic"] {
            refused(
                &values(profile, name, "mode: 'off'"),
                &format!(
                    "service.annotations: {name} has the load balancer send a header, and with proxyProtocol.mode \"off\" pods \
                     would take it for a request and close; take it out, and set proxyProtocol.mode"
                ),
            );
        }
        refused(
            &values("aws-nlb", name, &format!("{on}, balancerSends: false")),
            &format!(
                "service.annotations: {name} comes before what proxyProtocol.balancerSends says, which is false for all ports; \
                 take it out, and set proxyProtocol.balancerSends"
            ),
        );
        // There nobody knows what the balancer does besides.
        good(&[&values("generic", name, on)]);
    }
    // Ports that it does not name would get none.
    refused(
        &values("aws-nlb", some, on),
        "aws-load-balancer-proxy-protocol-per-target-group comes before what proxyProtocol.balancerSends says, which is true for \
         all ports",
    );
    good(&[&values("aws-nlb", all, on)]);
}

#[test]
fn nodes_as_targets_of_a_profile_that_has_pods() {
    let values = |profile: &str, target: &str| {
        format!(
            "{{profile: {profile}, service: {{annotations: {{service.beta.kubernetes.io/aws-load-balancer-nlb-target-type: \
             {target}}}}}}}"
        )
    };
    refused(
        &values("aws-nlb", "instance"),
        "service.annotations: aws-load-balancer-nlb-target-type is \"instance\", and the profile aws-nlb has pods as targets: \
         it sets no node ports, and checks the admin port, which only pods have; take it out, or write profile: generic, and \
         annotations of your own",
    );
    good(&[&values("aws-nlb", "ip")]);
    good(&[&values("generic", "instance")]);
}

#[test]
fn an_internal_balancer_that_the_profile_cannot_say() {
    for profile in ["generic", "metallb", "k3s"] {
        refused(
            &format!("{{profile: {profile}, service: {{internal: true}}}}"),
            &format!(
                "service.internal: the profile {profile} does not know how to say it; write service.internal: false, and in \
                 service.annotations what your load balancer wants"
            ),
        );
    }
}

#[test]
fn what_only_a_load_balancer_has() {
    for (key, value) in [
        ("sourceRanges", "[10.0.0.0/8]"),
        ("loadBalancerIP", "192.0.2.1"),
        ("loadBalancerClass", "example.com/balancer"),
    ] {
        refused(
            &format!("{{service: {{type: ClusterIP, {key}: {value}}}}}"),
            &format!(
                "service.{key} has no effect with type ClusterIP; write service.type: LoadBalancer, or take it out"
            ),
        );
    }
}

#[test]
fn the_class_of_another_than_the_profile() {
    refused(
        "{profile: aws-nlb, service: {loadBalancerClass: example.com/balancer}}",
        "service.loadBalancerClass: \"example.com/balancer\" is not that of the profile aws-nlb, whose annotations nobody \
         would read; write service.k8s.aws/nlb, or profile: generic",
    );
}

#[test]
fn two_families_where_one_is_listened_to() {
    for policy in ["PreferDualStack", "RequireDualStack"] {
        refused(
            &format!("{{service: {{ipFamilyPolicy: {policy}}}}}"),
            &format!(
                "service.ipFamilyPolicy: with {policy} clients may come by IPv6, but listenAddress 0.0.0.0 takes IPv4 alone; \
                 write listenAddress: \"::\", which takes both"
            ),
        );
    }
}

#[test]
fn a_name_that_no_service_may_have() {
    for release in ["1kafka", "kafka.prod"] {
        let Some(mut helm) = Helm::Three.command() else {
            return;
        };
        helm.args(["template", release]).arg(chart());
        helm.args(["--set", "kafka.bootstrapServers=kafka:9092"]);
        helm.args(["--set", "advertised.host=kafka.example.com"]);
        let output = helm.output().expect("helm runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let words = format!(
            "fullnameOverride: the objects would be called \"{release}-portolan\", and a Service's name begins with a letter \
             and has no dots; write another, such as: fullnameOverride=portolan"
        );
        assert!(said.contains(&words), "{said}");
        helm.args(["--set", "fullnameOverride=portolan"]);
        let output = helm.output().expect("helm runs");
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn labels_that_the_chart_sets_itself() {
    for (values, key) in [
        (
            "{commonLabels: {app.kubernetes.io/name: kafka}}",
            "commonLabels: the chart sets app.kubernetes.io/name itself",
        ),
        (
            "{podLabels: {app.kubernetes.io/instance: kafka}}",
            "podLabels: the chart sets app.kubernetes.io/instance itself",
        ),
        (
            "{dashboard: {labels: {helm.sh/chart: a}}}",
            "dashboard.labels: the chart sets helm.sh/chart itself",
        ),
    ] {
        refused(values, &format!("{key}; take it out"));
    }
    refused(
        "{commonLabels: {release: a}, podMonitor: {labels: {release: b}}}",
        "podMonitor.labels: commonLabels has release already; take it out of one of them",
    );
}

#[test]
fn an_end_before_the_end() {
    refused(
        "{drain: {terminationGracePeriodSeconds: 59}}",
        "drain.terminationGracePeriodSeconds: after 59 s the kubelet would kill in the middle of lame duck (15s) + grace (30s) \
         + 15 s; write 60 or more, or leave it out",
    );
    refused(
        "{profile: aws-nlb, drain: {terminationGracePeriodSeconds: 60}}",
        "lame duck (180s) + grace (105s) + 15 s; write 300 or more",
    );
    refused(
        "{drain: {lameDuck: 1500ms, grace: 2m, terminationGracePeriodSeconds: 136}}",
        "lame duck (1500ms) + grace (2m) + 15 s; write 137 or more",
    );
}

#[test]
fn an_autoscaler_that_cannot_work() {
    refused(
        "{hpa: {enabled: true, minReplicas: 3, maxReplicas: 2}}",
        "hpa.maxReplicas: 2 is less than hpa.minReplicas 3; write 3 or more",
    );
    refused(
        "{hpa: {enabled: true}, resources: {requests: {cpu: null}}}",
        "hpa.targetCPUUtilization is a percentage of resources.requests.cpu, which is not set; write resources.requests.cpu: \
         250m, or hpa.targetCPUUtilization: null and hpa.metrics",
    );
    refused(
        "{hpa: {enabled: true, targetCPUUtilization: null}}",
        "hpa has nothing to go by; write hpa.targetCPUUtilization: 60, or hpa.metrics",
    );
}

#[test]
fn pods_that_can_never_be_replaced() {
    for nothing in ["0", "'0%'"] {
        refused(
            &format!("{{rollout: {{maxSurge: {nothing}}}}}"),
            "rollout: with maxUnavailable and maxSurge 0 no pod can ever be replaced; write rollout.maxSurge: 1",
        );
    }
}

#[test]
fn two_monitors() {
    refused(
        "{podMonitor: {enabled: true}, serviceMonitor: {enabled: true}}",
        "podMonitor.enabled and serviceMonitor.enabled are both true, and everything would be counted twice; take one out",
    );
}

#[test]
fn policies_that_shut_out_who_must_come_in() {
    refused(
        "{profile: aws-nlb, networkPolicy: {enabled: true}}",
        "networkPolicy.healthCheckNetworks is empty: the NLB could not check /lbz and would send nobody; write the networks of \
         its subnets, such as [10.0.0.0/16]",
    );
    for servers in [
        "10.1.2.3:9092",
        "kafka.example.com:9092",
        "[2001:db8::1]:9092",
    ] {
        refused(
            &format!(
                "{{kafka: {{bootstrapServers: '{servers}'}}, networkPolicy: {{enabled: true}}}}"
            ),
            "networkPolicy.kafka is empty, and the namespace of Kafka does not stand in kafka.bootstrapServers; write the peers, \
             such as",
        );
    }
    for address in [
        "10.1.2.{ordinal}:9092",
        "kafka-{node_id}.example.com:9092",
        "kafka.kafka-{node_id}.svc:9092",
    ] {
        refused(
            &format!("{{brokers: {{address: '{address}'}}, networkPolicy: {{enabled: true}}}}"),
            "the namespace of Kafka does not stand in brokers.address; write the peers, such as",
        );
    }
    refused(
        "{kafka: {bootstrapServers: '10.1.2.3:9092'}, networkPolicy: {enabled: true}, brokers: {ranges: [{ids: 0, address: \
         'a.a.svc:9092'}, {ids: 5, address: '10.1.2.4:9092'}]}}",
        "does not stand in kafka.bootstrapServers and brokers.ranges[1].address; write the peers, such as",
    );
}

#[test]
fn keys_that_the_chart_writes_itself() {
    refused(
        "{config: {cluster: {bootstrap_port: 9000}}}",
        "config.cluster.bootstrap_port: the chart writes this key itself; set ports.bootstrap instead",
    );
    refused(
        "{config: {cluster: {tls: {certificate: a}}}}",
        "config.cluster.tls: the chart writes this key itself; set tls.client instead",
    );
    refused(
        "{config: {admin: {listen: '0.0.0.0:80'}}}",
        "config.admin.listen: the chart writes this key itself; set ports.admin instead",
    );
    refused(
        "{config: {limits: {connections: {most: 5}}}}",
        "config.limits.connections is no value of Portolan's file; write a text, a number, true, false or a list of them",
    );
}

#[test]
fn both_majors_of_helm_say_everything_that_is_wrong_at_once() {
    for helm in [Helm::Three, Helm::Four] {
        refused_all(
            helm,
            &[
                TWO,
                "{brokers: {ids: '3-1'}, ports: {admin: 9092}, service: {internal: true}, podMonitor: {enabled: true}, \
                 serviceMonitor: {enabled: true}, profile: k3s, sni: {mode: only}, drain: {terminationGracePeriodSeconds: 9}}",
            ],
            &[
                "brokers.ids: \"3-1\" runs backwards",
                "sni.mode is only, but clients have no TLS",
                "service.internal: the profile k3s",
                "drain.terminationGracePeriodSeconds: after 9 s",
                "podMonitor.enabled and serviceMonitor.enabled",
            ],
        );
    }
}
