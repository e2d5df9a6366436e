//! Nothing can be found that no test provokes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The codes in the source: each stands in a line of its own, `NAME "name" Severity`.
fn codes() -> BTreeSet<&'static str> {
    let source = include_str!("../../src/commands/check/codes.rs");
    let (_, table) = source.split_once("\ncodes! {").expect("the table");
    let (table, _) = table.split_once("\n}\n").expect("its end");
    let code = |line: &'static str| {
        let mut words = line.split_whitespace();
        let is_severity = |word: &&str| ["Fault", "Warning", "Info"].contains(word);
        let (_, name, _) = (
            words.next()?,
            words.next()?,
            words.next().filter(is_severity)?,
        );
        words.next().is_none().then(|| name.trim_matches('"'))
    };
    table.lines().filter_map(code).collect()
}

#[test]
fn every_code_in_the_source_is_provoked_by_a_test_and_told_in_the_documentation() {
    let codes = codes();
    assert!(codes.len() > 40, "only {} were found", codes.len());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let mut tests = String::new();
    for entry in fs::read_dir(directory).expect("our own directory") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("a file of text");
        tests.extend(text.split_whitespace());
    }
    let documentation = include_str!("../../docs/check.md");
    for code in codes {
        assert!(
            tests.contains(&format!(".provokes(\"{code}\",")),
            "{code} is not provoked"
        );
        assert!(
            documentation.contains(&format!("| `{code}` |")),
            "{code} is not documented"
        );
    }
}
