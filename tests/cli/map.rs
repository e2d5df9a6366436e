//! `map`: the table for people, for programs and for Kubernetes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::{GOOD, Outcome, collect, file, finish, path, portolan, wait};

const LEARNED: &str = "\
[clusters.orders]
bootstrap_servers = [\"a:1\", \"b:2\"]
advertised_host = \"2001:db8::7\"
listen_address = \"::\"
bootstrap_port = 19092
bootstrap_advertised_port = 9092
[[clusters.orders.nodes]]
ids = \"1001,2147483647\"
port = 19093
advertised_port = 9093
";

/// SNI mode, with port mode beside it or without.
fn sni(has_ports: bool) -> String {
    let (host, port) = match has_ports {
        true => ("advertised_host = \"kafka.example.com\"", "port = 9093"),
        false => ("", ""),
    };
    format!(
        "[clusters.main]\nbootstrap_servers = [\"a:1\"]\n{host}\n\
         [clusters.main.sni]\nport = 9443\nadvertised_port = 443\nbootstrap_host = \"kafka.example.com\"\n\
         node_host = \"b-{{node_id}}.example.com\"\n\
         [clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n\
         [[clusters.main.nodes]]\nids = \"0-1\"\n{port}\naddress = \"k-{{node_id}}:9092\"\n"
    )
}

fn map(text: &str, arguments: &[&str]) -> Outcome {
    let arguments = ["map", "-"].into_iter().chain(arguments.iter().copied());
    finish(&mut portolan(arguments), text)
}

/// A cluster with its own ports that is advertised at a host.
fn cluster(name: &str, host: &str, first: u16, ids: &str) -> String {
    GOOD.replace("clusters.main", &format!("clusters.{name}"))
        .replace("kafka.example.com", host)
        .replace("[[", &format!("bootstrap_port = {first}\n[["))
        .replace("9093", &(first + 1).to_string())
        .replace("0-2", ids)
}

/// Names, ports and target ports, as strict as Kubernetes is.
fn ports_of_service(yaml: &str) -> Vec<(String, u16, u16)> {
    let mut lines = yaml.lines();
    assert_eq!(lines.next(), Some("ports:"));
    let lines: Vec<&str> = lines.collect();
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    let value = |line: &str, head: &str| match line.strip_prefix(head) {
        Some(value) => value.to_owned(),
        None => panic!("{line:?} does not begin with {head:?}"),
    };
    let ports: Vec<_> = lines
        .chunks(4)
        .map(|entry| {
            let name = value(entry[0], "  - name: ");
            let port: u16 = value(entry[1], "    port: ").parse().expect("a port");
            let target: u16 = value(entry[2], "    targetPort: ").parse().expect("a port");
            assert_eq!(entry[3], "    protocol: TCP");
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.len() <= 15 && name.chars().all(fits), "{name}");
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            assert!(!name.ends_with('-') && !name.contains("--"), "{name}");
            assert!(names.insert(name.clone()), "{name} twice");
            assert!(port != 0 && numbers.insert(port), "{port} twice");
            (name, port, target)
        })
        .collect();
    assert!(!ports.is_empty());
    ports
}

#[test]
fn the_table_shows_what_is_bound_advertised_and_where_the_brokers_are() {
    let outcome = map(LEARNED, &[]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        outcome.stdout,
        "\
CLUSTER  ROUTE            BOUND       ADVERTISED          BROKER
orders   bootstrap        [::]:19092  [2001:db8::7]:9092  a:1, b:2
orders   node-1001        [::]:19093  [2001:db8::7]:9093  (learned)
orders   node-2147483647  [::]:19094  [2001:db8::7]:9094  (learned)
"
    );
    assert_eq!(map(LEARNED, &["--output", "table"]).stdout, outcome.stdout);
}

#[test]
fn json_has_one_object_for_each_port() {
    let outcome = map(LEARNED, &["--output", "json"]);
    let value: Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    let row = |route: &str, id: Value, bound: u16, advertised: u16, broker: &[&str]| {
        json!({
            "cluster": "orders", "mode": "port", "route": route, "node_id": id, "listen": format!("[::]:{bound}"),
            "bound": bound, "advertised_host": "2001:db8::7", "advertised_port": advertised, "dialled": false,
            "broker": broker
        })
    };
    let expected = json!([
        row("bootstrap", Value::Null, 19092, 9092, &["a:1", "b:2"]),
        row("node-1001", json!(1001), 19093, 9093, &[]),
        row("node-2147483647", json!(2147483647), 19094, 9094, &[]),
    ]);
    assert_eq!(value, expected);
}

