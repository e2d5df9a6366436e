//! Hosts, addresses, address templates and node ids, as they are written.

use std::net::{IpAddr, Ipv6Addr};

use super::BrokerAddress;
use super::reader::Unfit;
use crate::port_map::NodeId;

/// The host that clients are told.
pub(super) fn advertised_host(text: &str) -> Result<String, Unfit> {
    const REMEDY: &str =
        "write the name or address that clients outside use, such as \"kafka.example.com\"";
    let unfit = |problem: &str, remedy: &str| Err((problem.to_owned(), remedy.to_owned()));
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let literal = bracketed.unwrap_or(text);
    if text.is_empty() {
        return unfit("it is empty", REMEDY);
    }
    if literal == "*" || literal.parse().is_ok_and(is_wildcard) {
        return unfit(
            &format!("\"{text}\" is a wildcard, which no client can connect to"),
            REMEDY,
        );
    }
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return match ip.is_multicast() || is_broadcast(ip) {
            true => unfit(&format!("\"{text}\" is not the address of a host"), REMEDY),
            false => Ok(literal.to_owned()),
        };
    }
    if text.contains("://") {
        return unfit(
            &format!("\"{text}\" is a URL"),
            "write the host name alone, such as \"kafka.example.com\"",
        );
    }
    if bracketed.is_some() || text.matches(':').count() > 1 {
        return unfit(&format!("\"{literal}\" is no IPv6 address"), REMEDY);
    }
    if let Some((host, _)) = text.split_once(':') {
        return unfit(
            &format!("\"{text}\" has a port"),
            &format!(
                "write \"{host}\" alone; its ports are set by bootstrap_port and nodes[].port, or where a load balancer's \
                 differ by bootstrap_advertised_port and nodes[].advertised_port"
            ),
        );
    }
    host_name(text)?;
    Ok(text.to_owned())
}

/// A host name as it may stand in TLS: no address, and without a dot at its end (RFC 6066, section 3).
pub(super) fn server_name(text: &str) -> Result<String, Unfit> {
    let unfit = |problem: String, remedy: &str| Err((problem, remedy.to_owned()));
    let literal = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if text.is_empty() {
        return unfit(
            "it is empty".into(),
            "write a host name, such as \"kafka.example.com\"",
        );
    }
    if literal.unwrap_or(text).parse::<IpAddr>().is_ok() {
        let problem = format!("\"{text}\" is an IP address, and TLS server names never are");
        return unfit(problem, "write a host name, such as \"kafka.example.com\"");
    }
    if text.contains("://") {
        return unfit(
            format!("\"{text}\" is a URL"),
            "write the host name alone, such as \"kafka.example.com\"",
        );
    }
    if let Some((host, _)) = text.split_once(':') {
        let remedy = format!("write \"{host}\" alone");
        return unfit(format!("\"{text}\" has a port"), &remedy);
    }
    host_name(text)?;
    match text.strip_suffix('.') {
        Some(name) => unfit(
            format!("\"{text}\" ends in a dot, and TLS server names never do"),
            &format!("write \"{name}\""),
        ),
        None => Ok(text.to_owned()),
    }
}

/// A name of the admin listener; with a dot before it, a domain and all below it.
pub(super) fn admin_host(text: &str) -> Result<String, Unfit> {
    const REMEDY: &str = "write a name such as \"portolan.example.com\", or \".example.com\" for that domain and all below it";
    let unfit = |problem: String| Err((problem, REMEDY.to_owned()));
    let name = text.strip_prefix('.').unwrap_or(text);
    if name.is_empty() {
        return unfit(format!("\"{text}\" is no name"));
    }
    if text.contains('*') {
        return unfit(format!(
            "\"{text}\" has an asterisk, which stands for nothing here"
        ));
    }
    // There anybody can have a name.
    if text.starts_with('.') && !name.contains('.') {
        return unfit(format!("\"{text}\" is everybody's"));
    }
    server_name(name)?;
    Ok(text.to_ascii_lowercase())
}

