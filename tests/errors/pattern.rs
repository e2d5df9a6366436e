//! Words with `…` for what differs: made from format strings, and compared with what was formatted.

/// What stands for anything.
const ANYTHING: char = '…';

/// A format string as the page writes it.
pub fn of(format: &str) -> String {
    let mut pattern = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                pattern.push(c);
            }
            '{' => {
                assert!(chars.any(|c| c == '}'), "{format:?} does not end");
                if !pattern.ends_with(ANYTHING) {
                    pattern.push(ANYTHING);
                }
            }
            c => pattern.push(c),
        }
    }
    pattern
}

/// Whether a text is one that a pattern stands for.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn a_format_string_becomes_a_pattern() {
    assert_eq!(of("node {} of {name:?}{hint}"), "node … of …");
    assert_eq!(of("{{node_id}} is {id}"), "{node_id} is …");
    assert_eq!(of("plain"), "plain");
}

#[test]
fn a_pattern_fits_what_it_stands_for_and_nothing_else() {
    for text in ["node 1 of main", "node  of ", "node of of x"] {
        assert!(fits("node … of …", text), "{text}");
    }
    for text in ["a node 1 of main", "node 1", "node of"] {
        assert!(!fits("node … of …", text), "{text}");
    }
    assert!(fits("drained", "drained") && !fits("drained", "drained, too"));
    assert!(fits("… is due", "7 is due") && !fits("… is due", "7 is due now"));
}
