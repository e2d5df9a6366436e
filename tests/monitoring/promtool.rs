//! What promtool says: of the rules, of their unit tests, and of every query of the dashboard.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::common::tools::available;
use crate::{Query, dashboard, path, text};

/// Whether promtool is content, and all that it says.
fn promtool(arguments: &[&str], file: &Path) -> (bool, String) {
    let output = Command::new("promtool")
        .args(arguments)
        .arg(file)
        .output()
        .expect("promtool runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn the_rules_are_good() {
    if available(&["promtool"]) {
        let arguments = ["check", "rules", "--lint=all", "--lint-fatal"];
        let (good, said) = promtool(&arguments, &path("alerts.yaml"));
        assert!(good && said.contains("rules found"), "{said}");
    }
}

#[test]
fn the_unit_tests_of_the_rules_pass() {
    if available(&["promtool"]) {
        let (good, said) = promtool(&["test", "rules"], &path("alerts_test.yaml"));
        assert!(good && said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn every_query_of_the_dashboard_can_be_parsed() {
    if available(&["promtool"]) {
        let queries = dashboard::queries();
        assert!(queries.len() > 30, "only {}", queries.len());
        let (good, said) = parsed(&queries);
        assert!(good, "{said}");
    }
}

#[test]
fn a_query_that_cannot_be_parsed_is_found_among_others() {
    if available(&["promtool"]) {
        let bad = Query {
            place: "a typing mistake".into(),
            promql: "sum by (cluster) (rate(portolan_bytes_total[5m])".into(),
        };
        let mut queries = dashboard::queries();
        queries.push(bad);
        let (good, said) = parsed(&queries);
        assert!(
            !good && said.contains("unclosed left parenthesis"),
            "{said}"
        );
    }
}

#[test]
fn what_the_readme_writes_into_the_configuration_of_prometheus_is_accepted() {
    if available(&["promtool"]) {
        let readme = text("README.md");
        let blocks = readme.split("```yaml\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split("```").next());
        let (inhibit, own): (Vec<&str>, Vec<&str>) =
            blocks.partition(|block| block.starts_with("inhibit_rules:"));
        // That one is for Alertmanager, which promtool does not know.
        assert_eq!((inhibit.len(), own.len()), (1, 2));
        let directory = tempfile::tempdir().expect("a directory");
        let written = |name: &str, text: &str| {
            let file = directory.path().join(name);
            fs::write(&file, text).expect("it can be written");
            file
        };
        written("alerts.yaml", &text("alerts.yaml"));
        let file = written("prometheus.yml", &own.concat());
        let (good, said) = promtool(&["check", "config"], &file);
        assert!(good && said.contains("1 rule files found"), "{said}");
    }
}

/// Has the queries parsed, each as a recording rule; a file of JSON is one of YAML.
fn parsed(queries: &[Query]) -> (bool, String) {
    let rules = queries.iter().enumerate().map(|(index, query)| {
        json!({
            "record": format!("dashboard:query:{index}"),
            "expr": query.promql,
            "labels": {"place": query.place},
        })
    });
    let rules: Vec<_> = rules.collect();
    let file = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dashboard.yaml");
    fs::write(&path, file.to_string()).expect("it can be written");
    promtool(&["check", "rules"], &path)
}
