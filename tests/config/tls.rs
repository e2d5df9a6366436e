//! TLS on both sides: which keys go together.

use std::path::PathBuf;

use portolan::config::{ClientAuth, Tls, TlsVersion, UpstreamTls};

use crate::{LEAST, config, refused};

const PAIR: &str = "certificate = \"tls.crt\"\nkey = \"tls.key\"";

/// The least file with a table of the cluster, whose header is in line 7.
fn with_table(table: &str, keys: &str) -> String {
    format!("{LEAST}[clusters.main.{table}]\n{keys}\n")
}

fn tls(keys: &str) -> Tls {
    let mut config = config(&with_table("tls", &format!("{PAIR}\n{keys}")));
    let main = config.clusters.remove("main");
    main.and_then(|main| main.tls).expect("it has TLS")
}

/// The words for keys that stand in line 10 and on.
fn tls_refused(keys: &str) -> String {
    refused(&with_table("tls", &format!("{PAIR}\n{keys}")))
}

fn upstream(keys: &str) -> UpstreamTls {
    let mut config = config(&with_table("upstream_tls", keys));
    let main = config.clusters.remove("main");
    main.and_then(|main| main.upstream_tls)
        .expect("it has TLS to brokers")
}

fn upstream_refused(keys: &str) -> String {
    refused(&with_table("upstream_tls", keys))
}

#[test]
fn without_the_tables_both_sides_are_plaintext() {
    let main = &config(LEAST).clusters["main"];
    assert_eq!((&main.tls, &main.upstream_tls), (&None, &None));
}

#[test]
fn a_certificate_and_its_key_are_enough_for_clients() {
    assert_eq!(
        tls(""),
        Tls {
            certificate: "tls.crt".into(),
            key: "tls.key".into(),
            client_ca: None,
            client_auth: ClientAuth::None,
            min_version: TlsVersion::Tls12,
            crl: None,
            ticket_keys: None,
        }
    );
}

#[test]
fn neither_certificate_nor_key_may_be_missing_or_empty() {
    assert_eq!(
        refused(&with_table("tls", "")),
        "line 7: clusters.main.tls.certificate: missing\n    add: certificate = \"tls.crt\"\n\
         line 7: clusters.main.tls.key: missing\n    add: key = \"tls.key\""
    );
    let like = "write the path of a file in PEM, such as \"tls.crt\"";
    assert_eq!(
        refused(&with_table("tls", "certificate = \"\"\nkey = 7")),
        format!(
            "line 8: clusters.main.tls.certificate: it is empty\n    {like}\n\
             line 9: clusters.main.tls.key: a number where a string is wanted\n    write it like \"text\""
        )
    );
}

#[test]
fn with_a_ca_clients_must_show_a_certificate_unless_it_is_optional() {
    let ca = "client_ca = \"ca.crt\"";
    let with = |keys: &str| tls(&format!("{ca}\n{keys}"));
    assert_eq!(with("").client_auth, ClientAuth::Required);
    assert_eq!(with("").client_ca, Some(PathBuf::from("ca.crt")));
    let optional = with("client_auth = \"optional\"\ncrl = \"clients.crl\"");
    assert_eq!(optional.client_auth, ClientAuth::Optional);
    assert_eq!(optional.crl, Some(PathBuf::from("clients.crl")));
    assert_eq!(
        tls_refused(&format!("{ca}\nclient_auth = \"none\"")),
        "line 11: clusters.main.tls.client_auth: \"none\" asks no client for a certificate, and client_ca has no effect\n    \
         write \"required\" or \"optional\", or take client_ca out"
    );
}

