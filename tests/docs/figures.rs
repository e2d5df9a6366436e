//! The figures for capacity planning are those of the last benchmark, and metrics that pages name exist.

use crate::markdown::Document;
use crate::{assert_none, of_deployment, read};

/// The rows of a table that name a case, as (case, figures).
fn rows(page: &str) -> Vec<(&str, Vec<&str>)> {
    let is_case = |name: &str| {
        ["produce ", "consume ", "TLS "]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let cells = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    cells
        .map(|row| row.split(" | ").collect::<Vec<_>>())
        .filter(|row| is_case(row[0]))
        .map(|row| (row[0], row[1..].to_vec()))
        .collect()
}

/// What the page says otherwise than the results. Its columns: plaintext, TLS, TLS on both legs; `-` is not measured.
fn differences(page: &str, results: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (case, figures) in rows(page) {
        let kinds = ["", "TLS ", "TLS both legs "];
        for (figure, kind) in figures.iter().zip(kinds) {
            let row = format!("| {kind}{case} | portolan | {figure} s/GB |");
            let measured = format!("| {kind}{case} | portolan | ");
            let right = match *figure {
                "-" => !results.contains(&measured),
                _ => results.contains(&row),
            };
            if !right {
                found.push(format!("{kind}{case}: {figure}"));
            }
        }
    }
    found
}

#[test]
fn cpu_is_what_was_measured() {
    let (page, results) = (read("docs/deploy/capacity.md"), read("benches/results.md"));
    assert!(rows(&page).len() >= 6, "{:?}", rows(&page));
    assert_eq!(differences(&page, &results), [""; 0]);
}

#[test]
fn memory_is_what_was_measured() {
    let (page, results) = (read("docs/deploy/capacity.md"), read("benches/results.md"));
    for (name, bytes) in [
        (
            "RSS of an idle connection, bytes",
            ["2,990", "3,613"].as_slice(),
        ),
        ("RSS of an idle TLS connection, bytes", &["12,194"]),
        (
            "RSS of the idle process, bytes",
            &["6,664,192", "7,356,416"],
        ),
    ] {
        for bytes in bytes {
            assert!(page.contains(bytes), "{bytes}");
            let row = format!("| {name} | {} |", bytes.replace(',', ""));
            assert!(results.contains(&row), "{row}");
        }
    }
    // 20.06 KiB in the results.
    assert!(results.contains("| portolan | TLS, both legs | 35.9 | 9.2 | 20.06 |"));
    assert!(page.contains("20,541"));
}

#[test]
fn a_figure_that_was_not_measured_is_found() {
    let results = "| produce 1 MB | portolan | 0.107 s/GB | 1 |\n| TLS produce 1 MB | portolan | 0.994 s/GB | 1 |\n";
    let page = |row: &str| differences(&format!("| produce 1 MB | {row} |\n"), results);
    assert_eq!(page("0.107 | 0.994 | -"), [""; 0]);
    assert_eq!(
        page("0.2 | - | 0.1"),
        [
            "produce 1 MB: 0.2",
            "TLS produce 1 MB: -",
            "TLS both legs produce 1 MB: 0.1"
        ]
    );
}

/// Metrics that a page names, and docs/metrics.md does not know.
fn unknown_metrics(page: &Document, known: &str) -> Vec<String> {
    let names = page
        .spans
        .iter()
        .filter(|span| span.starts_with("portolan_"));
    let unknown = names.filter(|span| {
        let name = span.split('{').next().unwrap_or_default();
        !["{", "`"]
            .iter()
            .any(|end| known.contains(&format!("`{name}{end}")))
    });
    unknown
        .map(|span| format!("{}: {span}", page.path))
        .collect()
}

#[test]
fn metrics_that_the_deployment_docs_name_exist() {
    let known = read("docs/metrics.md");
    let pages = of_deployment();
    assert_none(
        pages
            .flat_map(|page| unknown_metrics(&page, &known))
            .collect(),
    );
    let page = Document::parse(
        "x.md",
        "`portolan_buffers` and `portolan_bufers{a=\"b\"}`\n",
    );
    assert_eq!(
        unknown_metrics(&page, &known),
        ["x.md: portolan_bufers{a=\"b\"}"]
    );
}
