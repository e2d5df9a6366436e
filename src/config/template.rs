//! Templates of what each node has: addresses inside the cluster, names outside.

use super::reader::Unfit;
use crate::port_map::NodeId;

/// What may stand in a template that belongs to a list of nodes.
pub(super) const PLACEHOLDERS: [&str; 2] = ["{node_id}", "{ordinal}"];

/// Whether a template can be filled in at all: it has no other placeholders than these, and `parse` takes what it makes
/// of node 0.
pub(super) fn check<T>(
    text: &str,
    placeholders: &[&str],
    parse: fn(&str) -> Result<T, Unfit>,
) -> Result<(), Unfit> {
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let length = rest[open..]
            .find('}')
            .map_or(rest.len() - open, |close| close + 1);
        let placeholder = &rest[open..open + length];
        if !placeholders.contains(&placeholder) {
            return Err((
                format!("\"{placeholder}\" is no placeholder"),
                instead(placeholders),
            ));
        }
        rest = &rest[open + length..];
    }
    let parsed = parse(&fill(text, 0, NodeId(0)));
    parsed
        .map(|_| ())
        .map_err(|(problem, remedy)| match text.contains('{') {
            true => (format!("for node 0 {problem}"), remedy),
            false => (problem, remedy),
        })
}

/// Whether a template makes the same of all nodes.
pub(super) fn is_constant(template: &str) -> bool {
    !PLACEHOLDERS.iter().any(|p| template.contains(p))
}

/// What a template makes of each node, given with its place in its entry.
pub(super) fn expand<T>(
    template: &str,
    nodes: impl Iterator<Item = (usize, NodeId)>,
    parse: fn(&str) -> Result<T, Unfit>,
) -> Result<Vec<T>, Unfit> {
    let fill = |(ordinal, id): (usize, NodeId)| {
        parse(&fill(template, ordinal, id))
            .map_err(|(problem, remedy)| (format!("for node {id} {problem}"), remedy))
    };
    nodes.map(fill).collect()
}

fn fill(template: &str, ordinal: usize, id: NodeId) -> String {
    template
        .replace("{node_id}", &id.to_string())
        .replace("{ordinal}", &ordinal.to_string())
}

fn instead(placeholders: &[&str]) -> String {
    match placeholders {
        ["{node_id}"] => "write {node_id}",
        _ => "write {node_id}, or {ordinal}, which is 0 for the first id of the entry",
    }
    .to_owned()
}