#[test]
fn without_a_ca_no_certificate_of_a_client_can_be_judged() {
    for auth in ["optional", "required"] {
        for empty in ["", "\nclient_ca = \"\""] {
            assert_eq!(
                tls_refused(&format!("client_auth = \"{auth}\"{empty}")),
                "line 10: clusters.main.tls.client_auth: client_ca is missing: no certificate of a client would be good\n    \
                 add: client_ca = \"clients-ca.crt\", or write \"none\""
            );
        }
    }
    assert_eq!(
        tls_refused("crl = \"clients.crl\""),
        "line 10: clusters.main.tls.crl: client_ca is missing, and the list has no effect\n    \
         add: client_ca = \"clients-ca.crt\", or take it out"
    );
    assert_eq!(
        tls("client_auth = \"none\"\nclient_ca = \"\"\ncrl = \"\""),
        tls("")
    );
    // A CA that is there and unfit is one fault.
    assert_eq!(
        tls_refused("client_ca = 1\nclient_auth = \"required\"\ncrl = \"x\""),
        "line 10: clusters.main.tls.client_ca: a number where a string is wanted\n    write it like \"text\""
    );
}

#[test]
fn the_lowest_version_is_a_word() {
    assert_eq!(tls("min_version = \"1.3\"").min_version, TlsVersion::Tls13);
    for (written, shown) in [
        ("\"1.1\"", "\"1.1\""),
        ("1.2", "a number with a fraction"),
        ("\"TLSv1.2\"", "\"TLSv1.2\""),
    ] {
        assert_eq!(
            tls_refused(&format!("min_version = {written}")),
            format!(
                "line 10: clusters.main.tls.min_version: {shown} is not a choice here\n    write one of \"1.2\", \"1.3\""
            )
        );
    }
}

#[test]
fn an_empty_table_is_tls_to_brokers_with_the_authorities_of_the_system() {
    assert_eq!(upstream(""), UpstreamTls::default());
    let empty = "ca = \"\"\ncertificate = \"\"\nkey = \"\"\nserver_name = \"\"";
    assert_eq!(upstream(empty), UpstreamTls::default());
    assert_eq!(
        upstream(
            "ca = \"ca.crt\"\ncertificate = \"our.crt\"\nkey = \"our.key\"\nserver_name = \"b-{node_id}.kafka\""
        ),
        UpstreamTls {
            ca: Some("ca.crt".into()),
            identity: Some(("our.crt".into(), "our.key".into())),
            server_name: Some("b-{node_id}.kafka".into()),
        }
    );
}

#[test]
fn our_certificate_and_our_key_go_together() {
    assert_eq!(
        upstream_refused("certificate = \"our.crt\""),
        "line 7: clusters.main.upstream_tls.key: missing, and certificate is there: neither is of use without the other\n    \
         add key, or take certificate out"
    );
    assert_eq!(
        upstream_refused("certificate = \"\"\nkey = \"our.key\""),
        "line 7: clusters.main.upstream_tls.certificate: missing, and key is there: neither is of use without the other\n    \
         add certificate, or take key out"
    );
}

#[test]
fn the_name_of_brokers_is_a_host_name() {
    let plain = "write a host name, such as \"kafka.example.com\"";
    for (name, words) in [
        (
            "192.0.2.7",
            format!("\"192.0.2.7\" is an IP address, and TLS server names never are\n    {plain}"),
        ),
        (
            "[2001:db8::7]",
            format!("\"[2001:db8::7]\" is an IP address, and TLS server names never are\n    {plain}"),
        ),
        (
            "kafka:9092",
            "\"kafka:9092\" has a port\n    write \"kafka\" alone".into(),
        ),
        (
            "kafka.example.",
            "\"kafka.example.\" ends in a dot, and TLS server names never do\n    write \"kafka.example\"".into(),
        ),
        (
            "b-{ordinal}",
            "\"{ordinal}\" is no placeholder\n    write {node_id}".into(),
        ),
        (
            "{node_id}.7",
            "for node 0 \"0.7\" is neither a host name nor an IP address\n    \
             write an IPv4 address with four numbers"
                .into(),
        ),
    ] {
        assert_eq!(
            upstream_refused(&format!("server_name = \"{name}\"")),
            format!("line 8: clusters.main.upstream_tls.server_name: {words}")
        );
    }
}
