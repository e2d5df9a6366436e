//! The chart's README: its table of values is made of values.yaml, and what it says to write can be written.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::helm::chart;
use crate::render::good;

const BEGIN: &str =
    "<!-- Written from values.yaml by PORTOLAN_WRITE_README=1 cargo test --test chart -->\n";
const END: &str = "<!-- Until here. -->\n";

fn path() -> PathBuf {
    chart().join("README.md")
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A key, its default, and the comment above it.
#[derive(Debug)]
struct Row {
    key: String,
    default: Value,
    comment: String,
}

/// All keys of values.yaml that are not only there for others below them, or say something themselves.
fn rows() -> Vec<Row> {
    let text = text(chart().join("values.yaml"));
    let values: Value = serde_norway::from_str(&text).expect("YAML");
    let mut rows = Vec::new();
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut comment = String::new();
    // What is deeper than this belongs to a value that was taken as a whole.
    let mut whole: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if content.is_empty() {
            comment.clear();
            continue;
        }
        if whole.is_some_and(|above| indent > above) {
            continue;
        }
        whole = None;
        if let Some(words) = content.strip_prefix("# ") {
            comment += if comment.is_empty() { "" } else { " " };
            comment += words;
            continue;
        }
        let (key, _) = content.split_once(':').unwrap_or_else(|| panic!("{line}"));
        path.retain(|(above, _)| *above < indent);
        path.push((indent, key));
        let keys: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
        let value = keys.iter().fold(&values, |value, key| &value[*key]);
        let has_more = value.as_object().is_some_and(|map| !map.is_empty());
        if !has_more {
            whole = Some(indent);
        }
        if !has_more || !comment.is_empty() {
            rows.push(Row {
                key: keys.join("."),
                default: if has_more { Value::Null } else { value.clone() },
                comment: std::mem::take(&mut comment),
            });
        }
    }
    rows
}

fn table() -> String {
    let mut table = "| value | default | what it is |\n|---|---|---|\n".to_owned();
    let rows = rows();
    for Row {
        key,
        default,
        comment,
    } in &rows
    {
        let below = format!("{key}.");
        let is_parent = rows.iter().any(|row| row.key.starts_with(&below));
        let default = match is_parent {
            true => String::new(),
            false => format!("`{default}`"),
        };
        let comment = comment.replace('|', "\\|");
        let _ = writeln!(table, "| `{key}` | {default} | {comment} |");
    }
    table
}

#[test]
fn its_table_of_values_is_that_of_values_yaml() {
    let readme = text(path());
    let (before, rest) = readme.split_once(BEGIN).expect("a mark before the table");
    let (_, after) = rest.split_once(END).expect("a mark behind the table");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table());
    if env::var_os("PORTOLAN_WRITE_README").is_some() {
        fs::write(path(), &wanted).expect("the README can be written");
        return;
    }
    assert!(
        readme == wanted,
        "values.yaml says otherwise: PORTOLAN_WRITE_README=1 cargo test --test chart"
    );
}

#[test]
fn every_value_is_explained() {
    let rows = rows();
    assert!(rows.len() > 100, "only {}", rows.len());
    for Row { key, comment, .. } in &rows {
        let mut above = key.as_str();
        let mut is_said = !comment.is_empty();
        // Or all of them together, one above.
        if let Some((parent, _)) = above.rsplit_once('.') {
            above = parent;
            is_said |= rows
                .iter()
                .any(|row| row.key == above && !row.comment.is_empty());
        }
        assert!(is_said, "{key} has no comment in values.yaml");
    }
}

#[test]
fn each_block_of_values_is_good() {
    let readme = text(path());
    let blocks: Vec<&str> = readme.split("```yaml\n").skip(1).collect();
    assert!(blocks.len() > 5, "only {}", blocks.len());
    for block in blocks {
        let (values, _) = block.split_once("```").expect("an end of the block");
        let Some(changed) = good(&[values]) else {
            return;
        };
        let Some(plain) = good(&[]) else { return };
        let same = changed.names() == plain.names()
            && changed
                .all()
                .zip(plain.all())
                .all(|(one, other)| one == other);
        assert!(!same, "it does nothing:\n{values}");
    }
}

#[test]
fn every_value_that_it_names_exists() {
    let readme = text(path());
    let (prose, rest) = readme.split_once(BEGIN).expect("a mark before the table");
    let (_, after) = rest.split_once(END).expect("a mark behind the table");
    let known = text(chart().join("values.yaml"));
    let known: Value = serde_norway::from_str(&known).expect("YAML");
    let mut found = 0;
    // What stands between backticks, has a dot and begins with a key of values.yaml.
    for word in prose.split('`').chain(after.split('`')).skip(1).step_by(2) {
        let mut keys = word.split('.');
        let first = keys.next().unwrap_or_default();
        if known[first].is_object() && !word.contains(char::is_whitespace) {
            let value = word
                .split('.')
                .try_fold(&known, |value, key| value.get(key));
            assert!(value.is_some(), "{word} is no value");
            found += 1;
        }
    }
    assert!(found > 10, "only {found}");
}

#[test]
fn every_file_that_it_links_to_exists() {
    let readme = text(path());
    let links = readme.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split(')').next());
    let links: Vec<&str> = links.filter(|link| !link.contains("://")).collect();
    assert!(links.len() > 3, "{links:?}");
    for link in links {
        assert!(chart().join(link).exists(), "{link}");
    }
}
