//! Real Apache Kafka brokers and real clients, with the proxy between them.

#![allow(
    unreachable_pub,
    reason = "a test binary exports nothing; `pub` marks what other modules use"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; clippy knows a test by its attribute, but not the functions that it calls"
)]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod admin;
mod answers;
mod bench;
mod broker;
mod check;
mod client;
mod cluster;
mod disturbed;
mod door;
mod endpoints;
mod front;
mod go;
mod haproxy;
mod health;
mod identities;
mod image;
mod java;
mod kubernetes;
mod libraries;
mod librdkafka;
mod listener;
mod modes;
mod network;
mod node;
mod normal_day;
mod place;
mod python;
mod records;
mod rolling;
mod round_trip;
mod running;
mod sasl;
mod stored;
mod tap;
mod tls;
mod toolchain;
mod traffic;
mod unmapped;
mod wire;
