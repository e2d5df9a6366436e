//! The pods of a StatefulSet of brokers, and the names that its headless Service gives them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cluster::internal_host;
use crate::common::dns::Dns;

use super::machine::Machine;
use super::node::{BRIDGE, CLUSTER_DNS, GATEWAY, NDOTS, pod_address, resolv_conf};

/// The headless Service: its name stands for all pods that are ready.
pub const HEADLESS: &str = "kafka-headless.kafka.svc.cluster.local";

/// Which pods there are, and the DNS server that knows them.
pub struct Pods {
    dns: Dns,
    /// The nodes that are controllers, too.
    voters: Vec<i32>,
    pods: Mutex<BTreeMap<i32, Pod>>,
}

struct Pod {
    address: Ipv4Addr,
    machine: Machine,
    /// Whether DNS knows it.
    is_published: bool,
}

impl Pods {
    /// The port of brokers.
    pub const PORT: u16 = 9092;

    /// For how long Java believes an answer of DNS. By itself it does so for 30 s, in which brokers do not find one of them that has
    /// moved: that is their own affair, and nothing to wait for here.
    pub const JAVA_OPTION: &str = "-Dsun.net.inetaddr.ttl=1";

    /// Starts the DNS server, and pods for these brokers, which are controllers, too.
    pub fn start(voters: &[i32]) -> Self {
        let pods = Pods {
            dns: Dns::start_at((CLUSTER_DNS, 53).into()),
            voters: voters.to_vec(),
            pods: Mutex::default(),
        };
        for &id in voters {
            pods.create(id, Pods::number_of(id));
            pods.publish(id);
        }
        pods
    }

    /// The number of the address that a broker's first pod has.
    pub fn number_of(id: i32) -> u8 {
        11 + u8::try_from(id).expect("few brokers")
    }

    /// Makes the pod of a broker at the address with this number, and tells nobody.
    pub fn create(&self, id: i32, number: u8) {
        let address = pod_address(number);
        // As kubelet does: a pod knows itself also before it is ready.
        let hosts = format!("{address} {} kafka-{id}", internal_host(id));
        let mut machine = Machine::start(&format!("kafka-{id}"), &hosts, &resolv_conf(NDOTS));
        machine.connect_to_bridge(BRIDGE, address, GATEWAY);
        let pod = Pod {
            address,
            machine,
            is_published: false,
        };
        let before = self.pods().insert(id, pod);
        assert!(before.is_none(), "kafka-{id} is there already");
    }

    /// Takes away the pod of a broker that has ended and has no name any more.
    pub fn delete(&self, id: i32) {
        let pod = self.pods().remove(&id).expect("there is such a pod");
        assert!(!pod.is_published, "kafka-{id} is gone, and has a name");
    }

    /// The pod is ready: DNS knows it.
    pub fn publish(&self, id: i32) {
        self.set_published(id, true);
    }

    /// The pod is not ready: its name does not exist.
    pub fn withdraw(&self, id: i32) {
        self.set_published(id, false);
    }

    /// Another name that the DNS server knows from now on.
    pub fn name(&self, name: &str, address: Ipv4Addr) {
        self.dns.set(name, &[&address.to_string()]);
    }

    /// How often somebody asked for the address of a pod.
    pub fn asked_for(&self, id: i32) -> usize {
        self.dns.asked(&internal_host(id))
    }

    /// Where a pod is now.
    pub fn address(&self, id: i32) -> Ipv4Addr {
        self.pods().get(&id).expect("there is such a pod").address
    }

    /// What stands before a command that is to run in a pod.
    pub fn words(&self, id: i32) -> Vec<String> {
        self.pods()
            .get(&id)
            .expect("there is such a pod")
            .machine
            .words()
    }

    /// The configuration of a broker: what everybody writes who has none but clients in the cluster. Nothing in it knows of us, and it
    /// is the same wherever the pod is.
    pub fn properties(&self, id: i32, data: &Path) -> String {
        let voters = self
            .voters
            .iter()
            .map(|&id| format!("{id}@{}:9093", internal_host(id)));
        let (roles, controller) = match self.voters.contains(&id) {
            true => ("broker,controller", ",CONTROLLER://:9093"),
            false => ("broker", ""),
        };
        let mut text = format!(
            "process.roles={roles}\nnode.id={id}\nbroker.rack=rack-{id}\nlog.dirs={}\n",
            data.display()
        );
        let _ = write!(
            text,
            "listeners=PLAINTEXT://:{port}{controller}\n\
             advertised.listeners=PLAINTEXT://{host}:{port}\n\
             inter.broker.listener.name=PLAINTEXT\n\
             controller.listener.names=CONTROLLER\n\
             controller.quorum.voters={voters}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n",
            port = Self::PORT,
            host = internal_host(id),
            voters = voters.collect::<Vec<String>>().join(","),
        );
        text
    }

    fn set_published(&self, id: i32, is_published: bool) {
        let mut pods = self.pods();
        let pod = pods.get_mut(&id).expect("there is such a pod");
        pod.is_published = is_published;
        match is_published {
            true => self
                .dns
                .set(&internal_host(id), &[&pod.address.to_string()]),
            false => self.dns.remove(&internal_host(id)),
        }
        let ready = pods.values().filter(|pod| pod.is_published);
        let ready: Vec<String> = ready.map(|pod| pod.address.to_string()).collect();
        let ready: Vec<&str> = ready.iter().map(String::as_str).collect();
        self.dns.set(HEADLESS, &ready);
    }

    fn pods(&self) -> MutexGuard<'_, BTreeMap<i32, Pod>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
