//! TLS: what is shown, what is refused by either side, and who speaks it where the other does not.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCertUsingSni;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::cluster::{Act, Cluster};
use crate::common::broker::Broker;
use crate::common::certificates::{Authority, Files, Kind};
use crate::trust::{Trust, asking, curious, path, provider, server};
use crate::{command, finish, look};

#[test]
fn a_cluster_by_tls_is_found_in_good_order_and_its_certificates_are_told() {
    let trust = Trust::new();
    let cluster = Cluster::by_tls(trust.good(), trust.good(), &[0, 1]);
    let report = trust.look(&cluster, &[]).fine();
    assert_eq!(report.codes(), [""; 0]);
    let tls = &report.node(1)["tls"];
    assert_eq!(tls["version"], "TLSv1.3");
    assert_eq!(tls["names"][0], "localhost");
    assert_eq!(tls["issuer"], "CN=Test authority");
    assert!(tls["days_left"].as_i64() > Some(300_000), "{tls}");
}

#[test]
fn names_in_certificates_are_escaped() {
    let trust = Trust::called("Moc.\u{202e}live\u{1b}[2J\u{200b}");
    let issuer = r"CN=Moc.\u{202e}live\u{1b}[2J\u{200b}";
    let own = server(&trust.authority.server(&["localhost", "a\u{1b}[2J\nb"]));
    let other = server(&trust.authority.server(&["b\u{7f}", "c.example.com"]));
    let cluster = Cluster::by_tls(own, other, &[0]);
    let report = trust.look(&cluster, &[]).faulty();
    let tls = &report.json["bootstrap"]["tls"];
    assert_eq!(tls["issuer"], issuer, "{:#}", report.json);
    assert_eq!(tls["names"][1], r"a\u{1b}[2J\nb");
    let finding = report.provokes(
        "certificate-other-name",
        Some(0),
        "issue a certificate with",
    );
    let seen = finding["seen"].as_str().expect("a text");
    for part in [issuer, r"CN=b\u{7f} for b\u{7f}, c.example.com"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    let outcome = finish(&mut command(&[
        &cluster.target(),
        "--tls",
        "--tls-ca",
        &trust.ca,
    ]));
    let is_wild = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{200b}');
    assert!(!outcome.stdout.contains(is_wild), "{outcome:?}");
    assert!(outcome.stdout.contains(issuer), "{outcome:?}");
}

#[test]
fn tls_to_a_plaintext_port_is_told() {
    let trust = Trust::new();
    // As Kafka and Portolan do it: what is too long for a request ends the connection.
    let cluster = Cluster::start(&[0]);
    let (_, port) = cluster.told(0);
    let plain = Broker::serving(move |link| relay_unless_tls(link, port));
    let target = format!("localhost:{}", plain.address().port());
    let report = look(&target, &["--tls", "--tls-ca", &trust.ca]).blind();
    assert_eq!(report.codes(), ["tls-on-plaintext-port"]);
    report.provokes(
        "tls-on-plaintext-port",
        None,
        "leave --tls out (security.protocol=PLAINTEXT or SASL_PLAINTEXT in clients)",
    );
}

/// Answers one ApiVersions request by another broker; whatever begins like TLS is closed.
fn relay_unless_tls(mut link: crate::common::broker::Link, port: u16) {
    use std::io::{Read, Write};
    let mut first = [0; 4];
    if link.stream().read_exact(&mut first).is_err() || first[0] == 0x16 {
        return;
    }
    let mut body = vec![0; u32::from_be_bytes(first) as usize];
    link.stream()
        .read_exact(&mut body)
        .expect("a whole request");
    let mut broker = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    broker.write_all(&first).expect("it reads");
    broker.write_all(&body).expect("it reads");
    broker.read_exact(&mut first).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(first) as usize];
    broker.read_exact(&mut answer).expect("a whole answer");
    let _ = link.try_send(&[&first[..], &answer].concat());
    // Until the client has read it.
    let _ = link.try_request();
}

#[test]
fn plaintext_to_a_tls_port_is_told_whether_it_sends_an_alert_or_closes() {
    const REMEDY: &str = "add --tls (security.protocol=SSL or SASL_SSL in clients)";
    let trust = Trust::new();
    let cluster = Cluster::by_tls(trust.good(), trust.good(), &[0]);
    let report = look(&cluster.target(), &[]).blind();
    assert_eq!(report.codes(), ["plaintext-on-tls-port"]);
    let finding = report.provokes("plaintext-on-tls-port", None, REMEDY);
    assert_eq!(finding["seen"], "it speaks TLS");
    // Java's listeners close without a word.
    let server = server(&trust.authority.server(&["localhost"]));
    let mute = Broker::serving(move |mut link| {
        let mut first = [0; 1];
        if link.stream().peek(&mut first).is_ok_and(|n| n == 1) && first[0] == 0x16 {
            let connection = rustls::ServerConnection::new(server.clone());
            let _ = link.secure(connection.expect("a good configuration"));
        }
    });
    let report = look(&mute.address().to_string(), &[]).blind();
    let finding = report.provokes("plaintext-on-tls-port", None, REMEDY);
    assert_eq!(
        finding["seen"],
        "it closed the connection, and it does TLS handshakes"
    );
}

