//! For people: a table of addresses, and three lines for each finding.

use std::fmt::Write;

use crate::commands::check::codes::Severity;
use crate::commands::check::finding::Finding;
use crate::commands::check::look::{Look, told};
use crate::commands::check::place::{NOTHING, Seen};
use crate::commands::client::error::tamed;

type Row = [String; 8];

/// Nodes that are listed; of more only those are that have a finding.
const MOST_ROWS: usize = 100;

/// All of it.
pub(in crate::commands::check) fn table(look: &Look) -> String {
    let mut out = match &look.cluster {
        None => format!("{}: no cluster was seen\n\n", look.target),
        Some(cluster) => {
            let id = match cluster.id.as_str() {
                "" => String::new(),
                id => format!(" of cluster {}", tamed(id)),
            };
            let count = counted(cluster.brokers.len(), "broker");
            format!("{}: {count}{id}\n\n", look.target)
        }
    };
    put_columns(&mut out, &rows(look));
    let findings = look.findings();
    for finding in &findings {
        put_finding(&mut out, finding);
    }
    let number = |severity| findings.iter().filter(|f| f.severity() == severity).count();
    let (faults, warnings) = (number(Severity::Fault), number(Severity::Warning));
    let sum = match (faults, warnings) {
        (0, 0) => "no faults".to_owned(),
        (0, _) => format!("no faults, {}", counted(warnings, "warning")),
        (_, 0) => counted(faults, "fault"),
        _ => format!(
            "{}, {}",
            counted(faults, "fault"),
            counted(warnings, "warning")
        ),
    };
    let _ = writeln!(out, "\n{sum}");
    out
}

fn rows(look: &Look) -> Vec<Row> {
    let heading = [
        "NODE",
        "ADVERTISED",
        "RESOLVED",
        "PORT",
        "TLS",
        "KAFKA",
        "IDENTITY",
        "LEADS",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.push(row(
        "bootstrap",
        &look.bootstrap,
        NOTHING,
        NOTHING.to_owned(),
    ));
    let is_long = look.nodes.len() > MOST_ROWS;
    for node in &look.nodes {
        if is_long && node.seen.findings.is_empty() {
            continue;
        }
        let id = node.seen.place.node.unwrap_or_default().to_string();
        rows.push(row(&id, &node.seen, &node.identity, node.leads.to_string()));
    }
    rows
}

fn row(name: &str, seen: &Seen, identity: &str, leads: String) -> Row {
    let resolved = match told(&seen.resolved).as_slice() {
        [] => NOTHING.to_owned(),
        [one] => one.clone(),
        [one, rest @ ..] => format!("{one} +{}", rest.len()),
    };
    let tls = seen
        .tls
        .as_ref()
        .map_or(NOTHING.to_owned(), |tls| match tls.days_left() {
            Some(days) => format!("{}, {days} days", tls.version),
            None => tls.version.clone(),
        });
    [
        name.to_owned(),
        tamed(&seen.place.address.to_string()),
        resolved,
        seen.port.to_owned(),
        tls,
        seen.kafka.to_owned(),
        identity.to_owned(),
        leads,
    ]
}

fn put_columns(out: &mut String, rows: &[Row]) {
    let width = |n: usize| rows.iter().map(|row| row[n].chars().count()).max();
    let widths: Vec<usize> = (0..8).map(|n| width(n).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn put_finding(out: &mut String, finding: &Finding) {
    let place = match (finding.node, &finding.address) {
        (Some(node), Some(address)) => format!("node {node} at {address}: "),
        (Some(node), None) => format!("node {node}: "),
        (None, Some(address)) => format!("{address}: "),
        (None, None) => String::new(),
    };
    let (severity, code) = (finding.severity().name(), finding.code());
    let _ = writeln!(out, "\n{severity} {code}: {place}{}", finding.seen);
    let _ = writeln!(out, "    means: {}", finding.means);
    let _ = writeln!(out, "    to do: {}", finding.remedy);
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}
