//! Certificates that are replaced: by new files, by Kubernetes, by broken ones.

use std::net::SocketAddr;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::process::Signal;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use super::{REFUSED, Reloading, named, who, who_is_at};
use crate::common::broker::Broker;
use crate::common::certificates::{Authority, Files, Identity, write};
use crate::common::client::Client;
use crate::common::mount::Mount;
use crate::common::proxy::wait_until;
use crate::setup::Setup;
use crate::tls::{NAME, Pki, chain, server};

const EXPIRY: &str = "portolan_certificate_expiry_timestamp_seconds";

/// 1 January 3000, when test certificates end.
const END: f64 = 32_503_680_000.0;

/// A TLS client that has shaken hands.
pub(super) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Client {
    Client::connect(address).secured(config, NAME)
}

/// The certificate that a server shows.
pub(super) fn shown(client: &mut Client) -> CertificateDer<'static> {
    let certificates = client.tls().connection().peer_certificates();
    certificates.and_then(<[_]>::first).expect("one").clone()
}

pub(super) fn own(identity: &Identity) -> CertificateDer<'static> {
    chain(identity).swap_remove(0)
}

fn section(files: &Files) -> String {
    let Files { certificate, key } = files;
    format!("[clusters.main.tls]\ncertificate = {certificate:?}\nkey = {key:?}")
}

#[test]
fn new_files_are_used_for_new_handshakes_and_open_connections_live_on() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let (first, second) = (pki.authority.server(&[NAME]), pki.authority.server(&[NAME]));
    let setup = Setup::with(&broker).section(&pki.tls_with(&first, ""));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let series = format!("{EXPIRY}{{cluster=\"main\",side=\"client\"}}");
    assert_eq!(reloading.proxy.metric(&series), END);
    let mut before = connect(bootstrap, &pki.client());
    assert_eq!(shown(&mut before), own(&first));
    assert_eq!(who(&mut before), "broker");
    pki.tls_with(&second, "");
    reloading.wait_for_successes(1.0);
    let mut after = connect(bootstrap, &pki.client());
    assert_eq!(shown(&mut after), own(&second));
    assert_eq!(
        (who(&mut before), who(&mut after)),
        ("broker".into(), "broker".into())
    );
    let line = reloading
        .proxy
        .wait_for_log("a new certificate is in force");
    assert_eq!(line["shown_to"], "clients");
    assert!(line["until"].as_str().unwrap().contains("3000"), "{line}");
    assert_eq!(reloading.failures(), 0.0);
    reloading.proxy.assert_calm();
}

#[test]
fn a_secret_of_kubernetes_that_is_swapped_is_used() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let identities: Vec<Identity> = (0..3).map(|_| pki.authority.server(&[NAME])).collect();
    let mount = Mount::new(&identities[0]);
    let section = section(&mount.files());
    let reloading = Reloading::start(&Setup::with(&broker).section(&section).toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let mut open = connect(bootstrap, &pki.client());
    assert_eq!(who(&mut open), "broker");
    for (n, identity) in identities.iter().enumerate().skip(1) {
        mount.swap(identity);
        reloading.wait_for_successes(n as f64);
        let mut client = connect(bootstrap, &pki.client());
        assert_eq!(shown(&mut client), own(identity));
        assert_eq!(
            (who(&mut client), who(&mut open)),
            ("broker".into(), "broker".into())
        );
    }
    assert_eq!(reloading.failures(), 0.0);
}

#[test]
fn a_broken_pair_is_refused_and_the_old_one_stays_until_it_is_mended() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let [first, second, third] = [(); 3].map(|()| pki.authority.server(&[NAME]));
    let setup = Setup::with(&broker).section(&pki.tls_with(&first, ""));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let mut open = connect(bootstrap, &pki.client());
    // The certificate of one and the key of the other.
    write(pki.directory(), "proxy.crt", second.chain_pem());
    reloading.wait_for_failures(1.0);
    let line = reloading.proxy.wait_for_log(REFUSED);
    let faults = line["faults"].as_str().unwrap();
    assert!(faults.contains("clusters.main.tls.key: "), "{faults}");
    // A new node does not get in with it, either.
    reloading.refuse(&setup.clone().node(1, broker.address()).toml());
    let mut client = connect(bootstrap, &pki.client());
    assert_eq!(shown(&mut client), own(&first));
    assert_eq!(
        (who(&mut open), who(&mut client)),
        ("broker".into(), "broker".into())
    );
    assert_eq!(reloading.successes(), 0.0);
    // Once it is mended, the configuration that waits for it comes into force, too.
    third.write(pki.directory(), "proxy");
    reloading.wait_for_successes(1.0);
    let mut client = connect(reloading.port("main", "node-1"), &pki.client());
    assert_eq!(shown(&mut client), own(&third));
    assert_eq!(who(&mut client), "broker");
}

#[test]
fn a_broken_pair_of_one_cluster_keeps_no_other_from_a_new_one() {
    let (first, second, broker) = (Pki::new(), Pki::new(), named("broker"));
    let setup = Setup::with(&broker).section(&first.tls(&[NAME], ""));
    let other = second.tls(&[NAME], "").replace("main", "other");
    let other = format!("{}{other}", setup.cluster_toml("other"));
    let reloading = Reloading::start(&setup.clone().section(&other).toml());
    write(first.directory(), "proxy.crt", "nonsense");
    reloading.wait_for_failures(1.0);
    let identity = second.authority.server(&[NAME]);
    second.tls_with(&identity, "");
    reloading.wait_for_successes(1.0);
    let mut client = connect(reloading.proxy.bootstrap("other"), &second.client());
    assert_eq!(shown(&mut client), own(&identity));
    let mut client = connect(reloading.proxy.bootstrap("main"), &first.client());
    assert_eq!(who(&mut client), "broker");
}

