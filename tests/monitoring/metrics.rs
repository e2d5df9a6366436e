//! What the queries ask for is there: every metric, every label and every value of a label, in a real scrape of the proxy.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use regex_lite::Regex;

use crate::common::broker::Broker;
use crate::common::certificates::Authority;
use crate::common::client::Client;
use crate::common::proxy::Proxy;
use crate::{Query, dashboard, queries, text};

/// Labels that Prometheus puts to everything that it scrapes.
const OF_THE_TARGET: [&str; 3] = ["namespace", "job", "instance"];

/// The values of each label of each metric.
type Scrape = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What a proxy tells that has a certificate and has had a client: all that there ever is.
fn scrape() -> Scrape {
    let broker = Broker::answering(|request| Some(request.answer(&ApiVersionsResponse::default())));
    let directory = tempfile::tempdir().expect("a directory");
    let shown = Authority::new("Root").server(&["localhost"]);
    let shown = shown.write(directory.path(), "proxy");
    let cluster = |name: &str| {
        format!(
            "[clusters.{name}]\nbootstrap_servers = [\"{}\"]\nadvertised_host = \"localhost\"\n\
             listen_address = \"127.0.0.1\"\nbootstrap_port = 0\n\
             [[clusters.{name}.nodes]]\nids = \"0-2\"\nport = 0\n",
            broker.address()
        )
    };
    let proxy = Proxy::start(&format!(
        "{}{}[clusters.other.tls]\ncertificate = {:?}\nkey = {:?}\n",
        cluster("main"),
        cluster("other"),
        shown.certificate,
        shown.key
    ));
    let software = |text: &str| StrBytes::from_string(text.to_owned());
    let introduction = ApiVersionsRequest::default()
        .with_client_software_name(software("a-client"))
        .with_client_software_version(software("1.0"));
    Client::connect(proxy.bootstrap("main")).ask(3, &introduction);
    let (status, text) = proxy.get("/metrics");
    assert_eq!(status, 200);
    let label = Regex::new(r#"([a-z_]+)="([^"]*)""#).expect("a pattern");
    let mut scrape = Scrape::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let labels = scrape.entry(name.to_owned()).or_default();
        for found in label.captures_iter(line) {
            let values = labels.entry(found[1].to_owned()).or_default();
            values.insert(found[2].to_owned());
        }
    }
    // It is there where a build that can read Services has one to read: tests/from_service sees it.
    let clusters = scrape["portolan_in_flight"]["cluster"].clone();
    let known = "portolan_service_address_known".to_owned();
    scrape.insert(known, [("cluster".to_owned(), clusters)].into());
    scrape
}

/// A metric in a query, with what its labels are compared to.
#[derive(Debug)]
struct Selector {
    metric: String,
    matchers: Vec<(String, String)>,
}

/// Those of ours and of the process; not `up` and `ALERTS`, which are Prometheus' own.
fn selectors(promql: &str) -> Vec<Selector> {
    let selector =
        Regex::new(r"\b((?:portolan|process)_[a-z0-9_]+)(\{[^}]*\})?").expect("a pattern");
    let matcher = Regex::new(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)""#).expect("a pattern");
    selector
        .captures_iter(promql)
        .map(|found| {
            let braces = found.get(2).map_or("", |braces| braces.as_str());
            let matchers = matcher.captures_iter(braces);
            let matchers = matchers.map(|m| (m[1].to_owned(), m[2].to_owned()));
            Selector {
                metric: found[1].to_owned(),
                matchers: matchers.collect(),
            }
        })
        .collect()
}

/// The labels that each series of a metric has, beside the target's.
fn labels(scrape: &Scrape, metric: &str, place: &str) -> BTreeSet<String> {
    let labels = scrape.get(metric);
    let labels = labels.unwrap_or_else(|| panic!("{place}: the proxy has no metric {metric}"));
    labels.keys().cloned().collect()
}

#[test]
fn every_metric_and_what_is_asked_of_its_labels_is_in_a_scrape() {
    let scrape = scrape();
    let mut compared = 0;
    for Query { place, promql } in queries() {
        for Selector { metric, matchers } in selectors(&promql) {
            let labels = labels(&scrape, &metric, &place);
            for (label, value) in matchers {
                let is_targets = OF_THE_TARGET.contains(&label.as_str());
                assert!(
                    is_targets || labels.contains(&label),
                    "{place}: {metric} has no label {label}"
                );
                let Some(values) = scrape.get(&metric).and_then(|of| of.get(&label)) else {
                    continue;
                };
                // What a variable stands for is compared to nothing.
                for value in value.split('|').filter(|_| label != "cluster") {
                    compared += 1;
                    assert!(values.contains(value), "{place}: {metric}: {label}={value}");
                }
            }
        }
    }
    assert!(compared > 40, "only {compared} values");
}

#[test]
fn queries_group_and_name_by_labels_that_are_there() {
    let scrape = scrape();
    let grouping = Regex::new(r"\b(?:by|on|without|group_left)\s*\(([^)]*)\)").expect("a pattern");
    let known = |query: &Query| -> BTreeSet<String> {
        let of_metrics = selectors(&query.promql)
            .into_iter()
            .flat_map(|selector| labels(&scrape, &selector.metric, &query.place));
        of_metrics.chain(OF_THE_TARGET.map(str::to_owned)).collect()
    };
    let mut checked = 0;
    for query in queries() {
        let known = known(&query);
        for found in grouping.captures_iter(&query.promql) {
            for label in found[1].split(',').map(str::trim) {
                checked += 1;
                assert!(known.contains(label), "{query:?}: {label}");
            }
        }
    }
    for (query, names) in dashboard::legends() {
        let known = known(&query);
        for name in names {
            checked += 1;
            assert!(known.contains(&name), "{query:?}: {name}");
        }
    }
    assert!(checked > 100, "only {checked} labels");
}

#[test]
fn variables_take_their_values_from_a_metric_that_is_there() {
    let scrape = scrape();
    let values = Regex::new(r"label_values\(([a-z_]+), ([a-z]+)\)").expect("a pattern");
    let dashboard = text("dashboard.json");
    let mut found = 0;
    for variable in values.captures_iter(&dashboard) {
        found += 1;
        let labels = labels(&scrape, &variable[1], "a variable");
        let label = &variable[2];
        assert!(labels.contains(label) || OF_THE_TARGET.contains(&label));
    }
    assert_eq!(found, 4, "each of two, twice");
}

#[test]
fn unit_tests_are_about_metrics_that_are_there() {
    let scrape = scrape();
    let tests = text("alerts_test.yaml");
    let series: Vec<Selector> = tests
        .lines()
        .filter(|line| line.contains("series: '"))
        .flat_map(selectors)
        .collect();
    assert!(series.len() > 80, "only {}", series.len());
    for Selector { metric, matchers } in series {
        let mut labels = labels(&scrape, &metric, "alerts_test.yaml");
        labels.extend(OF_THE_TARGET.map(str::to_owned));
        let given: BTreeSet<String> = matchers.iter().map(|m| m.0.clone()).collect();
        for label in &given {
            assert!(labels.contains(label), "{metric}: {label}");
        }
        for (label, value) in matchers
            .iter()
            .filter(|m| ["reason", "limit"].contains(&m.0.as_str()))
        {
            assert!(scrape[&metric][label].contains(value), "{metric}: {value}");
        }
    }
}
