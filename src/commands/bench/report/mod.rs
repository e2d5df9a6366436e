//! What was measured, told.

mod chart;
mod json;
mod svg;
mod table;

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
        date(since.map_or(0, |since| since.as_secs()))
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

/// Seconds since 1970 in UTC, after RFC 3339. The calendar is the algorithm `civil_from_days` of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms".
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of the year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is 0.
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

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
