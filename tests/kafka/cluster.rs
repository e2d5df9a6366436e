//! A real KRaft cluster of three combined nodes, each with a loopback address of its own, as pods have.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use kafka_protocol::messages::{MetadataRequest, MetadataResponse};
use tempfile::TempDir;

use crate::admin::patiently;
use crate::broker::Broker;
use crate::identities::Identities;
use crate::kubernetes::Pods;
use crate::listener;
use crate::place::Place;
use crate::toolchain::{self, KAFKA_3, KAFKA_4};
use crate::wire::Wire;

pub use crate::listener::{Listener, USER};

const CONTROLLER_PORT: u16 = 9093;

/// A running cluster. Dropping it kills its brokers; they also die with the test process.
pub struct Cluster {
    version: &'static str,
    ids: Vec<i32>,
    jars: String,
    identities: Identities,
    /// Before where they run and the directory, so that they are dead when these are removed.
    brokers: Mutex<BTreeMap<i32, Broker>>,
    place: Place,
    dir: TempDir,
}

/// The cluster of the newest version that all tests share which do not disturb it; nodes 0, 1, 2. `None`: tools are missing.
pub fn newest() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let start = || CLUSTER.get_or_init(|| Cluster::start(KAFKA_4, &[0, 1, 2]));
    have_java().then(start)
}

/// The cluster of the version before, with sparse ids.
pub fn previous() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let start = || CLUSTER.get_or_init(|| Cluster::start(KAFKA_3, &[100, 200, 300]));
    have_java().then(start)
}

/// A cluster of the newest version that the test may disturb. One at a time, since each takes a gigabyte of memory.
pub fn own() -> Option<(Cluster, MutexGuard<'static, ()>)> {
    have_java().then(|| {
        let guard = one_at_a_time();
        (Cluster::start(KAFKA_4, &[0, 1, 2]), guard)
    })
}

/// The right to start a cluster that nobody else uses.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn have_java() -> bool {
    toolchain::available(&["java", "javac", "mvn"])
}

impl Cluster {
    /// Formats and starts the nodes and waits until they know each other and coordinate.
    pub fn start(version: &'static str, ids: &[i32]) -> Self {
        Cluster::start_at(version, ids, Place::loopback(ids))
    }

    /// The same in pods, which are there already.
    pub fn start_in_pods(version: &'static str, ids: &[i32], pods: Pods) -> Self {
        Cluster::start_at(version, ids, Place::Pods(pods))
    }

    fn start_at(version: &'static str, ids: &[i32], place: Place) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("portolan-kafka-")
            .tempdir()
            .expect("a temporary directory");
        let cluster = Cluster {
            version,
            ids: ids.to_vec(),
            place,
            identities: Identities::new(&dir.path().join("tls")),
            dir,
            jars: toolchain::jars(version),
            brokers: Mutex::default(),
        };
        cluster.write_hosts();
        std::thread::scope(|scope| {
            for &id in ids {
                let cluster = &cluster;
                scope.spawn(move || {
                    cluster.format(id);
                    cluster.start_node(id);
                });
            }
        });
        for &id in ids {
            cluster.wait_for_node(id);
        }
        cluster.wait_for_coordinators();
        cluster
    }

    /// Adds a node that is only a broker. Its pod is there already.
    pub fn add_node(&mut self, id: i32) {
        self.ids.push(id);
        self.format(id);
        self.start_node(id);
        self.wait_for_node(id);
    }

    /// The pods that its nodes run in.
    pub fn pods(&self) -> &Pods {
        self.place.pods()
    }

    /// The brokers' version.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The node ids.
    pub fn ids(&self) -> &[i32] {
        &self.ids
    }

    /// Maps the internal names to addresses: for the brokers themselves and for `dns.hosts_file` of the proxy.
    pub fn hosts_file(&self) -> PathBuf {
        self.dir.path().join("hosts")
    }

    /// What a node advertises on a listener: a name that only the hosts file knows.
    pub fn internal(&self, id: i32, listener: Listener) -> String {
        format!("{}:{}", internal_host(id), listener.port())
    }

    /// Who its nodes are, and who may come in.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// What all nodes advertise on a listener, separated by commas.
    pub fn all_internal(&self, listener: Listener) -> String {
        let nodes = self.ids.iter().map(|&id| self.internal(id, listener));
        nodes.collect::<Vec<String>>().join(",")
    }

    /// Where the plaintext listener really is whose internal name clients must not see.
    pub fn plaintext(&self, id: i32) -> SocketAddr {
        (self.address(id), Listener::Plaintext.port()).into()
    }

    /// Where the tests themselves talk to a node.
    pub fn direct(&self, id: i32) -> SocketAddr {
        (self.address(id), self.place.direct_port()).into()
    }

    /// What a node has logged.
    pub fn server_log(&self, id: i32) -> String {
        fs::read_to_string(self.node_dir(id).join("server.log")).unwrap_or_default()
    }

    /// A connection to a node that is up.
    pub fn wire(&self, id: i32) -> Wire {
        Wire::connect(self.direct(id)).expect("the broker accepts")
    }

    /// Starts a node, which may have run before, and returns at once.
    pub fn start_node(&self, id: i32) {
        let command = self.java(id, "kafka.Kafka", &[&self.properties_file(id)]);
        self.brokers()
            .insert(id, Broker::start(&command, &self.node_dir(id)));
    }

    /// Shuts a node down in order, which moves its leaderships away first.
    pub fn stop_node(&self, id: i32) {
        let broker = self.brokers().remove(&id);
        broker.expect("the node runs").terminate();
    }

    /// Takes a node away with SIGKILL.
    pub fn kill_node(&self, id: i32) {
        let broker = self.brokers().remove(&id);
        broker.expect("the node runs").kill();
    }

