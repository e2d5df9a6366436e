//! Reads the `[[nodes]]` entries of a cluster: which ids there are, their ports and their addresses.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::cluster::{Ports, nth};
use super::reader::{Reader, Section, Unfit, kind};
use super::{NodeAddress, NodeEntry, address, keys, value};
use crate::port_map::{NodeId, NodePort};

/// What the `[[nodes]]` entries of a cluster amount to.
#[derive(Default)]
pub(super) struct Nodes {
    pub(super) ports: BTreeMap<NodeId, NodePort>,
    pub(super) addresses: BTreeMap<NodeId, NodeAddress>,
    pub(super) entries: Vec<NodeEntry>,
    /// The key that each id stands in.
    owners: BTreeMap<NodeId, String>,
}

/// Reads the entries of a cluster.
pub(super) fn read(
    reader: &mut Reader<'_>,
    cluster: &Section<'_>,
    ports: &mut Ports<'_>,
    nodes: &mut Nodes,
) {
    let path = cluster.join("nodes");
    let header = format!("[[{path}]]");
    let example = format!("{header}\nids = \"0-9\"\nport = 9093");
    let Some(value) = cluster.value("nodes") else {
        let remedy = format!("add:\n{example}");
        reader.fault(path, cluster.line, "missing: no node has a port", remedy);
        return;
    };
    let list = match value.get_ref() {
        DeValue::Array(list) if !list.is_empty() => list,
        DeValue::Array(_) => {
            let remedy = format!("write:\n{example}");
            reader.fault_at(
                cluster,
                "nodes",
                "the list is empty: no node has a port",
                remedy,
            );
            return;
        }
        DeValue::Table(_) => {
            let problem = "a table where a list of tables is wanted";
            let remedy = format!("write {header}, with two brackets");
            reader.fault_at(cluster, "nodes", problem, remedy);
            return;
        }
        other => {
            let problem = format!("{} where a list of tables is wanted", kind(other));
            reader.fault_at(cluster, "nodes", problem, format!("write:\n{example}"));
            return;
        }
    };
    for (n, value) in list.iter().enumerate() {
        let section = reader.as_section(format!("{path}[{n}]"), value, &header);
        if !section.is_broken {
            read_entry(reader, &section, ports, nodes);
        }
    }
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
    address::template(&value::text(value)?)
}

fn read_entry(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    ports: &mut Ports<'_>,
    nodes: &mut Nodes,
) {
    reader.known(section, &keys::NODES);
    let ids = reader.required(section, "ids", node_ids, "\"0-9\"");
    let port = reader.required(section, "port", value::port, "9093");
    let advertised_port = reader.get(section, "advertised_port", value::port);
    let address = reader.get(section, "address", address_template);
    let (Some((ids_text, ids)), Some(port)) = (ids, port) else {
        return;
    };
    for (key, first) in [("port", Some(port)), ("advertised_port", advertised_port)] {
        let Some(first @ 1..) = first else { continue };
        if usize::from(first) + ids.len() - 1 > usize::from(u16::MAX) {
            let problem = format!("{} ids from port {first} on run past port 65535", ids.len());
            reader.fault_at(section, key, problem, "choose a lower port, or fewer ids");
            return;
        }
    }
    let keys = ["port", "advertised_port"];
    ports.claim(reader, section, keys, port, advertised_port, &ids);
    refuse_shared_ids(reader, section, &ids, nodes);
    let addresses = read_addresses(reader, section, address.as_deref(), &ids, ports);
    for ((n, &id), address) in ids.iter().enumerate().zip(addresses) {
        let node = NodePort {
            bound: nth(port, n),
            advertised: nth(advertised_port.unwrap_or(port), n),
        };
        nodes.ports.insert(id, node);
        nodes.addresses.insert(id, address);
    }
    nodes.entries.push(NodeEntry {
        ids: ids_text,
        port: Some(port),
        advertised_port: Some(advertised_port.unwrap_or(port)),
        address,
    });
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
    match address::expand(template, ids) {
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
