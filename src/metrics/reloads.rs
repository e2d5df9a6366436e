//! What became of reloads, how many connections there may be by what is in force, and until when certificates are good.

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Whom a certificate is shown to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The server's, to clients.
    Client,
    /// Our own, to brokers.
    Broker,
}

/// The metrics of reloads.
#[derive(Debug)]
pub(super) struct Reloads {
    success: IntCounter,
    failure: IntCounter,
    last: IntGauge,
    max_connections: IntGauge,
    expiry: GaugeVec,
}

impl Reloads {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let results = IntCounterVec::new(
            Opts::new(
                "portolan_config_reloads_total",
                "Configurations and files that were put into force after the start (success), or refused (failure).",
            ),
            &["result"],
        )?;
        registry.register(Box::new(results.clone()))?;
        let last = IntGauge::new(
            "portolan_config_last_reload_successful",
            "1 while the configuration that was read last is in force, 0 from when it was refused: the next start would fail by it.",
        )?;
        last.set(1);
        registry.register(Box::new(last.clone()))?;
        let max_connections = IntGauge::new(
            "portolan_max_connections",
            "How many client connections there may be at one time: limits.connections, or what \"auto\" makes of it.",
        )?;
        registry.register(Box::new(max_connections.clone()))?;
        let expiry = GaugeVec::new(
            Opts::new(
                "portolan_certificate_expiry_timestamp_seconds",
                "When the first certificate of the chain that is shown to clients or brokers expires, in seconds since 1970.",
            ),
            &["cluster", "side"],
        )?;
        registry.register(Box::new(expiry.clone()))?;
        Ok(Reloads {
            success: results.with_label_values(&["success"]),
            failure: results.with_label_values(&["failure"]),
            last,
            max_connections,
            expiry,
        })
    }

    pub(super) fn count(&self, success: bool) {
        match success {
            true => self.success.inc(),
            false => self.failure.inc(),
        }
    }

    /// How many succeeded, and how many failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.success.get(), self.failure.get())
    }

    pub(super) fn last(&self, is_in_force: bool) {
        self.last.set(i64::from(is_in_force));
    }

    pub(super) fn connections_limited(&self, most: usize) {
        self.max_connections
            .set(i64::try_from(most).unwrap_or(i64::MAX));
    }

    pub(super) fn expires(&self, cluster: &str, side: Side, not_after: Option<i64>) {
        let side = match side {
            Side::Client => "client",
            Side::Broker => "broker",
        };
        let labels = [cluster, side];
        match not_after {
            Some(seconds) => self.expiry.with_label_values(&labels).set(seconds as f64),
            // It is not there mostly.
            None => drop(self.expiry.remove_label_values(&labels)),
        }
    }
}
