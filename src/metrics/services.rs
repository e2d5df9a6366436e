//! Services of Kubernetes whose addresses clients are told: whether they are known, and how often they could not be read.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::counters;
use crate::kubernetes::Failure;

/// The metrics of Services.
#[derive(Debug)]
pub(super) struct Services {
    known: IntGaugeVec,
    failures: IntCounterVec,
}

impl Services {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let known = IntGaugeVec::new(
            Opts::new(
                "portolan_service_address_known",
                "1 once the address of the Service in advertised_from_service is known, 0 while those who are to be told it are closed.",
            ),
            &["cluster"],
        )?;
        registry.register(Box::new(known.clone()))?;
        Ok(Services {
            known,
            failures: counters(
                registry,
                "service_read_failures_total",
                "Times that the Service in advertised_from_service could not be read.",
                &["cluster", "reason"],
            )?,
        })
    }

    /// Whether the address for a cluster is known; `None` where none is wanted any more.
    pub(super) fn followed(&self, cluster: &str, known: Option<bool>) {
        match known {
            Some(known) => {
                let known = i64::from(known);
                self.known.with_label_values(&[cluster]).set(known);
                // Each is there from the start.
                for reason in Failure::REASONS {
                    self.failures.with_label_values(&[cluster, reason]);
                }
            }
            // It may not be there.
            None => drop(self.known.remove_label_values(&[cluster])),
        }
    }

    pub(super) fn failed(&self, cluster: &str, reason: &'static str) {
        self.failures.with_label_values(&[cluster, reason]).inc();
    }
}
