//! One node: the way to it, what it says of the others, and whether it is the one.

use super::cluster::{self, Cluster, Led, Partitions};
use super::codes;
use super::compare;
use super::finding::{Finding, Place};
use super::identity::{Identity, identify};
use super::place::{Context, NOTHING, Open, Seen, visit};
use super::talk::cut;
use crate::commands::client::Error;

/// What was seen of a node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) seen: Seen,
    /// In a word or two: proven, not proven, node 2.
    pub(super) identity: String,
    /// Partitions that it leads, by the metadata.
    pub(super) leads: usize,
}

/// Looks at one node.
pub(super) async fn look_at(
    place: Place,
    id: i32,
    cluster: &Cluster,
    partitions: &Partitions,
    context: &Context,
) -> Node {
    let (seen, open) = visit(place, context).await;
    let led = partitions.led.get(&id);
    let mut node = Node {
        seen,
        identity: NOTHING.to_owned(),
        leads: led.map_or(0, |led| led.count),
    };
    let reached = match open {
        None => false,
        Some(mut open) => match ask(&mut node, id, cluster, partitions, &mut open).await {
            Ok(()) => true,
            Err(error) => {
                let place = &node.seen.place;
                let finding = cut(&error, open.peer, place, &context.settings).await;
                node.seen.kafka = "fails";
                node.seen.findings.push(finding);
                false
            }
        },
    };
    if let (false, Some(led)) = (reached, led) {
        node.seen.findings.push(unreachable(&node.seen.place, led));
    }
    node
}

async fn ask(
    node: &mut Node,
    id: i32,
    cluster: &Cluster,
    partitions: &Partitions,
    open: &mut Open,
) -> Result<(), Error> {
    let place = node.seen.place.clone();
    let connection = &mut open.connection;
    let told = cluster::brokers(connection).await?;
    if told.id != cluster.id && !told.id.is_empty() && !cluster.id.is_empty() {
        let seen = format!(
            "it is of cluster {}, the bootstrap of {}",
            told.id, cluster.id
        );
        node.identity = "other cluster".to_owned();
        node.seen
            .findings
            .push(Finding::at(&place, &codes::OTHER_CLUSTER, seen));
        return Ok(());
    }
    let findings = &mut node.seen.findings;
    findings.extend(compare::answers(
        &place,
        "its own Metadata",
        cluster,
        &told.brokers,
    ));
    findings.extend(compare::sets(&place, cluster, &told));
    node.identity = match identify(connection, id, partitions).await? {
        Identity::Proven => "proven".to_owned(),
        Identity::Other(other, seen) => {
            findings.push(Finding::at(&place, &codes::WRONG_BROKER, seen));
            other.map_or("another".to_owned(), |other| format!("node {other}"))
        }
        Identity::Unproven(why) => {
            findings.push(Finding::at(&place, &codes::IDENTITY_NOT_PROVEN, why));
            "not proven".to_owned()
        }
    };
    Ok(())
}

fn unreachable(place: &Place, led: &Led) -> Finding {
    let seen = format!("it leads {}", led.told());
    Finding::at(place, &codes::LEADER_UNREACHABLE, seen)
}
