//! One address from its name to a user who is let in, with what was seen on the way.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::codes;
use super::dial::{Dialled, dial};
use super::finding::{Finding, Place};
use super::hosts::{is_internal, is_loopback, is_loopback_address, is_private, is_wildcard};
use super::resolve::Names;
use super::secure::{Secured, secure, soon};
use super::talk::talk;
use super::witness::Witness;
use crate::commands::client::stream::Stream;
use crate::commands::client::{Connection, Settings};

/// What was seen of an address.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) place: Place,
    /// What its name resolves to here.
    pub(super) resolved: Vec<IpAddr>,
    /// In a word: open, refused, silent.
    pub(super) port: &'static str,
    /// Where TLS was spoken.
    pub(super) tls: Option<Secured>,
    /// In a word: answers, or not.
    pub(super) kafka: &'static str,
    pub(super) findings: Vec<Finding>,
}

/// Nothing was looked at.
pub(super) const NOTHING: &str = "-";

/// An address where a user was let in.
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) peer: SocketAddr,
}

/// What all looks have in common.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) names: Names,
    /// Where the bootstrap is; empty while it is looked at itself.
    pub(super) target: Vec<IpAddr>,
}

impl Seen {
    fn new(place: Place) -> Self {
        Seen {
            place,
            resolved: Vec::new(),
            port: NOTHING,
            tls: None,
            kafka: NOTHING,
            findings: Vec::new(),
        }
    }
}

/// Looks at one address; a connection comes of it where nothing is in the way.
pub(super) async fn visit(place: Place, context: &Context) -> (Seen, Option<Open>) {
    let mut seen = Seen::new(place);
    match walk(&mut seen, context).await {
        Ok(open) => (seen, Some(open)),
        Err(finding) => {
            seen.findings.push(finding);
            (seen, None)
        }
    }
}

async fn walk(seen: &mut Seen, context: &Context) -> Result<Open, Finding> {
    let place = seen.place.clone();
    let settings = &context.settings;
    let addresses = resolve(&place, context).await?;
    seen.resolved.clone_from(&addresses);
    judge(&place, &addresses, context, &mut seen.findings)?;
    let dialled = dial(&place, &addresses, settings.timeout).await;
    let Dialled {
        stream,
        peer,
        warnings,
    } = dialled.map_err(|(finding, state)| {
        seen.port = state;
        finding
    })?;
    seen.port = "open";
    seen.findings.extend(warnings);
    let witness = Arc::<Witness>::default();
    let stream = match &settings.tls {
        None => Stream::Plain(stream),
        Some(tls) => {
            let secured = secure(stream, peer, &place, settings, tls, &witness).await;
            let (stream, secured) = secured?;
            seen.findings.extend(soon(&place, &secured));
            seen.tls = Some(secured);
            stream
        }
    };
    seen.kafka = "fails";
    let connection = talk(stream, peer, &place, settings, &witness).await?;
    seen.kafka = "answers";
    Ok(Open { connection, peer })
}

async fn resolve(place: &Place, context: &Context) -> Result<Vec<IpAddr>, Finding> {
    let host = place.address.host.as_str();
    if is_wildcard(host) {
        let seen = format!("it is advertised as {}", place.address);
        return Err(Finding::at(place, &codes::ADVERTISED_WILDCARD, seen));
    }
    let resolved = context.names.resolve(host, context.settings.timeout).await;
    resolved.map_err(|error| {
        let seen = format!("{host}: {error}");
        match place.node {
            // Somebody typed it.
            None => {
                let remedy = format!("check the spelling of {host}, or add a DNS record for it");
                Finding::at(place, &codes::NAME_DOES_NOT_RESOLVE, seen).remedy(remedy)
            }
            Some(_) if is_internal(host) => Finding::at(place, &codes::INTERNAL_NAME_LEAKED, seen),
            Some(_) => Finding::at(place, &codes::NAME_DOES_NOT_RESOLVE, seen),
        }
    })
}

/// Whether these addresses can be what clients want, seen from where the bootstrap is.
fn judge(
    place: &Place,
    addresses: &[IpAddr],
    context: &Context,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    let host = place.address.host.as_str();
    let target = &context.target;
    if target.is_empty() {
        return Ok(());
    }
    let is_here = is_loopback(host) || addresses.iter().all(|ip| is_loopback_address(*ip));
    if is_here && !target.iter().any(|ip| is_loopback_address(*ip)) {
        let seen = format!(
            "it is advertised as {}, and the bootstrap is elsewhere",
            place.address
        );
        // Whatever answers there would be another one.
        return Err(Finding::at(place, &codes::ADVERTISED_LOOPBACK, seen));
    }
    let is_public = |ip: &IpAddr| !is_private(*ip) && !is_loopback_address(*ip);
    if let Some(private) = addresses.iter().find(|ip| is_private(**ip))
        && target.iter().all(is_public)
    {
        let is = match host.parse::<IpAddr>() {
            Ok(_) => String::new(),
            Err(_) => format!("{host} leads to "),
        };
        let seen = format!("{is}{private} is private, and the bootstrap has a public address");
        findings.push(Finding::at(place, &codes::PRIVATE_ADDRESS, seen));
    }
    Ok(())
}