/// `host:port` of a broker.
pub(super) fn broker(text: &str) -> Result<BrokerAddress, Unfit> {
    let unfit = |problem: String| {
        let remedy = "write it like \"kafka-headless.kafka.svc.cluster.local:9092\"";
        Err((problem, remedy.to_owned()))
    };
    if let Some((scheme, _)) = text.split_once("://") {
        return unfit(format!(
            "\"{text}\" begins with \"{scheme}://\", which is not part of an address"
        ));
    }
    if text.contains(',') {
        let each: Vec<String> = text.split(',').map(|a| format!("{:?}", a.trim())).collect();
        return Err((
            format!("\"{text}\" is more than one address in one string"),
            format!("write each in quotes of its own: {}", each.join(", ")),
        ));
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| is_whole(host)) else {
        return match text.parse::<Ipv6Addr>() {
            Ok(ip) => unfit(format!(
                "\"{text}\" has no port, or no brackets: an IPv6 address and a port are written \"[{ip}]:9092\""
            )),
            Err(_) => unfit(format!("\"{text}\" has no port")),
        };
    };
    let Some(port) = port_number(port) else {
        return unfit(format!("\"{port}\" in \"{text}\" is no port"));
    };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if let Some(literal) = bracketed
        && literal.parse::<Ipv6Addr>().is_err()
    {
        return unfit(format!("\"{literal}\" in \"{text}\" is no IPv6 address"));
    }
    let host = bracketed.unwrap_or(host);
    match host.parse() {
        Ok(ip) if is_wildcard(ip) => {
            return unfit(format!(
                "\"{text}\" has a wildcard for a host, which nobody can connect to"
            ));
        }
        Ok(_) => {}
        Err(_) => host_name(host).map_err(|(problem, remedy)| match text == host {
            true => (problem, remedy),
            false => (format!("\"{text}\": {problem}"), remedy),
        })?,
    }
    Ok(BrokerAddress {
        host: host.to_owned(),
        port,
    })
}

/// Whether an address means "all addresses of this machine".
fn is_wildcard(ip: IpAddr) -> bool {
    ip.to_canonical().is_unspecified()
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
}

/// What stands before the last colon is a host only if it has no other colon, or is an IPv6 literal in brackets.
fn is_whole(host: &str) -> bool {
    !host.contains(':') || (host.starts_with('[') && host.ends_with(']'))
}

fn port_number(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| is_digits && port != 0)
}

fn host_name(text: &str) -> Result<(), Unfit> {
    let unfit = |problem: String| {
        let remedy = "host names have letters, digits, hyphens and dots, at most 253 characters, and 63 between two dots";
        Err((problem, remedy.to_owned()))
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.is_empty() {
        return unfit("the host is empty".into());
    }
    if let Some(c) = text.chars().find(|&c| !fits(c)) {
        return unfit(format!("{c:?} does not belong into a host name"));
    }
    // A dot at the end says that the name is whole.
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 || name.split('.').any(|label| label.len() > 63) {
        return unfit("the host name is too long".into());
    }
    if name.split('.').any(str::is_empty) {
        return unfit(format!("\"{text}\" has nothing between two dots"));
    }
    // Some resolvers take 0, 127.1 or 10.0.0 for addresses, and no name ends in a number.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) && name.parse::<IpAddr>().is_err() {
        let problem = format!("\"{text}\" is neither a host name nor an IP address");
        return Err((problem, "write an IPv4 address with four numbers".into()));
    }
    Ok(())
}

/// Node ids as written: a number, a range, or a list of both. In the order in which they get their ports.
pub(super) fn node_ids(text: &str) -> Result<Vec<NodeId>, Unfit> {
    /// More cannot have a port each.
    const MOST: usize = 65_535;
    let remedy = "write a range or a list such as \"0-9\" or \"100-104,200\"";
    let mut ids = Vec::new();
    for part in text.split(',').map(str::trim) {
        let number = |word: &str| {
            let word = word.trim();
            let is_digits = word.bytes().all(|byte| byte.is_ascii_digit());
            word.parse::<i32>().ok().filter(|_| is_digits)
        };
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            let problem = match text == part {
                true => format!("\"{part}\" is no node id or range"),
                false => format!("\"{part}\" in \"{text}\" is no node id or range"),
            };
            return Err((problem, remedy.to_owned()));
        };
        if first > last {
            let problem = format!("\"{part}\" runs backwards");
            return Err((problem, format!("write \"{last}-{first}\"")));
        }
        if (last - first) as usize >= MOST - ids.len() {
            let problem = format!("\"{text}\" has more ids than there are ports");
            return Err((
                problem,
                "name only the ids that brokers have or may get".into(),
            ));
        }
        ids.extend((first..=last).map(NodeId));
    }
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let problem = format!("id {} stands in it twice", pair[0]);
        return Err((problem, "name each id once".into()));
    }
    Ok(ids)
}
