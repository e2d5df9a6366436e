//! The pod of Portolan: what the chart tells it, what the chart lets it do, and one leg in each of two networks.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::common::proxy::Proxy;
use crate::front::NAME;

use super::machine::Machine;
use super::node::{BRIDGE, GATEWAY, pod_address, resolv_conf};
use super::outside::Outside;

/// The port of the first node; the others follow.
const FIRST_PORT: u16 = 9093;

/// The user of the chart's security context.
const USER: u32 = 65_532;

/// The pod's number among the pods.
const NUMBER: u8 = 100;

/// Portolan in its pod.
pub struct Portolan {
    /// For its metrics and its log.
    pub proxy: Proxy,
    config: PathBuf,
    _machine: Machine,
    _dir: TempDir,
}

impl Portolan {
    /// Makes the pod and lays the cable on which the load balancer's address is.
    pub fn start(outside: &Outside) -> Self {
        let address = pod_address(NUMBER);
        let mut machine =
            Machine::start("portolan", &format!("{address} portolan"), &resolv_conf());
        machine.connect_to_bridge(BRIDGE, address, GATEWAY);
        outside.connect_to(&machine);
        // A balancer lets nobody through to the pods, and what it is itself is no router.
        machine.run("test 0 = $(cat /proc/sys/net/ipv4/ip_forward) || echo 0 > /proc/sys/net/ipv4/ip_forward");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = dir.path().join("portolan.toml");
        fs::write(&config, CONFIG).expect("it is ours");
        let words = [machine.words(), security_context()].concat();
        let proxy = Proxy::start_elsewhere(&words, &config, address.into());
        let portolan = Portolan {
            proxy,
            config,
            _machine: machine,
            _dir: dir,
        };
        portolan.assert_is_confined();
        portolan
    }

    /// Where those inside the cluster find the port of a node.
    pub fn node(&self, id: i32) -> (Ipv4Addr, u16) {
        (pod_address(NUMBER), port(id))
    }

    /// Where they find the bootstrap port.
    pub fn bootstrap(&self) -> (Ipv4Addr, u16) {
        (pod_address(NUMBER), BALANCER_PORT)
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
        assert_eq!(now, CONFIG);
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
        // The one user that it can be.
        let map = read("uid_map");
        let map: Vec<&str> = map.split_whitespace().collect();
        assert_eq!((map[0], map[2]), (USER.to_string().as_str(), "1"));
    }
}

/// The port of a node, which follows from its id and from nothing else.
pub fn port(id: i32) -> u16 {
    FIRST_PORT + u16::try_from(id).expect("an id of the range")
}

/// The bootstrap port.
pub const BALANCER_PORT: u16 = 9092;

/// The chart's `securityContext` as words before a command: runAsUser and runAsGroup 65532, capabilities drop [ALL],
/// allowPrivilegeEscalation false. A container runtime does the same by the same calls.
fn security_context() -> Vec<String> {
    let words = format!(
        "unshare --user --map-user={USER} --map-group={USER} --keep-caps \
         setpriv --pdeathsig KILL --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs"
    );
    words.split_whitespace().map(str::to_owned).collect()
}

/// What the chart renders for the two values `kafka.bootstrapServers` and `advertised.host`, and log.format for the test's eyes.
const CONFIG: &str = r#"
[clusters.main]
bootstrap_servers = ["kafka-headless.kafka.svc:9092"]
advertised_host = "kafka.example.com"
listen_address = "0.0.0.0"
bootstrap_port = 9092

[[clusters.main.nodes]]
ids = "0-15"
port = 9093

[admin]
listen = "0.0.0.0:9644"

[drain]
lame_duck = "15s"
grace = "30s"

[log]
level = "info"
format = "json"
"#;
