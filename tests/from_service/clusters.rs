//! Each cluster has a Service of its own; reloads, and what clients dialled.

use std::fs;
use std::sync::Arc;

use kafka_protocol::messages::MetadataRequest;
use rustix::process::Signal;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;

use crate::api::{Api, NAME, NAMESPACE};
use crate::common::certificates::{Authority, write};
use crate::common::client::Client;
use crate::common::from_service::{VERSION, in_pod_by};
use crate::common::proxy::{Proxy, completed, wait_until};
use crate::{Place, account, broker, cluster, hostname, refused, start, status, told};

#[test]
fn clusters_are_told_of_services_of_their_own_and_one_does_not_wait_for_the_other() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    let (broker, files) = (broker(), account(&api));
    // The namespace may be left out: then it is the account's own.
    let first = cluster("main", &broker, NAME);
    let second = cluster("other", &broker, "elsewhere/lb");
    let proxy = start(&api, &files, &(first + &second));
    let known = |cluster: &str| {
        proxy.metric(&format!(
            "portolan_service_address_known{{cluster=\"{cluster}\"}}"
        ))
    };
    wait_until("the first", || known("main") == 1.0);
    let mut client = Client::connect(proxy.bootstrap("main"));
    assert_eq!(told(&mut client, &proxy, "main"), "lb.example.com");
    proxy.wait_for_metric(
        "portolan_service_read_failures_total{cluster=\"other\",reason=\"forbidden\"}",
        1.0,
    );
    assert_eq!(known("other"), 0.0);
    refused(proxy.bootstrap("other"));
    proxy.wait_for_end("other", "address_unknown");
    assert_eq!(proxy.ends("main", "address_unknown"), 0.0);
}

/// A configuration in a file.
struct Reloading {
    place: Place,
    name: std::path::PathBuf,
}

impl Reloading {
    fn start(api: &Api, config: &str) -> Self {
        let (broker, files) = (broker(), account(api));
        let config = config.replace("BROKER", &broker.address().to_string());
        let name = write(files.path(), "portolan.toml", &completed(&config));
        let run = format!("exec \"$1\" run --config '{}'", name.display());
        let proxy = Proxy::start_by(
            &in_pod_by(files.path(), ("127.0.0.1", api.address().port()), &run),
            &config,
        );
        let place = Place {
            proxy,
            _broker: broker,
            files,
        };
        Reloading { place, name }
    }

    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.name).unwrap();
        assert!(text.contains(from), "{text}");
        let before = self.successes();
        fs::write(&self.name, text.replace(from, to)).unwrap();
        self.place.proxy.signal(Signal::HUP);
        wait_until("a reload", || self.successes() > before);
    }

    fn successes(&self) -> f64 {
        self.place
            .proxy
            .metric("portolan_config_reloads_total{result=\"success\"}")
    }
}

const CONFIG: &str = "\
[clusters.main]
bootstrap_servers = [\"BROKER\"]
advertised_host = \"configured.example.com\"
listen_address = \"127.0.0.1\"
bootstrap_port = 0
[[clusters.main.nodes]]
ids = 0
port = 0
address = \"BROKER\"
[[clusters.main.nodes]]
ids = 1
port = 0
address = \"BROKER\"
";

#[test]
fn a_reload_begins_and_ends_it_and_nobody_is_cut_off() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let reloading = Reloading::start(&api, CONFIG);
    let place = &reloading.place;
    let mut client = place.client();
    let mut host = || told(&mut client, &place.proxy, "main");
    assert_eq!(host(), "configured.example.com");
    assert_eq!(place.service(), json!(null));
    let of_service = format!("advertised_from_service = \"{NAMESPACE}/{NAME}\"");
    reloading.edit("advertised_host = \"configured.example.com\"", &of_service);
    place.proxy.wait_for_log("the Service has lost its address");
    // Until there is something better, all are told what clients were told before.
    assert_eq!(host(), "configured.example.com");
    assert_eq!(place.told(), "configured.example.com");
    assert_eq!(place.proxy.get("/readyz").0, 200);
    api.set(hostname("lb.example.com"));
    wait_until("the address", || host() == "lb.example.com");
    // What is known stays known when something else changes.
    reloading.edit(
        "[clusters.main]\n",
        "[limits]\nin_flight = 7\n[clusters.main]\n",
    );
    assert_eq!(place.told(), "lb.example.com");
    assert_eq!(host(), "lb.example.com");
    reloading.edit(&of_service, "advertised_host = \"again.example.com\"");
    wait_until("the reload", || host() == "again.example.com");
    assert_eq!(place.service(), json!(null));
    let (_, metrics) = place.proxy.get("/metrics");
    assert!(
        !metrics.contains("portolan_service_address_known{"),
        "{metrics}"
    );
    // Nobody watches any more.
    let seen = api.seen().len();
    api.cut();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(api.seen().len(), seen);
}