#[test]
fn certificates_are_replaced_while_the_configuration_is_broken() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let (first, second) = (pki.authority.server(&[NAME]), pki.authority.server(&[NAME]));
    let setup = Setup::with(&broker).section(&pki.tls_with(&first, ""));
    let reloading = Reloading::start(&setup.toml());
    reloading.refuse("nonsense");
    pki.tls_with(&second, "");
    reloading.wait_for_successes(1.0);
    let mut client = connect(reloading.proxy.bootstrap("main"), &pki.client());
    assert_eq!(shown(&mut client), own(&second));
    assert_eq!(who(&mut client), "broker");
    // What is wrong with the configuration was told already, and still is.
    assert_eq!(reloading.failures(), 1.0);
    assert!(!reloading.is_as_read());
    reloading.reload(&setup.toml());
}

#[test]
fn certificates_towards_brokers_are_replaced_too() {
    let pki = Pki::new();
    let other = Authority::new("Other Root");
    let identity = other.server(&["127.0.0.1"]);
    let tls = Arc::new(server(&identity, &[&rustls::version::TLS13]));
    let broker = Broker::serving(move |mut link| {
        let connection = rustls::ServerConnection::new(tls.clone()).expect("a server");
        if link.secure(connection).is_err() {
            return;
        }
        while let Some(request) = link.try_request() {
            if link.try_send(&request.answer_bytes(b"broker")).is_err() {
                return;
            }
        }
    });
    let files = pki
        .authority
        .client("portolan")
        .write(pki.directory(), "own");
    let own = format!(
        "certificate = {:?}\nkey = {:?}",
        files.certificate, files.key
    );
    let setup = Setup::with(&broker).section(&pki.upstream_tls(&own));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let series = format!("{EXPIRY}{{cluster=\"main\",side=\"broker\"}}");
    assert_eq!(reloading.proxy.metric(&series), END);
    let mut client = Client::connect(bootstrap);
    client.send(&crate::setup::heartbeat(1));
    assert!(client.try_frame().is_none(), "the broker is not trusted");
    pki.write("ca.pem", other.root_pem());
    reloading.wait_for_successes(1.0);
    assert_eq!(who_is_at(bootstrap), "broker");
    pki.authority
        .client("portolan")
        .write(pki.directory(), "own");
    reloading.wait_for_successes(2.0);
    wait_until("the log", || {
        reloading.told("a new certificate is in force") == 1
    });
    assert_eq!(
        reloading.last("a new certificate is in force", "shown_to"),
        "brokers"
    );
    assert_eq!(who_is_at(bootstrap), "broker");
}

#[test]
fn tls_can_be_turned_on_and_off_for_new_connections() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let setup = Setup::with(&broker);
    let secure = setup.clone().section(&pki.tls(&[NAME], ""));
    let reloading = Reloading::start(&setup.toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let (_, metrics) = reloading.proxy.get("/metrics");
    assert!(!metrics.contains(EXPIRY), "there is no certificate");
    let mut plain = Client::connect(bootstrap);
    assert_eq!(who(&mut plain), "broker");
    reloading.reload(&secure.toml());
    let mut encrypted = connect(bootstrap, &pki.client());
    assert_eq!(
        (who(&mut plain), who(&mut encrypted)),
        ("broker".into(), "broker".into())
    );
    reloading.reload(&setup.toml());
    assert_eq!(
        (who(&mut plain), who(&mut encrypted)),
        ("broker".into(), "broker".into())
    );
    assert_eq!(who_is_at(bootstrap), "broker");
    let (_, metrics) = reloading.proxy.get("/metrics");
    assert!(!metrics.contains(EXPIRY), "the certificate is gone");
}

#[test]
fn names_that_a_certificate_lacks_are_told_at_the_start_and_once() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let setup = Setup::with(&broker).section(&pki.tls(&["other.example.org"], ""));
    let reloading = Reloading::start(&setup.toml());
    let words = "the certificate is not for kafka.example.test, which clients are told";
    let line = reloading.proxy.wait_for_log(words);
    assert_eq!(
        (line["level"].as_str(), line["cluster"].as_str()),
        (Some("WARN"), Some("main"))
    );
    assert!(
        line["message"]
            .as_str()
            .unwrap()
            .ends_with("it is for other.example.org")
    );
    let message = line["message"].as_str().unwrap();
    reloading.proxy.signal(Signal::HUP);
    reloading.wait_for_successes(1.0);
    wait_until("the log", || reloading.told("reloaded") == 1);
    assert_eq!(reloading.told(message), 1);
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_keeps_nobody_from_going() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], ""));
    let mut reloading = Reloading::start(&setup.toml());
    let directory = tempfile::tempdir().unwrap();
    // As a file of a server that does not answer: a pipe into which nobody writes.
    let pipe = directory.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let tls = format!("[clusters.main.tls]\ncertificate = {pipe:?}\nkey = {pipe:?}");
    reloading.write(&Setup::with(&broker).section(&tls).toml());
    reloading.proxy.signal(Signal::HUP);
    // It can be opened once it is being read, and has no end as long as it is open.
    let how = OFlags::WRONLY | OFlags::NONBLOCK;
    let mut end = None;
    wait_until("the reload", || {
        end = open(&pipe, how, Mode::empty()).ok();
        end.is_some()
    });
    let mut client = connect(reloading.proxy.bootstrap("main"), &pki.client());
    assert_eq!(who(&mut client), "broker");
    drop(client);
    reloading.proxy.terminate();
    assert!(reloading.proxy.wait().success());
    drop(end);
}
