//! `portolan check` at real brokers: through the proxy, past it, and where ports or maps are wrong.

mod names;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use serde_json::Value;

use crate::cluster::{self, Cluster, Listener, USER};
use crate::common::proxy::Proxy;
use crate::front::Front;

/// The exit code, the codes of all findings, and all of it.
pub type Checked = (Option<i32>, BTreeSet<String>, Value);

fn check(arguments: &[&str]) -> Checked {
    check_by(&mut Command::new(env!("CARGO_BIN_EXE_portolan")), arguments)
}

/// The same behind words such as `nsenter`, which lead to where it is to look from.
pub fn check_behind(words: &[String], arguments: &[&str]) -> Checked {
    let portolan = [env!("CARGO_BIN_EXE_portolan").to_owned()];
    let words = [words, &portolan].concat();
    check_by(Command::new(&words[0]).args(&words[1..]), arguments)
}

/// The same by a command that begins with the program.
fn check_by(program: &mut Command, arguments: &[&str]) -> Checked {
    let output = program
        .args(["check", "--output", "json", "--timeout", "20s"])
        .args(arguments)
        .env("PORTOLAN_SASL_PASSWORD", USER.1)
        .env("PORTOLAN_SASL_TOKEN", token())
        .output()
        .expect("the portolan binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "", "{arguments:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("a list").iter();
    let codes = findings.map(|finding| finding["code"].as_str().expect("a code").to_owned());
    (output.status.code(), codes.collect(), report)
}

/// A token as Kafka's own module for tests takes it: without a signature.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_secs();
    let claims = format!(r#"{{"sub":"{}","iat":{now},"exp":{}}}"#, USER.0, now + 3600);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims))
}

/// Codes of findings.
pub fn codes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn assert_fine(arguments: &[&str], ids: &[i32]) {
    assert_fine_by(&[], arguments, ids);
}

/// Fails unless everything is in good order for whoever stands behind these words, and each of these nodes is who it says.
pub fn assert_fine_by(words: &[String], arguments: &[&str], ids: &[i32]) {
    let (code, found, report) = check_behind(words, arguments);
    assert_eq!((code, found), (Some(0), codes(&[])), "{report:#}");
    let nodes = report["nodes"].as_array().expect("a list");
    assert_eq!(nodes.len(), ids.len());
    for node in nodes {
        assert_eq!(node["identity"], "proven", "{report:#}");
    }
}

#[test]
fn a_cluster_behind_the_proxy_is_in_good_order_for_every_kind_of_user() {
    for cluster in [cluster::newest(), cluster::previous()]
        .into_iter()
        .flatten()
    {
        let front = Front::start(cluster, Listener::Plaintext);
        assert_fine(&[&front.bootstrap()], cluster.ids());
        for &id in cluster.ids() {
            assert!(front.connections_to(id) > 0.0, "{id}");
        }
        front.assert_no_leak();
        front.assert_understood();
        let front = Front::start(cluster, Listener::Sasl);
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
            let server = front.bootstrap();
            let mut arguments = vec![server.as_str(), "--sasl-mechanism", mechanism];
            if mechanism != "OAUTHBEARER" {
                arguments.extend(["--sasl-username", USER.0]);
            }
            assert_fine(&arguments, cluster.ids());
        }
        let (code, found, report) = check(&[&front.bootstrap()]);
        assert_eq!(
            (code, found),
            (Some(2), codes(&["sasl-wanted"])),
            "{report:#}"
        );
        let (code, found, report) = check(&[
            &front.bootstrap(),
            "--sasl-mechanism",
            "PLAIN",
            "--sasl-username",
            "mallory",
        ]);
        assert_eq!(
            (code, found),
            (Some(2), codes(&["sasl-refused"])),
            "{report:#}"
        );
        front.assert_no_leak();
    }
}

#[test]
fn a_node_without_a_port_is_found_and_only_it() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    cluster.create_topic("for-check-unmapped", 6);
    let (unmapped, mapped) = cluster.ids().split_last().expect("three nodes");
    let front = Front::with_nodes(cluster, Listener::Plaintext, mapped);
    let (code, found, report) = check(&[&front.bootstrap()]);
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(
        found,
        codes(&["node-not-in-map", "partitions-without-leader"]),
        "{report:#}"
    );
    let findings = report["findings"].as_array().expect("a list");
    let is_about_it = |finding: &Value| finding["node"] == *unmapped;
    assert!(findings.iter().any(is_about_it), "{report:#}");
    front.assert_no_leak();
}

