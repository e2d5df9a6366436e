//! Single values as they are written: ports, counts, sizes, durations, addresses, words.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Unfit, kind};
use super::{Rate, unit};

fn wanted<T>(value: &DeValue<'_>, what: &str, example: &str) -> Result<T, Unfit> {
    let problem = format!("{} where {what} is wanted", kind(value));
    Err((problem, format!("write it like {example}")))
}

pub(super) fn text(value: &DeValue<'_>) -> Result<String, Unfit> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => wanted(value, "a string", "\"text\""),
    }
}

pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Unfit> {
    match value.as_bool() {
        Some(boolean) => Ok(boolean),
        None => wanted(value, "true or false", "true, without quotes"),
    }
}

pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A port; 0 is judged by the caller.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, Unfit> {
    match integer(value) {
        Some(number) => u16::try_from(number).map_err(|_| {
            let problem = format!("{number} is no port");
            (problem, "write a port from 1 to 65535".into())
        }),
        None => wanted(value, "a port number", "9092, without quotes"),
    }
}

fn in_range(value: &DeValue<'_>, range: RangeInclusive<i64>) -> Result<i64, Unfit> {
    let (least, most) = (range.start(), range.end());
    let remedy = format!("write a number from {least} to {most}");
    match integer(value) {
        Some(number) if range.contains(&number) => Ok(number),
        Some(number) => Err((format!("{number} is out of range"), remedy)),
        None => Err((format!("{} where a number is wanted", kind(value)), remedy)),
    }
}

fn in_range_or_auto(
    value: &DeValue<'_>,
    range: RangeInclusive<i64>,
) -> Result<Option<usize>, Unfit> {
    match value.as_str() {
        Some("auto") => Ok(None),
        _ => in_range(value, range)
            .map(|number| Some(number as usize))
            .map_err(|(problem, remedy)| (problem, remedy + ", or \"auto\"")),
    }
}

/// Client connections.
pub(super) fn connections(value: &DeValue<'_>) -> Result<Option<usize>, Unfit> {
    in_range_or_auto(value, 1..=1_000_000)
}

/// Connections of one client, or "off" for no limit.
pub(super) fn connections_or_off(value: &DeValue<'_>) -> Result<Option<usize>, Unfit> {
    match value.as_str() {
        Some("off") => Ok(None),
        _ => in_range(value, 1..=1_000_000)
            .map(|number| Some(number as usize))
            .map_err(|(problem, remedy)| (problem, remedy + ", or \"off\"")),
    }
}

/// TLS handshakes under way.
pub(super) fn handshakes(value: &DeValue<'_>) -> Result<usize, Unfit> {
    in_range(value, 1..=1_000_000).map(|number| number as usize)
}

/// So many within a time, or "off" for no limit.
pub(super) fn rate_or_off(value: &DeValue<'_>) -> Result<Option<Rate>, Unfit> {
    let text = value.as_str();
    if text == Some("off") {
        return Ok(None);
    }
    let remedy = "write a whole number from 1 to 1000000 for each second, minute or hour, such as \"20/s\" or \"600/m\", or \"off\"";
    let rate = text.and_then(|text| {
        let (count, unit) = text.split_once('/')?;
        let (_, per) = Rate::UNITS
            .iter()
            .find(|(word, _)| *word == unit.trim_start())?;
        let count = unit::whole(count.trim_end())?;
        Some((count, Duration::from_secs(*per)))
    });
    match rate {
        Some((count @ 1..=1_000_000, per)) => Ok(Some(Rate {
            connections: count as u32,
            per,
        })),
        Some(_) => Err((format!("{} is out of range", shown(value)), remedy.into())),
        None => Err((format!("{} is no rate", shown(value)), remedy.into())),
    }
}

/// Worker threads.
pub(super) fn threads(value: &DeValue<'_>) -> Result<Option<usize>, Unfit> {
    in_range_or_auto(value, 1..=1_024)
}

/// Requests in flight on one connection.
pub(super) fn in_flight(value: &DeValue<'_>) -> Result<usize, Unfit> {
    in_range(value, 1..=100_000).map(|number| number as usize)
}

/// What a frame may have: as much as Kafka can say in its size field.
pub(super) fn frame_size(value: &DeValue<'_>) -> Result<u32, Unfit> {
    size(value, 0x7fff_ffff, "2047MiB")
}

/// What a connection may hold in memory.
pub(super) fn held_size(value: &DeValue<'_>) -> Result<u32, Unfit> {
    size(value, 256 << 20, "256MiB")
}

