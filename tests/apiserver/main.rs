//! What deploy/ has for Kubernetes, given to Kubernetes: its own API server with etcd behind it, both built from their sources, which
//! says what it takes, keeps it, and guards it by roles.
//!
//! There are no controllers and no nodes: no pod is made of a Deployment, and none runs. With the feature `kubernetes` Portolan itself
//! asks that API server for its address.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![cfg_attr(
    not(feature = "kubernetes"),
    allow(
        dead_code,
        reason = "only Portolan with that feature needs the API server to come and go"
    )
)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
#[cfg(feature = "kubernetes")]
mod advertised;
mod control_plane;
mod custom_resources;
mod kubectl;
mod node_ports;
mod process;
mod releases;
mod rendered;
mod roles;
