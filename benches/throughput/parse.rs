//! What other programs print, read for the figures in it.

use std::collections::BTreeMap;

/// The number of calls by name in the table of `strace -c`: share of time, seconds, usecs/call, calls, errors (may be
/// empty), name.
pub fn strace_calls(table: &str) -> BTreeMap<String, u64> {
    let rows = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [share, _, _, calls, .., name] = columns[..] else {
            return None;
        };
        share.parse::<f64>().ok()?;
        (name != "total").then_some((name.to_owned(), calls.parse().ok()?))
    });
    rows.collect()
}

/// Megabytes (2^20) in a second, from the last line of `kafka-producer-perf-test`:
/// "1000 records sent, 12345.6 records/sec (12.34 MB/sec), ...".
pub fn producer_rate(text: &str) -> Option<f64> {
    text.lines().rev().find_map(|line| {
        let (before, _) = line.split_once(" MB/sec)")?;
        before.rsplit_once('(')?.1.parse().ok()
    })
}

/// The same without the time to join the group, from the line of `kafka-consumer-perf-test`: start, end, MB, MB/s, records,
/// records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s.
pub fn consumer_rate(text: &str) -> Option<f64> {
    text.lines().rev().find_map(|line| {
        let columns: Vec<&str> = line.split(',').map(str::trim).collect();
        columns.get(8)?.parse().ok()
    })
}

/// The sum of all series of a counter in the text that Prometheus scrapes; `None` where it has none.
pub fn counter(metrics: &str, name: &str) -> Option<f64> {
    let series = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) {
            return None;
        }
        rest.rsplit_once(' ')?.1.parse::<f64>().ok()
    });
    series.reduce(|sum, value| sum + value)
}
