//! The scrape as a whole: what Prometheus's own tool says of it, which series it has, what it costs, what is written of it.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tools;
use crate::setup::{Setup, exchange, talking};

const DOCUMENTED: &str = include_str!("../../docs/metrics.md");

fn scrape(proxy: &Proxy) -> String {
    let (status, text) = proxy.get("/metrics");
    assert_eq!(status, 200);
    text
}

/// Names with labels.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let names = lines.map(|line| line.rsplit_once(' ').expect("a name and a value").0);
    names.map(str::to_owned).collect()
}

/// Names of families.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.map(|line| line.split(' ').next().expect("a name"));
    names.map(str::to_owned).collect()
}

/// A client that says which software it is, and an exchange.
fn serve_a_client(proxy: &Proxy, broker: &Broker) {
    let (mut client, mut link) = talking(proxy, broker);
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("apache-kafka-java"))
        .with_client_software_version(StrBytes::from_static_str("4.3.1"));
    let id = client.request(3, &request);
    let request = link.request();
    link.answer(&request, &ApiVersionsResponse::default());
    client.answer::<ApiVersionsRequest>(id, 3);
    exchange(&mut client, &mut link, 7);
}

#[test]
fn promtool_has_nothing_to_say_about_a_scrape() {
    if !tools::available(&["promtool"]) {
        return;
    }
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    serve_a_client(&proxy, &broker);
    let text = scrape(&proxy);
    assert!(text.contains("portolan_client_software{"), "{text}");
    assert_eq!(checked_by_promtool(&text), (true, String::new()));
    // It does look.
    let (good, said) = checked_by_promtool("# TYPE requests counter\nrequests 1\n");
    assert!(!good && said.contains("_total"), "{said}");
}

/// Whether `promtool check metrics` is content, and what it says.
fn checked_by_promtool(text: &str) -> (bool, String) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut stdin = promtool.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn no_series_comes_later_but_those_of_clients_software() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let before = series(&scrape(&proxy));
    serve_a_client(&proxy, &broker);
    let mut later: Vec<String> = Vec::new();
    wait_until("the client to be counted", || {
        let after = series(&scrape(&proxy));
        assert!(before.is_subset(&after));
        later = after.difference(&before).cloned().collect();
        !later.is_empty()
    });
    let java =
        r#"portolan_client_software{cluster="main",name="apache-kafka-java",version="4.3.1"}"#;
    assert_eq!(later, [java]);
}

#[test]
fn every_metric_is_documented_and_nothing_else() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    serve_a_client(&proxy, &broker);
    let rows = DOCUMENTED
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<String> = rows
        .filter_map(|row| row.split(['`', '{']).next())
        .map(str::to_owned)
        .collect();
    let mut exported = families(&scrape(&proxy));
    // There is none without TLS.
    exported.insert("portolan_certificate_expiry_timestamp_seconds".to_owned());
    // Nor are these without `advertised_from_service` (tests/from_service).
    for of_service in ["service_address_known", "service_read_failures_total"] {
        exported.insert(format!("portolan_{of_service}"));
    }
    assert!(exported.len() > 25, "{exported:?}");
    assert_eq!(documented, exported);
}

#[test]
fn a_scrape_of_a_hundred_nodes_stays_small() {
    let broker = Broker::start();
    let setup = Setup::with(&broker);
    let few = setup.start();
    let one = scrape(&few);
    drop(few);
    let nodes = setup.nodes("1-99", Some("127.0.0.{node_id}:9"));
    let proxy = nodes.start();
    let mut client = Client::connect(proxy.node("main", 99));
    client.send(b"\0");
    let mut took = Vec::new();
    let mut text = String::new();
    for _ in 0..20 {
        let begin = Instant::now();
        text = scrape(&proxy);
        took.push(begin.elapsed());
    }
    took.sort();
    let all = series(&text);
    let of = |part: &str| all.iter().filter(|series| series.contains(part)).count();
    println!(
        "100 nodes: {} KiB, {} series, {:?} in the median of 20 (1 node: {} KiB, {} series); {} series are of \
         request_seconds, {} of nodes",
        text.len() / 1024,
        all.len(),
        took[took.len() / 2],
        one.len() / 1024,
        series(&one).len(),
        of("portolan_request_seconds"),
        of("node=") + of("route="),
    );
    assert_eq!(of("portolan_node_bytes_total"), 2 * 101);
    assert!(text.len() < 1024 * 1024, "{} bytes", text.len());
}