#[test]
fn the_ports_of_a_service_lead_from_what_is_advertised_to_what_is_bound() {
    let outcome = map(LEARNED, &["--output", "service"]);
    assert_eq!(
        outcome.stdout,
        "\
ports:
  - name: bootstrap
    port: 9092
    targetPort: 19092
    protocol: TCP
  - name: node-1001
    port: 9093
    targetPort: 19093
    protocol: TCP
  - name: node-2147483647
    port: 9094
    targetPort: 19094
    protocol: TCP
"
    );
    assert_eq!(ports_of_service(&outcome.stdout).len(), 3);
}

#[test]
fn in_sni_mode_all_routes_have_one_port_and_a_name_each() {
    let alone = "\
CLUSTER  ROUTE      BOUND         ADVERTISED             BROKER
main     bootstrap  0.0.0.0:9443  kafka.example.com:443  a:1
main     node-0     0.0.0.0:9443  b-0.example.com:443    k-0:9092
main     node-1     0.0.0.0:9443  b-1.example.com:443    k-1:9092
";
    assert_eq!(map(&sni(false), &[]).stdout, alone);
    assert_eq!(
        map(&sni(true), &[]).stdout,
        "\
CLUSTER  ROUTE      BOUND         ADVERTISED              BROKER
main     bootstrap  0.0.0.0:9092  kafka.example.com:9092  a:1
main     node-0     0.0.0.0:9093  kafka.example.com:9093  k-0:9092
main     node-1     0.0.0.0:9094  kafka.example.com:9094  k-1:9092
main     bootstrap  0.0.0.0:9443  kafka.example.com:443   a:1
main     node-0     0.0.0.0:9443  b-0.example.com:443     k-0:9092
main     node-1     0.0.0.0:9443  b-1.example.com:443     k-1:9092
"
    );
    let outcome = map(&sni(false), &["--output", "json"]);
    let value: Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    assert_eq!(
        value[2],
        json!({
            "cluster": "main", "mode": "sni", "route": "node-1", "node_id": 1, "listen": "0.0.0.0:9443", "bound": 9443,
            "advertised_host": "b-1.example.com", "advertised_port": 443, "dialled": false, "broker": ["k-1:9092"]
        })
    );
}

