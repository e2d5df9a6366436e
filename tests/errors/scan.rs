//! Finds things in Rust sources by their tokens, also inside of macros, and passes over what only tests have.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};

/// Every file below `src` that is not part of a test, with its tokens.
pub fn sources() -> Vec<(PathBuf, TokenStream)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("a source can be read");
        let tokens = text.parse();
        let tokens = tokens.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let file = file.strip_prefix(root).expect("a file of the tree");
        (file.to_owned(), tokens)
    };
    let mut sources: Vec<(PathBuf, TokenStream)> = files.into_iter().map(read).collect();
    let of_tests: Vec<PathBuf> = sources
        .iter()
        .flat_map(|(file, tokens)| of_tests(file, tokens.clone()))
        .collect();
    sources.retain(|(file, _)| {
        let module = file.with_extension("");
        !of_tests.iter().any(|test| module.starts_with(test))
    });
    sources
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).expect("a directory of the tree");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The modules of a file that only tests have, as paths without extension.
fn of_tests(file: &Path, tokens: TokenStream) -> Vec<PathBuf> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_directory = ["mod", "lib", "main"].map(Some).contains(&stem(file));
    let below = match is_directory {
        true => file.with_file_name(""),
        false => file.with_extension(""),
    };
    let mut modules = Vec::new();
    for at in 0..tokens.len() {
        if let [hash, group, keyword, name, end, ..] = &tokens[at..]
            && is_cfg_test(hash, group)
            && is(keyword, "mod")
            && is(end, ";")
        {
            modules.push(below.join(name.to_string()));
        }
    }
    modules
}

fn stem(file: &Path) -> Option<&str> {
    file.file_stem()?.to_str()
}

/// Calls `found` at each token, with that and those behind it at its level.
pub fn walk(tokens: TokenStream, found: &mut dyn FnMut(&[TokenTree])) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let here = &tokens[at..];
        if let [hash, group, ..] = here
            && is_cfg_test(hash, group)
        {
            at += item(here);
            continue;
        }
        found(here);
        if let TokenTree::Group(group) = &tokens[at] {
            walk(group.stream(), found);
        }
        at += 1;
    }
}

/// How many tokens an item has, with the attributes before it: up to its body, or to a semicolon.
fn item(tokens: &[TokenTree]) -> usize {
    let is_body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let end = tokens
        .iter()
        .position(|token| is_body(token) || is(token, ";"));
    end.map_or(tokens.len(), |end| end + 1)
}

fn is_cfg_test(hash: &TokenTree, group: &TokenTree) -> bool {
    let TokenTree::Group(group) = group else {
        return false;
    };
    let text: String = group.stream().to_string().split_whitespace().collect();
    is(hash, "#") && text == "cfg(test)"
}

/// Whether it is this identifier or punctuation.
pub fn is(token: &TokenTree, text: &str) -> bool {
    match token {
        TokenTree::Ident(ident) => ident == text,
        TokenTree::Punct(punct) => text.len() == 1 && text.starts_with(punct.as_char()),
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    }
}

/// The tokens in the parentheses of a call of this macro, if one begins here.
pub fn call(tokens: &[TokenTree], name: &str) -> Option<TokenStream> {
    match tokens {
        [macro_name, mark, TokenTree::Group(group), ..]
            if is(macro_name, name) && is(mark, "!") =>
        {
            Some(group.stream())
        }
        _ => None,
    }
}

/// The arguments of a call.
pub fn arguments(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let arguments = tokens.split(|token| is(token, ","));
    arguments.map(<[TokenTree]>::to_vec).collect()
}

/// The first argument that is a string literal.
pub fn first_string(tokens: TokenStream) -> Option<String> {
    arguments(tokens)
        .iter()
        .find_map(|argument| string(argument))
}

/// The value of an argument that is a string literal.
pub fn string(argument: &[TokenTree]) -> Option<String> {
    match argument {
        [TokenTree::Literal(literal)] => value(literal),
        _ => None,
    }
}

/// The value of a string literal.
fn value(literal: &Literal) -> Option<String> {
    let source = literal.to_string();
    if let Some(raw) = source.strip_prefix('r') {
        let raw = raw.trim_matches('#');
        return Some(raw.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    }
    let inner = source.strip_prefix('"')?.strip_suffix('"')?;
    let mut value = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => value.push('\n'),
            Some(c @ ('"' | '\\' | '\'')) => value.push(c),
            // The line goes on in the next one.
            Some('\n') => chars = chars.as_str().trim_start().chars(),
            other => panic!("an escape that is not known here: {other:?} in {source}"),
        }
    }
    Some(value)
}

#[test]
fn strings_are_read_as_the_compiler_does() {
    let strings = |source: &str| first_string(source.parse().expect("tokens"));
    for (source, string) in [
        (r#"x, "a \"b\" \\ c""#, "a \"b\" \\ c"),
        ("\"one \\\n      line\"", "one line"),
        (r##"r#"raw "x" \n"#"##, "raw \"x\" \\n"),
    ] {
        assert_eq!(strings(source).as_deref(), Some(string));
    }
    assert_eq!(strings("x, y, 7, 'c'"), None);
}
