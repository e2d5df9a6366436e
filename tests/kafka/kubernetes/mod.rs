//! One address in front of a Kafka cluster in Kubernetes: the whole of what Portolan is for, as one test, without Kubernetes.
//!
//! Start to read here if you are new. A cluster of brokers runs in pods. It is configured for clients inside, as everybody's is: each broker
//! tells clients the name that a headless Service gives its pod, which means nothing outside. Portolan stands behind one load balancer, is
//! told two things, where the cluster is and what it is called outside, and from then on every client outside can use every broker.
//!
//! ```text
//!   outside                            the cluster
//!                                     ┌─ node ───────────────────────────────────────────────────┐
//! ┌─ laptop ──────────────┐           │ DNS 10.96.0.10: kafka-N.kafka-headless.kafka.svc.cluster │
//! │ Java, librdkafka,     │           │   .local leads to pod kafka-N, while that is ready       │
//! │ franz-go, sarama,     │           │ bridge cni0, 10.244.0.1                                  │
//! │ kafka-python, …       │           └──────┬─────────────────┬─────────────┬─────────────┬─────┘
//! │                       │     ┌─ portolan ─────┐ ┌─ kafka-0 ─┐ ┌─ kafka-1 ─┐ ┌─ kafka-2 ─┐
//! │ kafka.example.com is  │     │ 10.244.0.100   │ │ .11:9092  │ │ .12:9092  │ │ .13:9092  │
//! │ 203.0.113.10          ├─────┤ 203.0.113.10   │ └───────────┘ └───────────┘ └───────────┘
//! └───────────────────────┘     │ :9092 bootstrap│
//!   203.0.113.77                │ :9093 kafka-0  │  later also kafka-3, which has a port,
//!                               │   …            │  and kafka-40, which has none
//!                               │ :9108 kafka-15 │
//!                               └────────────────┘
//! ```
//!
//! | in the test | stands for |
//! |---|---|
//! | the test process, in namespaces of its own ([`node`]) | a node, and whoever works with kubectl: starts and ends pods |
//! | a process that waits in network, mount and UTS namespaces ([`machine`]) | a pod's sandbox: own address, host name, `/etc/hosts`, `/etc/resolv.conf` |
//! | a bridge and veth cables | the network plugin. Hardware addresses follow from IP addresses, as several plugins have it |
//! | the records of a DNS server that the test changes ([`pods`]) | CoreDNS and a headless Service: a name exists while its pod is ready |
//! | real brokers, each in its pod with a directory that stays ([`pods`]) | a StatefulSet with a volume for each pod |
//! | `portolan run` with the chart's file, user, root that is read-only, no capability, no new privileges ([`portolan`], [`chart`]) | the Deployment that the chart makes |
//! | the address 203.0.113.10 on Portolan's second interface | a Service of type LoadBalancer. It hands on bytes: nothing of it is left to play |
//! | another machine, with a line in its hosts file ([`outside`]) | the internet, and the DNS record that leads to the load balancer |
//!
//! What is not played: that the balancer opens no port but the Service's, several replicas behind the balancer (`rolling.rs` does it with HAProxy), TLS (`tls/`), the image itself, which
//! has containers in this network in `image.rs`.
//! Run it alone by `cargo test --test kafka kubernetes`; with `-- --nocapture` it shows when each step began. It needs no root, and the
//! machine's own network is not touched ([`node`] says why).

pub mod chart;
pub mod machine;
pub mod node;
pub mod outside;
mod pods;
mod portolan;
mod steps;
mod who;

use std::time::Instant;

use crate::cluster::{self, Cluster};
use crate::toolchain::KAFKA_4;
use crate::traffic::Load;

use chart::Chart;
use node::Rights;
use outside::{Outside, access};
pub use pods::Pods;
use portolan::Portolan;

/// Everything in the picture.
struct World {
    /// First, so that it ends before those that it talks to.
    portolan: Portolan,
    outside: Outside,
    cluster: Cluster,
}

#[test]
fn one_address_is_all_that_clients_need() {
    // What must be fetched is fetched out here: inside there is no internet.
    let (Some(programs), Some(chart)) = (outside::programs(), Chart::render()) else {
        return;
    };
    if !node::is_here() {
        if !node::can_be_made(Rights::Anybody) {
            return;
        }
        let _one_at_a_time = cluster::one_at_a_time();
        let test = "kubernetes::one_address_is_all_that_clients_need";
        return node::run_inside(Rights::Anybody, test, &[]);
    }
    let begin = Instant::now();
    let tell = |what: &str| eprintln!("{:3} s  {what}", begin.elapsed().as_secs());

    tell("three brokers start in their pods, and Portolan in its own");
    let dir = tempfile::tempdir().expect("a temporary directory");
    node::set_up(dir.path());
    let mut world = World::start(chart);
    tell("clients reach one address, and know one name");
    steps::clients_reach_one_address_and_know_one_name(&world);
    tell("every client does all of its work");
    steps::every_client_does_all_of_its_work(&world, &programs);
    tell("`portolan check` finds everything in good order");
    steps::check_finds_everything_in_good_order(&world);

    tell("three clients begin to write and read, and will not stop");
    let load = world.start_load();
    tell("a pod moves, and has no name until it is ready");
    steps::a_pod_moves_and_has_no_name_until_it_is_ready(&world, &load);
    tell("another pod takes the address that it had");
    steps::another_pod_takes_the_address_that_it_had(&world, &load);
    tell("a broker joins that has a port");
    steps::a_broker_joins_that_has_a_port(&mut world, &load);
    tell("a broker joins that has none");
    steps::a_broker_joins_that_has_none(&mut world, &load);
    tell("all is counted: nothing is lost, nothing is there twice");
    steps::nothing_is_lost_and_nothing_is_there_twice(&world, load);
    tell("done");
}

impl World {
    fn start(chart: Chart) -> Self {
        let ids = [0, 1, 2];
        let cluster = Cluster::start_in_pods(KAFKA_4, &ids, Pods::start(&ids));
        let outside = Outside::start();
        World {
            portolan: Portolan::start(chart, &outside),
            outside,
            cluster,
        }
    }

    /// Lets a few clients write and read from outside, each in a topic of its own.
    fn start_load(&self) -> Load {
        let programs = outside::programs_for_load().into_iter().enumerate();
        let running = programs.map(|(n, program)| {
            let topic = format!("load-{n}");
            self.cluster.create_topic(&topic, 6);
            let program = program.on(&self.outside.words());
            let access = access(self.portolan.chart(), self.cluster.ids());
            let traffic = program.start_traffic_by(&access, &topic, &[]);
            (topic, traffic)
        });
        let load = Load::new(running.collect());
        load.goes_on();
        load
    }
}
