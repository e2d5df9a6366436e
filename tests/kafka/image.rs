//! The chart's own pods in front of a real cluster: the objects that Helm renders become containers of the image, with the rights, files
//! and limits that they ask for ([`crate::common::kubelet`]), in the network that [`crate::kubernetes`] draws.

mod cluster;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::access::{Access, Tls};
use crate::client::Program;
use crate::common::certificates::{Authority, Identity};
use crate::common::client::Client;
use crate::common::image;
use crate::common::kubelet::{Objects, Pod, secret};
use crate::common::proxy::wait_until;
use crate::front::{self, NAME as CLUSTER};
use crate::kubernetes::chart::Chart;
use crate::kubernetes::node::{self, Rights};
use crate::kubernetes::outside::{NAME, access};
use crate::round_trip::round_trip_by;
use crate::toolchain::{self, KAFKA_4};

use cluster::{PORTOLAN, Release, World};

/// At least so many bytes go each way.
const MEGABYTES: f64 = 8e6;

#[test]
fn pods_of_the_chart_serve_real_clients_without_any_right() {
    // What must be fetched or built is so out here: inside there is no internet.
    if !toolchain::available(&["java", "javac", "mvn"]) || !Pod::possible() {
        return;
    }
    let (Some(built), Some(two_values), Some(by_service), Some(with_tls)) = (
        image::built(),
        Chart::render(),
        Chart::with(FROM_SERVICE),
        Chart::with(TLS),
    ) else {
        return;
    };
    toolchain::jars(KAFKA_4);
    let java = Program::java(KAFKA_4);
    if !node::is_here() {
        if !node::can_be_made(Rights::Root) {
            return;
        }
        let _one_at_a_time = crate::cluster::one_at_a_time();
        let test = "image::pods_of_the_chart_serve_real_clients_without_any_right";
        // Another tree may be built meanwhile, and this one would be built again.
        let archive = built.archive();
        let environment = [(image::ARCHIVE, archive.as_os_str())];
        return node::run_inside(Rights::Root, test, &environment);
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    node::set_up(dir.path());
    let world = World::start(built, java);
    two_values_are_enough(&world, &two_values, &by_service);
    tls_has_a_key_that_nobody_else_may_read_and_that_is_replaced(&world, &with_tls);
}

/// A test that knows no other name than that of the Service.
const FROM_SERVICE: &str = "{advertised: {host: '', fromService: true}}";

/// Clients over TLS with a Secret, and a test that knows who signed what is in it. Nobody has to wait for load balancers.
const TLS: &str = "{tls: {client: {existingSecret: portolan-tls}}, test: {caSecret: portolan-ca}, drain: {lameDuck: 1s}}";

fn two_values_are_enough(world: &World, chart: &Chart, by_service: &Chart) {
    let mut objects = chart.rendered().objects().clone();
    let mut release = world.install(chart, &objects);
    release.assert_is_alive_and_ready();
    for port in release.pod.ports() {
        assert!(world.outside.reaches(NAME, port), "{port}");
    }
    let access = access(chart, world.brokers.ids());
    let java = world.java.clone().on(&world.outside.words());
    round_trip_by(&access, &java, "through-the-container");
    bench(world, &access);
    for direction in ["request", "response"] {
        let series =
            format!("portolan_bytes_total{{cluster=\"{CLUSTER}\",direction=\"{direction}\"}}");
        let bytes = release.proxy.metric(&series);
        assert!(bytes > MEGABYTES, "{direction}: {bytes}");
    }
    assert_helm_test_is_content(world, chart, &objects);
    assert_helm_test_is_content(world, by_service, &objects);
    look_at_memory(&release);

    // A ConfigMap that is replaced is read by who asks for that; the chart makes new pods instead.
    let config = format!("{}\n[limits]\nconnections = 999\n", chart.config());
    let map = objects.get_mut("ConfigMap/portolan").expect("it is there");
    map["data"]["portolan.toml"] = config.into();
    release.pod.update(&objects);
    release.proxy.signal(Signal::HUP);
    release.proxy.wait_for_log("reloaded");
    calm(&release);
    release.assert_drains();

    let said = world.helm_test(chart, &objects);
    assert_eq!(said.code, Some(2), "{said:?}");
    let address = format!("{NAME}:{}", chart.port("bootstrap"));
    assert!(said.stdout.contains(&address), "{said:?}");
    assert!(said.stdout.contains("refused"), "{said:?}");
}

fn tls_has_a_key_that_nobody_else_may_read_and_that_is_replaced(world: &World, chart: &Chart) {
    let authority = Authority::new("Root of the proxy");
    let identity = || authority.server(&[NAME]);
    let first = identity();
    let mut objects = chart.rendered().objects().clone();
    let set = |objects: &mut Objects, name: &str, data: &[(&str, &str)]| {
        objects.insert(format!("Secret/{name}"), secret(name, data));
    };
    set(
        &mut objects,
        "portolan-ca",
        &[("ca.crt", authority.root_pem())],
    );
    set(
        &mut objects,
        "portolan-tls",
        &pair(&first, &first.key_pem()),
    );
    let mut release = world.install(chart, &objects);
    release.assert_is_alive_and_ready();
    assert_key_is_for_the_group_alone(&release);

    let directory = tempfile::tempdir().expect("a temporary directory");
    let ca = directory.path().join("ca.crt");
    fs::write(&ca, authority.root_pem()).expect("it is ours");
    let mut access = access(chart, world.brokers.ids());
    access.tls = Some(Tls { ca, identity: None });
    let java = world.java.clone().on(&world.outside.words());
    round_trip_by(&access, &java, "through-the-container-by-tls");
    assert_helm_test_is_content(world, chart, &objects);
    assert_eq!(shown(&release, &authority), der(&first));

    let second = identity();
    set(
        &mut objects,
        "portolan-tls",
        &pair(&second, &second.key_pem()),
    );
    let reloads = || {
        let series = "portolan_config_reloads_total{result=\"success\"}";
        release.proxy.metric(series)
    };
    let before = reloads();
    release.pod.update(&objects);
    wait_until("the reload", || reloads() > before);
    assert_key_is_for_the_group_alone(&release);
    assert_eq!(shown(&release, &authority), der(&second));
    assert_eq!(java.refused(&access), None, "with the new certificate");
    calm(&release);
    release.assert_drains();
}

fn pair<'a>(identity: &'a Identity, key: &'a str) -> [(&'static str, &'a str); 2] {
    [("tls.crt", identity.chain_pem()), ("tls.key", key)]
}

