//! Two proxies behind one HAProxy that are restarted in turn, as a rolling update does, under the load of clients that are to
//! notice nothing: nothing acknowledged is lost, nothing is there twice, and no error reaches an application.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::json;

use crate::access::Access;
use crate::client::Program;
use crate::cluster::{self, Cluster, Listener};
use crate::common::haproxy::Haproxy;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tools;
use crate::front::NAME;
use crate::go::franz_go;
use crate::librdkafka::librdkafka;
use crate::network::Network;
use crate::toolchain::{self, KAFKA_4};
use crate::traffic::{Finished, Load};

/// The ports of each proxy, which has an address of its own: nodes follow the first.
const BOOTSTRAP_PORT: u16 = 19_092;
const ADMIN_PORT: u16 = 19_644;

/// How lines begin that programs write when their consumers tell them of an error.
const CONSUMERS: [&str; 2] = ["consume: ", "fetch "];

/// What librdkafka says for information where none of its connections is open for a moment.
const HARMLESS: &str = "AllBrokersDown";

#[test]
fn idempotent_clients_notice_nothing_of_a_rolling_restart() {
    nothing_is_lost_in_a_rolling_restart("rolling-all", &[("ACKS", "all")]);
}

#[test]
fn clients_that_wait_for_no_answers_lose_nothing_in_a_rolling_restart() {
    // Many records, so that there are always some on their way when a connection is closed.
    nothing_is_lost_in_a_rolling_restart("rolling-0", &[("ACKS", "0"), ("BURST", "8")]);
}

fn nothing_is_lost_in_a_rolling_restart(prefix: &str, environment: &[(&str, &str)]) {
    let Some(cluster) = cluster::newest().filter(|_| tools::available(&["haproxy"])) else {
        return;
    };
    let programs = [java(), franz_go(), librdkafka()];
    let programs: Vec<Program> = programs.into_iter().flatten().collect();
    let mut pair = Pair::start(cluster);
    let start = |(n, program): (usize, &Program)| {
        let topic = format!("{prefix}-{n}");
        cluster.create_topic(&topic, 6);
        let traffic = program.start_traffic_by(&pair.access(), &topic, environment);
        (topic, traffic)
    };
    let load = Load::new(programs.iter().enumerate().map(start).collect());
    load.goes_on();
    for replica in [0, 1, 0, 1] {
        pair.restart(replica);
        load.goes_on();
    }
    for finished in load.finish() {
        let Finished {
            topic,
            result,
            words,
        } = finished;
        assert_eq!(result["duplicates"], json!([]), "{topic}: {result}");
        let stored = cluster.count_stored(&topic);
        assert_eq!(result["acked"], stored, "{topic}: {result}");
        let consumers = words
            .lines()
            .filter(|line| CONSUMERS.iter().any(|begin| line.starts_with(begin)));
        let errors: Vec<&str> = consumers.filter(|line| !line.contains(HARMLESS)).collect();
        assert!(errors.is_empty(), "{topic}: {errors:#?}");
    }
    for proxy in &pair.proxies {
        proxy.assert_calm();
    }
}

fn java() -> Option<Program> {
    toolchain::available(&["java", "javac", "mvn"]).then(|| Program::java(KAFKA_4))
}

/// Two proxies and what chooses between them.
struct Pair {
    configs: [String; 2],
    proxies: [Proxy; 2],
    haproxy: Haproxy,
    _network: Network,
}

impl Pair {
    fn start(cluster: &Cluster) -> Self {
        let network = Network::take();
        let hosts = [network.host(1), network.host(2)];
        let routes = 1 + cluster.ids().len() as u16;
        let sections: Vec<String> = (BOOTSTRAP_PORT..BOOTSTRAP_PORT + routes)
            .map(|port| section(&hosts, port))
            .collect();
        // Until the proxies are there its checks fail.
        let haproxy = Haproxy::with_sections(&sections);
        let configs = hosts.map(|host| config(cluster, host, &haproxy.fronts));
        let proxies = configs.each_ref().map(|config| Proxy::start(config));
        let pair = Pair {
            configs,
            proxies,
            haproxy,
            _network: network,
        };
        for proxy in &pair.proxies {
            pair.wait_until_chosen(proxy);
        }
        pair
    }

    fn access(&self) -> Access {
        let address = |front: &SocketAddr| front.to_string();
        let (bootstrap, nodes) = self.haproxy.fronts.split_first().expect("a front");
        Access {
            bootstrap: address(bootstrap),
            brokers: nodes.iter().map(address).collect::<Vec<_>>().join(","),
            sasl: None,
            tls: None,
            hosts: None,
        }
    }

    /// Ends a proxy as Kubernetes does, and starts another in its place.
    fn restart(&mut self, replica: usize) {
        let old = &mut self.proxies[replica];
        old.terminate();
        let line = old.wait_for_log("lame duck");
        assert!(
            line["connections"].as_u64() > Some(0),
            "no client is there: {line}"
        );
        let status = old.wait();
        assert_eq!(status.code(), Some(0), "{}", old.log_text());
        // Nothing was cut: that would be a warning.
        old.assert_calm();
        let log = old.log();
        let drained = log
            .iter()
            .filter(|line| line["reason"] == "drained")
            .count();
        assert!(drained > 0, "no client was there to the end");
        self.proxies[replica] = Proxy::start(&self.configs[replica]);
        self.wait_until_chosen(&self.proxies[replica]);
    }

    /// Waits until HAProxy sends clients to this proxy.
    fn wait_until_chosen(&self, proxy: &Proxy) {
        let series =
            format!("portolan_connections_total{{cluster=\"{NAME}\",route=\"bootstrap\"}}");
        wait_until("HAProxy to see the proxy", || {
            drop(TcpStream::connect(self.haproxy.fronts[0]).expect("HAProxy listens"));
            proxy.metric(&series) > 0.0
        });
    }
}

/// How HAProxy forwards a port: as README tells, but with checks that are more frequent.
fn section(hosts: &[Ipv4Addr; 2], port: u16) -> String {
    let mut section = "    option httpchk GET /lbz\n    option redispatch\n    \
         default-server check inter 200ms fall 2 rise 1\n"
        .to_owned();
    for (n, host) in hosts.iter().enumerate() {
        section += &format!("    server portolan-{n} {host}:{port} port {ADMIN_PORT}\n");
    }
    section
}

fn config(cluster: &Cluster, host: Ipv4Addr, fronts: &[SocketAddr]) -> String {
    let ids = cluster.ids();
    let internal = |id: &i32| cluster.internal(*id, Listener::Plaintext);
    let servers: Vec<String> = ids.iter().map(internal).collect();
    let mut config = format!(
        "[dns]\nhosts_file = {:?}\n[admin]\nlisten = \"{host}:{ADMIN_PORT}\"\n\
         [drain]\nlame_duck = \"1s\"\ngrace = \"20s\"\n\
         [clusters.{NAME}]\nbootstrap_servers = {servers:?}\nlisten_address = \"{host}\"\n\
         advertised_host = \"127.0.0.1\"\nbootstrap_port = {BOOTSTRAP_PORT}\n\
         bootstrap_advertised_port = {}\n",
        cluster.hosts_file(),
        fronts[0].port(),
    );
    let ports = BOOTSTRAP_PORT + 1..;
    for ((id, port), front) in ids.iter().zip(ports).zip(&fronts[1..]) {
        config += &format!(
            "[[clusters.{NAME}.nodes]]\nids = \"{id}\"\nport = {port}\nadvertised_port = {}\naddress = {:?}\n",
            front.port(),
            internal(id),
        );
    }
    config
}
