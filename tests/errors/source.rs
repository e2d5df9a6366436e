//! What the sources log: the words of each call, and of what is formatted elsewhere and logged as it is.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

use crate::pattern;
use crate::scan::{arguments, call, first_string, is, sources, string, walk};

/// A line that may be logged.
#[derive(Debug)]
pub struct Line {
    /// As the log writes it.
    pub level: &'static str,
    /// With `…` for what differs.
    pub message: String,
    /// The keys beside it.
    pub fields: Vec<String>,
}

/// What a person on call may meet, and its level.
const MACROS: [(&str, &str); 3] = [("error", "ERROR"), ("warn", "WARN"), ("info", "INFO")];

/// What is met only by who asks for it.
const FINE: [(&str, &str); 2] = [("debug", "DEBUG"), ("trace", "TRACE")];

/// Calls that log words from elsewhere, and nothing but these. Whoever adds one has to say here where its words are found.
const ELSEWHERE: [(&str, &str); 3] = [
    // Warnings and notes of `warnings_of_tls`.
    ("src/server/in_force.rs", "WARN"),
    ("src/server/in_force.rs", "INFO"),
    // `start_errors`, and the faults that `config check` tells, too.
    ("src/commands/run.rs", "ERROR"),
];

/// Every line from INFO up, by its words.
pub fn lines() -> Vec<Line> {
    let mut elsewhere = Vec::new();
    let mut lines = Vec::new();
    for (file, tokens) in sources() {
        for line in logged(tokens, &MACROS) {
            match line.message == "…" {
                true => elsewhere.push((file.display().to_string(), line.level)),
                false => lines.push(line),
            }
        }
    }
    elsewhere.sort();
    let mut known = ELSEWHERE.map(|(file, level)| (file.to_owned(), level));
    known.sort();
    assert_eq!(elsewhere, known, "words that are made elsewhere");
    assert!(lines.len() > 20, "only {} calls were found", lines.len());
    lines.extend(warnings_of_tls());
    lines.extend(start_errors());
    lines
}

/// Every line of every level, for its fields.
pub fn lines_with_fields() -> Vec<Line> {
    let all = [MACROS.as_slice(), &FINE].concat();
    let sources = sources().into_iter();
    sources
        .flat_map(|(_, tokens)| logged(tokens, &all))
        .collect()
}

/// The calls of these macros.
fn logged(tokens: TokenStream, macros: &[(&str, &'static str)]) -> Vec<Line> {
    let mut lines = Vec::new();
    walk(tokens, &mut |here| {
        for (name, level) in macros {
            if let Some(inner) = call(here, name) {
                lines.push(line(inner, level));
            }
        }
    });
    lines
}

/// Fields come first, then the message, then what is formatted into it.
fn line(call: TokenStream, level: &'static str) -> Line {
    let mut fields = Vec::new();
    for argument in arguments(call.clone()) {
        if let Some(message) = string(&argument) {
            let message = pattern::of(&message);
            return Line {
                level,
                message,
                fields,
            };
        }
        fields.push(field(&argument));
    }
    panic!("no words in {level}: {call}");
}

/// `name`, `%name`, `?name`, `name = value`, `a.b = value`.
fn field(argument: &[TokenTree]) -> String {
    let is_mark = |token: &TokenTree| is(token, "%") || is(token, "?");
    let name = match argument {
        [mark, name @ ..] if is_mark(mark) => name,
        name => name,
    };
    let name = name.iter().take_while(|token| !is(token, "="));
    name.map(ToString::to_string).collect()
}

/// What is said of certificates and lists: whatever is pushed to `warnings`, and whatever is `Some` text.
fn warnings_of_tls() -> Vec<Line> {
    let mut lines = Vec::new();
    let mut take = |tokens: &TokenTree, level| {
        if let TokenTree::Group(group) = tokens {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let message = call(&inner, "format").and_then(first_string);
            lines.extend(message.map(|message| formatted(&message, level)));
        }
    };
    for tokens in below("src/transport/tls") {
        walk(tokens, &mut |here| match here {
            [warnings, dot, push, group, ..]
                if is(warnings, "warnings") && is(dot, ".") && is(push, "push") =>
            {
                take(group, "WARN");
            }
            [note, equals, some, group, ..]
                if is(note, "note") && is(equals, "=") && is(some, "Some") =>
            {
                take(group, "INFO");
            }
            // The last words of a function that says at most one thing.
            [end, some, group] if (is(end, "}") || is(end, ";")) && is(some, "Some") => {
                take(group, "WARN");
            }
            _ => {}
        });
    }
    assert!(lines.len() >= 8, "only {lines:?}");
    lines
}

/// Why the server does not start, or ends before it has drained; what begins with a semicolon is the end of a line.
fn start_errors() -> Vec<Line> {
    let mut lines = Vec::new();
    for tokens in below("src/server/error.rs") {
        walk(tokens, &mut |here| {
            let message = call(here, "write").and_then(first_string);
            lines.extend(message.filter(|text| !text.starts_with(';')));
        });
    }
    for tokens in below("src/commands/run.rs") {
        walk(tokens, &mut |here| {
            if let [constant, .., equals, text, end] = &here[..here.len().min(8)]
                && is(constant, "const")
                && is(equals, "=")
                && is(end, ";")
            {
                lines.extend(string(std::slice::from_ref(text)));
            }
        });
    }
    assert!(lines.len() >= 3, "only {lines:?}");
    let lines = lines.iter();
    lines.map(|message| formatted(message, "ERROR")).collect()
}

fn formatted(format: &str, level: &'static str) -> Line {
    Line {
        level,
        message: pattern::of(format),
        fields: Vec::new(),
    }
}

fn below(path: &str) -> impl Iterator<Item = TokenStream> {
    let found = sources()
        .into_iter()
        .filter(move |(file, _)| file.starts_with(Path::new(path)));
    let found: Vec<TokenStream> = found.map(|(_, tokens)| tokens).collect();
    assert!(!found.is_empty(), "{path} is not there any more");
    found.into_iter()
}

#[test]
fn calls_are_found_wherever_they_are_but_in_tests_and_comments() {
    let source = r##"
        // info!("a comment");
        const TEXT: &str = "warn!(\"a string\")";
        fn f() {
            info!(cluster, %error, limits.most = 3 + f(1, 2), ?x, "found {n} {{}} {}", g("inner"));
            tokio::select! { _ = a => { if b { tracing::warn!("in a macro") } } }
            error!(
                repeats,
                "over two \
                 lines"
            );
        }
        #[cfg(test)]
        mod tests {
            fn f() { error!("in a test"); }
        }
        #[cfg(test)]
        #[derive(Debug)]
        struct S;
        fn last() { info!(r#"the "last""#); }
    "##;
    let lines = logged(source.parse().expect("tokens"), &MACROS);
    let found: Vec<_> = lines
        .iter()
        .map(|line| (line.level, line.message.as_str(), line.fields.join(" ")))
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|(level, message, fields)| (*level, *message, fields.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("INFO", "found … {} …", "cluster error limits.most x"),
            ("WARN", "in a macro", ""),
            ("ERROR", "over two lines", "repeats"),
            ("INFO", "the \"last\"", ""),
        ]
    );
}