#[test]
fn brokers_that_advertise_internal_names_are_told_and_so_is_the_wrong_protocol() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let first = cluster.ids()[0];
    let at = |listener: Listener| format!("{}:{}", cluster.plaintext(first).ip(), listener.port());
    let ca = cluster.identities().ca().display().to_string();
    let (host, _) = internal(cluster, first);
    let tls = ["--tls", "--tls-ca", &ca];
    let named = ["--tls", "--tls-ca", &ca, "--tls-server-name", &host];
    let leaked = codes(&["internal-name-leaked", "leader-unreachable"]);
    for (listener, arguments, expected) in [
        (Listener::Plaintext, &[][..], (1, leaked.clone())),
        (
            Listener::Plaintext,
            &tls,
            (2, codes(&["tls-on-plaintext-port"])),
        ),
        (Listener::Ssl, &[], (2, codes(&["plaintext-on-tls-port"]))),
        (Listener::Ssl, &tls, (2, codes(&["certificate-other-name"]))),
        (Listener::Ssl, &named, (1, leaked)),
        (
            Listener::Mtls,
            &named,
            (2, codes(&["client-certificate-demanded"])),
        ),
        (Listener::SaslSsl, &named, (2, codes(&["sasl-wanted"]))),
        (Listener::Sasl, &[], (2, codes(&["sasl-wanted"]))),
    ] {
        let address = at(listener);
        let mut all = vec![address.as_str()];
        all.extend(arguments);
        let (code, found, report) = check(&all);
        assert_eq!(
            (code, found),
            (Some(expected.0), expected.1),
            "{listener:?} {arguments:?}: {report:#}"
        );
    }
    // By the listener that is advertised by address there is nothing to find, also without a proxy.
    assert_fine(&[&cluster.direct(first).to_string()], cluster.ids());
}

fn internal(cluster: &Cluster, id: i32) -> (String, u16) {
    let address = cluster.internal(id, Listener::Plaintext);
    let (host, port) = address.rsplit_once(':').expect("a port");
    (host.to_owned(), port.parse().expect("a number"))
}

#[test]
fn ports_that_are_swapped_at_the_proxy_are_found() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let ids = cluster.ids();
    let mut config = format!(
        "[clusters.main]\nbootstrap_servers = [\"{}\"]\nadvertised_host = \"127.0.0.1\"\nbootstrap_port = 0\n",
        cluster.direct(ids[0])
    );
    // The last two have each other's address.
    let behind = [ids[0], ids[2], ids[1]];
    for (id, behind) in ids.iter().zip(behind) {
        let address = cluster.direct(behind);
        let _ = writeln!(
            config,
            "[[clusters.main.nodes]]\nids = \"{id}\"\nport = 0\naddress = \"{address}\""
        );
    }
    let proxy = Proxy::start(&config);
    let server = format!("127.0.0.1:{}", proxy.bootstrap("main").port());
    let (code, found, report) = check(&[&server]);
    assert_eq!(
        (code, found),
        (Some(1), codes(&["wrong-broker"])),
        "{report:#}"
    );
    let identities = report["nodes"].as_array().expect("a list").iter();
    let identities: Vec<&str> = identities
        .filter_map(|node| node["identity"].as_str())
        .collect();
    let expected = [
        "proven".to_owned(),
        format!("node {}", ids[2]),
        format!("node {}", ids[1]),
    ];
    assert_eq!(identities, expected);
    // Where a broker leads nothing, its words about its configuration tell who it is: they must be these.
    let resource = DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(ids[1].to_string().into());
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = cluster.wire(ids[0]).ask(&request, 4).expect("an answer");
    let words = answer.results[0]
        .error_message
        .as_deref()
        .unwrap_or_default();
    let expected = format!("Unexpected broker id, expected {}", ids[0]);
    assert!(words.starts_with(&expected), "{words}");
}