#[test]
fn the_files_of_tls_need_not_be_there() {
    let text = include_str!("../../config/tls.toml");
    let outcome = map(text, &[]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let last = outcome.stdout.lines().last().unwrap_or_default();
    let name = "broker-199.kafka.example.com:9092";
    assert!(
        last.contains("0.0.0.0:9092") && last.contains(name),
        "{last}"
    );
    let shown = finish(&mut portolan(["config", "show", "-"]), text);
    assert_eq!(shown.code, Some(0));
    assert_eq!(map(&shown.stdout, &[]).stdout, outcome.stdout);
}

#[test]
fn a_service_has_the_port_of_sni_mode_once() {
    let ports = |text: &str| ports_of_service(&map(text, &["--output", "service"]).stdout);
    assert_eq!(ports(&sni(false)), [("sni".into(), 443, 9443)]);
    let both = ports(&sni(true));
    assert_eq!(both.len(), 4);
    assert_eq!(both[3], ("sni".into(), 443, 9443));
    let other = cluster("other", "other.example.com", 19092, "0-2");
    let several = ports(&format!("{}{other}", sni(false)));
    assert_eq!(several[0], ("c1-sni".into(), 443, 9443));
    assert_eq!(several[1], ("c2-bootstrap".into(), 19092, 19092));
}

#[test]
fn a_service_cannot_have_the_port_of_both_modes() {
    let text = sni(true)
        .replace("port = 443", "port = 9094")
        .replace("bootstrap_host = \"kafka.", "bootstrap_host = \"sni.");
    let outcome = map(&text, &["--output", "service"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        outcome.stderr,
        "portolan: main advertises port 9094 twice, at different hosts, and a Service can have it once: choose another \
         sni.advertised_port, or make two Services by hand\n"
    );
    assert_eq!(map(&text, &[]).code, Some(0));
}

#[test]
fn a_host_that_clients_dial_is_shown_as_such() {
    let tls = "[clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n";
    let host = "advertised_host = \"kafka.example.com\"";
    let known = GOOD.replace(host, &format!("{host}\nadvertise = \"dialled\""));
    let unknown = GOOD.replace(host, "advertise = \"dialled\"") + tls;
    let second = |text: &str| {
        let table = map(text, &[]).stdout;
        let json = map(text, &["--output", "json"]).stdout;
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        let row = table.lines().nth(2).unwrap_or_default().to_owned();
        (
            row,
            json[1]["advertised_host"].clone(),
            json[1]["dialled"].clone(),
        )
    };
    assert_eq!(
        second(&unknown),
        (
            "main     node-0     0.0.0.0:9093  (dialled):9093  kafka-0.kafka:9092".into(),
            Value::Null,
            json!(true)
        )
    );
    assert_eq!(
        second(&known),
        (
            "main     node-0     0.0.0.0:9093  (dialled, else kafka.example.com):9093  kafka-0.kafka:9092".into(),
            json!("kafka.example.com"),
            json!(true)
        )
    );
}

#[test]
fn the_ports_of_a_service_have_good_names_for_many_clusters_and_large_ids() {
    let text: String = (0..120)
        .map(|n| {
            let host = format!("{n}.example.com");
            cluster(
                &format!("c{n}"),
                &host,
                10_000 + 10 * n,
                "7,2147483000-2147483001",
            )
        })
        .collect();
    let outcome = map(&text, &["--output", "service"]);
    let ports = ports_of_service(&outcome.stdout);
    assert_eq!(ports.len(), 120 * 4);
    assert_eq!(ports[0], ("c1-bootstrap".into(), 10_000, 10_000));
    assert_eq!(ports[1], ("c1-n7".into(), 10_001, 10_001));
}

#[test]
fn a_service_cannot_have_a_port_twice_so_each_cluster_gets_its_own() {
    let other = cluster("other", "other.example.com", 19092, "0-2").replace(
        "port = 19092",
        "port = 19092\nbootstrap_advertised_port = 9092",
    );
    let text = format!("{GOOD}{other}");
    let outcome = map(&text, &["--output", "service"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        outcome.stderr,
        "portolan: the clusters main and other both advertise port 9092, and a Service can have it once: make a \
         Service of each cluster, with --cluster main and --cluster other\n"
    );
    let outcome = map(&text, &["--output", "service", "--cluster", "other"]);
    let ports = ports_of_service(&outcome.stdout);
    assert_eq!(ports[0], ("bootstrap".into(), 9092, 19092));
    assert_eq!(ports[1], ("node-0".into(), 19093, 19093));
}

#[test]
fn a_cluster_that_is_not_there_is_refused_with_those_that_are() {
    let outcome = map(GOOD, &["--cluster", "man"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        outcome.stderr,
        "portolan: there is no cluster \"man\" in the file: write one of main\n"
    );
}

#[test]
fn the_form_may_come_from_the_environment() {
    let mut command = portolan(["map", "-"]);
    let outcome = finish(command.env("PORTOLAN_OUTPUT", "service"), GOOD);
    assert_eq!(ports_of_service(&outcome.stdout).len(), 4);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    // More than a pipe holds, so that the program is still writing when its reader goes away.
    let file = file(&(GOOD.replace("0-2", "0-9999") + "[admin]\nlisten = \"\"\n"));
    let mut child = portolan(["map", path(&file)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the portolan binary runs");
    let stderr = collect(child.stderr.take());
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    stdout.read_line(&mut line).expect("a line");
    assert!(line.starts_with("CLUSTER"), "{line}");
    drop(stdout);
    assert_eq!(wait(&mut child), Some(0));
    assert_eq!(stderr.join().expect("it was read"), "");
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let file = file(GOOD);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let mut child = portolan(["map", path(&file)])
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the portolan binary runs");
    let stderr = collect(child.stderr.take());
    assert_eq!(wait(&mut child), Some(1));
    assert_eq!(
        stderr.join().expect("it was read"),
        "portolan: cannot write the output: No space left on device (os error 28)\n"
    );
}

#[test]
fn faults_that_nobody_reads_do_not_make_it_panic() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let mut child = portolan(["map", "no-such.toml"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(full)
        .spawn()
        .expect("the portolan binary runs");
    assert_eq!(wait(&mut child), Some(78));
}
