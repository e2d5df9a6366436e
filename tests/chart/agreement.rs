//! The proxy takes what the chart renders, and it, the Service, the pod and the notes have the same ports.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::certificates::with_files;
use crate::common::helm::Helm;
use crate::render::{Rendered, ci, good, notes, render};

/// A port of the Service: its name, number and target.
type Port = (String, u64, u64);

/// What the program says of a configuration that it accepts.
fn portolan(arguments: &[&str], config: &str) -> String {
    let said = asked(arguments, config).or_else(|faults| {
        // A build without that feature reads all but this one key.
        let is_other_build = faults.contains("made without the feature kubernetes");
        match is_other_build && faults.contains(": 1 fault in ") {
            true => {
                let own = "advertised_from_service = \"gate/portolan\"";
                asked(
                    arguments,
                    &config.replace(own, "advertised_host = \"kafka.example.com\""),
                )
            }
            false => Err(faults),
        }
    });
    said.unwrap_or_else(|faults| panic!("{config}\n{faults}"))
}

/// What it says of any, or its faults.
fn asked(arguments: &[&str], config: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("portolan.toml");
    fs::write(&file, with_files(config, directory.path())).expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .args(arguments)
        .arg(&file)
        .output()
        .expect("portolan runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

fn ports(list: &Value) -> BTreeSet<Port> {
    let list = list.as_array().expect("a list of ports");
    let ports = list.iter().map(|port| {
        assert_eq!(port["protocol"], "TCP");
        let number = |key: &str| port[key].as_u64().expect("a number");
        let name = port["name"].as_str().expect("a name").to_owned();
        (name, number("port"), number("targetPort"))
    });
    let all: BTreeSet<Port> = ports.collect();
    assert_eq!(all.len(), list.len(), "no port is there twice");
    all
}

fn service_ports(rendered: &Rendered) -> BTreeSet<Port> {
    ports(&rendered.service()["spec"]["ports"])
}

/// Calls `look` with each set of values and what became of it.
fn each(mut look: impl FnMut(&str, &str, &Rendered)) {
    for (name, values) in ci() {
        for helm in [Helm::Three, Helm::Four] {
            let Some(rendered) = render(helm, &[&values]) else {
                return;
            };
            let rendered = rendered.unwrap_or_else(|said| panic!("{name}: {said}"));
            look(&name, &values, &rendered);
        }
    }
}

#[test]
fn the_program_accepts_each_config() {
    each(|name, _, rendered| {
        let said = portolan(&["config", "check"], rendered.config());
        assert!(said.starts_with("ok"), "{name}: {said}");
    });
}

#[test]
fn the_ports_of_the_service_are_those_of_map() {
    each(|name, _, rendered| {
        let map = portolan(&["map", "--output", "service"], rendered.config());
        let map: Value = serde_norway::from_str(&map).expect("YAML");
        assert_eq!(ports(&map["ports"]), service_ports(rendered), "{name}");
    });
}

#[test]
fn the_container_has_the_ports_that_the_service_leads_to_and_the_admin_port() {
    each(|name, _, rendered| {
        let container = &rendered.pod()["spec"]["containers"][0]["ports"];
        let container = container.as_array().expect("ports").iter().map(|port| {
            let name = port["name"].as_str().expect("a name").to_owned();
            (name, port["containerPort"].as_u64().expect("a number"))
        });
        let container: BTreeSet<(String, u64)> = container.collect();
        let lead = service_ports(rendered).into_iter();
        let mut lead: BTreeSet<(String, u64)> =
            lead.map(|(name, _, target)| (name, target)).collect();
        let admin = &rendered.admin()["spec"]["ports"][0];
        assert_eq!(admin["targetPort"], "admin");
        let admin = admin["port"].as_u64().expect("a number");
        assert!(
            !lead.iter().any(|(_, port)| *port == admin),
            "{name}: the admin port is not on the load balancer"
        );
        lead.insert(("admin".into(), admin));
        assert_eq!(container, lead, "{name}");
        let listen = format!(":{admin}\"");
        let config = rendered.config();
        assert!(
            config
                .lines()
                .any(|line| line.starts_with("listen = ") && line.ends_with(&listen)),
            "{name}: {config}"
        );
    });
}

#[test]
fn the_notes_show_the_same_ports_and_where_to_bootstrap() {
    for (name, values) in ci() {
        let Some(rendered) = render(Helm::Four, &[&values]) else {
            return;
        };
        let rendered = rendered.unwrap_or_else(|said| panic!("{name}: {said}"));
        let Some(notes) = notes(&[&values]) else {
            return;
        };
        let (_, table) = notes.split_once("PORT\n").expect("a table");
        let (table, _) = table.split_once("\n\n").expect("an end of the table");
        let shown = table.lines().map(|line| {
            let mut words = line.split_whitespace();
            let route = words.next().expect("a route").to_owned();
            let port: u64 = words
                .next()
                .and_then(|port| port.parse().ok())
                .expect("a port");
            (route, port)
        });
        let shown: BTreeSet<(String, u64)> = shown.collect();
        let service = service_ports(&rendered).into_iter();
        let service: BTreeSet<(String, u64)> =
            service.map(|(name, port, _)| (name, port)).collect();
        assert_eq!(shown, service, "{name}");

        let (_, rest) = notes.split_once("bootstrap.servers=").expect("a line");
        let address = rest.lines().next().expect("an address");
        let (host, port) = address.rsplit_once(':').expect("a port");
        let first = service.iter().find(|(name, _)| name == "bootstrap");
        let first = first.or_else(|| service.iter().find(|(name, _)| name == "sni"));
        assert_eq!(
            first.map(|(_, port)| port.to_string()).as_deref(),
            Some(port)
        );
        let values: Value = serde_norway::from_str(&values).expect("YAML");
        let given = values["advertised"]["host"].as_str();
        assert_eq!(host, given.unwrap_or("THE-ADDRESS"), "{name}");
        assert_eq!(
            notes.contains("security.protocol=SSL"),
            rendered.config().contains("[clusters.main.tls]"),
            "{name}"
        );
    }
}

#[test]
fn what_the_values_say_arrives_in_the_config() {
    each(|name, _, rendered| {
        if name != "everything" {
            return;
        }
        let shown = portolan(&["config", "show"], rendered.config());
        for line in [
            "bootstrap_servers = [\"kafka.kafka.svc:9092\", \"kafka-2.kafka.svc:9092\"]",
            "allow = [\"10.0.0.0/8\", \"2001:db8::/32\"]",
            "fetch_endpoints = \"cap\"",
            "connections = 20000",
            "request_bytes = \"200MiB\"",
            "connection_rate_per_client = \"20/s\"",
            "max_connection_age = \"900s\"",
            "interval = \"10s\"",
            "servers = [\"10.96.0.10:53\"]",
            "threads = 2",
            "splice = false",
            "allowed_hosts = [\"portolan.example.com\"]",
            "lame_duck = \"90s\"",
            "grace = \"60s\"",
            "level = \"debug\"",
            "listen = \"0.0.0.0:19644\"",
        ] {
            // They are set out in columns.
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_shown = |shown: &str| shown.split_whitespace().eq(words.iter().copied());
            assert!(shown.lines().any(is_shown), "{line}\n{shown}");
        }
    });
}

#[test]
fn a_config_that_is_wrong_in_a_free_part_is_found_by_the_program() {
    // So that the tests above cannot pass for want of looking.
    let values = "{config: {timeouts: {conect: 5s}}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    let refused = asked(&["config", "check"], rendered.config());
    let faults = refused.expect_err("it is refused");
    assert!(faults.contains("timeouts.conect"), "{faults}");
}

#[test]
fn ids_are_taken_as_they_are_written_or_counted() {
    for (values, ids, count) in [
        ("{}", "0-15", 17),
        ("{ports: {brokers: {count: 3}}}", "0-2", 4),
        ("{brokers: {ids: 0}}", "0", 2),
        // A number in YAML, which templates of Helm would write as 1.00000001e+08.
        ("{brokers: {ids: 100000001}}", "100000001", 2),
        (
            "{brokers: {ids: '5, 7 - 8'}, ports: {brokers: {count: 3}}}",
            "5, 7 - 8",
            4,
        ),
    ] {
        let Some(rendered) = good(&[values]) else {
            return;
        };
        let line = format!("ids = \"{ids}\"");
        let config = rendered.config();
        assert!(
            config.lines().any(|found| found == line),
            "{line}: {config}"
        );
        assert_eq!(service_ports(&rendered).len(), count, "{values}");
        let map = portolan(&["map", "--output", "service"], config);
        let map: Value = serde_norway::from_str(&map).expect("YAML");
        assert_eq!(ports(&map["ports"]), service_ports(&rendered));
    }
}

#[test]
fn ids_at_the_end_leave_the_ports_of_the_others_and_ids_in_front_move_them() {
    let port_of_1000 = |ids: &str| {
        let rendered = good(&[&format!("{{brokers: {{ids: '{ids}'}}}}")])?;
        let ports = service_ports(&rendered).into_iter();
        let mut ports = ports.filter(|(name, _, _)| name == "node-1000");
        Some(ports.next().expect("a port").1)
    };
    for (ids, wanted) in [
        ("0-2,1000-1002", 9096),
        ("0-2,1000-1002,3", 9096),
        ("0-3,1000-1002", 9097),
    ] {
        let Some(port) = port_of_1000(ids) else {
            return;
        };
        assert_eq!(port, wanted, "{ids}");
    }
}
