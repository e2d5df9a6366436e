//! `advertised_from_service`: clients are told the address that a Service's load balancer has, as the API server says.
//!
//! `cargo test --features kubernetes --test from_service`: a build without that feature has none of it.

#![allow(
    unreachable_pub,
    reason = "a test binary exports nothing; `pub` marks what other modules use"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod api;
mod clashes;
mod clusters;
mod config;
mod faults;
mod pod;
mod visitors;

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use api::{Api, NAME, NAMESPACE};
use common::broker::Broker;
use common::certificates::write;
use common::client::Client;
use common::from_service::{broker, cluster, in_pod, refused, told};
use common::proxy::{Proxy, wait_until};

/// A proxy, the broker behind it, and the files by which it finds the API server.
struct Place {
    proxy: Proxy,
    _broker: Broker,
    files: TempDir,
}

impl Place {
    /// In a pod of this API server.
    fn start(api: &Api) -> Self {
        let (broker, files) = (broker(), account(api));
        let config = cluster("main", &broker, &format!("{NAMESPACE}/{NAME}"));
        let proxy = start(api, &files, &config);
        Place {
            proxy,
            _broker: broker,
            files,
        }
    }

    /// What a client is told: the host of both nodes, which must be the same.
    fn told(&self) -> String {
        told(&mut self.client(), &self.proxy, "main")
    }

    fn client(&self) -> Client {
        Client::connect(self.proxy.bootstrap("main"))
    }

    fn wait_until_told(&self, host: &str) {
        wait_until(host, || self.known() && self.told() == host);
    }

    /// Whether clients are served.
    fn known(&self) -> bool {
        self.proxy
            .metric("portolan_service_address_known{cluster=\"main\"}")
            == 1.0
    }

    fn failures(&self, reason: &str) -> f64 {
        let series = "portolan_service_read_failures_total";
        self.proxy
            .metric(&format!("{series}{{cluster=\"main\",reason=\"{reason}\"}}"))
    }

    /// Waits for a failure of this kind, and returns what is said of it.
    fn wait_for_failure(&self, reason: &str) -> Value {
        wait_until(reason, || self.failures(reason) >= 1.0);
        let mut line = None;
        wait_until(reason, || {
            let log = self.proxy.log();
            line = log.into_iter().find(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(UNREAD))
                    && line["reason"] == reason
            });
            line.is_some()
        });
        line.expect("it was found")
    }

    /// What `/status` says of the Service.
    fn service(&self) -> Value {
        status(&self.proxy)["clusters"][0]["service"].clone()
    }

    /// The file with the token.
    fn token(&self) -> PathBuf {
        self.files.path().join("token")
    }
}

const UNREAD: &str = "cannot read the Service whose address clients are told: ";

/// What a pod finds in the directory of its service account.
fn account(api: &Api) -> TempDir {
    let files = tempfile::tempdir().expect("a directory");
    for (name, text) in [
        ("ca.crt", api.authority().root_pem()),
        ("token", "first"),
        ("namespace", NAMESPACE),
    ] {
        write(files.path(), name, text);
    }
    files
}

/// A proxy in a pod of this API server.
fn start(api: &Api, files: &TempDir, config: &str) -> Proxy {
    Proxy::start_by(&in_pod(files.path(), api.address().port()), config)
}

fn status(proxy: &Proxy) -> Value {
    let (code, body) = proxy.get("/status");
    assert_eq!(code, 200);
    serde_json::from_str(&body).expect("JSON")
}

fn hostname(host: &str) -> Value {
    json!([{"hostname": host}])
}
