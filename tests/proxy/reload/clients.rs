//! Clients that are let in no more: from the reload on, also by a session that they could resume.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, HandshakeKind};

use super::certificates::connect;
use super::{Reloading, named, who};
use crate::common::certificates::{Authority, Identity};
use crate::common::client::Client;
use crate::common::proxy::wait_until;
use crate::setup::Setup;
use crate::tls::{NAME, Pki, client, refusal};

fn known(
    pki: &Pki,
    own: &Identity,
    version: &'static rustls::SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    Arc::new(client(&pki.authority, Some(own), &[version]))
}

fn kind(client: &mut Client) -> Option<HandshakeKind> {
    client.tls().connection().handshake_kind()
}

#[test]
fn a_client_that_is_revoked_is_refused_also_with_an_old_ticket_and_others_are_not() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let good = pki.authority.client("good");
    let bad = pki.authority.client("bad");
    let crl = pki.write("crl.pem", &pki.authority.crl_pem(&[]));
    let tls = format!("client_ca = {:?}\ncrl = {crl:?}", pki.ca());
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], &tls));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let mut revoked = Vec::new();
    for version in [&TLS13, &TLS12] {
        // Each has its own tickets.
        let config = known(&pki, &bad, version);
        let mut open = connect(bootstrap, &config);
        assert_eq!(who(&mut open), "broker");
        let mut resumed = connect(bootstrap, &config);
        assert_eq!(kind(&mut resumed), Some(HandshakeKind::Resumed));
        assert_eq!(who(&mut resumed), "broker");
        revoked.push((config, open));
    }
    let config = known(&pki, &good, &TLS13);
    let mut open = connect(bootstrap, &config);
    assert_eq!(who(&mut open), "broker");

    pki.write("crl.pem", &pki.authority.crl_pem(&[&bad]));
    reloading.wait_for_successes(1.0);
    for (config, open) in &mut revoked {
        let alert = refusal(bootstrap, config, NAME);
        assert_eq!(alert, AlertDescription::CertificateRevoked);
        assert_eq!(who(open), "broker", "what is open stays");
    }
    let mut again = connect(bootstrap, &config);
    assert_eq!(
        kind(&mut again),
        Some(HandshakeKind::Full),
        "tickets of before are void"
    );
    assert_eq!(
        (who(&mut again), who(&mut open)),
        ("broker".into(), "broker".into())
    );
}

#[test]
fn an_authority_that_goes_takes_its_clients_along() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let other = Authority::new("Other Root");
    let (old, new) = (pki.authority.client("old"), other.client("new"));
    let ca = pki.write("clients.pem", pki.authority.root_pem());
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], &format!("client_ca = {ca:?}")));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let (old, new) = (known(&pki, &old, &TLS13), known(&pki, &new, &TLS13));
    assert_eq!(who(&mut connect(bootstrap, &old)), "broker");
    assert_eq!(refusal(bootstrap, &new, NAME), AlertDescription::UnknownCA);
    pki.write("clients.pem", other.root_pem());
    reloading.wait_for_successes(1.0);
    assert_eq!(refusal(bootstrap, &old, NAME), AlertDescription::UnknownCA);
    assert_eq!(who(&mut connect(bootstrap, &new)), "broker");
}

#[test]
fn sessions_can_be_resumed_after_a_reload_that_lets_in_the_same_clients() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], ""));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let config = pki.client();
    assert_eq!(who(&mut connect(bootstrap, &config)), "broker");
    pki.tls(&[NAME], "");
    reloading.wait_for_successes(1.0);
    let mut client = connect(bootstrap, &config);
    assert_eq!(kind(&mut client), Some(HandshakeKind::Resumed));
    assert_eq!(who(&mut client), "broker");
}

#[test]
fn who_connected_before_a_reload_and_says_nothing_until_after_it_is_let_in_by_what_is_in_force() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let bad = pki.authority.client("bad");
    let crl = pki.write("crl.pem", &pki.authority.crl_pem(&[]));
    let tls = format!("client_ca = {:?}\ncrl = {crl:?}", pki.ca());
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], &tls));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let config = known(&pki, &bad, &TLS12);
    let mut early = Client::connect(bootstrap);
    // Accepted, and not only queued by the kernel.
    let accepted = r#"portolan_connections{cluster="main",route="bootstrap"}"#;
    wait_until("it is accepted", || reloading.proxy.metric(accepted) == 1.0);
    pki.write("crl.pem", &pki.authority.crl_pem(&[&bad]));
    reloading.wait_for_successes(1.0);
    // By TLS 1.2 a client hears of it within its handshake.
    assert!(early.secure(Client::tls(&config, NAME)).is_err());
    let proxy = &reloading.proxy;
    proxy.wait_for_end("main", "client_certificate_refused");
}
