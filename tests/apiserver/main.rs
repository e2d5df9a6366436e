//! What deploy/ has for Kubernetes, given to Kubernetes: its own API server with etcd behind it, both built from their sources, which
//! says what it takes, keeps it, and guards it by roles.
//!
//! In most tests there are no controllers and no nodes: no pod is made of a Deployment, and none runs. With the feature `kubernetes`
//! Portolan itself asks that API server for its address. In `node` there is everything that a cluster has.

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
mod node;
mod node_ports;
mod process;
mod releases;
mod rendered;
mod roles;
#[path = "../kafka/toolchain.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "brokers alone are needed here"
)]
mod toolchain;
