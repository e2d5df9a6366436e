//! The alert rules: each says what is wrong, how bad it is and what to do, and has a unit test.

use std::collections::{BTreeMap, BTreeSet};

use portolan::session::end::EndReason;
use regex_lite::Regex;
use serde::Deserialize;

use crate::{dashboard, text};

/// A rule file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

/// An alert.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    #[serde(rename = "for")]
    pub(crate) hold: String,
    pub(crate) labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// All alerts.
pub(crate) fn rules() -> Vec<Rule> {
    let file: File = serde_norway::from_str(&text("alerts.yaml")).expect("a rule file");
    let names: BTreeSet<&str> = file.groups.iter().map(|group| &*group.name).collect();
    assert_eq!(names.len(), file.groups.len(), "groups have one name each");
    file.groups.into_iter().flat_map(|g| g.rules).collect()
}

/// A file of unit tests, as far as it is of interest here.
#[derive(Deserialize)]
struct Tests {
    tests: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    name: String,
    promql_expr_test: Vec<Look>,
}

#[derive(Deserialize)]
struct Look {
    expr: String,
    #[serde(default)]
    exp_samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    labels: String,
}

/// All alerts that fire.
const FIRING: &str = "ALERTS{alertstate=\"firing\"}";

impl Scenario {
    /// Whether it is the test of this alert: `NAME` or `NAME, what of it`.
    fn is_of(&self, alert: &str) -> bool {
        self.name.split(',').next() == Some(alert)
    }
}

fn scenarios() -> Vec<Scenario> {
    let tests: Tests = serde_norway::from_str(&text("alerts_test.yaml")).expect("unit tests");
    tests.tests
}

/// The labels with which each alert fires in a unit test that has its name.
fn fired() -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
    let label = Regex::new(r#"([a-z_]+)="([^"]*)""#).expect("a pattern");
    let mut fired: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for scenario in scenarios() {
        for sample in scenario
            .promql_expr_test
            .iter()
            .flat_map(|l| &l.exp_samples)
        {
            let labels: BTreeMap<String, String> = label
                .captures_iter(&sample.labels)
                .map(|found| (found[1].to_owned(), found[2].to_owned()))
                .collect();
            let alert = labels["alertname"].clone();
            if scenario.is_of(&alert) {
                fired.entry(alert).or_default().push(labels);
            }
        }
    }
    fired
}

#[test]
fn each_says_how_bad_it_is_what_is_wrong_and_what_to_do() {
    let rules = rules();
    let names: BTreeSet<&str> = rules.iter().map(|rule| &*rule.alert).collect();
    assert_eq!(names.len(), rules.len(), "each has a name of its own");
    for rule in &rules {
        assert!(rule.alert.starts_with("Portolan"), "{}", rule.alert);
        assert!(!rule.hold.is_empty(), "{}", rule.alert);
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(
            matches!(severity, Some("critical" | "warning" | "info")),
            "{}: {severity:?}",
            rule.alert
        );
        let keys: Vec<&str> = rule.annotations.keys().map(String::as_str).collect();
        assert_eq!(keys, ["description", "summary"], "{}", rule.alert);
        for (key, annotation) in &rule.annotations {
            let is_sentence = annotation.ends_with('.') && annotation.len() > 20;
            assert!(is_sentence, "{}: {key}: {annotation}", rule.alert);
        }
    }
}

#[test]
fn each_fires_in_a_unit_test_of_its_name() {
    let fired = fired();
    let rules = rules();
    for rule in &rules {
        let Some(samples) = fired.get(&rule.alert) else {
            panic!("{} has no unit test in which it fires", rule.alert);
        };
        for labels in samples {
            assert_eq!(labels["alertstate"], "firing", "{}", rule.alert);
            assert_eq!(
                labels["severity"], rule.labels["severity"],
                "{}",
                rule.alert
            );
        }
    }
    assert_eq!(
        fired.len(),
        rules.len(),
        "no unit test of what is not there"
    );
}

#[test]
fn each_is_silent_at_some_time_in_its_unit_test() {
    let scenarios = scenarios();
    for rule in rules() {
        let own = scenarios
            .iter()
            .filter(|scenario| scenario.is_of(&rule.alert));
        let name = format!("alertname=\"{}\"", rule.alert);
        let silent = |look: &Look| {
            look.expr == FIRING && !look.exp_samples.iter().any(|s| s.labels.contains(&name))
        };
        let looks = own.flat_map(|scenario| &scenario.promql_expr_test);
        assert!(looks.into_iter().any(silent), "{}", rule.alert);
    }
}

#[test]
fn an_ordinary_day_is_tested_and_has_none() {
    let scenarios = scenarios();
    let day = &scenarios[0];
    assert_eq!(day.name, "an ordinary day has no alert");
    assert!(!day.promql_expr_test.is_empty());
    for look in &day.promql_expr_test {
        assert_eq!(
            look.expr,
            "count_over_time(ALERTS{alertstate=\"firing\"}[4h])"
        );
        assert!(look.exp_samples.is_empty());
    }
}

#[test]
fn what_a_summary_names_is_a_label_that_the_alert_has() {
    let label = Regex::new(r"\$labels\.([a-z_]+)").expect("a pattern");
    let fired = fired();
    let mut named = 0;
    for rule in rules() {
        for annotation in rule.annotations.values() {
            for found in label.captures_iter(annotation) {
                named += 1;
                let has = |labels: &BTreeMap<_, _>| labels.contains_key(&found[1]);
                assert!(
                    fired[&rule.alert].iter().all(has),
                    "{} has no label {}",
                    rule.alert,
                    &found[1]
                );
            }
        }
    }
    assert!(named > 15, "only {named}");
}

#[test]
fn the_ends_that_do_not_alert_are_those_that_are_ordinary() {
    let ordinary = ordinary_ends();
    let reasons = Regex::new(r#"reason(?:!~|=~)"(client_closed[^"]*)""#).expect("a pattern");
    let ends = rules().into_iter().map(|rule| rule.expr);
    let ends = ends.chain(dashboard::queries().into_iter().map(|query| query.promql));
    let mut found = 0;
    for promql in ends {
        for list in reasons.captures_iter(&promql) {
            found += 1;
            let list: BTreeSet<String> = list[1].split('|').map(str::to_owned).collect();
            assert_eq!(list, ordinary, "{promql}");
        }
    }
    assert_eq!(found, 3, "the alert and the two panels");
}

/// The reasons that nobody has to do something about, as the source lists them.
fn ordinary_ends() -> BTreeSet<String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/session/end.rs");
    let source = std::fs::read_to_string(source).expect("it is there");
    let row = Regex::new(r#"\("([a-z_]+)", (Nobody|Client|Broker|Operator),"#).expect("a pattern");
    let rows: BTreeMap<String, String> = row
        .captures_iter(&source)
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .collect();
    for label in EndReason::LABELS {
        // These two are in one row, by the limit.
        let of_client = ["connections_per_client", "connection_rate_per_client"];
        assert!(
            rows.contains_key(label) || of_client.contains(&label),
            "{label}"
        );
    }
    let ordinary = rows.into_iter().filter(|(_, side)| side == "Nobody");
    ordinary.map(|(label, _)| label).collect()
}