/// What a client goes by that trusts this authority. It sends no server name where it dials an IP address.
pub fn trusting(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.root_pem().as_bytes()).expect("PEM");
    roots.add(root).expect("a root");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

#[test]
fn it_may_be_what_those_are_told_of_whom_it_is_not_known_what_they_dialled() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let (broker, files) = (broker(), account(&api));
    let authority = Authority::new("Root");
    let own = authority
        .server(&["dialled.example.com", "127.0.0.1"])
        .write(files.path(), "proxy");
    let config = cluster("main", &broker, NAME)
        .replace("listen_address", "advertise = \"dialled\"\nlisten_address")
        + &format!(
            "[clusters.main.tls]\ncertificate = {:?}\nkey = {:?}\n",
            own.certificate, own.key
        );
    let proxy = start(&api, &files, &config);
    proxy.wait_for_log(
        "the Service has no address yet: clients of which nothing says what they dialled are closed",
    );
    assert_eq!(told_to(&proxy), "undialled");
    let tls = trusting(&authority);
    let connect = |name: &str| Client::connect(proxy.bootstrap("main")).secured(&tls, name);
    // A name that is dialled does not wait for anything.
    let mut client = connect("dialled.example.com");
    assert_eq!(told(&mut client, &proxy, "main"), "dialled.example.com");
    connect("127.0.0.1").end();
    proxy.wait_for_end("main", "address_unknown");
    api.set(hostname("lb.example.com"));
    proxy.wait_for_metric("portolan_service_address_known{cluster=\"main\"}", 1.0);
    // Nobody could know of it when the certificate was read.
    let warned =
        proxy.wait_for_log("the certificate is not for lb.example.com, which clients are told");
    assert_eq!(
        (&warned["level"], &warned["cluster"]),
        (&json!("WARN"), &json!("main"))
    );
    assert_eq!(
        told(&mut connect("127.0.0.1"), &proxy, "main"),
        "lb.example.com"
    );
    assert_eq!(told(&mut client, &proxy, "main"), "dialled.example.com");
}

fn told_to(proxy: &Proxy) -> serde_json::Value {
    status(proxy)["clusters"][0]["service"]["told_to"].clone()
}

#[test]
fn beside_names_it_is_told_to_those_who_come_by_ports_and_the_others_do_not_wait() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let (broker, files) = (broker(), account(&api));
    let authority = Authority::new("Root");
    let names = ["kafka.example.com", "b0.example.com", "b1.example.com"];
    let own = authority.server(&names).write(files.path(), "proxy");
    let config = cluster("main", &broker, NAME)
        + &format!(
            "[clusters.main.sni]\nport = 0\nadvertised_port = 9092\nbootstrap_host = \"kafka.example.com\"\n\
             node_host = \"b{{node_id}}.example.com\"\n[clusters.main.tls]\ncertificate = {:?}\nkey = {:?}\n",
            own.certificate, own.key
        );
    let proxy = start(&api, &files, &config);
    proxy.wait_for_log(
        "the Service has no address yet: clients of all ports but sni.port are closed",
    );
    assert_eq!(told_to(&proxy), "all_but_sni");
    let tls = trusting(&authority);
    let mut client =
        Client::connect(proxy.listener("main", "sni")).secured(&tls, "kafka.example.com");
    let answer = client.ask(VERSION, &MetadataRequest::default());
    assert_eq!(answer.brokers[1].host.as_str(), "b1.example.com");
    refused(proxy.bootstrap("main"));
    proxy.wait_for_end("main", "address_unknown");
    assert_eq!(told_to(&proxy), "all_but_sni");
}
