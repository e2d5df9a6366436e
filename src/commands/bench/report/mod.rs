//! What was measured, told.

mod chart;
mod json;
mod svg;
mod table;

use crate::calendar::rfc3339;
use std::time::SystemTime;

use super::plan::Plan;
use super::rounds::Results;

/// Everything that can be told.
pub(super) struct Report<'a> {
    pub(super) plan: &'a Plan,
    pub(super) results: &'a Results,
    pub(super) started: SystemTime,
}

impl Report<'_> {
    /// The parameters in one line.
    fn parameters(&self) -> String {
        let plan = self.plan;
        let rate = match plan.rate {
            None => "saturation".to_owned(),
            Some(rate) => format!("at {rate}"),
        };
        format!(
            "{} connection{} x {} in flight, {rate}, {} of records a produce request in records of {}, acks {}, {} a fetch, \
             {} round{} of {:?}",
            plan.connections,
            plural(plan.connections),
            plan.in_flight,
            size(plan.batch_size),
            size(plan.record_size),
            plan.acks,
            size(plan.fetch_size),
            plan.rounds,
            plural(plan.rounds),
            plan.duration,
        )
    }

    /// When it began, in UTC.
    fn date(&self) -> String {
        let since = self.started.duration_since(SystemTime::UNIX_EPOCH);
        rfc3339(since.map_or(0, |since| since.as_secs()))
    }
}

fn plural(n: usize) -> &'static str {
    match n {
        1 => "",
        _ => "s",
    }
}

/// A size as people write it.
fn size(bytes: usize) -> String {
    for (unit, factor) in [("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{} {unit}", bytes / factor);
        }
    }
    format!("{bytes} B")
}

/// Microseconds as people read them.
fn time(microseconds: f64) -> String {
    match microseconds {
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 100_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 1_000_000.0 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(size(16_384), "16 KiB");
        assert_eq!(size(1 << 20), "1 MiB");
        assert_eq!(size(1_000), "1000 B");
        assert_eq!(time(85.4), "85 us");
        assert_eq!(time(1_234.0), "1.23 ms");
        assert_eq!(time(250_000.0), "250 ms");
        assert_eq!(time(2_500_000.0), "2.50 s");
    }
}
