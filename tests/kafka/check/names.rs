//! The same in SNI mode: one port, TLS to the proxy and from it to the brokers, and a name for each node.

use std::process::Command;

use serde_json::Value;

use super::{Checked, check_by, codes};
use crate::access::{self, Access};
use crate::cluster::{self, Cluster, Listener, USER};
use crate::common::proxy::wait_until;
use crate::door::{BOOTSTRAP_HOST, node_host};
use crate::front::{Clients, Front, Mode, Options};

/// `None`: tools are missing.
fn cluster() -> Option<&'static Cluster> {
    cluster::newest().filter(|_| access::own_hosts_work())
}

/// The proxy with these nodes. Clients must have certificates, and so must the proxy at the brokers, or users passwords.
fn front(cluster: &Cluster, listener: Listener, ids: &[i32]) -> Front {
    let options = Options {
        clients: Clients::MutualTls,
        mode: Mode::Names,
        ..Options::default()
    };
    Front::with(cluster, listener, ids, options)
}

/// Looks by these names, with what a client needs to get in.
fn look(access: &Access, more: &[&str]) -> Checked {
    let hosts = access.hosts.as_deref().expect("names are told by a file");
    let words = access::with_hosts(hosts);
    let mut program = Command::new(&words[0]);
    program
        .args(&words[1..])
        .arg(env!("CARGO_BIN_EXE_portolan"));
    let tls = access.tls.as_ref().expect("names are told by TLS");
    let own = tls.identity.as_ref().expect("clients have certificates");
    let text = |path: &std::path::Path| path.to_str().expect("plain characters").to_owned();
    let files = [&tls.ca, &own.certificate, &own.key].map(|file| text(file));
    let flags = ["--tls-ca", "--tls-cert", "--tls-key"];
    let mut arguments = vec![access.bootstrap.as_str(), "--tls"];
    for (flag, file) in flags.iter().zip(&files) {
        arguments.extend([*flag, file.as_str()]);
    }
    arguments.extend(more);
    check_by(&mut program, &arguments)
}

/// The finding of this code about this node, of which there is one, and what to do about it.
fn remedy(report: &Value, code: &str, node: i32) -> String {
    let findings = report["findings"].as_array().expect("a list").iter();
    let about = findings.filter(|finding| finding["code"] == code && finding["node"] == node);
    let found: Vec<&Value> = about.collect();
    assert_eq!(found.len(), 1, "{code} of {node} in {report:#}");
    found[0]["remedy"].as_str().expect("a text").to_owned()
}

/// What is said of a node.
fn node(report: &Value, id: i32) -> &Value {
    let mut nodes = report["nodes"].as_array().expect("a list").iter();
    nodes.find(|node| node["node"] == id).expect("the node")
}

#[test]
fn a_cluster_by_names_is_in_good_order() {
    let Some(cluster) = cluster() else {
        return;
    };
    let scram = [
        "--sasl-mechanism",
        "SCRAM-SHA-512",
        "--sasl-username",
        USER.0,
    ];
    for (listener, sasl) in [(Listener::Mtls, &[][..]), (Listener::SaslSsl, &scram)] {
        let front = front(cluster, listener, cluster.ids());
        let access = front.access(None);
        let (code, found, report) = look(&access, sasl);
        assert_eq!((code, found), (Some(0), codes(&[])), "{report:#}");
        let (_, port) = access.bootstrap.split_once(':').expect("a port");
        for &id in cluster.ids() {
            let node = node(&report, id);
            assert_eq!(node["address"], format!("{}:{port}", node_host(id)));
            assert_eq!(node["identity"], "proven", "{report:#}");
            assert_eq!(node["tls"]["names"][1], format!("*.{BOOTSTRAP_HOST}"));
            assert!(front.connections_to(id) > 0.0, "{id}");
        }
        front.assert_understood();
    }
}

#[test]
fn a_node_without_a_name_is_found_and_only_it() {
    let Some(cluster) = cluster() else {
        return;
    };
    cluster.create_topic("for-check-unnamed", 6);
    let (unnamed, named) = cluster.ids().split_last().expect("three nodes");
    let front = front(cluster, Listener::Mtls, named);
    let (code, found, report) = look(&front.access(None), &[]);
    assert_eq!(code, Some(1), "{report:#}");
    let expected = codes(&["node-not-in-map", "partitions-without-leader"]);
    assert_eq!(found, expected, "{report:#}");
    let remedy = remedy(&report, "node-not-in-map", *unnamed);
    let words =
        format!("give id {unnamed} a port, or with `sni` a name: [[clusters.<name>.nodes]]");
    assert!(remedy.starts_with(&words), "{remedy}");
    for &id in named {
        assert_eq!(node(&report, id)["identity"], "proven", "{report:#}");
    }
    assert_eq!(report["nodes"].as_array().map(Vec::len), Some(named.len()));
}

#[test]
fn a_certificate_without_the_name_of_a_node_is_found_at_that_node() {
    let Some(cluster) = cluster() else {
        return;
    };
    cluster.create_topic("for-check-uncertified", 6);
    let (without, with) = cluster.ids().split_last().expect("three nodes");
    let front = front(cluster, Listener::Mtls, cluster.ids());
    let door = front.door.as_ref().expect("TLS");
    let hosts: Vec<String> = with.iter().map(node_host).collect();
    let mut names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    names.insert(0, BOOTSTRAP_HOST);
    door.mount().swap(&door.identity_for(&names));
    wait_until("the certificate to be in use", || {
        front.reloads("success") > 0.0
    });
    let (code, found, report) = look(&front.access(None), &[]);
    assert_eq!(code, Some(1), "{report:#}");
    let expected = codes(&["certificate-other-name", "leader-unreachable"]);
    assert_eq!(found, expected, "{report:#}");
    let host = node_host(without);
    let remedy = remedy(&report, "certificate-other-name", *without);
    let words = format!("issue a certificate with the name {host} (subjectAltName)");
    assert!(remedy.starts_with(&words), "{remedy}");
    for &id in with {
        assert_eq!(node(&report, id)["identity"], "proven", "{report:#}");
    }
}
