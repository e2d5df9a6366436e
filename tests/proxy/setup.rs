//! What nearly every test begins with: a proxy in front of one or more scripted brokers.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};

/// The host that clients are told.
pub(crate) const ADVERTISED_HOST: &str = "kafka.example.test";

/// A configuration in the making: the cluster `main`.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    bootstrap: Vec<String>,
    nodes: Vec<(String, Option<String>)>,
    cluster: String,
    sections: String,
}

impl Setup {
    /// Bootstrap and node 0 lead to the same broker.
    pub(crate) fn with(broker: &Broker) -> Self {
        Self::bootstrap(broker.address()).node(0, broker.address())
    }

    /// Bootstrap leads there; there are no nodes yet.
    pub(crate) fn bootstrap(address: impl ToString) -> Self {
        Setup {
            bootstrap: vec![address.to_string()],
            nodes: Vec::new(),
            cluster: String::new(),
            sections: String::new(),
        }
    }

    /// One more bootstrap server.
    pub(crate) fn or(mut self, address: impl ToString) -> Self {
        self.bootstrap.push(address.to_string());
        self
    }

    /// A node at an address.
    pub(crate) fn node(mut self, id: i32, address: SocketAddr) -> Self {
        self.nodes.push((id.to_string(), Some(address.to_string())));
        self
    }

    /// Nodes at a template of addresses, or at addresses to be learned.
    pub(crate) fn nodes(mut self, ids: &str, address: Option<&str>) -> Self {
        self.nodes.push((ids.to_owned(), address.map(Into::into)));
        self
    }

    /// A line of the cluster's section.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.cluster.push_str(line);
        self.cluster.push('\n');
        self
    }

    /// A section of its own: `"[limits]\nin_flight = 2"`.
    pub(crate) fn section(mut self, section: &str) -> Self {
        self.sections.push_str(section);
        self.sections.push('\n');
        self
    }

    /// The configuration as TOML.
    pub(crate) fn toml(&self) -> String {
        let mut toml = self.cluster_toml("main");
        toml.push_str(&self.sections);
        toml
    }

    /// The cluster alone, under another name.
    pub(crate) fn cluster_toml(&self, name: &str) -> String {
        let mut toml = format!(
            "[clusters.{name}]\nbootstrap_servers = {:?}\nadvertised_host = {ADVERTISED_HOST:?}\n\
             listen_address = \"127.0.0.1\"\nbootstrap_port = 0\n{}",
            self.bootstrap, self.cluster
        );
        for (ids, address) in &self.nodes {
            let _ = write!(toml, "[[clusters.{name}.nodes]]\nids = {ids:?}\nport = 0\n");
            if let Some(address) = address {
                let _ = writeln!(toml, "address = {address:?}");
            }
        }
        toml
    }

    /// Starts the proxy.
    pub(crate) fn start(&self) -> Proxy {
        Proxy::start(&self.toml())
    }
}

/// A client at the bootstrap port and, once its first bytes were sent, the broker's end of that connection.
pub(crate) fn open(proxy: &Proxy, broker: &Broker, first: &[u8]) -> (Client, Link) {
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(first);
    (client, broker.accept())
}

/// A request whose answer passes untouched.
pub(crate) fn heartbeat(correlation_id: i32) -> Vec<u8> {
    frames::raw_request(12, 0, correlation_id, b"group")
}

/// One request and its answer, both of which pass untouched.
pub(crate) fn exchange(client: &mut Client, link: &mut Link, correlation_id: i32) {
    let sent = heartbeat(correlation_id);
    client.send(&sent);
    answer_heartbeat(client, link, correlation_id);
}

/// The second half of an exchange: the request was sent.
pub(crate) fn answer_heartbeat(client: &mut Client, link: &mut Link, correlation_id: i32) {
    let request = link.request();
    assert_eq!(request.frame, heartbeat(correlation_id)[4..]);
    let answer = request.answer_bytes(b"alive");
    link.send(&answer);
    assert_eq!(client.frame(), answer[4..]);
}

/// A client at the bootstrap port with one exchange behind it, and the broker's end of its connection.
pub(crate) fn talking(proxy: &Proxy, broker: &Broker) -> (Client, Link) {
    let (mut client, mut link) = open(proxy, broker, &heartbeat(1000));
    answer_heartbeat(&mut client, &mut link, 1000);
    (client, link)
}

/// The log line that a session's end left: its message and its remedy.
pub(crate) fn told_end(proxy: &Proxy, reason: &str) -> (String, String) {
    let mut found = None;
    wait_until(reason, || {
        found = proxy
            .log()
            .into_iter()
            .find(|line| line["level"] == "WARN" && line["reason"] == reason);
        found.is_some()
    });
    let line = found.expect("it was found");
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    (text("message"), text("remedy"))
}

/// Waits until so many sessions have ended for a reason.
pub(crate) fn wait_for_ends(proxy: &Proxy, reason: &str, least: usize) {
    wait_until(reason, || proxy.ends("main", reason) >= least as f64);
}

/// Numbers that look random and are the same in each run (xorshift).
pub(crate) struct Numbers(u64);

impl Numbers {
    /// Another sequence for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        Numbers((seed + 1).wrapping_mul(0x2545_f491_4f6c_dd1d) | 1)
    }

    /// The next one, below a limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
