//! Which brokers can be reached. Unlike a counter, the series of a broker goes away with its route: else one that was taken out
//! of the port map would be down for ever.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::{IntGaugeVec, Opts, Registry};

use super::node_of;
use crate::port_map::Route;

/// The brokers of one cluster.
#[derive(Debug)]
pub(super) struct Reachable {
    family: IntGaugeVec,
    cluster: String,
    routes: Mutex<BTreeSet<Route>>,
}

/// Of all clusters.
pub(super) fn family(registry: &Registry) -> Result<IntGaugeVec, prometheus::Error> {
    let options = Opts::new(
        "portolan_node_reachable",
        "1 while the broker answers, by dials for clients and by probes; 0 while it does not, or has not been seen yet.",
    );
    let family = IntGaugeVec::new(options, &["cluster", "node"])?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

impl Reachable {
    /// Without a route.
    pub(super) fn new(family: &IntGaugeVec, cluster: &str) -> Self {
        Reachable {
            family: family.clone(),
            cluster: cluster.to_owned(),
            routes: Mutex::default(),
        }
    }

    /// There are these routes from now on: new ones are at zero.
    pub(super) fn keep(&self, routes: BTreeSet<Route>) {
        let mut known = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        for &route in known.difference(&routes) {
            // It is there.
            let _ = self
                .family
                .remove_label_values(&self.labels(&node_of(route)));
        }
        for &route in routes.difference(&known) {
            self.family.with_label_values(&self.labels(&node_of(route)));
        }
        *known = routes;
    }

    /// Sessions may still dial for a route that is gone: that makes no series.
    pub(super) fn set(&self, route: Route, is: bool) {
        let known = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&route) {
            let labels = node_of(route);
            let gauge = self.family.with_label_values(&self.labels(&labels));
            gauge.set(i64::from(is));
        }
    }

    fn labels<'a>(&'a self, node: &'a str) -> [&'a str; 2] {
        [&self.cluster, node]
    }
}
