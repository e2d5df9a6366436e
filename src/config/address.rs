//! Hosts, addresses and address templates, as they are written.

use std::net::IpAddr;

use super::BrokerAddress;
use super::reader::Unfit;
use crate::port_map::NodeId;

/// The host that clients are told.
pub(super) fn advertised_host(text: &str) -> Result<String, Unfit> {
    let literal = text.trim_start_matches('[').trim_end_matches(']');
    let unfit = |problem: &str, remedy: &str| Err((problem.to_owned(), remedy.to_owned()));
    if text.is_empty() {
        return unfit(
            "it is empty",
            "write the name or address that clients outside use",
        );
    }
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return match ip.is_unspecified() {
            true => unfit(
                "a wildcard address, which no client can connect to",
                "write the name or address that clients outside use",
            ),
            false => Ok(literal.to_owned()),
        };
    }
    if text.contains("://") {
        return unfit(
            "a URL",
            "write the host name alone, such as \"kafka.example.com\"",
        );
    }
    if text.contains(':') {
        return unfit(
            "it has a port",
            "write the host name alone; ports are set by bootstrap_port and nodes[].port",
        );
    }
    host_name(text).map(|()| text.to_owned())
}

/// `host:port` of a broker.
pub(super) fn broker(text: &str) -> Result<BrokerAddress, Unfit> {
    let remedy = "write it like \"kafka-headless.kafka.svc.cluster.local:9092\"";
    let unfit = |problem: String| Err((problem, remedy.to_owned()));
    if text.contains("://") {
        return unfit(format!("\"{text}\" is a URL"));
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| is_whole(host)) else {
        return unfit(format!("\"{text}\" has no port"));
    };
    let Ok(port @ 1..) = port.parse::<u16>() else {
        return unfit(format!("\"{port}\" in \"{text}\" is no port"));
    };
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(literal) = literal {
        if literal.parse::<IpAddr>().is_err() {
            return unfit(format!("\"{literal}\" is no IPv6 address"));
        }
        return Ok(BrokerAddress {
            host: literal.to_owned(),
            port,
        });
    }
    host_name(host)
        .map_err(|(problem, _)| (format!("\"{text}\": {problem}"), remedy.to_owned()))?;
    Ok(BrokerAddress {
        host: host.to_owned(),
        port,
    })
}

/// What stands before the last colon is a host only if it has no other colon, or is an IPv6 literal in brackets.
fn is_whole(host: &str) -> bool {
    !host.contains(':') || (host.starts_with('[') && host.ends_with(']'))
}

fn host_name(text: &str) -> Result<(), Unfit> {
    let remedy = "host names have letters, digits, hyphens and dots, at most 253 characters";
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.is_empty() {
        return Err(("the host is empty".into(), remedy.into()));
    }
    if text.len() > 253 {
        return Err(("the host name is too long".into(), remedy.into()));
    }
    match text.chars().find(|&c| !fits(c)) {
        Some(c) => Err((
            format!("{c:?} does not belong into a host name"),
            remedy.into(),
        )),
        None => Ok(()),
    }
}

/// The placeholders of an address template.
const PLACEHOLDERS: [&str; 2] = ["{node_id}", "{ordinal}"];

/// The addresses of an entry's nodes, in order. `ids` has at least one.
pub(super) fn expand(template: &str, ids: &[NodeId]) -> Result<Vec<BrokerAddress>, Unfit> {
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let length = rest[open..]
            .find('}')
            .map_or(rest.len() - open, |close| close + 1);
        let placeholder = &rest[open..open + length];
        if !PLACEHOLDERS.contains(&placeholder) {
            let problem = format!("{placeholder} is no placeholder");
            let remedy =
                "there are {node_id}, and {ordinal}, which is 0 for the first id of the entry";
            return Err((problem, remedy.to_owned()));
        }
        rest = &rest[open + length..];
    }
    if ids.len() > 1 && !PLACEHOLDERS.iter().any(|p| template.contains(p)) {
        return Err((
            format!("{} ids would have the same address", ids.len()),
            "put {node_id} or {ordinal} into it, or make an entry of each id".into(),
        ));
    }
    let fill = |(ordinal, id): (usize, &NodeId)| {
        let text = template
            .replace("{node_id}", &id.to_string())
            .replace("{ordinal}", &ordinal.to_string());
        broker(&text)
    };
    ids.iter().enumerate().map(fill).collect()
}

/// Node ids as written: a number, a range, or a list of both. In the order in which they get their ports.
pub(super) fn node_ids(text: &str) -> Result<Vec<NodeId>, Unfit> {
    const MOST: usize = 50_000;
    let remedy = "write a range or a list such as \"0-9\" or \"100-104,200\"";
    let mut ids = Vec::new();
    for part in text.split(',').map(str::trim) {
        let bad = || {
            Err((
                format!("\"{part}\" is no node id or range"),
                remedy.to_owned(),
            ))
        };
        let number = |word: &str| {
            let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| word.parse::<i32>().ok()).flatten()
        };
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first.trim()), number(last.trim())),
            None => (number(part), number(part)),
        };
        let (Some(first), Some(last)) = (first, last) else {
            return bad();
        };
        if first > last {
            let problem = format!("\"{part}\" runs backwards");
            return Err((problem, format!("write \"{last}-{first}\"")));
        }
        if (last - first) as usize >= MOST - ids.len().min(MOST) {
            let problem = format!("\"{text}\" has more ids than there are ports");
            return Err((problem, remedy.into()));
        }
        for id in first..=last {
            ids.push(NodeId(id));
        }
    }
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let problem = format!("id {} stands in it twice", pair[0]);
        return Err((problem, remedy.into()));
    }
    Ok(ids)
}
