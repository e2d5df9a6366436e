//! Three brokers of Apache Kafka, with a listener for each route: a blind proxy is of use to real clients only if brokers
//! advertise it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kafka_protocol::messages::MetadataRequest;
use tempfile::TempDir;

use super::broker::Broker;
use super::network::Network;
use super::toolchain::{self, KAFKA_4};
use super::wire::Wire;
use crate::front::Front;
use crate::routes::RouteId;

/// The node ids.
const IDS: [i32; 3] = [0, 1, 2];

const CONTROLLER_PORT: u16 = 9093;
/// Advertised by address, for direct clients and for the brokers themselves.
const DIRECT_PORT: u16 = 9096;
/// Advertised by names from inside the cluster.
const INTERNAL_PORT: u16 = 9092;
/// The first of the listeners that are advertised as a blind proxy's ports.
const BLIND_PORT: u16 = 9100;

/// How long the brokers may take to find each other.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where brokers are, for each kind of route.
pub struct Brokers {
    /// What they advertise to direct clients, by node id.
    pub direct: Vec<(i32, String)>,
    /// Where portolan finds them.
    pub internal: Vec<(i32, String)>,
    /// The names in `internal` and their addresses.
    pub hosts_file: Option<PathBuf>,
    /// Blind proxies that some listeners advertise.
    pub blind: Vec<(RouteId, Front)>,
}

impl Brokers {
    /// Starts three, with a listener for each of these blind routes.
    pub fn start(jars: String, blind: Vec<RouteId>) -> (Self, Cluster) {
        // Brokers must know the proxies' ports, and proxies the brokers' addresses: ports come first.
        let front = |id| (id, Front::new(IDS.map(|node| (node, String::new()))));
        let mut blind: Vec<(RouteId, Front)> = blind.into_iter().map(front).collect();
        let cluster = Cluster::start(jars, &blind);
        for (position, (_, front)) in blind.iter_mut().enumerate() {
            for (node, pair) in front.pairs.iter_mut().enumerate() {
                let address = cluster.network.host(node + 1);
                pair.target = format!("{address}:{}", blind_port(position));
            }
        }
        let nodes = || IDS.into_iter().enumerate();
        let brokers = Brokers {
            direct: nodes().map(|(n, id)| (id, cluster.direct(n))).collect(),
            internal: nodes().map(|(n, id)| (id, cluster.internal(n))).collect(),
            hosts_file: Some(cluster.hosts_file()),
            blind,
        };
        (brokers, cluster)
    }

    /// Some that run already, at the addresses that they advertise.
    pub fn given(brokers: &[(i32, String)]) -> Self {
        Brokers {
            direct: brokers.to_vec(),
            internal: brokers.to_vec(),
            hosts_file: None,
            blind: Vec::new(),
        }
    }
}

/// A running cluster. Dropping it kills its brokers; they also die with this process.
pub struct Cluster {
    network: Network,
    jars: String,
    /// Before the directory, so that they are dead when that is removed.
    brokers: Vec<Broker>,
    dir: TempDir,
}

impl Cluster {
    fn start(jars: String, blind: &[(RouteId, Front)]) -> Self {
        let mut cluster = Cluster {
            network: Network::take(),
            jars,
            brokers: Vec::new(),
            dir: tempfile::Builder::new()
                .prefix("portolan-kafka-")
                .tempdir()
                .expect("a temporary directory"),
        };
        cluster.write_hosts();
        for node in 0..IDS.len() {
            cluster.format(node, blind);
        }
        for node in 0..IDS.len() {
            let command = cluster.java("kafka.Kafka", &[cluster.properties_file(node)]);
            let broker = Broker::start(&command, &cluster.node_dir(node));
            cluster.brokers.push(broker);
        }
        cluster.wait();
        cluster
    }

    fn direct(&self, node: usize) -> String {
        format!("{}:{DIRECT_PORT}", self.network.host(node + 1))
    }

    fn internal(&self, node: usize) -> String {
        format!("{}:{INTERNAL_PORT}", internal_host(node))
    }

    fn hosts_file(&self) -> PathBuf {
        self.dir.path().join("hosts")
    }

