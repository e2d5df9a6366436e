//! Words of peers, made fit to be shown: names and messages come from the network, and a terminal obeys control characters.

use std::fmt::Write;

/// The first characters of a text, with an ellipsis where there are more. What is not seen (control characters, and those that
/// turn the direction of what follows, have no width or mean nothing) is escaped as in Rust: `\n`, `\u{202e}`.
pub(crate) fn tamed(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let mut told = String::new();
    for c in characters.by_ref().take(most) {
        match is_seen(c) {
            true => told.push(c),
            false => {
                let _ = write!(told, "{}", c.escape_debug());
            }
        }
    }
    if characters.next().is_some() {
        told.push('…');
    }
    told
}

/// By the tables of Unicode in the standard library, which for [`char::escape_debug`] tell what is printable: neither
/// control (Cc), format (Cf), private, unassigned, nor a separator other than the space.
fn is_seen(c: char) -> bool {
    // A mark that belongs to the letter before is escaped only where there is none.
    let mut letter = [0; 5];
    letter[0] = b'a';
    let length = 1 + c.encode_utf8(&mut letter[1..]).len();
    let pair = std::str::from_utf8(&letter[..length]).unwrap_or_default();
    // Those three are escaped for the sake of quotes, of which there are none here.
    matches!(c, '"' | '\'' | '\\') || pair.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_seen_stays_and_what_is_not_is_escaped() {
        for (text, told) in [
            ("kafka-0.example.com:9092", "kafka-0.example.com:9092"),
            (r#"CN="a\b's", O=Ä"#, r#"CN="a\b's", O=Ä"#),
            // Combining marks, of which many scripts cannot do without.
            ("e\u{301} สวัสดี हिन्दी 日本", "e\u{301} สวัสดี हिन्दी 日本"),
            (
                "\u{1b}[2Jfine\nno\r\0\u{7f}\u{9b}",
                r"\u{1b}[2Jfine\nno\r\0\u{7f}\u{9b}",
            ),
            ("moc.\u{202e}evil\u{202c}", r"moc.\u{202e}evil\u{202c}"),
            (
                "a\u{200b}b\u{ad}c\u{feff}\u{e0041}",
                r"a\u{200b}b\u{ad}c\u{feff}\u{e0041}",
            ),
            ("a\u{2028}b\u{a0}c\u{e000}", r"a\u{2028}b\u{a0}c\u{e000}"),
        ] {
            assert_eq!(tamed(text, 100), told);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(tamed("ééé", 3), "ééé");
        assert_eq!(tamed("éééé", 3), "ééé…");
        assert_eq!(tamed("\n\n\n\n", 3), r"\n\n\n…");
    }

    proptest! {
        /// The oracle is another table of Unicode.
        #[test]
        fn no_control_or_format_character_is_left(text in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]{1,20}") {
            let told = tamed(&text, 100);
            prop_assert!(told.is_ascii() && !told.contains(|c: char| c.is_control()), "{told}");
        }

        #[test]
        fn letters_marks_and_signs_are_left_alone(text in "[\\p{L}\\p{M}\\p{N}\\p{P}\\p{Sm}\\p{Sc} ]{0,20}") {
            prop_assert_eq!(tamed(&text, 100), text);
        }
    }
}