#[test]
fn a_certificate_for_another_name_is_told_with_the_names_that_it_has() {
    let trust = Trust::new();
    let report = trust.with_nodes(
        &trust
            .authority
            .server(&["kafka.example.com", "*.example.com"]),
    );
    let finding = report.provokes(
        "certificate-other-name",
        Some(0),
        "issue a certificate with the name localhost (subjectAltName), or advertise a name that it has",
    );
    let seen = finding["seen"].as_str().unwrap();
    assert!(
        seen.starts_with("its certificate is for other names: CN=kafka.example.com for kafka.example.com, *.example.com, by CN=Test authority, valid from 2000-01-01"),
        "{seen}"
    );
    assert_eq!(
        report.codes(),
        ["certificate-other-name", "leader-unreachable"]
    );
    assert_eq!(report.node(0)["port"], "open");
}

#[test]
fn a_name_that_is_given_takes_the_place_of_the_host() {
    let trust = Trust::new();
    let named = server(&trust.authority.server(&["kafka.example.com"]));
    let cluster = Cluster::by_tls(named.clone(), named, &[0]);
    let report = trust.look(&cluster, &[]).blind();
    report.provokes(
        "certificate-other-name",
        None,
        "issue a certificate with the name localhost",
    );
    let report = trust.look(&cluster, &["--tls-server-name", "kafka.example.com"]);
    assert_eq!(report.fine().codes(), [""; 0]);
}

#[test]
fn dates_are_told() {
    let trust = Trust::new();
    let report = trust.with_nodes(&trust.authority.server_of(Kind::Expired, &["localhost"]));
    let finding = report.provokes(
        "certificate-expired",
        Some(0),
        "renew it, or set this machine's clock",
    );
    let seen = finding["seen"].as_str().unwrap();
    assert!(seen.ends_with("to 2001-01-01 00:00 UTC"), "{seen}");
    let report = trust.with_nodes(&trust.authority.server_of(Kind::NotYetValid, &["localhost"]));
    report.provokes("certificate-not-yet-valid", Some(0), "set the clocks");
}

#[test]
fn a_certificate_that_expires_soon_is_a_warning() {
    let trust = Trust::new();
    let soon = trust.authority.server_of(Kind::ExpiresSoon, &["localhost"]);
    let cluster = Cluster::by_tls(trust.good(), server(&soon), &[0]);
    let report = trust.look(&cluster, &[]).fine();
    assert_eq!(report.codes(), ["certificate-expires-soon"]);
    let finding = report.provokes("certificate-expires-soon", Some(0), "renew it in time");
    assert_eq!(finding["severity"], "warning");
    assert!(report.node(0)["tls"]["days_left"].as_i64() < Some(14));
}

#[test]
fn an_unknown_authority_is_told_with_its_name() {
    let trust = Trust::new();
    // Of another name, and of the same name with another key.
    for name in ["Another authority", "Test authority"] {
        let report = trust.with_nodes(&Authority::new(name).server(&["localhost"]));
        let finding = report.provokes(
            "certificate-unknown-ca",
            Some(0),
            "give --tls-ca the certificate of the authority (ssl.truststore.location in clients)",
        );
        let seen = finding["seen"].as_str().unwrap();
        assert!(seen.contains(&format!("by CN={name}")), "{seen}");
    }
}

#[test]
fn a_certificate_for_clients_at_a_server_is_told() {
    let trust = Trust::new();
    let report = trust.with_nodes(&trust.authority.client("localhost"));
    report.provokes(
        "certificate-invalid",
        Some(0),
        "issue another one for node 0: of version 3, for servers",
    );
}

