//! TLS towards brokers.

use rustls::CertificateError::UnknownIssuer;

use super::*;
use crate::config::UpstreamTls;
use crate::port_map::NodeId;
use crate::transport::tls::client::Client;

const SECTION: &str = "clusters.main.upstream_tls";

/// A broker that wants a certificate by `clients`.
fn broker(files: &Files, servers: &Authority, clients: &Authority) -> Server {
    let own = servers.leaf("localhost");
    load(&Tls {
        client_auth: ClientAuth::Required,
        client_ca: file(&files.write("clients.crt", &clients.pem())),
        ..files.tls(&own.pem(), &own.key())
    })
    .unwrap()
}

#[test]
fn brokers_are_verified_and_are_shown_a_certificate() {
    let files = Files::new();
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let server = broker(&files, &servers, &clients);
    let own = clients.leaf_with("portolan", |params| {
        params.not_after = date_time_ymd(2100, 2, 3)
    });
    let mut tls = UpstreamTls {
        ca: file(&files.write("ca.crt", &servers.pem())),
        identity: Some((
            files.write("own.crt", &(own.pem() + &clients.pem())),
            files.write("own.key", &own.key()),
        )),
        server_name: None,
    };
    let client = Client::load(&tls, SECTION).unwrap();
    assert_eq!(client.not_after(), Some(4_105_296_000));
    assert_eq!(client.warnings(), [""; 0]);
    let (kind, _) = handshake(client.config(), server.config()).unwrap();
    assert_eq!(kind, HandshakeKind::Full);
    assert!(is_resumed(client.config(), &server));
    let (chain, key) = tls.identity.clone().unwrap();
    assert_eq!(
        Client::files(&tls),
        [tls.ca.as_ref().unwrap(), &chain, &key]
    );

    tls.identity = None;
    let anonymous = Client::load(&tls, SECTION).unwrap();
    assert_eq!(anonymous.not_after(), None);
    assert!(handshake(anonymous.config(), server.config()).is_err());

    files.write("ca.crt", &clients.pem());
    let distrustful = Client::load(&tls, SECTION).unwrap();
    let refused = handshake(distrustful.config(), server.config()).map(drop);
    assert_eq!(
        refused,
        Err(rustls::Error::InvalidCertificate(UnknownIssuer))
    );
}

#[test]
fn faults_are_told_at_once() {
    let files = Files::new();
    let clients = Authority::new("Clients");
    let own = clients.leaf_with("portolan", |params| {
        params.not_after = date_time_ymd(2020, 1, 1)
    });
    let tls = UpstreamTls {
        ca: file(&files.write("ca.crt", "hello")),
        identity: Some((
            files.write("own.crt", &own.pem()),
            files.write("own.key", &clients.leaf("portolan").key()),
        )),
        server_name: None,
    };
    assert_eq!(
        files.told(&Client::load(&tls, SECTION).unwrap_err()),
        [
            "clusters.main.upstream_tls.ca: ca.crt: there is no certificate in it: it is not PEM | give a file of \
             certificates in PEM",
            "clusters.main.upstream_tls.certificate: own.crt: the certificate (CN=portolan) expired on 2020-01-01 00:00 UTC \
             | renew it",
            "clusters.main.upstream_tls.key: own.key: the key does not match the certificate in own.crt | give the key that \
             the certificate was requested with",
        ]
    );
}

#[test]
fn brokers_are_asked_for_the_configured_name_or_the_one_that_is_dialled() {
    let files = Files::new();
    let ca = file(&files.write("ca.crt", &Authority::new("Servers").pem()));
    let name = |server_name: Option<&str>, node: Option<i32>, host: &str| {
        let tls = UpstreamTls {
            ca: ca.clone(),
            identity: None,
            server_name: server_name.map(str::to_owned),
        };
        let client = Client::load(&tls, SECTION).unwrap();
        let name = client.name_for(node.map(NodeId), host);
        name.map(|name| name.to_str().into_owned())
    };
    let told = |name: &str| format!("\"{name}\" cannot be the name in a certificate");
    let cases = [
        (None, Some(1), "b1.internal", Ok("b1.internal".to_owned())),
        (None, Some(1), "b1.internal.", Ok("b1.internal".into())),
        (None, None, "10.0.0.1", Ok("10.0.0.1".into())),
        (None, None, "2001:db8::1", Ok("2001:db8::1".into())),
        (Some("kafka"), Some(1), "10.0.0.1", Ok("kafka".into())),
        (Some("kafka"), None, "10.0.0.1", Ok("kafka".into())),
        (
            Some("b-{node_id}.k"),
            Some(12),
            "10.0.0.1",
            Ok("b-12.k".into()),
        ),
        (Some("b-{node_id}.k"), None, "boot.k", Ok("boot.k".into())),
        (Some("b {node_id}"), Some(1), "boot.k", Err(told("b 1"))),
        (None, None, "a b", Err(told("a b"))),
    ];
    for (server_name, node, host, expected) in cases {
        assert_eq!(
            name(server_name, node, host),
            expected,
            "{server_name:?} {node:?} {host}"
        );
    }
}
