//! The tables of the passes beside the rounds, in Markdown.

use std::fmt::Write;

use crate::cases::{CONNECT, Unit};
use crate::goals::absolute;
use crate::measured::Measured;
use crate::report::figure;
use crate::results::{Results, holds};
use crate::routes::RouteId;
use crate::tls::Legs;

/// System calls for each frame.
pub fn calls(text: &mut String, measured: &Measured) {
    if measured.calls.is_empty() {
        return;
    }
    text.push_str("\n### System calls for each frame and its answer\n\n| case |");
    let mut names: Vec<&str> = measured.calls.iter().map(|calls| calls.route).collect();
    names.sort_unstable();
    names.dedup();
    let shown = RouteId::ALL.map(RouteId::name);
    let shown: Vec<&str> = shown.into_iter().filter(|n| names.contains(n)).collect();
    let _ = writeln!(text, " {} |", shown.join(" | "));
    let _ = writeln!(text, "|---{}|", "|---".repeat(shown.len()));
    for case in &measured.cases {
        let of = |route: &str| {
            let mut calls = measured.calls.iter();
            calls.find(|calls| calls.case == case.name && calls.route == route)
        };
        if shown.iter().all(|name| of(name).is_none()) {
            continue;
        }
        let cells = shown
            .iter()
            .map(|name| figure(of(name).map(|calls| calls.per_frame)));
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {} | {} |", case.name, cells.join(" | "));
    }
    text.push_str("\nOf portolan by name:\n");
    for calls in measured
        .calls
        .iter()
        .filter(|calls| calls.route == "portolan")
    {
        let mut by_name: Vec<_> = calls.by_name.iter().collect();
        by_name.sort_by(|a, b| b.1.total_cmp(a.1));
        let by_name = by_name.iter().filter(|(_, calls)| **calls >= 0.05);
        let by_name = by_name.map(|(name, calls)| format!("{name} {calls:.1}"));
        let by_name: Vec<String> = by_name.collect();
        let _ = writeln!(text, "- {}: {}", calls.case, by_name.join(", "));
    }
}

/// Start time and memory, and the goals that are no ratios.
pub fn footprints(text: &mut String, measured: &Measured, results: &Results) {
    if measured.footprints.is_empty() {
        return;
    }
    text.push_str(
        "\n### Start and memory\n\n| route | encrypted | start ms | RSS idle MiB | RSS of an idle connection KiB |\n|---|---|---|---|---|\n",
    );
    for one in &measured.footprints {
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.2} |",
            one.route,
            one.encrypted,
            one.start_milliseconds,
            one.resident_bytes as f64 / 1048576.0,
            one.resident_bytes_per_connection / 1024.0,
        );
    }
    let with = |legs| {
        let mut footprints = measured.footprints.iter();
        footprints.find(|one| one.route == "portolan" && one.legs == legs)
    };
    let (own, encrypted) = (with(Legs::None), with(Legs::Client));
    let megabyte = |case| {
        let mut calls = measured.calls.iter();
        let found = calls.find(|calls| calls.case == case && calls.route == "portolan");
        found.map(|calls| calls.per_frame)
    };
    let connect = results.median(CONNECT, RouteId::Portolan, |run| {
        run.proxy_price(Unit::PerRequest)
    });
    let rows = [
        (
            "system calls, produce 1 MB",
            megabyte("produce 1 MB"),
            absolute::CALLS_PER_MEGABYTE,
        ),
        (
            "system calls, consume 1 MB",
            megabyte("consume 1 MB"),
            absolute::CALLS_PER_MEGABYTE,
        ),
        (
            "RSS of an idle connection, bytes",
            own.map(|one| one.resident_bytes_per_connection),
            absolute::BYTES_PER_CONNECTION,
        ),
        (
            "RSS of an idle TLS connection, bytes",
            encrypted.map(|one| one.resident_bytes_per_connection),
            (
                absolute::BYTES_PER_TLS_CONNECTION,
                absolute::BYTES_PER_TLS_CONNECTION,
            ),
        ),
        (
            "RSS of the idle process, bytes",
            own.map(|one| one.resident_bytes as f64),
            (absolute::RESIDENT_BYTES, absolute::RESIDENT_BYTES),
        ),
        (
            "binary, bytes",
            measured.binary_bytes.map(|bytes| bytes as f64),
            (absolute::BINARY_BYTES, absolute::BINARY_BYTES),
        ),
        (
            "start, ms",
            own.map(|one| one.start_milliseconds),
            (absolute::START_MILLISECONDS, absolute::START_MILLISECONDS),
        ),
        (
            "CPU of a connection with one ping, us",
            connect,
            (absolute::CPU_PER_CONNECT, absolute::CPU_PER_CONNECT),
        ),
    ];
    text.push_str("\n| portolan | measured | must | stretch | holds |\n|---|---|---|---|---|\n");
    for (name, value, (must, stretch)) in rows {
        let _ = writeln!(
            text,
            "| {name} | {} | {must:.0} | {stretch:.0} | {} |",
            figure(value),
            holds(value, must, Some(stretch)),
        );
    }
}
