//! Walks a TOML document and collects what is wrong with it, instead of stopping at the first fault.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults};
use super::keys::{TABLES, Table};

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
    pub(super) line: Option<usize>,
    /// Something else stands where the table belongs, which is a fault already.
    pub(super) is_broken: bool,
}

/// An item of a list.
#[derive(Clone, Debug)]
pub(super) struct Item<T> {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) value: T,
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

    /// What was found, in the order of the file.
    pub(super) fn into_faults(mut self) -> Faults {
        self.faults.sort_by_key(|fault| fault.line);
        Faults(self.faults)
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|&&byte| byte == b'\n').count()
    }

    /// The line on which a key's value begins.
    pub(super) fn line_of(&self, section: &Section<'_>, key: &str) -> Option<usize> {
        let value = section.value(key)?;
        Some(self.line(value.span().start))
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

    /// A fault of the value of a key; where the key is not there, of its section.
    pub(super) fn fault_at(
        &mut self,
        section: &Section<'_>,
        key: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let line = self.line_of(section, key).or(section.line);
        self.fault(section.join(key), line, problem, remedy);
    }

    pub(super) fn root<'a>(&self, table: &'a DeTable<'a>) -> Section<'a> {
        Section {
            path: String::new(),
            table: Some(table),
            line: None,
            is_broken: false,
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
                is_broken: false,
            },
            Some(value) => {
                let header = format!("[{path}]");
                self.as_section(path, value, &header)
            }
        }
    }

    pub(super) fn as_section<'a>(
        &mut self,
        path: String,
        value: &'a Spanned<DeValue<'a>>,
        header: &str,
    ) -> Section<'a> {
        let line = Some(self.line(value.span().start));
        let table = value.get_ref().as_table();
        if table.is_none() {
            let problem = format!("{} where a table is wanted", kind(value.get_ref()));
            let remedy = format!("write {header} and its keys below it");
            self.fault(&path, line, problem, remedy);
        }
        Section {
            path,
            table,
            line,
            is_broken: table.is_none(),
        }
    }

    /// Refuses the keys of a section that this version does not read.
    pub(super) fn known(&mut self, section: &Section<'_>, known: &Table) {
        let Some(table) = section.table else { return };
        for (key, value) in table {
            let name: &str = key.get_ref();
            if !known.keys.contains(&name) {
                let line = self.line(key.span().start);
                let (problem, remedy) = match with_underscore(name, value.get_ref(), known) {
                    Some(meant) => ("unknown key", format!("write `{meant}`, without a dot")),
                    None => refused(name, known),
                };
                self.fault(section.join(name), Some(line), problem, remedy);
            }
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
                self.fault_at(section, key, problem, remedy);
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

    /// The fitting items of a list of strings, `None` where it is missing or no list at all.
    pub(super) fn list<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: fn(&str) -> Result<T, Unfit>,
        example: &str,
    ) -> Option<Vec<Item<T>>> {
        let value = section.value(key)?;
        let Some(list) = value.get_ref().as_array() else {
            let problem = format!(
                "{} where a list of strings is wanted",
                kind(value.get_ref())
            );
            let remedy = format!("write it like [\"{example}\"]");
            self.fault_at(section, key, problem, remedy);
            return None;
        };
        let mut items = Vec::new();
        for (n, item) in list.iter().enumerate() {
            let line = self.line(item.span().start);
            let path = format!("{}[{n}]", section.join(key));
            let parsed = item.get_ref().as_str().map(parse).unwrap_or_else(|| {
                let problem = format!("{} where a string is wanted", kind(item.get_ref()));
                Err((problem, format!("write it like \"{example}\"")))
            });
            match parsed {
                Ok(value) => items.push(Item { path, line, value }),
                Err((problem, remedy)) => self.fault(path, Some(line), problem, remedy),
            }
        }
        Some(items)
    }

    /// A value that must be there.
    pub(super) fn required<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: Parse<T>,
        example: &str,
    ) -> Option<T> {
        self.require(section, key, example);
        self.get(section, key, parse)
    }

    /// A fault where a key is not there.
    pub(super) fn require(&mut self, section: &Section<'_>, key: &str, example: &str) {
        if section.value(key).is_none() && !section.is_broken {
            let remedy = format!("add: {key} = {example}");
            self.fault(section.join(key), section.line, "missing", remedy);
        }
    }
}

impl<'a> Section<'a> {
    /// The path of a key, quoted where TOML wants it.
    pub(super) fn join(&self, key: &str) -> String {
        let key = bare_or_quoted(key);
        match self.path.is_empty() {
            true => key,
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

/// A key as it is written in TOML.
pub(super) fn bare_or_quoted(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match !key.is_empty() && key.bytes().all(is_bare) {
        true => key.to_owned(),
        false => toml::Value::from(key).to_string(),
    }
}

/// The key that was meant where it is written with a dot, as in Kafka's `bootstrap.servers`, which makes a table in TOML.
fn with_underscore(name: &str, value: &DeValue<'_>, known: &Table) -> Option<&'static str> {
    let keys = value.as_table()?.keys();
    let meant: Vec<String> = keys.map(|k| format!("{name}_{}", k.get_ref())).collect();
    let mut known = known.keys.iter().copied();
    known.find(|known| meant.iter().any(|meant| meant == known))
}

/// Why a key is refused: it belongs elsewhere, or is a typing error.
fn refused(name: &str, known: &Table) -> (&'static str, String) {
    let mut tables = std::iter::once(&known).chain(&TABLES);
    if let Some(table) = tables.find(|table| table.keys.contains(&name)) {
        let remedy = match table.header {
            "" => format!("[{name}] is a table of its own: take it out of this one"),
            header => format!("it belongs below {header}"),
        };
        return ("unknown key here", remedy);
    }
    let remedy = match nearest(name, known.keys.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("take it out; the keys here are {}", known.keys.join(", ")),
    };
    ("unknown key", remedy)
}

fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
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
