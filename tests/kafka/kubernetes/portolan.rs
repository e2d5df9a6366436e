//! The pod of Portolan: what the chart tells it, what the chart lets it do, and one leg in each of two networks.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::common::proxy::Proxy;
use crate::front::NAME;

use super::chart::Chart;
use super::machine::Machine;
use super::node::{BRIDGE, GATEWAY, pod_address, resolv_conf};
use super::outside::Outside;

/// The pod's number among the pods.
const NUMBER: u8 = 100;

/// Portolan in its pod.
pub struct Portolan {
    /// For its metrics and its log.
    pub proxy: Proxy,
    chart: Chart,
    config: PathBuf,
    _machine: Machine,
    _dir: TempDir,
}

impl Portolan {
    /// Makes the pod and lays the cable on which the load balancer's address is.
    pub fn start(chart: Chart, outside: &Outside) -> Self {
        let address = pod_address(NUMBER);
        let resolv_conf = resolv_conf(chart.ndots());
        let mut machine = Machine::start("portolan", &format!("{address} portolan"), &resolv_conf);
        machine.connect_to_bridge(BRIDGE, address, GATEWAY);
        outside.connect_to(&machine);
        // Nobody is let through to the pods.
        machine.run("test 0 = $(cat /proc/sys/net/ipv4/ip_forward) || echo 0 > /proc/sys/net/ipv4/ip_forward");
        machine.run("mount -o remount,bind,ro /");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = dir.path().join("portolan.toml");
        fs::write(&config, chart.config()).expect("it is ours");
        let words = [machine.words(), chart.security_context()].concat();
        let arguments = chart.arguments(&config.display().to_string());
        let portolan = Portolan {
            proxy: Proxy::start_elsewhere(&words, &arguments, address.into()),
            chart,
            config,
            _machine: machine,
            _dir: dir,
        };
        portolan.assert_is_confined();
        portolan
    }

    /// What it was made of.
    pub fn chart(&self) -> &Chart {
        &self.chart
    }

    /// The port of the Service for a node.
    pub fn port(&self, id: i32) -> u16 {
        self.chart.node_port(id)
    }

    /// The port of the Service that clients bootstrap from.
    pub fn bootstrap_port(&self) -> u16 {
        self.chart.port("bootstrap")
    }

    /// Where those inside the cluster find the port of a node.
    pub fn node(&self, id: i32) -> (Ipv4Addr, u16) {
        (pod_address(NUMBER), self.port(id))
    }

    /// Where they find the bootstrap port.
    pub fn bootstrap(&self) -> (Ipv4Addr, u16) {
        (pod_address(NUMBER), self.bootstrap_port())
    }

    /// The value of a metric that has no label but the cluster's.
    pub fn count(&self, metric: &str) -> f64 {
        self.proxy
            .metric(&format!("portolan_{metric}{{cluster=\"{NAME}\"}}"))
    }

    /// How many connections clients made to a node's port.
    pub fn connections_to(&self, id: i32) -> f64 {
        self.proxy.metric(&format!(
            "portolan_connections_total{{cluster=\"{NAME}\",route=\"node-{id}\"}}"
        ))
    }

    /// Fails if it was told anything new, which is what a restart would be for.
    pub fn assert_left_alone(&self) {
        let now = fs::read_to_string(&self.config).expect("it is ours");
        assert_eq!(now, self.chart.config());
        let series = "portolan_config_reloads_total{result=\"success\"}";
        assert_eq!(self.proxy.metric(series), 0.0);
    }

    /// Fails if the kernel does not say of the process what the chart's security context asks for.
    fn assert_is_confined(&self) {
        let pid = self.proxy.pid();
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
        let status = read("status");
        let is = |key: &str, value: &str| {
            let mut lines = status.lines();
            lines.any(|line| line.split_whitespace().eq([key, value]))
        };
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert!(is(set, "0000000000000000"), "{status}");
        }
        assert!(is("NoNewPrivs:", "1"), "{status}");
        // The one user that there is, as the process sees itself.
        let map = read("uid_map");
        let map: Vec<&str> = map.split_whitespace().collect();
        assert_eq!(
            (map[0], map[2]),
            (self.chart.user().to_string().as_str(), "1")
        );
        let mounts = read("mounts");
        let mut root = mounts
            .lines()
            .filter(|line| line.split(' ').nth(1) == Some("/"));
        let options = root.next_back().and_then(|line| line.split(' ').nth(3));
        let options = options.expect("a root");
        assert!(options.split(',').any(|option| option == "ro"), "{mounts}");
    }
}
