//! `docs/errors.md` has a row for whatever the log and the metrics may say, and none for what they do not say any more.

#![allow(
    unreachable_pub,
    reason = "a test binary exports nothing; `pub` marks what other modules use"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod json;
mod page;
mod pattern;
mod reasons;
mod scan;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use page::{Row, rows};
use portolan::metrics::LIMITS;

#[test]
fn each_log_line_has_a_row_with_its_level_and_each_row_a_log_line() {
    let lines = source::lines();
    let said = lines.iter().map(|line| (line.message.clone(), line.level));
    let said: BTreeSet<(String, &str)> = said.collect();
    let rows = rows("log line");
    let told = rows.iter().map(|row| (row.code(), row.level()));
    let told: BTreeSet<(String, &str)> = told.collect();
    assert_eq!(rows.len(), told.len(), "a row stands there twice");
    let missing: Vec<_> = said.difference(&told).collect();
    assert!(missing.is_empty(), "the page has no row for {missing:#?}");
    let old: Vec<_> = told.difference(&said).collect();
    assert!(old.is_empty(), "nothing says any more {old:#?}");
}

#[test]
fn each_limit_has_a_row_and_each_row_a_limit() {
    assert_same("limit", &LIMITS);
}

#[test]
fn each_field_has_a_row_and_each_row_a_field() {
    let lines = source::lines_with_fields();
    let mut fields: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.fields.iter().map(String::as_str))
        .collect();
    for always in ALWAYS {
        // In JSON it would stand there twice, and the second is what readers take.
        assert!(!fields.contains(&always), "a field is called {always}");
    }
    fields.extend(ALWAYS);
    fields.sort_unstable();
    fields.dedup();
    assert_same("field", &fields);
}

/// What every line has in JSON.
const ALWAYS: [&str; 3] = ["timestamp", "level", "message"];

/// Fails unless the first column of these tables has exactly these words, each once.
fn assert_same(header: &str, words: &[&str]) {
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows(header) {
        *told.entry(row.code()).or_default() += 1;
    }
    for word in words {
        let rows = told.remove(*word).unwrap_or_default();
        assert_eq!(rows, 1, "{rows} rows for the {header} `{word}`");
    }
    assert!(told.is_empty(), "there is no {header} {told:?}");
}

#[test]
fn each_row_says_what_to_do() {
    let tables = [("log line", 4), ("reason", 4), ("connect failure", 4)];
    for (header, columns) in tables.into_iter().chain([("limit", 3), ("field", 2)]) {
        for Row { cells, .. } in rows(header) {
            assert_eq!(cells.len(), columns, "{cells:?}");
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{cells:?}");
        }
    }
}

#[test]
fn its_links_lead_to_its_headings() {
    let links = page::links();
    assert!(links.len() > 10, "only {} links", links.len());
    for link in links {
        let heading = link.strip_prefix('#').expect("a heading of the page");
        assert!(page::anchors().any(|anchor| anchor == heading), "{link}");
    }
}
