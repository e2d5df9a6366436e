//! For programs. The keys are in docs/check.md.

use serde::Serialize;

use crate::commands::check::finding::Finding;
use crate::commands::check::look::{Look, told};
use crate::commands::check::node::Node;
use crate::commands::check::place::Seen;
use crate::commands::client::error::tamed;
use crate::transport::tls::date;

#[derive(Serialize)]
struct Report<'a> {
    target: String,
    /// There is a cluster, and no fault.
    ok: bool,
    cluster_id: Option<String>,
    bootstrap: Place<'a>,
    nodes: Vec<Broker<'a>>,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Broker<'a> {
    node: Option<i32>,
    #[serde(flatten)]
    place: Place<'a>,
    identity: &'a str,
    leads: usize,
}

#[derive(Serialize)]
struct Place<'a> {
    address: String,
    resolved: Vec<String>,
    port: &'a str,
    tls: Option<Tls<'a>>,
    kafka: &'a str,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: &'a str,
    names: &'a [String],
    issuer: Option<&'a str>,
    until: Option<String>,
    days_left: Option<i64>,
}

#[derive(Serialize)]
struct Found<'a> {
    code: &'a str,
    severity: &'a str,
    node: Option<i32>,
    address: Option<&'a str>,
    seen: &'a str,
    means: &'a str,
    remedy: &'a str,
}

/// All of it.
pub(in crate::commands::check) fn json(look: &Look) -> Result<String, String> {
    let report = Report {
        target: look.target.to_string(),
        ok: look.ok(),
        cluster_id: look.cluster.as_ref().map(|cluster| tamed(&cluster.id)),
        bootstrap: place(&look.bootstrap),
        nodes: look.nodes.iter().map(broker).collect(),
        findings: look.findings().into_iter().map(found).collect(),
    };
    serde_json::to_string_pretty(&report)
        .map(|text| text + "\n")
        .map_err(|error| error.to_string())
}

fn broker(node: &Node) -> Broker<'_> {
    Broker {
        node: node.seen.place.node,
        place: place(&node.seen),
        identity: &node.identity,
        leads: node.leads,
    }
}

fn place(seen: &Seen) -> Place<'_> {
    let tls = seen.tls.as_ref().map(|tls| {
        let shown = tls.certificate.as_ref();
        Tls {
            version: &tls.version,
            names: shown.map_or(&[], |shown| &shown.names),
            issuer: shown.map(|shown| shown.issuer.as_str()),
            until: shown.map(|shown| date(shown.not_after)),
            days_left: tls.days_left(),
        }
    });
    Place {
        address: tamed(&seen.place.address.to_string()),
        resolved: told(&seen.resolved),
        port: seen.port,
        tls,
        kafka: seen.kafka,
    }
}

fn found(finding: &Finding) -> Found<'_> {
    Found {
        code: finding.code(),
        severity: finding.severity().name(),
        node: finding.node,
        address: finding.address.as_deref(),
        seen: &finding.seen,
        means: &finding.means,
        remedy: &finding.remedy,
    }
}
