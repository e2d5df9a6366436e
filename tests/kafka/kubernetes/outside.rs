//! The world outside of the cluster: the computer of the clients, which knows one name and reaches one address.

use std::net::Ipv4Addr;

use crate::access::Access;
use crate::client::Program;
use crate::go::{franz_go, sarama};
use crate::librdkafka::librdkafka;
use crate::node::kafkajs;
use crate::python::{aiokafka, confluent_kafka, kafka_python};
use crate::toolchain::{self, KAFKA_4};

use super::chart::Chart;
use super::machine::Machine;
use super::node::CLUSTER_DNS;

/// The name that clients are given: `advertised.host`.
pub const NAME: &str = "kafka.example.com";

/// What it means: the address of the load balancer. Addresses of documentation (RFC 5737) stand for those of the internet.
pub const BALANCER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

/// The address of the clients' computer.
const CLIENTS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);

/// The computer of the clients.
pub struct Outside {
    machine: Machine,
}

impl Outside {
    /// Starts it, without a cable. It is even told which DNS server the cluster has, and may ask in vain.
    pub fn start() -> Self {
        let resolv_conf = format!("nameserver {CLUSTER_DNS}\noptions timeout:1 attempts:1\n");
        let hosts = format!("{BALANCER} {NAME}\n{CLIENTS} laptop");
        Outside {
            machine: Machine::start("laptop", &hosts, &resolv_conf),
        }
    }

    /// Lays the cable to the load balancer, whose address is on the other end of it, and sends everything there, whatever its address.
    pub fn connect_to(&self, balancer: &Machine) {
        self.machine
            .connect_to(balancer, ("eth0", CLIENTS), ("internet", BALANCER));
        self.machine
            .run(&format!("ip route add default via {BALANCER}"));
    }

    /// What stands before a command that is to run here.
    pub fn words(&self) -> Vec<String> {
        self.machine.words()
    }

    /// Whether a name is known here.
    pub fn knows(&self, name: &str) -> bool {
        self.machine
            .output(&["getent", "hosts", name])
            .status
            .success()
    }

    /// Whether a connection to an address, or to what a name leads to, can be opened from here.
    pub fn reaches(&self, host: &str, port: u16) -> bool {
        let dial = format!("exec 3<> /dev/tcp/{host}/{port}");
        let command = ["timeout", "1", "bash", "-c", &dial];
        self.machine.output(&command).status.success()
    }
}

/// What clients are given, and what they must be told where the cluster has these nodes.
pub fn access(chart: &Chart, nodes: &[i32]) -> Access {
    let brokers = nodes
        .iter()
        .map(|&id| format!("{NAME}:{}", chart.node_port(id)));
    Access {
        bootstrap: format!("{NAME}:{}", chart.port("bootstrap")),
        brokers: brokers.collect::<Vec<String>>().join(","),
        sasl: None,
        tls: None,
        // The machine has one of its own.
        hosts: None,
    }
}

/// Every client program of the tests. What is fetched or built for them is there when this returns, for inside nothing can be
/// fetched. `None`: there is not even Java; for any other that is missing it was said loudly.
pub fn programs() -> Option<Vec<Program>> {
    if !toolchain::available(&["java", "javac", "mvn"]) {
        return None;
    }
    let mut programs = vec![Program::java(KAFKA_4)];
    let others = [
        librdkafka(),
        franz_go(),
        sarama(),
        kafka_python(),
        aiokafka(),
        confluent_kafka(),
        kafkajs(),
    ];
    programs.extend(others.into_iter().flatten());
    toolchain::jars(KAFKA_4);
    Some(programs)
}

/// Those that produce and consume for as long as something goes on.
pub fn programs_for_load() -> Vec<Program> {
    let programs = [Some(Program::java(KAFKA_4)), librdkafka(), franz_go()];
    programs.into_iter().flatten().collect()
}
