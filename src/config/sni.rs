//! Reads `[clusters.<name>.sni]`: one port for all nodes, at which the TLS server name tells which is meant.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::claims::Told;
use super::ports::Ports;
use super::reader::{Reader, Section, Unfit};
use super::{Sni, address, keys, template, value};
use crate::port_map::{NameTaken, NodeId, NodePort, PortMap, Route};

const EXAMPLE: &str = "\"broker-{node_id}.kafka.example.com\"";

/// Reads the table; `members` are the ids of the cluster, each with its place in its entry.
pub(super) fn read(
    reader: &mut Reader<'_>,
    cluster: &Section<'_>,
    members: &[(usize, NodeId)],
    ports: &mut Ports<'_>,
) -> Option<Sni> {
    cluster.value("sni")?;
    if cluster.value("tls").is_none() {
        let problem = "clients have no TLS, and without it they send no server name";
        let remedy = format!(
            "add:\n[{}]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"",
            cluster.join("tls")
        );
        reader.fault_at(cluster, "sni", problem, remedy);
    }
    let section = reader.section(cluster, "sni");
    if section.is_broken {
        return None;
    }
    reader.known(&section, &keys::SNI);
    let bound = reader.required(&section, "port", value::port, "9092");
    let advertised = reader.get(&section, "advertised_port", value::port);
    let example = "\"kafka.example.com\"";
    let bootstrap_host = reader.required(&section, "bootstrap_host", server_name, example);
    let node_host = reader.required(&section, "node_host", name_template, EXAMPLE);
    let is_bound = claim_bound(reader, &section, bound?, advertised, ports);
    let (bootstrap_host, node_host) = (bootstrap_host?, node_host?);
    let names = names(reader, &section, &node_host, members)?;
    let port = NodePort {
        bound: bound?,
        advertised: advertised.or(bound)?,
    };
    if is_bound || advertised.is_some() {
        let hosts = names.values().chain([&bootstrap_host]);
        claim_advertised(reader, &section, hosts, port.advertised, ports);
    }
    match PortMap::with_names(port, &bootstrap_host, names) {
        Ok(ports) => Some(Sni {
            bootstrap_host,
            node_host,
            ports,
        }),
        Err(taken) => {
            let (problem, remedy) = same_name(&taken);
            reader.fault_at(&section, "node_host", problem, remedy);
            None
        }
    }
}

fn server_name(value: &DeValue<'_>) -> Result<String, Unfit> {
    address::server_name(&value::text(value)?)
}

fn name_template(value: &DeValue<'_>) -> Result<String, Unfit> {
    let text = value::text(value)?;
    template::check(&text, &template::PLACEHOLDERS, address::server_name)?;
    Ok(text)
}

/// Takes the port on this machine; false where somebody has it, which is a fault.
fn claim_bound(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    port: u16,
    advertised: Option<u16>,
    ports: &mut Ports<'_>,
) -> bool {
    let claims = &mut ports.claims;
    claims.refuse_zero(reader, section, "port", port);
    if let Some(advertised) = advertised {
        claims.refuse_zero(reader, section, "advertised_port", advertised);
    }
    let Some(owner) = claims.bind(ports.listen_address, port, &section.join("port")) else {
        return true;
    };
    let problem = format!("port {port} is taken by {owner}");
    reader.fault_at(section, "port", problem, "choose another port");
    false
}

/// Takes the names at the port that clients are told. One fault is enough where another cluster has the same names.
fn claim_advertised<'n>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    hosts: impl Iterator<Item = &'n String>,
    port: u16,
    ports: &mut Ports<'_>,
) {
    let key = match section.value("advertised_port") {
        Some(_) => "advertised_port",
        None => "port",
    };
    let path = section.join(key);
    let mut taken = None;
    for host in hosts {
        if let Some(owner) = ports.claims.advertise(Told::Host(host), port, &path)
            && owner != path
        {
            taken.get_or_insert((host, owner));
        }
    }
    if let Some((host, owner)) = taken {
        let problem = format!("port {port} is advertised at {host} by {owner} already");
        reader.fault_at(section, key, problem, "choose another port, or other names");
    }
}

/// The name of each node.
fn names(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    template: &str,
    members: &[(usize, NodeId)],
) -> Option<BTreeMap<NodeId, String>> {
    let names = match members.len() > 1 && template::is_constant(template) {
        true => Err((
            format!("{} nodes would have the same name", members.len()),
            format!("put {{node_id}} into it, such as {EXAMPLE}"),
        )),
        false => template::expand(template, members.iter().copied(), address::server_name),
    };
    match names {
        Ok(names) => Some(members.iter().map(|&(_, id)| id).zip(names).collect()),
        Err((problem, remedy)) => {
            reader.fault_at(section, "node_host", problem, remedy);
            None
        }
    }
}

fn same_name(taken: &NameTaken) -> Unfit {
    let name = &taken.name;
    match (taken.first, taken.second) {
        (Route::Node(first), Route::Node(second)) => (
            format!("nodes {first} and {second} would have the same name, \"{name}\""),
            format!("put {{node_id}} into it, such as {EXAMPLE}"),
        ),
        (_, second) => (
            format!("{second} would have the name of bootstrap_host, \"{name}\""),
            format!("write other names, such as {EXAMPLE}"),
        ),
    }
}
