//! The dashboard: every panel has an id, a title, a unit and says what it shows, and each takes its data from the source that is chosen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Query, text};

/// What Grafana puts in place of variables, for a parser.
const VARIABLES: [(&str, &str); 3] = [
    ("$__rate_interval", "5m"),
    ("$cluster", "main|other"),
    ("$instance", ".*"),
];

fn dashboard() -> Value {
    serde_json::from_str(&text("dashboard.json")).expect("it is JSON")
}

/// All panels; rows have none in themselves, since they are not collapsed.
fn panels() -> Vec<Value> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(
        panels
            .iter()
            .all(|p| p["panels"].as_array().is_none_or(Vec::is_empty))
    );
    panels.clone()
}

fn is_row(panel: &Value) -> bool {
    panel["type"] == "row"
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// Every query of panels and annotations, with a value for each variable.
pub(crate) fn queries() -> Vec<Query> {
    let mut all = Vec::new();
    for panel in panels() {
        let title = string(&panel, "title").to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        assert_eq!(targets.is_empty(), is_row(&panel), "{title}");
        all.extend(targets.into_iter().map(|target| (title.clone(), target)));
    }
    let annotations = dashboard()["annotations"]["list"].clone();
    for annotation in annotations.as_array().expect("a list") {
        all.push((string(annotation, "name").to_owned(), annotation.clone()));
    }
    all.into_iter()
        .map(|(place, target)| {
            let mut promql = string(&target, "expr").to_owned();
            for (variable, value) in VARIABLES {
                promql = promql.replace(variable, value);
            }
            assert!(!promql.contains('$'), "{place}: {promql}");
            Query { place, promql }
        })
        .collect()
}

/// The names between `{{` and `}}` in what a query's series are called, with the query.
pub(crate) fn legends() -> Vec<(Query, Vec<String>)> {
    let targets = panels().into_iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().cloned();
        targets.unwrap_or_default()
    });
    let legends = targets.map(|target| {
        let legend = string(&target, "legendFormat").split("{{").skip(1);
        let names = legend.filter_map(|rest| Some(rest.split_once("}}")?.0.to_owned()));
        names.collect()
    });
    // The annotations' queries are the last.
    queries().into_iter().zip(legends).collect()
}

#[test]
fn every_panel_has_an_id_of_its_own_a_title_a_description_and_a_unit() {
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in panels() {
        let title = string(&panel, "title").to_owned();
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        assert!(string(&panel, "description").len() > 20, "{title}");
        if !is_row(&panel) {
            let unit = &panel["fieldConfig"]["defaults"]["unit"];
            assert!(unit.as_str().is_some_and(|u| !u.is_empty()), "{title}");
        }
        assert!(titles.insert(title.clone()), "{title} twice");
    }
}

#[test]
fn its_rows_go_from_whether_it_is_up_to_when_it_is_full() {
    let rows: Vec<String> = panels()
        .iter()
        .filter(|panel| is_row(panel))
        .map(|row| string(row, "title").to_owned())
        .collect();
    let expected = [
        "Is it up",
        "Traffic",
        "Latency: ours beside the broker's",
        "Faults",
        "Capacity",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn the_data_source_is_the_one_that_is_chosen() {
    fn sources<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("datasource"));
                map.values().for_each(|value| sources(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| sources(value, found)),
            _ => {}
        }
    }
    let dashboard = dashboard();
    let mut found = Vec::new();
    sources(&dashboard, &mut found);
    // One of each panel, each query, each annotation, and each variable but the one that chooses it.
    let panels = panels().iter().filter(|panel| !is_row(panel)).count();
    assert_eq!(found.len(), panels + queries().len() + 2);
    for source in found {
        assert_eq!(source["uid"], "${datasource}", "{source}");
        assert_eq!(source["type"], "prometheus", "{source}");
    }
}

#[test]
fn it_can_be_narrowed_to_clusters_and_proxies() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    let names: Vec<&str> = variables.iter().map(|v| string(v, "name")).collect();
    assert_eq!(names, ["datasource", "cluster", "instance"]);
    assert_eq!(variables[0]["type"], "datasource");
    for variable in &variables[1..] {
        assert_eq!(variable["multi"], true);
        assert_eq!(variable["includeAll"], true);
        let query = string(variable, "definition");
        assert_eq!(query, variable["query"]["query"], "{variable}");
    }
}

#[test]
fn panels_do_not_lie_upon_each_other_or_outside() {
    let mut taken = BTreeSet::new();
    for panel in panels() {
        let side = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        assert!(side("x") + side("w") <= 24, "{panel}");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}

#[test]
fn it_is_of_no_grafana_in_particular() {
    let dashboard = dashboard();
    assert!(
        dashboard["id"].is_null(),
        "an id is the importing Grafana's"
    );
    assert!(dashboard.get("__inputs").is_none());
    // Grafana 10 has 38; it reads older ones, and not newer ones.
    assert_eq!(dashboard["schemaVersion"], 38);
}