    /// Gives a node that does not run the address of the network with this number, which another may have had before. Controllers
    /// stay where they are: their addresses are part of every node's configuration.
    pub fn move_node(&self, id: i32, host: usize) {
        self.place.hosts().insert(id, host);
        fs::write(self.properties_file(id), self.properties(id)).expect("the directory is ours");
        self.write_hosts();
    }

    /// Which address of the network a node has.
    pub fn host(&self, id: i32) -> usize {
        let hosts = self.place.hosts();
        *hosts.get(&id).expect("a node of this cluster")
    }

    /// Waits until this node serves and every node that runs is known to it.
    pub fn wait_for_node(&self, id: i32) {
        let running: Vec<i32> = self.brokers().keys().copied().collect();
        let what = format!("node {id} of Kafka {} knows {running:?}", self.version);
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            patiently(&what, || {
                let known = self.metadata(id).map(|metadata| metadata.brokers);
                let known: Vec<i32> = known
                    .into_iter()
                    .flatten()
                    .map(|broker| broker.node_id.0)
                    .collect();
                running.iter().all(|id| known.contains(id))
            });
        }));
        if let Err(panic) = outcome {
            for (id, broker) in self.brokers().iter() {
                eprintln!("--- node {id} ---\n{}", broker.log_tail());
            }
            std::panic::resume_unwind(panic);
        }
    }

    /// What a node says about all topics; `None` while it does not answer.
    pub fn metadata(&self, id: i32) -> Option<MetadataResponse> {
        let request = MetadataRequest::default().with_topics(None);
        Wire::connect(self.direct(id)).ok()?.ask(&request, 12).ok()
    }

    fn brokers(&self) -> MutexGuard<'_, BTreeMap<i32, Broker>> {
        lock(&self.brokers)
    }

    fn address(&self, id: i32) -> Ipv4Addr {
        self.place.address(id)
    }

    fn controller(&self, id: i32) -> String {
        let position = self.ids.iter().position(|known| *known == id);
        let host = 1 + position.expect("a node of this cluster");
        let address = self.place.loopback_address(host);
        format!("{address}:{CONTROLLER_PORT}")
    }

    fn node_dir(&self, id: i32) -> PathBuf {
        self.dir.path().join(id.to_string())
    }

    fn properties_file(&self, id: i32) -> String {
        self.node_dir(id)
            .join("server.properties")
            .display()
            .to_string()
    }

    fn write_hosts(&self) {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for &id in &self.ids {
            let _ = writeln!(text, "{} {}", self.address(id), internal_host(id));
        }
        // Whoever reads it sees the old file or the new one.
        let new = self.dir.path().join("hosts.new");
        fs::write(&new, text).expect("the directory is ours");
        fs::rename(new, self.hosts_file()).expect("the directory is ours");
    }

    fn format(&self, id: i32) {
        fs::create_dir_all(self.node_dir(id)).expect("the directory is ours");
        fs::write(self.properties_file(id), self.properties(id)).expect("the directory is ours");
        let (user, password) = USER;
        let scram = |bits| format!("SCRAM-SHA-{bits}=[name={user},password={password}]");
        let arguments = [
            "format",
            "-t",
            "MkU3OEVBNTcwNTJENDM2Qk",
            "-c",
            &self.properties_file(id),
            "--add-scram",
            &scram(256),
            "--add-scram",
            &scram(512),
        ];
        let command = self.java(id, "kafka.tools.StorageTool", &arguments);
        toolchain::run_tool(Command::new(&command[0]).args(&command[1..]));
    }

    fn java(&self, id: i32, class: &str, arguments: &[&str]) -> Vec<String> {
        let names = match &self.place {
            Place::Loopback { .. } => {
                format!("-Djdk.net.hosts.file={}", self.hosts_file().display())
            }
            Place::Pods(_) => Pods::JAVA_OPTION.to_owned(),
        };
        let options = [
            // A JVM that lives for minutes on few cores is better off without the optimising compiler.
            "java",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            &names,
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            "-cp",
            &self.jars,
            class,
        ];
        let mut words = self.place.words(id);
        words.extend(options.iter().chain(arguments).map(ToString::to_string));
        words
    }

    fn properties(&self, id: i32) -> String {
        let mut text = match &self.place {
            Place::Loopback { .. } => self.loopback_properties(id),
            Place::Pods(pods) => pods.properties(id, &self.node_dir(id).join("data")),
        };
        text.push_str(COMMON_PROPERTIES);
        if self.version == KAFKA_4 {
            text.push_str("share.coordinator.state.topic.replication.factor=3\nshare.coordinator.state.topic.min.isr=2\nshare.coordinator.state.topic.num.partitions=3\n");
        }
        text
    }

    fn loopback_properties(&self, id: i32) -> String {
        let address = self.address(id);
        let voters = self
            .ids
            .iter()
            .map(|&id| format!("{id}@{}", self.controller(id)));
        let voters: Vec<String> = voters.collect();
        let mut text = format!(
            "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=DIRECT\nbroker.rack=rack-{id}\nlog.dirs={}\n",
            voters.join(","),
            self.node_dir(id).join("data").display(),
        );
        let host = internal_host(id);
        text.push_str(&listener::properties(address, &host, &self.controller(id)));
        text.push_str(&self.identities.node(&host, &self.node_dir(id)));
        text
    }
}

/// What nodes have in common. Few partitions in the internal topics: creating fifty of each takes a while.
const COMMON_PROPERTIES: &str = "\
replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=3
default.replication.factor=3
min.insync.replicas=2
num.partitions=3
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a node inside its cluster.
pub fn internal_host(id: i32) -> String {
    format!("kafka-{id}.kafka-headless.kafka.svc.cluster.local")
}
