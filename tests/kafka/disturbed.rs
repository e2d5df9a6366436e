//! Leaders that move and brokers that restart or vanish, under the traffic of the clients that must not lose anything then.

use crate::client::Program;
use crate::cluster::{self, Cluster};
use crate::go::franz_go;
use crate::librdkafka::librdkafka;
use crate::python::confluent_kafka;
use crate::toolchain::{self, KAFKA_4};
use crate::traffic::{Load, under_traffic};

/// Moves the leader of every partition five times.
pub fn leaders_move(cluster: &Cluster, load: &Load) {
    for _ in 0..5 {
        for topic in load.topics() {
            cluster.move_leaders(topic);
        }
        load.goes_on();
    }
}

/// Restarts every node in order, as a StatefulSet's rolling update does: each comes back with another address, and that is the one
/// which the node before it has left.
pub fn nodes_restart_elsewhere(cluster: &Cluster, load: &Load) {
    let mut free = cluster.ids().len() + 1;
    for &id in cluster.ids() {
        cluster.stop_node(id);
        load.goes_on();
        let left = cluster.host(id);
        cluster.move_node(id, free);
        free = left;
        cluster.start_node(id);
        cluster.wait_for_node(id);
        cluster.wait_for_replicas();
    }
}

/// Takes one node away without a word and brings it back.
pub fn a_node_vanishes(cluster: &Cluster, load: &Load) {
    let id = cluster.ids()[1];
    cluster.kill_node(id);
    load.goes_on();
    cluster.start_node(id);
    cluster.wait_for_node(id);
    cluster.wait_for_replicas();
}

/// Lets these programs write and read while leaders move, and checks that the brokers really sent the addresses of new leaders.
/// Moving the leaders of its own topics disturbs nobody else, so that this can be done to a shared cluster.
pub fn nothing_is_lost_while_leaders_move(cluster: &Cluster, prefix: &str, programs: &[Program]) {
    let front = under_traffic(cluster, prefix, programs, leaders_move);
    // Without these the test would prove nothing.
    let rewritten = front.count("addresses_rewritten_total", "Produce");
    let neutralised = front.count("endpoints_neutralised_total", "Fetch");
    assert!(
        rewritten > 0.0,
        "no address of a new leader in a Produce answer"
    );
    assert!(
        neutralised > 0.0,
        "no address of a new leader in a Fetch answer"
    );
    front.proxy.assert_calm();
}

macro_rules! leaders_move_under {
    ($($name:ident: $program:expr;)*) => {$(
        #[test]
        fn $name() {
            let Some(program) = $program() else { return };
            let Some(cluster) = cluster::newest() else { return };
            nothing_is_lost_while_leaders_move(cluster, stringify!($name), &[program]);
        }
    )*};
}

// One test for each client: the counters must show that this very client was sent new leaders' addresses.
leaders_move_under! {
    java_loses_nothing_while_leaders_move: java;
    franz_go_loses_nothing_while_leaders_move: franz_go;
    librdkafka_loses_nothing_while_leaders_move: librdkafka;
    confluent_kafka_loses_nothing_while_leaders_move: confluent_kafka;
}

#[test]
fn no_client_loses_anything_while_nodes_restart_elsewhere_and_one_vanishes() {
    let programs = [java(), franz_go(), librdkafka(), confluent_kafka()];
    let programs: Vec<Program> = programs.into_iter().flatten().collect();
    let Some((cluster, _one_at_a_time)) = cluster::own() else {
        return;
    };
    under_traffic(&cluster, "restarts", &programs, |cluster, load| {
        nodes_restart_elsewhere(cluster, load);
        a_node_vanishes(cluster, load);
    });
}

fn java() -> Option<Program> {
    toolchain::available(&["java", "javac", "mvn"]).then(|| Program::java(KAFKA_4))
}
