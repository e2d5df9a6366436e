//! Reads the `[[nodes]]` entries of a cluster: which ids there are, their ports and their addresses.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::ports::{Ports, nth};
use super::reader::{Reader, Section, Unfit, kind};
use super::{NodeAddress, NodeEntry, address, keys, template, value};
use crate::port_map::{NodeId, NodePort};

/// The ways in which clients come to the nodes of a cluster; one at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    /// Each node has a port.
    pub(super) ports: bool,
    /// Each node has a name.
    pub(super) sni: bool,
}

/// What the `[[nodes]]` entries of a cluster amount to.
#[derive(Default)]
pub(super) struct Nodes {
    /// Empty in SNI mode alone.
    pub(super) ports: BTreeMap<NodeId, NodePort>,
    pub(super) addresses: BTreeMap<NodeId, NodeAddress>,
    pub(super) entries: Vec<NodeEntry>,
    /// All ids, each with its place in its entry.
    pub(super) members: Vec<(usize, NodeId)>,
    /// The key that each id stands in.
    owners: BTreeMap<NodeId, String>,
}

/// Which modes are meant: that of ports where a node has one, or where there is no other.
pub(super) fn modes(cluster: &Section<'_>) -> Modes {
    let sni = cluster.value("sni").is_some();
    Modes {
        ports: !sni || some_entry_has_a_port(cluster),
        sni,
    }
}

/// Reads the entries of a cluster.
pub(super) fn read(
    reader: &mut Reader<'_>,
    cluster: &Section<'_>,
    modes: Modes,
    ports: &mut Ports<'_>,
) -> Nodes {
    let mut nodes = Nodes::default();
    let path = cluster.join("nodes");
    let header = format!("[[{path}]]");
    for (n, value) in entries(reader, cluster, modes).iter().enumerate() {
        let section = reader.as_section(format!("{path}[{n}]"), value, &header);
        if !section.is_broken {
            read_entry(reader, cluster, &section, modes, ports, &mut nodes);
        }
    }
    nodes
}

/// The entries as they stand there, at least one, or a fault.
fn entries<'a>(
    reader: &mut Reader<'_>,
    cluster: &Section<'a>,
    modes: Modes,
) -> &'a [Spanned<DeValue<'a>>] {
    let path = cluster.join("nodes");
    let header = format!("[[{path}]]");
    let (lacking, example) = match modes.ports {
        true => (
            "no node has a port",
            format!("{header}\nids = \"0-9\"\nport = 9093"),
        ),
        false => ("there is no node", format!("{header}\nids = \"0-9\"")),
    };
    let Some(value) = cluster.value("nodes") else {
        let problem = format!("missing: {lacking}");
        let remedy = format!("add:\n{example}");
        reader.fault(path, cluster.line, problem, remedy);
        return &[];
    };
    let (problem, remedy) = match value.get_ref() {
        DeValue::Array(list) if !list.is_empty() => return list,
        DeValue::Array(_) => (
            format!("the list is empty: {lacking}"),
            format!("write:\n{example}"),
        ),
        DeValue::Table(_) => (
            "a table where a list of tables is wanted".into(),
            format!("write {header}, with two brackets"),
        ),
        other => (
            format!("{} where a list of tables is wanted", kind(other)),
            format!("write:\n{example}"),
        ),
    };
    reader.fault_at(cluster, "nodes", problem, remedy);
    &[]
}

fn some_entry_has_a_port(cluster: &Section<'_>) -> bool {
    let list = cluster
        .value("nodes")
        .and_then(|value| value.get_ref().as_array());
    let tables = list
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get_ref().as_table());
    tables.into_iter().any(|table| table.contains_key("port"))
}

