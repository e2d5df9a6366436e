//! The whole look: the bootstrap, then every broker that it names.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::cluster::{self, Cluster, Partitions};
use super::codes::{self, Severity};
use super::compare;
use super::finding::{Finding, Place};
use super::node::{Node, look_at};
use super::place::{Context, Open, Seen, visit};
use super::resolve::Names;
use super::talk::cut;
use crate::commands::client::{Error, Settings};
use crate::config::BrokerAddress;

/// Nodes that are looked at, at once and altogether: whoever answers may name millions.
const AT_ONCE: usize = 16;
const MOST_NODES: usize = 1000;

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) target: BrokerAddress,
    pub(super) bootstrap: Seen,
    /// `None`: nobody told about a cluster.
    pub(super) cluster: Option<Cluster>,
    pub(super) nodes: Vec<Node>,
    /// What is not about a single address.
    findings: Vec<Finding>,
}

impl Look {
    /// All findings, the worst first.
    pub(super) fn findings(&self) -> Vec<&Finding> {
        let nodes = self.nodes.iter().flat_map(|node| &node.seen.findings);
        let mut all: Vec<&Finding> = self.bootstrap.findings.iter().collect();
        all.extend(self.findings.iter().chain(nodes));
        all.sort_by_key(|finding| finding.severity());
        all
    }

    /// Whether there is a cluster without a fault.
    pub(super) fn ok(&self) -> bool {
        let is_fault = |finding: &&Finding| finding.severity() == Severity::Fault;
        self.cluster.is_some() && !self.findings().iter().any(is_fault)
    }
}

/// Looks at the cluster behind an address.
pub(super) async fn look(target: &BrokerAddress, settings: Settings) -> Look {
    let mut context = Context {
        settings,
        names: Names::default(),
        target: Vec::new(),
    };
    let place = Place {
        node: None,
        address: target.clone(),
    };
    let (bootstrap, open) = visit(place, &context).await;
    let mut look = Look {
        target: target.clone(),
        bootstrap,
        cluster: None,
        nodes: Vec::new(),
        findings: Vec::new(),
    };
    let Some(mut open) = open else {
        return look;
    };
    let partitions = match ask(&mut look, &mut open).await {
        Ok(partitions) => partitions,
        Err(error) => {
            let place = &look.bootstrap.place;
            let finding = cut(&error, open.peer, place, &context.settings).await;
            look.bootstrap.kafka = "fails";
            look.bootstrap.findings.push(finding);
            return look;
        }
    };
    drop(open);
    context.target.clone_from(&look.bootstrap.resolved);
    visit_nodes(&mut look, partitions, context).await;
    look
}

/// What the bootstrap tells. What goes wrong after the brokers are known is a finding, and no reason to end.
async fn ask(look: &mut Look, open: &mut Open) -> Result<Partitions, Error> {
    let connection = &mut open.connection;
    let cluster = cluster::brokers(connection).await?;
    look.findings.extend(compare::shared(&cluster));
    if cluster.brokers.is_empty() {
        let seen = "its answer to Metadata has an empty list";
        look.findings
            .push(Finding::of_all(&codes::NO_BROKERS, seen));
    }
    let outcome = rest(look, &cluster, open).await;
    look.cluster = Some(cluster);
    Ok(outcome.unwrap_or_else(|error| {
        let seen = format!("asked for more, the bootstrap fails: {}", error.problem());
        look.findings
            .push(Finding::of_all(&codes::PARTITIONS_NOT_SEEN, seen));
        Partitions::default()
    }))
}

async fn rest(look: &mut Look, cluster: &Cluster, open: &mut Open) -> Result<Partitions, Error> {
    let connection = &mut open.connection;
    let (_, partitions) = cluster::ask(connection, None).await?;
    look.findings.extend(compare::partitions(&partitions));
    let described = cluster::described(connection).await?;
    let coordinator = match partitions.has_groups {
        true => cluster::coordinator(connection).await?,
        false => None,
    };
    let place = &look.bootstrap.place;
    let findings = compare::others(place, cluster, described.as_ref(), coordinator.as_ref());
    look.findings.extend(findings);
    Ok(partitions)
}

async fn visit_nodes(look: &mut Look, partitions: Partitions, context: Context) {
    let Some(cluster) = look.cluster.clone() else {
        return;
    };
    if cluster.brokers.len() > MOST_NODES {
        let seen = format!("there are {} brokers", cluster.brokers.len());
        look.findings
            .push(Finding::of_all(&codes::BROKERS_NOT_LOOKED_AT, seen));
    }
    let shared = Arc::new((cluster, partitions, context));
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut visits = JoinSet::new();
    for (id, address) in shared.0.brokers.clone().into_iter().take(MOST_NODES) {
        let (shared, places) = (shared.clone(), places.clone());
        visits.spawn(async move {
            // It is never closed.
            let _place = places.acquire().await;
            let (cluster, partitions, context) = &*shared;
            let place = Place {
                node: Some(id),
                address,
            };
            (id, look_at(place, id, cluster, partitions, context).await)
        });
    }
    let mut nodes = Vec::new();
    while let Some(node) = visits.join_next().await {
        nodes.extend(node.ok());
    }
    nodes.sort_by_key(|(id, _)| *id);
    look.nodes = nodes.into_iter().map(|(_, node)| node).collect();
}

/// Addresses as text.
pub(super) fn told(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}
