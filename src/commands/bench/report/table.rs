//! For people.

use std::fmt::Write;

use super::{Report, time};
use crate::commands::bench::measure::{Measured, PERCENTILES};
use crate::commands::bench::plan::{Acks, Side, Workload};
use crate::commands::bench::rounds::WorkloadResult;
use crate::commands::client::codes;

/// One line: what it is, one way, the other, and how they compare.
type Row = [String; 4];

impl Report<'_> {
    /// A table for each workload.
    pub(in crate::commands::bench) fn table(&self) -> String {
        let mut out = format!("{}\n", self.date());
        let _ = write!(out, "proxied: {}", self.plan.proxied.address);
        if let Some(direct) = &self.plan.direct {
            let _ = write!(out, ", direct: {}", direct.address);
        }
        let _ = writeln!(out, "\n{}", self.parameters());
        for result in &self.results.workloads {
            if !result.rounds.is_empty() {
                out.push('\n');
                put_columns(&mut out, &self.rows(result));
            }
        }
        if self.plan.direct.is_some() {
            out.push_str("\nratio: the median over the rounds of proxied / direct\n");
        }
        out
    }

    fn rows(&self, result: &WorkloadResult) -> Vec<Row> {
        let sides = [result.all(Side::Proxied), result.all(Side::Direct)];
        let mut rows = vec![heading(result, sides[1].is_some())];
        let mut row = |name: &str, show: &dyn Fn(f64) -> String, of: &Of| {
            let cell = |side: &Option<Measured>| side.as_ref().and_then(of).map(show);
            rows.push([
                name.to_owned(),
                cell(&sides[0]).unwrap_or_else(|| "-".into()),
                cell(&sides[1]).unwrap_or_default(),
                result
                    .ratio(of)
                    .map(|r| format!("{r:.2}"))
                    .unwrap_or_default(),
            ]);
        };
        if result.workload != Workload::Ping {
            row("MB/s", &|n| format!("{n:.1}"), &|m| {
                Some(m.megabytes_per_second())
            });
        }
        row("requests/s", &|n| format!("{n:.0}"), &|m| {
            Some(m.requests_per_second())
        });
        let is_timed = result.workload != Workload::Produce || self.plan.acks != Acks::None;
        if is_timed {
            for (name, quantile) in PERCENTILES {
                row(&name.replace('_', "."), &time, &move |m| {
                    m.latency_at(quantile)
                });
            }
        }
        let mut count = |name: &str, of: fn(&Measured) -> u64| {
            if sides.iter().flatten().any(|side| of(side) > 0) {
                rows.push(count_row(name, &sides, |m| of(m).to_string()));
            }
        };
        count("moved", |m| m.moved);
        count("unsent", |m| m.unsent);
        rows.push(count_row("errors", &sides, errors));
        rows
    }
}

type Of = dyn Fn(&Measured) -> Option<f64>;

fn heading(result: &WorkloadResult, compared: bool) -> Row {
    let name = result.workload.to_string().to_uppercase();
    match compared {
        true => [name, "proxied".into(), "direct".into(), "ratio".into()],
        false => [name, "proxied".into(), String::new(), String::new()],
    }
}

fn count_row(name: &str, sides: &[Option<Measured>; 2], show: impl Fn(&Measured) -> String) -> Row {
    let cell = |side: &Option<Measured>| side.as_ref().map(&show).unwrap_or_default();
    [
        name.to_owned(),
        cell(&sides[0]),
        cell(&sides[1]),
        String::new(),
    ]
}

fn errors(measured: &Measured) -> String {
    let errors = measured.errors.iter();
    let errors: Vec<String> = errors
        .map(|(code, count)| format!("{count} x {}", codes::name(*code)))
        .collect();
    match errors.is_empty() {
        true => "0".into(),
        false => errors.join(", "),
    }
}

/// The first column to the left, the others to the right.
fn put_columns(out: &mut String, rows: &[Row]) {
    let mut widths = [10, 10, 10, 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (n, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = match n {
                0 => write!(line, "{cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}