fn node_ids(value: &DeValue<'_>) -> Result<(String, Vec<NodeId>), Unfit> {
    // A single id may be written as a number, too.
    let text = match (value::integer(value), value.as_str()) {
        (Some(number), _) => number.to_string(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => {
            let problem = format!("{} where node ids are wanted", kind(value));
            let remedy = "write a string with a range or a list such as \"0-9\" or \"100-104,200\"";
            return Err((problem, remedy.into()));
        }
    };
    let ids = address::node_ids(&text)?;
    Ok((text, ids))
}

fn address_template(value: &DeValue<'_>) -> Result<String, Unfit> {
    let text = value::text(value)?;
    template::check(&text, &template::PLACEHOLDERS, address::broker)?;
    Ok(text)
}

fn read_entry(
    reader: &mut Reader<'_>,
    cluster: &Section<'_>,
    section: &Section<'_>,
    modes: Modes,
    ports: &mut Ports<'_>,
    nodes: &mut Nodes,
) {
    reader.known(section, &keys::NODES);
    let ids = reader.required(section, "ids", node_ids, "\"0-9\"");
    let port = read_port(reader, cluster, section, modes);
    let advertised_port = read_advertised_port(reader, section, modes);
    let address = reader.get(section, "address", address_template);
    let Some((ids_text, ids)) = ids else { return };
    match port {
        Some(port) => {
            if !claim(reader, section, ports, port, advertised_port, ids.len()) {
                return;
            }
            for (n, &id) in ids.iter().enumerate() {
                let node = NodePort {
                    bound: nth(port, n),
                    advertised: nth(advertised_port.unwrap_or(port), n),
                };
                nodes.ports.insert(id, node);
            }
        }
        None if modes.ports => return,
        None => {}
    }
    refuse_shared_ids(reader, section, &ids, nodes);
    let addresses = read_addresses(reader, section, address.as_deref(), &ids, ports);
    nodes.addresses.extend(ids.iter().copied().zip(addresses));
    nodes.members.extend(ids.into_iter().enumerate());
    nodes.entries.push(NodeEntry {
        ids: ids_text,
        port,
        advertised_port: advertised_port.or(port),
        address,
    });
}

/// The port of an entry's first id, which all entries have or none.
fn read_port(
    reader: &mut Reader<'_>,
    cluster: &Section<'_>,
    section: &Section<'_>,
    modes: Modes,
) -> Option<u16> {
    let is_missing = section.value("port").is_none();
    if modes.ports && is_missing {
        let (problem, remedy) = match some_entry_has_a_port(cluster) {
            false => (
                "missing",
                format!(
                    "add: port = 9093\nor one port for all nodes, by TLS server name: [{}]",
                    cluster.join("sni")
                ),
            ),
            true if modes.sni => (
                "missing, and other entries have one",
                "add: port = 9093, or take it out of all entries".to_owned(),
            ),
            true => (
                "missing, and other entries have one",
                "add: port = 9093".to_owned(),
            ),
        };
        reader.fault(section.join("port"), section.line, problem, remedy);
    }
    reader.get(section, "port", value::port)
}

fn read_advertised_port(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    modes: Modes,
) -> Option<u16> {
    const KEY: &str = "advertised_port";
    if !modes.ports && section.value(KEY).is_some() {
        let problem =
            "it has no effect: no node has a port, and clients are told sni.advertised_port";
        let remedy = "take it out, or give the nodes a port";
        reader.fault_at(section, KEY, problem, remedy);
        return None;
    }
    reader.get(section, KEY, value::port)
}

/// Takes the ports of an entry; false where there are not as many, which is a fault.
fn claim(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    ports: &mut Ports<'_>,
    port: u16,
    advertised_port: Option<u16>,
    count: usize,
) -> bool {
    for (key, first) in [("port", Some(port)), ("advertised_port", advertised_port)] {
        let Some(first @ 1..) = first else { continue };
        if usize::from(first) + count - 1 > usize::from(u16::MAX) {
            let problem = format!("{count} ids from port {first} on run past port 65535");
            reader.fault_at(section, key, problem, "choose a lower port, or fewer ids");
            return false;
        }
    }
    let keys = ["port", "advertised_port"];
    ports.claim(reader, section, keys, port, advertised_port, count);
    true
}

fn refuse_shared_ids(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    ids: &[NodeId],
    nodes: &mut Nodes,
) {
    let path = section.join("ids");
    let mut shared: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    for &id in ids {
        if let Some(other) = nodes.owners.insert(id, path.clone()) {
            shared.entry(other).or_default().push(id);
        }
    }
    for (other, ids) in shared {
        let problem = match &ids[..] {
            [id] => format!("node {id} stands in {other} already"),
            [first, ..] => format!(
                "node {first} and {} more stand in {other} already",
                ids.len() - 1
            ),
            [] => continue,
        };
        let remedy = "each node has one port: take it out of one of them";
        reader.fault_at(section, "ids", problem, remedy);
    }
}

fn read_addresses(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    template: Option<&str>,
    ids: &[NodeId],
    ports: &mut Ports<'_>,
) -> Vec<NodeAddress> {
    let learned = || vec![NodeAddress::Learned; ids.len()];
    let Some(template) = template else {
        return learned();
    };
    if ids.len() > 1 && template::is_constant(template) {
        let problem = format!("{} nodes would have the same address", ids.len());
        let remedy = "put {node_id} or {ordinal} into it, or make an entry of each id";
        reader.fault_at(section, "address", problem, remedy);
        return learned();
    }
    match template::expand(template, ids.iter().copied().enumerate(), address::broker) {
        Ok(addresses) => {
            let line = reader.line_of(section, "address");
            for address in &addresses {
                ports.claims.broker(&section.join("address"), line, address);
            }
            addresses.into_iter().map(NodeAddress::Configured).collect()
        }
        Err((problem, remedy)) => {
            reader.fault_at(section, "address", problem, remedy);
            learned()
        }
    }
}
