//! As much of Markdown as the documents of this tree use.

/// A document, taken apart.
#[derive(Debug)]
pub(crate) struct Document {
    /// From the root of the tree.
    pub(crate) path: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) links: Vec<Link>,
    /// What stands between single backticks.
    pub(crate) spans: Vec<String>,
    /// Where links may lead to: headings, as GitHub names them.
    pub(crate) anchors: Vec<String>,
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// Where it begins.
    pub(crate) line: usize,
    pub(crate) language: String,
    /// What stands behind the language: `toml fragment`, `yaml values`.
    pub(crate) mark: String,
    pub(crate) text: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) target: String,
}

impl Document {
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let mut document = Self {
            path: path.to_owned(),
            blocks: Vec::new(),
            links: Vec::new(),
            spans: Vec::new(),
            anchors: Vec::new(),
        };
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            if let Some(info) = line.trim_start().strip_prefix("```") {
                let mut block = Block::new(info, number);
                for (line, _) in lines.by_ref() {
                    if line.trim() == "```" {
                        break;
                    }
                    block.text += line.get(indent..).unwrap_or_default();
                    block.text.push('\n');
                }
                document.blocks.push(block);
                continue;
            }
            if line.starts_with('#') {
                document.add_anchor(line.trim_start_matches('#').trim());
            }
            document.read_prose(line, number);
        }
        document
    }

    /// The blocks of a language, with their places.
    pub(crate) fn blocks_of(&self, language: &str) -> impl Iterator<Item = (String, &Block)> {
        let here = self
            .blocks
            .iter()
            .filter(move |block| block.language == language);
        here.map(|block| (format!("{}:{}", self.path, block.line), block))
    }

    fn read_prose(&mut self, line: &str, number: usize) {
        // Every second part is between backticks, unless there is one too many.
        let mut prose = String::new();
        for (part, turn) in line.split('`').zip(0..) {
            if turn % 2 == 1 {
                self.spans.push(part.to_owned());
                // The text of a link may be such a span.
                prose.push('`');
            } else {
                prose.push_str(part);
            }
        }
        let parts: Vec<&str> = prose.split("](").collect();
        for pair in parts.windows(2) {
            let text = pair[0].rsplit('[').next().unwrap_or_default();
            let target = pair[1].split([')', ' ']).next().unwrap_or_default();
            self.links.push(Link {
                line: number,
                text: text.to_owned(),
                target: target.to_owned(),
            });
        }
    }

    fn add_anchor(&mut self, heading: &str) {
        let base = anchor(heading);
        let before = |name: &str| self.anchors.iter().any(|known| known == name);
        let mut name = base.clone();
        let mut count = 0;
        while before(&name) {
            count += 1;
            name = format!("{base}-{count}");
        }
        self.anchors.push(name);
    }
}

impl Block {
    fn new(info: &str, line: usize) -> Self {
        let (language, mark) = info.split_once(' ').unwrap_or((info, ""));
        Self {
            line,
            language: language.trim().to_owned(),
            mark: mark.trim().to_owned(),
            text: String::new(),
        }
    }
}

/// The name that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    // Of a link only the text is seen.
    let mut seen = String::new();
    let mut rest = heading;
    while let Some((before, after)) = rest.split_once("](") {
        seen += before;
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    seen += rest;
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let lower = seen.to_lowercase();
    lower
        .chars()
        .filter(kept)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn a_document_is_taken_apart() {
    let text = "# One `two`: three\n\nSee [a](b.md#c), `[no](link)`.\n\n## Same\n## Same\n\n1. x\n\n   ```toml fragment\n   [a]\n     b = 1\n   ```\n";
    let document = Document::parse("x.md", text);
    assert_eq!(document.anchors, ["one-two-three", "same", "same-1"]);
    assert_eq!(document.spans, ["two", "[no](link)"]);
    let link = Link {
        line: 3,
        text: "a".to_owned(),
        target: "b.md#c".to_owned(),
    };
    assert_eq!(document.links, [link]);
    let (place, block) = document.blocks_of("toml").next().expect("a block");
    assert_eq!(
        (place.as_str(), block.mark.as_str()),
        ("x.md:10", "fragment")
    );
    assert_eq!(block.text, "[a]\n  b = 1\n");
}
