//! What changes while clients are served: the configuration, its files, and what comes of each.

mod certificates;
mod clients;
mod load;
mod nodes;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::broker::Broker;
use crate::common::certificates::write;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, completed, wait_until};
use crate::setup::heartbeat;

const SUCCESS: &str = "portolan_config_reloads_total{result=\"success\"}";
const FAILURE: &str = "portolan_config_reloads_total{result=\"failure\"}";
const LAST: &str = "portolan_config_last_reload_successful";

/// A proxy whose configuration is in a file.
pub(super) struct Reloading {
    pub(super) proxy: Proxy,
    directory: TempDir,
}

impl Reloading {
    pub(super) fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = write(directory.path(), "portolan.toml", &completed(config));
        let proxy = Proxy::start_with_file(&file);
        assert_eq!((proxy.metric(SUCCESS), proxy.metric(FAILURE)), (0.0, 0.0));
        assert_eq!(proxy.metric(LAST), 1.0);
        Reloading { proxy, directory }
    }

    /// Writes another configuration.
    pub(super) fn write(&self, config: &str) -> PathBuf {
        write(self.directory.path(), "portolan.toml", &completed(config))
    }

    /// Has another configuration put into force, and waits for that.
    pub(super) fn reload(&self, config: &str) {
        let before = self.successes();
        self.write(config);
        self.proxy.signal(Signal::HUP);
        self.wait_for_successes(before + 1.0);
        self.proxy.wait_for_metric(LAST, 1.0);
        // It is counted before ports that are gone are closed, and told after that.
        wait_until("the log", || self.told("reloaded") as f64 > before);
    }

    /// Has another configuration refused, and returns what is said of it.
    pub(super) fn refuse(&self, config: &str) -> String {
        let (successes, failures) = (self.successes(), self.failures());
        let told = self.told(REFUSED);
        self.write(config);
        self.proxy.signal(Signal::HUP);
        self.wait_for_failures(failures + 1.0);
        wait_until("the log", || self.told(REFUSED) > told);
        assert_eq!(self.successes(), successes);
        assert!(!self.is_as_read());
        let log = self.proxy.log();
        let last = log.iter().rfind(|line| line["message"] == REFUSED);
        let faults = last.and_then(|line| line["faults"].as_str());
        faults.expect("faults").to_owned()
    }

    /// Whether what was read last is in force.
    pub(super) fn is_as_read(&self) -> bool {
        self.proxy.metric(LAST) > 0.0
    }

    pub(super) fn successes(&self) -> f64 {
        self.proxy.metric(SUCCESS)
    }

    pub(super) fn failures(&self) -> f64 {
        self.proxy.metric(FAILURE)
    }

    pub(super) fn wait_for_successes(&self, least: f64) {
        self.proxy.wait_for_metric(SUCCESS, least);
    }

    pub(super) fn wait_for_failures(&self, least: f64) {
        self.proxy.wait_for_metric(FAILURE, least);
    }

    /// How often a message was logged.
    pub(super) fn told(&self, message: &str) -> usize {
        let log = self.proxy.log();
        log.iter().filter(|line| line["message"] == message).count()
    }

    /// The last time that this was logged: what stands under this key.
    pub(super) fn last(&self, message: &str, key: &str) -> String {
        let log = self.proxy.log();
        let last = log.iter().rfind(|line| line["message"] == message);
        let value = last.and_then(|line| line[key].as_str());
        value
            .unwrap_or_else(|| panic!("{message}: {key}"))
            .to_owned()
    }

    /// Where a port is that a reload may have opened, or led elsewhere.
    pub(super) fn port(&self, cluster: &str, route: &str) -> SocketAddr {
        let log = self.proxy.log();
        let is_it = |line: &&serde_json::Value| {
            ["listening", "the port leads here now"]
                .contains(&line["message"].as_str().unwrap_or_default())
                && line["cluster"] == cluster
                && line["route"] == route
        };
        let address = log
            .iter()
            .rfind(is_it)
            .and_then(|line| line["address"].as_str());
        address.expect("it listens").parse().expect("an address")
    }
}

const REFUSED: &str = "not reloaded: what is in force stays";

/// A broker that answers everything with its name.
pub(super) fn named(name: &'static str) -> Broker {
    Broker::answering(move |request| Some(request.answer_bytes(name.as_bytes())))
}

/// Who answers on a connection.
pub(super) fn who(client: &mut Client) -> String {
    client.send(&heartbeat(1));
    String::from_utf8_lossy(&client.frame()[4..]).into_owned()
}

/// Who answers at a port.
pub(super) fn who_is_at(address: SocketAddr) -> String {
    who(&mut Client::connect(address))
}
