//! What is written beside the rules: the README tells of every alert, and the rules of the Prometheus operator are the same.

use std::collections::BTreeSet;
use std::fs;

use crate::alerts::rules;
use crate::{path, text};

/// How the file of the operator begins.
const HEAD: &str = "\
# The rules of alerts.yaml as an object of the Prometheus operator. Written by tests/monitoring from that file: change that one, then
# PORTOLAN_WRITE_RULES=1 cargo test --test monitoring
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: portolan
  labels:
    app.kubernetes.io/name: portolan
spec:
";

#[test]
fn the_operators_rules_are_the_same() {
    let rules = text("alerts.yaml");
    let (_, groups) = rules.split_once("\ngroups:\n").expect("groups");
    let indented = format!("groups:\n{groups}");
    let lines = indented.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    let expected: String = HEAD.to_owned() + &lines.collect::<String>();
    if std::env::var_os("PORTOLAN_WRITE_RULES").is_some() {
        fs::write(path("prometheusrule.yaml"), &expected).expect("it can be written");
    }
    let found = text("prometheusrule.yaml");
    assert!(
        found == expected,
        "PORTOLAN_WRITE_RULES=1 cargo test --test monitoring"
    );
    // Not only to the eye.
    let operator: serde_norway::Value = serde_norway::from_str(&found).expect("YAML");
    let plain: serde_norway::Value = serde_norway::from_str(&rules).expect("YAML");
    assert_eq!(operator["spec"], plain);
}

#[test]
fn the_readme_tells_of_every_alert_with_its_severity() {
    let readme = text("README.md");
    let rows: BTreeSet<(String, String)> = readme
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `Portolan")?.split('|').map(str::trim);
            let name = format!("Portolan{}", cells.next()?.trim_end_matches('`'));
            Some((name, cells.next()?.to_owned()))
        })
        .collect();
    let rules = rules().into_iter();
    let expected = rules.map(|rule| (rule.alert, rule.labels["severity"].clone()));
    assert_eq!(rows, expected.collect());
}

#[test]
fn the_readme_names_every_file_beside_it_and_no_other() {
    let readme = text("README.md");
    let directory = fs::read_dir(path("")).expect("it is there");
    let files: BTreeSet<String> = directory
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name != "README.md")
        .collect();
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let here: BTreeSet<String> = links
        .filter(|link| !link.contains('/'))
        .map(str::to_owned)
        .collect();
    assert_eq!(here, files);
}
