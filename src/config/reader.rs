//! Reads values out of a TOML document and collects what is wrong with them, instead of stopping at the first fault.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;

/// Collects faults while sections are read.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    text: &'t str,
    pub(super) faults: Vec<Fault>,
}

/// A table of the document with its path.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    pub(super) path: String,
    table: Option<&'a DeTable<'a>>,
    line: Option<usize>,
}

/// Why a value does not do: the problem, and the remedy.
pub(super) type Unfit = (String, String);

type Parse<T> = fn(&DeValue<'_>) -> Result<T, Unfit>;

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Reader {
            text,
            faults: Vec::new(),
        }
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|&&byte| byte == b'\n').count()
    }

    pub(super) fn fault(
        &mut self,
        key: impl Into<String>,
        line: Option<usize>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.faults.push(Fault {
            key: key.into(),
            line,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn root<'a>(&self, table: &'a DeTable<'a>) -> Section<'a> {
        Section {
            path: String::new(),
            table: Some(table),
            line: None,
        }
    }

    /// A table below a section; one that is not there is like one without keys.
    pub(super) fn section<'a>(&mut self, parent: &Section<'a>, key: &str) -> Section<'a> {
        let path = parent.join(key);
        match parent.value(key) {
            None => Section {
                path,
                table: None,
                line: None,
            },
            Some(value) => self.as_section(path, value, key),
        }
    }

    pub(super) fn as_section<'a>(
        &mut self,
        path: String,
        value: &'a Spanned<DeValue<'a>>,
        example: &str,
    ) -> Section<'a> {
        let line = Some(self.line(value.span().start));
        let table = value.get_ref().as_table();
        if table.is_none() {
            let problem = format!("{} where a table is wanted", kind(value.get_ref()));
            self.fault(
                &path,
                line,
                problem,
                format!("write [{example}] and keys below it"),
            );
        }
        Section { path, table, line }
    }

    /// Refuses the keys of a section that are not in `known`.
    pub(super) fn known(&mut self, section: &Section<'_>, known: &[&str]) {
        let Some(table) = section.table else { return };
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let line = self.line(key.span().start);
            let nearest = nearest(name, known);
            let remedy = match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("known keys here: {}", known.join(", ")),
            };
            self.fault(section.join(name), Some(line), "unknown key", remedy);
        }
    }

    /// A value, or `None` where it is missing or unfit (then there is a fault).
    pub(super) fn get<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: Parse<T>,
    ) -> Option<T> {
        let value = section.value(key)?;
        match parse(value.get_ref()) {
            Ok(parsed) => Some(parsed),
            Err((problem, remedy)) => {
                let line = self.line(value.span().start);
                self.fault(section.join(key), Some(line), problem, remedy);
                None
            }
        }
    }

    pub(super) fn get_or<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: Parse<T>,
        default: T,
    ) -> T {
        self.get(section, key, parse).unwrap_or(default)
    }

    /// A value that must be there.
    pub(super) fn required<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: Parse<T>,
        example: &str,
    ) -> Option<T> {
        if section.value(key).is_none() {
            let line = section.line;
            let remedy = format!("add: {key} = {example}");
            self.fault(section.join(key), line, "missing", remedy);
            return None;
        }
        self.get(section, key, parse)
    }
}

impl<'a> Section<'a> {
    pub(super) fn join(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.get(key)
    }

    /// Keys and values in the order of the document.
    pub(super) fn entries(&self) -> Vec<(&'a str, usize, &'a Spanned<DeValue<'a>>)> {
        let Some(table) = self.table else {
            return Vec::new();
        };
        let entries = table.iter();
        let mut entries: Vec<_> = entries
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
            .collect();
        entries.sort_by_key(|entry| entry.1);
        entries
    }
}

fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|&candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

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

pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, Unfit> {
    let Some(list) = value.as_array() else {
        return wanted(value, "a list of strings", "[\"text\"]");
    };
    list.iter().map(|item| text(item.get_ref())).collect()
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A port; 0 is judged by the caller.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, Unfit> {
    match integer(value) {
        Some(number) => u16::try_from(number).map_err(|_| {
            let problem = format!("{number} is no port");
            (problem, "ports are numbers from 1 to 65535".into())
        }),
        None => wanted(value, "a port number", "9092"),
    }
}

fn in_range(value: &DeValue<'_>, range: RangeInclusive<i64>) -> Result<i64, Unfit> {
    match integer(value) {
        Some(number) if range.contains(&number) => Ok(number),
        Some(number) => {
            let (least, most) = (range.start(), range.end());
            let remedy = format!("write a number from {least} to {most}");
            Err((format!("{number} is out of range"), remedy))
        }
        None => wanted(value, "a number", &range.start().to_string()),
    }
}

pub(super) fn count(value: &DeValue<'_>) -> Result<usize, Unfit> {
    in_range(value, 1..=1_000_000).map(|n| n as usize)
}

/// A count, or "auto" for none.
pub(super) fn count_or_auto(value: &DeValue<'_>) -> Result<Option<usize>, Unfit> {
    match value.as_str() {
        Some("auto") => Ok(None),
        Some(other) => Err((
            format!("\"{other}\" is no count"),
            "write a number, or \"auto\"".into(),
        )),
        None => count(value).map(Some),
    }
}

/// A size in bytes: an integer, or a string with a unit.
pub(super) fn size(value: &DeValue<'_>) -> Result<u32, Unfit> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let bytes = match (integer(value), value.as_str()) {
        (Some(number), _) => u64::try_from(number).ok(),
        (None, Some(text)) => UNITS.iter().find_map(|(unit, factor)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*factor)
        }),
        (None, None) => return wanted(value, "a size", "\"256KiB\""),
    };
    // What Kafka can say in the size field of a frame, and at least a frame's prefix.
    bytes
        .filter(|bytes| (1_024..=0x7fff_ffff).contains(bytes))
        .map(|bytes| bytes as u32)
        .ok_or_else(|| {
            let problem = format!("{} is no size", shown(value));
            (
                problem,
                "write 1KiB to 2047MiB, such as \"256KiB\", or the number of bytes".into(),
            )
        })
}

/// A duration above zero: a string with a unit.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Unfit> {
    match parse_duration(value)? {
        Duration::ZERO => Err((
            "it must be more than 0".into(),
            "write it like \"30s\"".into(),
        )),
        duration => Ok(duration),
    }
}

/// A duration that may be zero.
pub(super) fn duration_or_zero(value: &DeValue<'_>) -> Result<Duration, Unfit> {
    parse_duration(value)
}

/// A duration, or "off" for none.
pub(super) fn duration_or_off(value: &DeValue<'_>) -> Result<Option<Duration>, Unfit> {
    match value.as_str() {
        Some("off") => Ok(None),
        _ => duration(value).map(Some),
    }
}

fn parse_duration(value: &DeValue<'_>) -> Result<Duration, Unfit> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    const MOST: u64 = 366 * 24 * 3_600_000;
    let remedy = "write a whole number with a unit (ms, s, m, h), such as \"30s\"";
    let Some(text) = value.as_str() else {
        let problem = format!("{} where a duration is wanted", kind(value));
        return Err((problem, remedy.into()));
    };
    UNITS
        .iter()
        .find_map(|(unit, factor)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*factor).filter(|&ms| ms <= MOST)
        })
        .map(Duration::from_millis)
        .ok_or_else(|| (format!("{} is no duration", shown(value)), remedy.into()))
}

pub(super) fn ip(value: &DeValue<'_>) -> Result<IpAddr, Unfit> {
    let text = text(value)?;
    text.parse().map_err(|_| {
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
        let remedy = "write IP:PORT such as \"127.0.0.1:9644\", or \"\" to turn it off";
        (
            format!("\"{text}\" is no address to listen on"),
            remedy.into(),
        )
    })
}

/// Name servers: IP or IP:PORT.
pub(super) fn name_servers(value: &DeValue<'_>) -> Result<Vec<SocketAddr>, Unfit> {
    let parse = |text: String| {
        text.parse()
            .or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)))
            .map_err(|_| {
                let remedy = "write IP or IP:PORT, such as \"10.96.0.10:53\"";
                (
                    format!("\"{text}\" is no name server's address"),
                    remedy.to_owned(),
                )
            })
    };
    texts(value)?.into_iter().map(parse).collect()
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, Unfit> {
    let text = text(value)?;
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<String> = choices
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        let remedy = format!("write one of {}", words.join(", "));
        (format!("\"{text}\" is not a choice here"), remedy)
    })
}

fn shown(value: &DeValue<'_>) -> String {
    match (value.as_str(), integer(value)) {
        (Some(text), _) => format!("\"{text}\""),
        (None, Some(number)) => number.to_string(),
        (None, None) => kind(value).to_owned(),
    }
}