/// What the kubelet makes of `defaultMode` and `fsGroup`: root's, readable for the group of the pod, and for nobody else.
fn assert_key_is_for_the_group_alone(release: &Release) {
    for file in ["tls.key", "tls.crt"] {
        let stat = fs::metadata(release.pod.volume("tls").join(file)).expect("a file");
        let found = (stat.mode() & 0o7777, stat.uid(), stat.gid());
        assert_eq!(found, (0o440, 0, 65532), "{file}");
    }
}

/// The certificate that the bootstrap port shows to who comes now.
fn shown(release: &Release, authority: &Authority) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.root_pem().as_bytes());
    roots.add(root.expect("PEM")).expect("a root");
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let port = (PORTOLAN, release.pod.port("bootstrap")).into();
    let mut client = Client::connect(port).secured(&Arc::new(config), NAME);
    let certificates = client.tls().connection().peer_certificates();
    certificates.and_then(<[_]>::first).expect("one").clone()
}

fn der(identity: &Identity) -> CertificateDer<'static> {
    let certificate = CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes());
    certificate.expect("PEM")
}

/// `helm test` finds every broker by the one name that clients have.
fn assert_helm_test_is_content(world: &World, chart: &Chart, objects: &Objects) {
    let said = world.helm_test(chart, objects);
    assert_eq!(said.code, Some(0), "{said:?}");
    for &id in world.brokers.ids() {
        let address = format!("{NAME}:{}", chart.node_port(id));
        assert!(said.stdout.contains(&address), "{address}: {said:?}");
    }
}

/// Large batches there and back, until some megabytes have gone each way.
fn bench(world: &World, access: &Access) {
    let words = world.outside.words();
    let output = Command::new(&words[0])
        .args(&words[1..])
        .arg(env!("CARGO_BIN_EXE_portolan"))
        .args(["bench", &access.bootstrap, "--output", "json"])
        .args(["--workload", "produce,fetch", "--rounds", "1"])
        .args(["--duration", "3s"])
        .args(["--batch-size", "64KiB", "--fetch-size", "256KiB"])
        .output()
        .expect("the portolan binary runs");
    assert!(output.status.success(), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for workload in result["workloads"].as_array().expect("a list") {
        assert_eq!(workload["proxied"]["errors"], json!({}), "{workload}");
        assert!(
            workload["proxied"]["requests"].as_u64() > Some(0),
            "{workload}"
        );
    }
}

/// It has room left below its limit, at which the kernel would have taken it away.
fn look_at_memory(release: &Release) {
    let memory = release.pod.memory;
    let resident = release.proxy.resident_bytes();
    eprintln!("{resident} bytes are resident, of {memory}");
    assert!(resident < memory / 4 * 3, "{resident}");
    let container = release.pod.container();
    if container.is_limited() {
        let usage = container.usage();
        assert_eq!(
            usage["data"]["memory"]["usage"]["limit"], memory,
            "{usage:#}"
        );
    }
}

fn calm(release: &Release) {
    front::assert_understood(&release.proxy);
    release.proxy.assert_calm();
}
