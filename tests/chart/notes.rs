//! What Helm prints after an install: what is left to do, and what one may not have meant.

use crate::render::{TWO, notes};

/// The words of the notes, which are broken into lines wherever they are long.
fn words(values: &str) -> Option<String> {
    let notes = notes(&[TWO, values])?;
    Some(notes.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn they_say_which_brokers_are_seen_and_how_others_come_to_be() {
    for (values, wanted) in [
        (
            "{}",
            "with another id than 0-15 is hidden from clients, and Portolan's log names it. To let it be seen, raise \
             ports.brokers.count, or write brokers.ids.",
        ),
        (
            "{brokers: {ids: '0-2,7'}}",
            "another id than 0-2,7 is hidden from clients, and Portolan's log names it. To let it be seen, write its id at the \
             end of brokers.ids.",
        ),
        (
            "{brokers: {ranges: [{ids: 0-2}, {ids: 100}]}}",
            "another id than 0-2, 100 is hidden from clients, and Portolan's log names it. To let it be seen, write its id at the \
             end of one of brokers.ranges, or where the ports behind that are taken, as a range of its own.",
        ),
    ] {
        let Some(notes) = words(values) else { return };
        assert!(notes.contains(wanted), "{values}: {notes}");
    }
}

#[test]
fn they_say_what_a_client_speaks() {
    let tls = "tls: {client: {existingSecret: a}}";
    for (values, protocol, name) in [
        ("{}".to_owned(), "PLAINTEXT (or SASL_PLAINTEXT", ""),
        (format!("{{{tls}}}"), "SSL (or SASL_SSL)", ""),
        (
            format!("{{{tls}, sni: {{mode: only}}}}"),
            "SSL (or SASL_SSL)",
            "told apart by the TLS server name: broker-{node_id}.kafka.example.com.",
        ),
    ] {
        let Some(notes) = words(&values) else { return };
        let line = format!("security.protocol={protocol}");
        assert!(notes.contains(&line), "{values}: {notes}");
        assert!(notes.contains(name), "{values}: {notes}");
        let has_names = notes.contains("TLS server name");
        assert_eq!(has_names, !name.is_empty(), "{values}: {notes}");
    }
}

#[test]
fn they_name_the_secrets_that_pods_wait_for() {
    let manager = "certManager: {enabled: true, issuerRef: {name: a}}";
    for (values, wanted) in [
        ("{}".to_owned(), None),
        (
            "{tls: {client: {existingSecret: shown}}}".to_owned(),
            Some("namespace gate has the Secret shown."),
        ),
        (
            "{tls: {client: {existingSecret: both, clientCa: {secret: both}}, upstream: {enabled: true, caSecret: ca}}}".to_owned(),
            Some("namespace gate has the Secrets both, ca."),
        ),
        // cert-manager makes that one.
        (format!("{{tls: {{client: {{{manager}}}}}}}"), None),
        (
            format!("{{tls: {{client: {{{manager}, ticketKeysSecret: tickets}}}}}}"),
            Some("namespace gate has the Secret tickets."),
        ),
    ] {
        let Some(notes) = words(&values) else { return };
        let said = notes.contains("Pods start once the");
        assert_eq!(said, wanted.is_some(), "{values}: {notes}");
        assert!(notes.contains(wanted.unwrap_or_default()), "{values}: {notes}");
    }
}

#[test]
fn they_say_what_helm_test_needs() {
    let user = "Where Kafka's listener has SASL, write a user to test.args and his password to test.env first: helm test portolan";
    let address = "Write test.address first, host and port of the load balancer";
    let proxy = "proxyProtocol: {mode: required, trustedNetworks: [10.0.0.0/8]}";
    let unknown = "advertised: {host: '', fromService: true}";
    let test = "test: {address: 'lb.example.com:9092'}";
    for (values, wanted) in [
        ("{}".to_owned(), vec![user]),
        (
            "{test: {args: [--sasl-mechanism=PLAIN]}}".to_owned(),
            vec![],
        ),
        // The name of the load balancer leads to it from inside, too.
        (format!("{{{proxy}}}"), vec![user]),
        (format!("{{{unknown}}}"), vec![user]),
        (format!("{{{unknown}, {proxy}}}"), vec![user, address]),
        (format!("{{{unknown}, {proxy}, {test}}}"), vec![user]),
    ] {
        let Some(notes) = words(&values) else { return };
        for part in [user, address] {
            let is_wanted = wanted.contains(&part);
            assert_eq!(notes.contains(part), is_wanted, "{values}: {part}: {notes}");
        }
        let command = "helm test portolan --namespace gate --logs";
        assert!(notes.contains(command), "{values}: {notes}");
    }
}

#[test]
fn without_a_load_balancer_they_say_how_clients_are_to_come() {
    let open = "each port of the table has to be open at kafka.example.com under the same number, since clients are told those.";
    let sends = "What listens there sends it on to the node port of any node";
    let column = "NODE PORT";
    let chosen = "which the cluster chose";
    for (values, wanted) in [
        ("{}", vec![]),
        ("{service: {type: ClusterIP}}", vec![open]),
        ("{service: {type: NodePort}}", vec![open, sends, chosen]),
        (
            "{service: {type: NodePort, nodePorts: {bootstrap: 30000}}}",
            vec![open, sends, column],
        ),
        ("{service: {nodePorts: {bootstrap: 30000}}}", vec![column]),
    ] {
        let Some(notes) = words(values) else { return };
        for part in [open, sends, column, chosen] {
            let is_wanted = wanted.contains(&part);
            assert_eq!(notes.contains(part), is_wanted, "{values}: {part}: {notes}");
        }
    }
    let values = "{service: {nodePorts: {bootstrap: 30000}}, ports: {brokers: {count: 1}}}";
    let Some(notes) = notes(&[TWO, values]) else {
        return;
    };
    for row in [
        "  bootstrap         9092   30000\n",
        "  node-0            9093   30001\n",
    ] {
        assert!(notes.contains(row), "{row}: {notes}");
    }
}

#[test]
fn they_warn_of_what_one_may_not_have_meant() {
    let public = "most clouds give this Service a public address";
    let single = "there is one pod";
    let many = "60 brokers have a port each";
    let authorities = "held to the authorities in the image";
    let image = "the image is called portolan:0.1.0, and no registry is said";
    let targets = "up to 13 pods x 50 ports are 650 targets, and an NLB takes 500 in each zone";
    for (values, wanted) in [
        ("{}", None),
        ("{replicas: 1}", Some(single)),
        ("{ports: {brokers: {count: 60}}}", Some(many)),
        ("{tls: {upstream: {enabled: true}}}", Some(authorities)),
        ("{tls: {upstream: {enabled: true, caSecret: a}}}", None),
        ("{image: {repository: portolan}}", Some(image)),
        (
            "{profile: aws-nlb, ports: {brokers: {count: 49}}, replicas: 12}",
            Some(targets),
        ),
        (
            "{profile: aws-nlb, ports: {brokers: {count: 49}}, replicas: 9}",
            None,
        ),
    ] {
        let inside =
            "{service: {type: ClusterIP}, image: {repository: images.example.com/portolan}}";
        let Some(notes) = notes(&[TWO, inside, values]) else {
            return;
        };
        for note in [public, single, many, authorities, image, targets] {
            assert_eq!(
                notes.contains(note),
                wanted == Some(note),
                "{values}: {notes}"
            );
        }
    }
}

#[test]
fn they_warn_of_a_kafka_that_anybody_may_find() {
    let range = "service: {sourceRanges: [10.0.0.0/8]}";
    let signed = "tls: {client: {existingSecret: a, clientCa: {secret: b}}}";
    let asked = "tls: {client: {existingSecret: a, clientCa: {secret: b}, clientAuth: optional}}";
    let mut wanted = Vec::new();
    for profile in ["generic", "aws-nlb", "gke", "aks"] {
        let of = |more: &str| format!("{{profile: {profile}, {more}}}");
        wanted.push((of("replicas: 2"), true));
        wanted.push((of("tls: {client: {existingSecret: a}}"), true));
        let null = "tls: {client: {existingSecret: a, clientCa: {secret: null}}}";
        wanted.push((of(null), true));
        wanted.push((of(asked), true));
        wanted.push((of(signed), false));
        wanted.push((of(range), false));
        wanted.push((of("service: {type: NodePort}"), false));
        if profile != "generic" {
            wanted.push((of("service: {internal: true}"), false));
        }
    }
    for profile in ["metallb", "k3s"] {
        wanted.push((format!("{{profile: {profile}}}"), false));
    }
    for (values, is_told) in wanted {
        let Some(notes) = notes(&[TWO, &values]) else {
            return;
        };
        let told = notes.contains("most clouds give this Service a public address");
        assert_eq!(told, is_told, "{values}: {notes}");
        if told {
            let knows = !values.contains("generic");
            let remedy = if knows {
                "service.internal: true"
            } else {
                "service.annotations with"
            };
            assert!(notes.contains(remedy), "{values}: {notes}");
        }
    }
}
