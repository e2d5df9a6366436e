//! Whether what brokers say of each other agrees, and what the partitions say of nodes that no broker names.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Partitions, counted};
use super::codes;
use super::finding::{Finding, Place};
use crate::config::BrokerAddress;

/// Differences that are told of one answer.
const MOST: usize = 5;

/// What another answer tells about nodes that clients know from the bootstrap. `whose` is the answer in words.
pub(super) fn answers(
    place: &Place,
    whose: &str,
    first: &Cluster,
    other: &BTreeMap<i32, BrokerAddress>,
) -> Vec<Finding> {
    let differing: Vec<String> = other
        .iter()
        .filter_map(|(id, address)| {
            let before = first.brokers.get(id)?;
            (before != address)
                .then(|| format!("node {id} is {address} in {whose}, {before} in the bootstrap's"))
        })
        .take(MOST)
        .collect();
    match differing.is_empty() {
        true => Vec::new(),
        false => vec![Finding::at(
            place,
            &codes::ADDRESSES_DIFFER,
            differing.join("; "),
        )],
    }
}

/// Nodes that one knows and the other does not.
pub(super) fn sets(place: &Place, first: &Cluster, other: &Cluster) -> Option<Finding> {
    let missing = |these: &Cluster, those: &Cluster| -> Vec<String> {
        let ids = these.brokers.keys();
        let ids = ids.filter(|id| !those.brokers.contains_key(id));
        ids.take(MOST).map(ToString::to_string).collect()
    };
    let (less, more) = (missing(first, other), missing(other, first));
    let mut seen = Vec::new();
    if !less.is_empty() {
        seen.push(format!("{place} does not name {}", less.join(", ")));
    }
    if !more.is_empty() {
        seen.push(format!("{place} also names {}", more.join(", ")));
    }
    match seen.is_empty() {
        true => None,
        false => Some(Finding::at(place, &codes::BROKERS_DIFFER, seen.join("; "))),
    }
}

/// What answers of the bootstrap other than Metadata say.
pub(super) fn others(
    bootstrap: &Place,
    first: &Cluster,
    described: Option<&Cluster>,
    coordinator: Option<&(i32, BrokerAddress)>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut look = |whose: &str, brokers: &BTreeMap<i32, BrokerAddress>| {
        findings.extend(answers(bootstrap, whose, first, brokers));
        let unknown = brokers
            .iter()
            .filter(|(id, _)| !first.brokers.contains_key(id));
        for (id, address) in unknown.take(MOST) {
            let seen = format!("{whose} names it at {address}, and Metadata does not name it");
            findings.push(Finding::of_node(*id, &codes::NODE_NOT_IN_MAP, seen));
        }
    };
    if let Some(described) = described {
        look("the answer to DescribeCluster", &described.brokers);
    }
    if let Some((node, address)) = coordinator {
        let brokers = BTreeMap::from([(*node, address.clone())]);
        look("the answer to FindCoordinator", &brokers);
    }
    findings
}

/// Brokers that are advertised at one address.
pub(super) fn shared(cluster: &Cluster) -> Vec<Finding> {
    let mut places: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (id, address) in &cluster.brokers {
        places.entry(address.to_string()).or_default().push(*id);
    }
    let several = places.into_iter().filter(|(_, ids)| ids.len() > 1);
    let told = |(address, ids): (String, Vec<i32>)| {
        let mut names: Vec<String> = ids.iter().take(MOST).map(ToString::to_string).collect();
        if ids.len() > MOST {
            names.push("...".to_owned());
        }
        let seen = format!("nodes {} are all advertised at {address}", names.join(", "));
        Finding::of_all(&codes::SAME_ADDRESS, seen)
    };
    several.take(MOST).map(told).collect()
}

/// What partitions tell of nodes without an address.
pub(super) fn partitions(partitions: &Partitions) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut outside = Vec::new();
    for (id, node) in &partitions.unlisted {
        // Only a node that is up leads or is in sync.
        let (code, does) = match (node.leads, node.in_sync) {
            (0, 0) => (&codes::NODE_DOWN, "holds replicas of"),
            (0, _) => (&codes::NODE_NOT_IN_MAP, "is in sync for"),
            _ => (&codes::NODE_NOT_IN_MAP, "leads"),
        };
        let count = match (node.leads, node.in_sync) {
            (0, 0) => node.replicas,
            (0, in_sync) => in_sync,
            (leads, _) => leads,
        };
        if code.name == codes::NODE_NOT_IN_MAP.name {
            outside.push(id.to_string());
        }
        let seen = format!("it {does} {}, and no address of it is told", counted(count));
        findings.push(Finding::of_node(*id, code, seen));
    }
    if partitions.leaderless.count > 0 {
        let seen = format!("{} without a leader", partitions.leaderless.told());
        let finding = Finding::of_all(&codes::PARTITIONS_WITHOUT_LEADER, seen);
        outside.truncate(MOST);
        findings.push(match outside.is_empty() {
            true => finding,
            // Portolan says of partitions whose leader has no port that they have none.
            false => finding.remedy(format!(
                "first mend what is said of node {}: it may lead them",
                outside.join(", ")
            )),
        });
    }
    findings
}
