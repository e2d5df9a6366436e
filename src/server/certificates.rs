//! What is told of certificates: which were replaced, and which run out.

use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{info, warn};

use super::in_force::{AllFiles, InForce};
use crate::session::Cluster;
use crate::transport::tls::client::Client;
use crate::transport::tls::date;
use crate::transport::tls::server::Server;

/// How long before its end a certificate is spoken of, in seconds: two weeks.
const SOON: i64 = 14 * 24 * 3600;

/// A certificate that takes the place of another one.
pub(super) struct Replaced {
    cluster: String,
    /// Who sees it.
    shown_to: &'static str,
    not_after: i64,
}

/// Which certificates are others in these files than in what is in force; also those that come or go.
pub(super) fn replaced(in_force: &InForce, files: &AllFiles) -> Vec<Replaced> {
    let mut all = Vec::new();
    for (name, files) in files {
        let live = in_force.clusters().get(name).map(|live| live.load_full());
        let mut note = |shown_to, not_after: Option<i64>| {
            all.extend(not_after.map(|not_after| Replaced {
                cluster: name.clone(),
                shown_to,
                not_after,
            }));
        };
        let before = live.as_ref().and_then(|live| live.tls.as_deref());
        let after = files.tls.as_deref();
        if before.map(Server::certificate) != after.map(Server::certificate) {
            note("clients", after.map(Server::not_after));
        }
        let before = live.as_ref().and_then(|live| live.upstream.tls());
        let after = files.upstream_tls.as_ref();
        if before.and_then(Client::certificate) != after.and_then(Client::certificate) {
            note("brokers", after.and_then(Client::not_after));
        }
    }
    all
}

/// Says which are in force now.
pub(super) fn tell(replaced: &[Replaced]) {
    for Replaced {
        cluster,
        shown_to,
        not_after,
    } in replaced
    {
        let until = date(*not_after);
        info!(cluster, shown_to, until, "a new certificate is in force");
    }
}

/// Warns of each certificate that will not be good any more, or is not.
pub(super) fn warn_of_expiry(in_force: &InForce) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs() as i64);
    for live in in_force.clusters().values() {
        for (shown_to, not_after) in ends(&live.load()) {
            if not_after - now < SOON {
                let until = date(not_after);
                warn!(
                    cluster = live.load().name,
                    shown_to, until, "a certificate is about to expire: replace its files"
                );
            }
        }
    }
}

fn ends(cluster: &Cluster) -> impl Iterator<Item = (&'static str, i64)> {
    let of_clients = cluster.tls.as_deref().map(Server::not_after);
    let of_brokers = cluster.upstream.tls().and_then(Client::not_after);
    let all = [("clients", of_clients), ("brokers", of_brokers)];
    all.into_iter()
        .filter_map(|(shown_to, not_after)| Some((shown_to, not_after?)))
}