#[test]
fn a_certificate_that_is_demanded_is_told_in_both_versions_of_tls() {
    for version in [&TLS13, &TLS12] {
        let trust = Trust::new();
        let own = trust.authority.server(&["localhost"]);
        let demanding = asking(&own, Some(&trust.authority), &[version]);
        let cluster = Cluster::by_tls(trust.good(), demanding, &[0]);
        let report = trust.look(&cluster, &[]).faulty();
        report.provokes(
            "client-certificate-demanded",
            Some(0),
            "give --tls-cert and --tls-key (ssl.keystore.location in clients), or set client_auth = \"none\"",
        );
        assert_eq!(
            report.codes(),
            ["client-certificate-demanded", "leader-unreachable"]
        );
        // One by another authority is refused.
        let stranger = Authority::new("Another authority").client("alice");
        let Files { certificate, key } = stranger.write(trust.directory.path(), "stranger");
        let (certificate, key) = (path(&certificate), path(&key));
        let report = trust
            .look(&cluster, &["--tls-cert", &certificate, "--tls-key", &key])
            .faulty();
        report.provokes(
            "client-certificate-refused",
            Some(0),
            "use one that is valid and by an authority in Portolan's client_ca",
        );
        // The right one is welcome.
        let Files { certificate, key } = trust
            .authority
            .client("alice")
            .write(trust.directory.path(), "alice");
        let (certificate, key) = (path(&certificate), path(&key));
        let report = trust
            .look(&cluster, &["--tls-cert", &certificate, "--tls-key", &key])
            .fine();
        assert_eq!(report.codes(), [""; 0]);
    }
}

#[test]
fn a_server_name_that_nobody_knows_is_told() {
    let trust = Trust::new();
    let own = trust.authority.server(&["kafka.example.com"]);
    let chain = CertificateDer::pem_slice_iter(own.chain_pem().as_bytes());
    let chain = chain.collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).expect("PEM");
    let key = provider()
        .key_provider
        .load_private_key(key)
        .expect("a key");
    let mut by_name = ResolvesServerCertUsingSni::new();
    by_name
        .add("kafka.example.com", CertifiedKey::new(chain, key))
        .expect("a name that the certificate has");
    let picky = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(by_name));
    // The record that Portolan sends to unknown names: a fatal alert unrecognized_name.
    let sni = Broker::serving(|mut link| {
        let mut hello = [0; 64];
        let _ = std::io::Read::read(&mut link.stream(), &mut hello);
        let _ = link.try_send(&[21, 3, 3, 0, 2, 2, 112]);
        let _ = std::io::Read::read(&mut link.stream(), &mut [0; 4096]);
    });
    let target = format!("localhost:{}", sni.address().port());
    let report = look(&target, &["--tls", "--tls-ca", &trust.ca]).blind();
    report.provokes(
        "server-name-unknown",
        None,
        "dial by a name that it knows (bootstrap_host and node_host",
    );
    // Others say no more than that they do not want to.
    let cluster = Cluster::by_tls(Arc::new(picky), trust.good(), &[0]);
    let report = trust.look(&cluster, &[]).blind();
    report.provokes("tls-failed", None, "look at the listener's TLS settings");
}

#[test]
fn a_peer_that_closes_in_the_handshake_and_speaks_no_kafka_is_told() {
    let trust = Trust::new();
    let broker = Broker::serving(|link| {
        let _ = link.stream().peek(&mut [0; 1]);
    });
    let target = format!("localhost:{}", broker.address().port());
    let report = look(&target, &["--tls", "--tls-ca", &trust.ca]).blind();
    assert_eq!(report.codes(), ["tls-failed"]);
    let finding = report.provokes("tls-failed", None, "with Portolan its log says why");
    assert_eq!(
        finding["seen"],
        "it closed the connection during the TLS handshake"
    );
}

#[test]
fn a_broker_that_is_down_behind_tls_is_told_as_without() {
    let trust = Trust::new();
    let cluster = Cluster::by_tls(trust.good(), trust.good(), &[0, 1]);
    cluster.script(|node, _| (node == 1).then_some(Act::Close));
    let report = trust.look(&cluster, &[]).faulty();
    report.provokes("broker-down", Some(1), "look whether node 1 runs");
    assert_eq!(report.node(0)["identity"], "proven");
}

#[test]
fn swapped_ports_are_found_by_tls_too() {
    let trust = Trust::new();
    let cluster = Cluster::by_tls(trust.good(), trust.good(), &[0, 1]);
    cluster.state().behind = [(0, 1), (1, 0)].into();
    let report = trust.look(&cluster, &[]).faulty();
    report.provokes("wrong-broker", Some(0), "lead to node 0 alone");
    report.provokes("wrong-broker", Some(1), "lead to node 1 alone");
}

#[test]
fn a_broker_that_is_down_behind_a_port_that_asks_for_certificates_is_not_taken_for_mtls() {
    let trust = Trust::new();
    let own = trust.authority.server(&["localhost"]);
    let cluster = Cluster::by_tls(trust.good(), curious(&own, &trust.authority), &[0]);
    assert_eq!(trust.look(&cluster, &[]).fine().codes(), [""; 0]);
    cluster.script(|node, _| (node == 0).then_some(Act::Close));
    let report = trust.look(&cluster, &[]).faulty();
    report.provokes("broker-down", Some(0), "look whether node 0 runs");
}
