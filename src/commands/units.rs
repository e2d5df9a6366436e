//! Values with units on the command line, in the units of the configuration.

use std::time::Duration;

pub(super) use crate::config::unit::whole;
use crate::config::unit::{SIZES, TIMES, with_unit};

/// The longest duration: a day.
const LONGEST_MS: u64 = 24 * 3_600_000;

/// A size in bytes: a whole number with a unit, or of bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let found = whole(text).or_else(|| with_unit(text, &SIZES));
    found.ok_or_else(|| "write a whole number with a unit (B, KiB, MiB, GiB), such as 16KiB".into())
}

/// A duration of at least a millisecond.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match with_unit(text, &TIMES) {
        None => Err("write a whole number with a unit (ms, s, m, h), such as 5s".into()),
        Some(ms @ 1..=LONGEST_MS) => Ok(Duration::from_millis(ms)),
        Some(_) => Err("write a time from 1ms to 24h".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_of_the_configuration() {
        for (text, bytes) in [
            ("16KiB", 16_384),
            ("1 MB", 1_000_000),
            ("7", 7),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5KiB", "1 kib", "x"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "5", "0s", "25h", "99999999999999999999h", "s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