/// A size in bytes: an integer, or a string with a unit.
fn size(value: &DeValue<'_>, most: u64, most_text: &str) -> Result<u32, Unfit> {
    let with_unit = |text: &str| unit::with_unit(text, &unit::SIZES);
    let bytes = match (integer(value), value.as_str()) {
        (Some(number), _) => u64::try_from(number).ok(),
        (None, text) => text.and_then(with_unit),
    };
    let remedy = format!(
        "write a whole number with a unit (B, KiB, MiB, GiB) or of bytes, from 1KiB to {most_text}, such as \"256KiB\""
    );
    match bytes {
        Some(bytes) if (1_024..=most).contains(&bytes) => Ok(bytes as u32),
        Some(_) => Err((format!("{} is out of range", shown(value)), remedy)),
        None => Err((format!("{} is no size", shown(value)), remedy)),
    }
}

/// A duration above zero.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Unfit> {
    match duration_or_zero(value)? {
        Duration::ZERO => {
            let remedy = "write a time that is enough, such as \"30s\"";
            Err(("it must be more than 0".into(), remedy.into()))
        }
        duration => Ok(duration),
    }
}

/// A duration, or "off" for none.
pub(super) fn duration_or_off(value: &DeValue<'_>) -> Result<Option<Duration>, Unfit> {
    match value.as_str() {
        Some("off") => Ok(None),
        _ => duration(value)
            .map(Some)
            .map_err(|(problem, remedy)| (problem, remedy + ", or \"off\"")),
    }
}

/// The time between keepalive probes, or "off". The kernel counts it in whole seconds, in 15 bits, and would keep its own
/// two hours where it cannot take ours.
pub(super) fn keepalive(value: &DeValue<'_>) -> Result<Option<Duration>, Unfit> {
    match duration_or_off(value)? {
        Some(interval) if !(1..=32_767).contains(&interval.as_secs()) => {
            let problem = format!("{} is out of range", shown(value));
            let remedy = "write a time from \"1s\" to \"9h\", such as \"60s\", or \"off\"";
            Err((problem, remedy.into()))
        }
        interval => Ok(interval),
    }
}

/// The time between probes, or "off". More often is a load for brokers.
pub(super) fn probes(value: &DeValue<'_>) -> Result<Option<Duration>, Unfit> {
    match duration_or_off(value)? {
        Some(interval) if interval < Duration::from_millis(100) => {
            let problem = format!("{} is too often", shown(value));
            Err((
                problem,
                "write 100 ms or more, such as \"5s\", or \"off\"".into(),
            ))
        }
        interval => Ok(interval),
    }
}

/// A string with a unit.
pub(super) fn duration_or_zero(value: &DeValue<'_>) -> Result<Duration, Unfit> {
    const MOST: u64 = 366 * 24 * 3_600_000;
    let remedy = || "write a whole number with a unit (ms, s, m, h), such as \"30s\"".to_owned();
    let Some(text) = value.as_str() else {
        let problem = match integer(value) {
            Some(number) => format!("{number} has no unit"),
            None => format!("{} where a duration is wanted", kind(value)),
        };
        return Err((problem, remedy()));
    };
    let milliseconds = unit::with_unit(text, &unit::TIMES);
    match milliseconds {
        Some(ms) if ms <= MOST => Ok(Duration::from_millis(ms)),
        Some(_) => Err((format!("\"{text}\" is more than a year"), remedy())),
        None => Err((format!("\"{text}\" is no duration"), remedy())),
    }
}

pub(super) fn ip(value: &DeValue<'_>) -> Result<IpAddr, Unfit> {
    let text = text(value)?;
    let literal = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    literal.unwrap_or(&text).parse().map_err(|_| {
        let remedy = "write an IP address such as \"0.0.0.0\", or \"::\" for both families";
        (format!("\"{text}\" is no IP address"), remedy.into())
    })
}

/// An address to listen on; "" is none.
pub(super) fn listen(value: &DeValue<'_>) -> Result<Option<SocketAddr>, Unfit> {
    let text = text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let remedy =
            "write IP:PORT such as \"127.0.0.1:9644\" or \"0.0.0.0:9644\", or \"\" to turn it off";
        (
            format!("\"{text}\" is no address to listen on"),
            remedy.into(),
        )
    })
}

/// A name server: IP or IP:PORT.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, Unfit> {
    text.parse()
        .or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)))
        .ok()
        .filter(|server| server.port() != 0)
        .ok_or_else(|| {
            let problem = format!("\"{text}\" is no name server's address");
            let remedy = "write IP or IP:PORT, such as \"10.96.0.10:53\"";
            (problem, remedy.to_owned())
        })
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, Unfit> {
    let found = choices
        .iter()
        .find(|(word, _)| value.as_str() == Some(*word));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<String> = choices
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        let remedy = format!("write one of {}", words.join(", "));
        (format!("{} is not a choice here", shown(value)), remedy)
    })
}

/// A value as written, or what it is.
fn shown(value: &DeValue<'_>) -> String {
    match (value.as_str(), integer(value)) {
        (Some(text), _) => format!("\"{text}\""),
        (None, Some(number)) => number.to_string(),
        (None, None) => kind(value).to_owned(),
    }
}
