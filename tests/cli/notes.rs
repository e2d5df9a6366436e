//! What `config check` tells about a configuration that is good.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::{GOOD, finish, portolan};

const TLS: &str = "[clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n";

/// What stands below the port table.
fn notes(text: &str) -> String {
    let files = tempfile::tempdir().expect("a directory");
    write_certificates(files.path());
    let mut command = portolan(["config", "check", "-"]);
    // Paths of files are relative to where the program is started.
    let outcome = finish(command.current_dir(files.path()), text);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let mut parts = outcome.stdout.splitn(3, "\n\n");
    assert_eq!(parts.next(), Some("ok"));
    let table = parts.next().unwrap_or_default();
    assert!(table.starts_with("CLUSTER"), "{table}");
    parts.next().unwrap_or_default().to_owned()
}

/// An authority, and by it a certificate for clients to see and one for brokers.
fn write_certificates(directory: &Path) {
    let write = |name: &str, text: &str| {
        std::fs::write(directory.join(name), text).expect("it is written");
    };
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a certificate");
    write("ca.crt", &authority.pem());
    let issuer = Issuer::new(params, key);
    for name in ["tls", "our"] {
        let names = ["kafka.example.com", "*.example.com", "kafka"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        write(&format!("{name}.crt"), &certificate.pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
}

/// A good file with more keys of its cluster.
fn with(keys: &str) -> String {
    GOOD.replacen('\n', &format!("\n{keys}\n"), 1)
}

#[test]
fn nothing_is_told_where_there_is_nothing_to_tell() {
    assert_eq!(notes(GOOD), "");
    let header = "proxy_protocol = \"required\"\nproxy_protocol_from = [\"10.0.0.0/8\"]";
    let limits = "[limits]\nconnections_per_client = 10\nconnection_rate_per_client = \"20/s\"\n";
    assert_eq!(notes(&format!("{}{limits}", with(header))), "");
    assert_eq!(notes(&format!("{GOOD}[clusters.main.upstream_tls]\n")), "");
}

#[test]
fn tls_that_ends_here_hides_clients_from_brokers() {
    assert_eq!(
        notes(&format!("{GOOD}{TLS}")),
        "\
note on main: TLS of clients ends here; brokers see this proxy's address and no certificate, never a client's.
  ACLs and quotas by principal: they work with SASL, which passes untouched. A client's certificate gives it no principal
  at the brokers: without SASL all clients are User:ANONYMOUS to them.
  ACLs by host, quotas and connection limits by IP address: brokers cannot tell clients apart by them. Instead use
  allow and deny, or client_ca, here.
"
    );
    let identity = "[clusters.main.upstream_tls]\ncertificate = \"our.crt\"\nkey = \"our.key\"\n";
    let both = notes(&format!("{GOOD}{TLS}client_ca = \"ca.crt\"\n{identity}"));
    for words in [
        "brokers see this proxy's address and its certificate our.crt, never a client's.",
        "without SASL all clients are the principal of that certificate to them.",
        "Instead use\n  allow, deny and client_ca here.",
    ] {
        assert!(both.contains(words), "{both}");
    }
}

#[test]
fn names_that_java_does_not_send_are_told() {
    let sni = |bootstrap: &str, node: &str| {
        let sni = format!(
            "[clusters.main.sni]\nport = 9443\nbootstrap_host = \"{bootstrap}\"\nnode_host = \"{node}\"\n"
        );
        notes(&format!("{GOOD}{TLS}{sni}"))
    };
    for (bootstrap, node, host) in [
        ("kafka", "b-{node_id}.example.com", "kafka"),
        ("kafka.example.com", "b-{node_id}", "b-0"),
        (
            "kafka.example.com",
            "b_{node_id}.example.com",
            "b_0.example.com",
        ),
    ] {
        let words = format!(
            "note on main: Java clients send no TLS server name for a host such as {host}, and are refused"
        );
        let notes = sni(bootstrap, node);
        assert!(notes.contains(&words), "{notes}");
    }
    let good = sni("kafka.example.com", "b-{node_id}.example.com");
    assert!(!good.contains("Java"), "{good}");
}

#[test]
fn a_host_that_nothing_tells_is_told() {
    let dialled = with("advertise = \"dialled\"");
    let words = notes(&dialled);
    assert!(
        words.starts_with("note on main: advertise = \"dialled\" has no effect yet: "),
        "{words}"
    );
    let words = notes(&format!("{dialled}{TLS}"));
    assert!(!words.contains("dialled"), "{words}");
}

#[test]
fn limits_of_each_client_behind_a_balancer_are_told() {
    for limit in [
        "connections_per_client = 10",
        "connection_rate_per_client = \"20/s\"",
    ] {
        let words = notes(&format!("{GOOD}[limits]\n{limit}\n"));
        assert!(
            words.starts_with("note: limits of each client count by the address that connects."),
            "{words}"
        );
        assert!(words.ends_with("it is off for main.\n"), "{words}");
    }
}

#[test]
fn headers_that_are_believed_of_everybody_are_told() {
    for network in ["0.0.0.0/0", "::/0"] {
        let keys = format!(
            "proxy_protocol = \"required\"\nproxy_protocol_from = [\"10.0.0.0/8\", \"{network}\"]"
        );
        assert_eq!(
            notes(&with(&keys)),
            format!(
                "note on main: proxy_protocol_from has {network}: whoever reaches this port may claim to be any client, and \
                 so pass allow, deny and\n  limits of each client. Name the load balancers' own addresses, unless nobody else \
                 reaches this port.\n"
            )
        );
    }
}
