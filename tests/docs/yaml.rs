//! YAML in the documents can be read, and what are values for the chart it accepts: blocks that are marked `yaml values`, and
//! those that can be seen to be such.

use serde::Deserialize;
use serde_norway::{Deserializer, Value};

use crate::assert_none;
use crate::chart::{CHART, Values, config_of, template};
use crate::configs::Files;
use crate::markdown::Block;

#[test]
fn yaml_is_yaml_and_values_are_accepted_by_the_chart() {
    let values = Values::of_the_chart();
    let files = Files::new();
    let (mut all, mut of_the_chart) = (0, 0);
    let mut wrong = Vec::new();
    for document in crate::documents() {
        for (place, block) in document.blocks_of("yaml") {
            all += 1;
            let is_values = block.mark == "values" || is_values(&document.path, block);
            let mut found = faults(block, is_values, &values);
            if found.is_empty() && is_values {
                of_the_chart += 1;
                found.extend(refused(&block.text, &files));
            }
            wrong.extend(found.iter().map(|fault| format!("{place}: {fault}")));
        }
    }
    assert_none(wrong);
    assert!(all > 20, "only {all} blocks");
    assert!(of_the_chart > 10, "only {of_the_chart} blocks of values");
}

/// What Helm says against these values, or the program against the configuration that the chart makes of them.
pub(crate) fn refused(values: &str, files: &Files) -> Option<String> {
    let manifests = match template(values)? {
        Err(words) => return Some(words),
        Ok(manifests) => manifests,
    };
    // The address of a Service only a build with the feature kubernetes takes, which has tests of its own.
    let host = "advertised_host = \"kafka.example.com\"";
    let config = config_of(&manifests)
        .lines()
        .map(|line| {
            let is_from_service = line.trim_start().starts_with("advertised_from_service");
            format!("{}\n", if is_from_service { host } else { line })
        })
        .collect::<String>();
    files.refused(&config, false)
}

/// Whether it is so without a mark: it says what is advertised, or stands on the chart's own page and is no manifest.
fn is_values(page: &str, block: &Block) -> bool {
    let parts = documents_of(&block.text).unwrap_or_default();
    let says = |key: &str| parts.iter().any(|part| part.get(key).is_some());
    says("advertised") || (page.starts_with(CHART) && !says("apiVersion"))
}

/// What can be said without Helm.
fn faults(block: &Block, is_values: bool, values: &Values) -> Vec<String> {
    let parts = match documents_of(&block.text) {
        Ok(parts) => parts,
        Err(error) => return vec![error],
    };
    if !["", "values"].contains(&block.mark.as_str()) {
        return vec![format!("nothing is known of the mark {}", block.mark)];
    }
    let unknown = parts.iter().filter(|_| is_values);
    unknown
        .flat_map(|part| values.unknown(part))
        .map(|key| format!("{key} is no value of the chart"))
        .collect()
}

/// Every document of a stream.
pub(crate) fn documents_of(text: &str) -> Result<Vec<Value>, String> {
    let one =
        |part| Value::deserialize(part).map_err(|error: serde_norway::Error| error.to_string());
    let all: Result<Vec<Value>, String> = Deserializer::from_str(text).map(one).collect();
    Ok(all?.into_iter().filter(|part| !part.is_null()).collect())
}

#[test]
fn yaml_that_is_wrong_is_found() {
    let values = Values::parse("advertised:\n  host: \"\"\n");
    let found = |page: &str, mark: &str, text: &str| {
        let block = Block {
            line: 1,
            language: "yaml".to_owned(),
            mark: mark.to_owned(),
            text: text.to_owned(),
        };
        let is_values = mark == "values" || is_values(page, &block);
        faults(&block, is_values, &values)
    };
    let chart = "deploy/helm/portolan/README.md";
    let hots = "advertised: {hots: a}\n";
    let unknown = |key: &str| vec![format!("{key} is no value of the chart")];
    assert_eq!(found("x.md", "values", "advertised: {host: a}\n"), [""; 0]);
    assert_eq!(found("x.md", "values", hots), unknown("advertised.hots"));
    assert_eq!(found("x.md", "", hots), unknown("advertised.hots"));
    assert_eq!(found("x.md", "", "other: 1\n"), [""; 0]);
    assert_eq!(found(chart, "", "other: 1\n"), unknown("other"));
    assert_eq!(found(chart, "", "apiVersion: v1\n"), [""; 0]);
    assert_eq!(found("x.md", "", "kind: X\n---\nkind: Y\n"), [""; 0]);
    assert_eq!(found("x.md", "", "kind: X\n---\nkind: [Y\n").len(), 1);
    assert_eq!(
        found("x.md", "vlaues", "a: b\n"),
        ["nothing is known of the mark vlaues"]
    );
}
