//! The table, the JSON and the picture.

use serde_json::{Value, json as value};

use crate::mock::Mock;
use crate::{finish, json, short};

fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object().unwrap_or_else(|| panic!("{object}"));
    object.keys().map(String::as_str).collect()
}

#[test]
fn json_has_the_keys_that_are_documented() {
    let mock = Mock::calm();
    let address = mock.address();
    let arguments = [
        "--direct",
        address.as_str(),
        "--rounds",
        "2",
        "--in-flight",
        "3",
    ];
    let result = json(&mut short(&address, &arguments));
    assert_eq!(
        keys(&result),
        [
            "direct",
            "parameters",
            "portolan",
            "proxied",
            "started",
            "workloads"
        ]
    );
    assert_eq!(result["proxied"], address.as_str());
    assert_eq!(result["portolan"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        result["parameters"],
        value!({
            "acks": "all", "record_size_bytes": 500, "batch_size_bytes": 2048, "fetch_size_bytes": 8192,
            "connections": 2, "in_flight": 3, "rate_requests_per_second": null, "rate_bytes_per_second": null,
            "duration_seconds": 0.2, "rounds": 2, "topic": null, "partitions": 2, "replication_factor": null,
            "tls": false, "sasl": false
        })
    );
    let percentiles = ["max", "p50", "p90", "p99", "p99_9"];
    let ratio = ["max", "p50", "p90", "p99", "p99_9", "requests_per_second"];
    let figures = [
        "errors",
        "latency_microseconds",
        "megabytes_per_second",
        "moved",
        "record_bytes",
        "requests",
        "requests_per_second",
        "seconds",
        "unsent",
    ];
    for workload in result["workloads"].as_array().expect("a list") {
        assert_eq!(
            keys(workload),
            ["direct", "proxied", "ratio", "rounds", "workload"]
        );
        assert_eq!(keys(&workload["ratio"]), ratio);
        for side in ["proxied", "direct"] {
            assert_eq!(keys(&workload[side]), figures);
            assert_eq!(keys(&workload[side]["latency_microseconds"]), percentiles);
        }
        let rounds = workload["rounds"].as_array().expect("a list");
        let firsts: Vec<&Value> = rounds.iter().map(|round| &round["first"]).collect();
        assert_eq!(firsts, ["proxied", "direct"]);
        for side in ["proxied", "direct"] {
            let sum = |key: &str| {
                rounds
                    .iter()
                    .filter_map(|r| r[side][key].as_u64())
                    .sum::<u64>()
            };
            assert_eq!(workload[side]["requests"], sum("requests"));
            assert_eq!(workload[side]["record_bytes"], sum("record_bytes"));
        }
        for round in rounds {
            assert_eq!(keys(round), ["direct", "first", "proxied", "ratio"]);
            assert_eq!(keys(&round["ratio"]), ratio);
        }
    }
    let documented = std::fs::read_to_string("docs/bench.md").expect("it is there");
    for key in figures.iter().chain(&ratio).chain(&percentiles) {
        assert!(documented.contains(&format!("`{key}`")), "{key}");
    }
    for key in keys(&result["parameters"]).into_iter().chain(keys(&result)) {
        assert!(documented.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn without_a_direct_way_nothing_is_compared() {
    let mock = Mock::calm();
    let result = json(&mut short(&mock.address(), &["--workload", "ping"]));
    assert!(result["direct"].is_null());
    let ping = &result["workloads"][0];
    assert!(
        ping["direct"].is_null() && ping["ratio"].is_null(),
        "{ping}"
    );
    assert!(ping["rounds"][0]["direct"].is_null());
    assert!(ping["proxied"]["megabytes_per_second"].is_null());
}

#[test]
fn the_table_has_a_line_for_each_figure() {
    let mock = Mock::calm();
    let address = mock.address();
    let outcome = finish(&mut short(&address, &["--direct", &address]));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    let table = outcome.stdout;
    assert!(
        table.contains(&format!("proxied: {address}, direct: {address}\n")),
        "{table}"
    );
    assert!(
        table.contains("\n2 connections x 5 in flight, saturation, 2 KiB of records"),
        "{table}"
    );
    for workload in ["PRODUCE", "FETCH", "PING"] {
        let block = table
            .split("\n\n")
            .find(|block| block.starts_with(workload));
        let block = block.unwrap_or_else(|| panic!("{table}"));
        let mut lines = block.lines();
        let heading: Vec<&str> = lines.next().expect("a line").split_whitespace().collect();
        assert_eq!(heading, [workload, "proxied", "direct", "ratio"]);
        let names: Vec<&str> = lines
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let speed: &[&str] = match workload {
            "PING" => &["requests/s"],
            _ => &["MB/s", "requests/s"],
        };
        let rest = ["p50", "p90", "p99", "p99.9", "max", "errors"];
        assert_eq!(names, [speed, &rest].concat(), "{table}");
    }
    assert!(table.ends_with("ratio: the median over the rounds of proxied / direct\n"));
}

#[test]
fn the_picture_is_well_formed_and_needs_nothing_from_elsewhere() {
    let mock = Mock::calm();
    let address = mock.address();
    for more in [
        &["--direct", address.as_str()][..],
        &["--workload", "produce", "--acks", "0"],
        &["--workload", "ping", "--rate", "1/s"],
    ] {
        let mut command = short(&address, more);
        let outcome = finish(command.args(["--output", "svg"]));
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let svg = outcome.stdout;
        assert_well_formed(&svg);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(svg.contains(&address), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        for foreign in ["href", "<script", "url(", "@import"] {
            assert!(!svg.contains(foreign), "{foreign}");
        }
    }
}

/// Every element is closed in order, every attribute is quoted, and no text holds a bare `<` or `&`.
fn assert_well_formed(xml: &str) {
    let mut open = Vec::new();
    let mut elements = 0;
    let mut rest = xml;
    while let Some((text, after)) = rest.split_once('<') {
        assert_text(text);
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{xml}");
            continue;
        }
        elements += 1;
        let (inside, is_empty) = match tag.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (tag, false),
        };
        let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        let quotes = attributes.matches('"').count();
        assert_eq!(quotes % 2, 0, "{tag}");
        let outside: String = attributes.split('"').step_by(2).collect();
        let names = outside.split_whitespace().all(|name| name.ends_with('='));
        assert!(names, "{tag}");
        attributes
            .split('"')
            .skip(1)
            .step_by(2)
            .for_each(assert_text);
        if !is_empty {
            open.push(name);
        }
    }
    assert_eq!(rest.trim(), "");
    assert!(open.is_empty(), "{open:?}");
    assert!(elements > 10, "only {elements}");
}

fn assert_text(text: &str) {
    for after in text.split('&').skip(1) {
        let entity = after.split(';').next().unwrap_or_default();
        assert!(["amp", "lt", "gt", "quot"].contains(&entity), "{text}");
    }
    assert!(!text.contains('>'), "{text}");
}
