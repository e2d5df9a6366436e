//! Reads `docs/errors.md`: its tables, headings and links.

const PAGE: &str = include_str!("../../docs/errors.md");

/// A row of a table.
pub struct Row {
    /// The heading above the table.
    pub heading: &'static str,
    /// Its cells.
    pub cells: Vec<&'static str>,
}

impl Row {
    /// What stands between backticks in the first cell.
    pub fn code(&self) -> String {
        let spans = spans(self.cells[0]);
        assert_eq!(spans.len(), 1, "{}", self.cells[0]);
        spans[0].to_owned()
    }

    /// The second cell of a log line.
    pub fn level(&self) -> &'static str {
        self.cells[1]
    }

    /// What stands between backticks in the second cell.
    pub fn words(&self) -> Vec<&'static str> {
        spans(self.cells[1])
    }
}

/// The rows of all tables whose first column has this header.
pub fn rows(header: &str) -> Vec<Row> {
    let mut heading = "";
    let mut is_such = false;
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        let Some(inner) = line.strip_prefix("| ") else {
            if let Some((_, text)) = line.split_once("# ") {
                heading = text;
            }
            // The line below the header begins otherwise.
            is_such &= line.starts_with("|---");
            continue;
        };
        let inner = inner.strip_suffix(" |").expect("a whole row");
        let cells: Vec<&str> = inner.split(" | ").collect();
        if is_such {
            rows.push(Row { heading, cells });
        } else {
            is_such = cells[0] == header;
        }
    }
    assert!(!rows.is_empty(), "no table of {header}");
    rows
}

/// Where links lead to.
pub fn links() -> Vec<&'static str> {
    let links = PAGE.split("](").skip(1);
    links.filter_map(|rest| rest.split(')').next()).collect()
}

/// What leads to headings: their words with hyphens between.
pub fn anchors() -> impl Iterator<Item = String> {
    let headings = PAGE.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let text: String = text.chars().filter(|c| !",'".contains(*c)).collect();
        text.replace(' ', "-")
    })
}

fn spans(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}
