//! As much of a shell's grammar as the documents' commands use.

use crate::markdown::Block;

/// The commands of a block, each as its words. Output that is shown beside them (lines without `$` in a block that has
/// such) is left out, and so are redirections.
pub(crate) fn commands(block: &Block) -> Vec<Vec<String>> {
    let prompted = block.text.lines().any(|line| line.starts_with("$ "));
    match (block.language.as_str(), prompted) {
        (_, true) => split(&typed(&block.text)),
        ("sh" | "console", false) => split(&block.text),
        _ => Vec::new(),
    }
}

/// What stands behind the prompts, with the lines that go on after a backslash.
fn typed(text: &str) -> String {
    let mut out = String::new();
    let mut goes_on = false;
    for line in text.lines() {
        let line = match line.strip_prefix("$ ") {
            Some(line) => line,
            None if goes_on => line,
            None => continue,
        };
        goes_on = line.ends_with('\\');
        out += line;
        out.push('\n');
    }
    out
}

fn split(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut heredoc = None;
    let text = text.replace("\\\n", " ");
    for line in text.lines() {
        if let Some(end) = &heredoc {
            if line.trim() == end {
                heredoc = None;
            }
            continue;
        }
        let mut quote = None;
        for c in line.chars().chain(['\n']) {
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (Some(_), _) => word.get_or_insert_default().push(c),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, '#') if word.is_none() => break,
                (None, ' ' | '\t') => words.extend(word.take()),
                (None, '\n' | '|' | '&' | ';') => {
                    words.extend(word.take());
                    end_of(&mut words, &mut commands, &mut heredoc);
                }
                (None, _) => word.get_or_insert_default().push(c),
            }
        }
        // After a comment.
        words.extend(word.take());
        end_of(&mut words, &mut commands, &mut heredoc);
    }
    commands
}

/// The words so far are a command, without its redirections.
fn end_of(words: &mut Vec<String>, commands: &mut Vec<Vec<String>>, heredoc: &mut Option<String>) {
    let mut kept = Vec::new();
    let mut all = std::mem::take(words).into_iter();
    while let Some(word) = all.next() {
        if let Some(end) = word.strip_prefix("<<") {
            *heredoc = Some(end.to_owned());
        } else if word == ">" || word == "<" || word == ">>" {
            all.next();
        } else {
            kept.push(word);
        }
    }
    if !kept.is_empty() {
        commands.push(kept);
    }
}

#[test]
fn commands_are_split_into_words() {
    let block = |language: &str, text: &str| {
        let block = Block {
            line: 1,
            language: language.to_owned(),
            mark: String::new(),
            text: text.to_owned(),
        };
        commands(&block)
    };
    let text = "a 'b c' --d=\"e f\" # no\nX=1 g \\\n  h > i | j -k && l\ncat <<EOF\nm n\nEOF\no\n";
    let expected: [&[&str]; 6] = [
        &["a", "b c", "--d=e f"],
        &["X=1", "g", "h"],
        &["j", "-k"],
        &["l"],
        &["cat"],
        &["o"],
    ];
    assert_eq!(block("sh", text), expected);
    assert_eq!(
        block("", "$ a b\nc\n$ d \\\n  e\nf\n"),
        [["a", "b"], ["d", "e"]]
    );
    assert_eq!(block("yaml", "a: b\n"), [[""; 0]; 0]);
}