    fn wait(&self) {
        let begin = Instant::now();
        while !(0..IDS.len()).all(|node| self.knows_all(node)) {
            if begin.elapsed() > PATIENCE {
                panic!(
                    "the brokers do not come up:\n{}",
                    self.brokers[0].log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn knows_all(&self, node: usize) -> bool {
        let Ok(mut wire) = Wire::connect(self.direct(node)) else {
            return false;
        };
        let answer = wire.ask(&MetadataRequest::default(), 12);
        answer.is_ok_and(|metadata| metadata.brokers.len() == IDS.len())
    }

    fn node_dir(&self, node: usize) -> PathBuf {
        self.dir.path().join(IDS[node].to_string())
    }

    fn properties_file(&self, node: usize) -> String {
        let file = self.node_dir(node).join("server.properties");
        file.display().to_string()
    }

    fn write_hosts(&self) {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for node in 0..IDS.len() {
            let address = self.network.host(node + 1);
            let _ = writeln!(text, "{address} {}", internal_host(node));
        }
        fs::write(self.hosts_file(), text).expect("the directory is ours");
    }

    fn format(&self, node: usize, blind: &[(RouteId, Front)]) {
        fs::create_dir_all(self.node_dir(node)).expect("the directory is ours");
        let properties = self.properties_file(node);
        fs::write(&properties, self.properties(node, blind)).expect("the directory is ours");
        let arguments = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", &properties];
        let command = self.java("kafka.tools.StorageTool", &arguments.map(String::from));
        toolchain::run_tool(Command::new(&command[0]).args(&command[1..]));
    }

    fn java(&self, class: &str, arguments: &[String]) -> Vec<String> {
        let hosts = format!("-Djdk.net.hosts.file={}", self.hosts_file().display());
        let options = [
            "java", "-Xms256m", "-Xmx768m", &hosts, "-cp", &self.jars, class,
        ];
        let options = options.iter().map(ToString::to_string);
        options.chain(arguments.iter().cloned()).collect()
    }

    fn properties(&self, node: usize, blind: &[(RouteId, Front)]) -> String {
        let voter = |node: usize| {
            let address = self.network.host(node + 1);
            format!("{}@{address}:{CONTROLLER_PORT}", IDS[node])
        };
        let address = self.network.host(node + 1);
        let mut listeners = format!(
            "CONTROLLER://{address}:{CONTROLLER_PORT},DIRECT://{},INTERNAL://{address}:{INTERNAL_PORT}",
            self.direct(node)
        );
        let mut advertised = format!(
            "DIRECT://{},INTERNAL://{}",
            self.direct(node),
            self.internal(node)
        );
        let mut protocols = "CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT,INTERNAL:PLAINTEXT".to_owned();
        for (position, (id, front)) in blind.iter().enumerate() {
            let name = id.name().to_uppercase().replace('-', "");
            let _ = write!(listeners, ",{name}://{address}:{}", blind_port(position));
            let _ = write!(advertised, ",{name}://127.0.0.1:{}", front.pairs[node].port);
            let _ = write!(protocols, ",{name}:PLAINTEXT");
        }
        format!(
            "process.roles=broker,controller\nnode.id={}\ncontroller.quorum.voters={},{},{}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=DIRECT\nlog.dirs={}\n\
             listeners={listeners}\nadvertised.listeners={advertised}\nlistener.security.protocol.map={protocols}\n\
             {COMMON_PROPERTIES}",
            IDS[node],
            voter(0),
            voter(1),
            voter(2),
            self.node_dir(node).join("data").display(),
        )
    }
}

const COMMON_PROPERTIES: &str = "\
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
default.replication.factor=3
min.insync.replicas=2
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.segment.delete.delay.ms=1000
";

fn blind_port(position: usize) -> u16 {
    BLIND_PORT + u16::try_from(position).expect("few routes")
}

fn internal_host(node: usize) -> String {
    format!("kafka-{}.kafka-headless.kafka.svc.cluster.local", IDS[node])
}

/// The class path of the brokers and of their tools, fetched into the tests' cache.
pub fn jars() -> String {
    let artifact = |name: &str| {
        format!(
            "<dependency><groupId>org.apache.kafka</groupId><artifactId>{name}</artifactId><version>{KAFKA_4}</version></dependency>"
        )
    };
    let pom = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>portolan</groupId><artifactId>benches</artifactId><version>1</version><dependencies>{}{}\
         <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>\
         </dependencies></project>",
        artifact("kafka_2.13"),
        artifact("kafka-tools"),
    );
    let name = format!("kafka/{KAFKA_4}-tools-{}", toolchain::fingerprint(&[&pom]));
    let dir = toolchain::cached(&name, |dir| fetch(&pom, dir));
    format!("{}/*", dir.display())
}

fn fetch(pom: &str, dir: &Path) {
    let file = tempfile::Builder::new()
        .suffix(".xml")
        .tempfile()
        .expect("a temporary file");
    fs::write(file.path(), pom).expect("a temporary file can be written");
    let mut maven = Command::new("timeout");
    maven
        .args(["900", "mvn", "-B", "-q", "-f"])
        .arg(file.path())
        .arg("dependency:copy-dependencies")
        // The only binding of slf4j shall be slf4j-simple, which writes to stderr.
        .arg("-DexcludeArtifactIds=slf4j-reload4j,log4j-slf4j-impl")
        .arg(format!("-DoutputDirectory={}", dir.display()));
    toolchain::run_tool(&mut maven);
}
