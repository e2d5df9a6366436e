//! Leaders that move and brokers that restart or vanish, under the traffic of the newest Java client.

use crate::client::Program;
use crate::cluster::Cluster;
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

/// Restarts every node in order, as a StatefulSet's rolling update does.
pub fn nodes_restart(cluster: &Cluster, load: &Load) {
    for &id in cluster.ids() {
        cluster.stop_node(id);
        load.goes_on();
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

#[test]
fn java_loses_nothing_while_leaders_move() {
    if !toolchain::available(&["java", "javac", "mvn"]) {
        return;
    }
    let Some(aftermath) = under_traffic(&[Program::java(KAFKA_4)], leaders_move) else {
        return;
    };
    let front = &aftermath.front;
    // Without these the brokers never sent the addresses of new leaders, and the test would prove nothing.
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

#[test]
fn java_loses_nothing_while_nodes_restart_and_one_vanishes() {
    if !toolchain::available(&["java", "javac", "mvn"]) {
        return;
    }
    under_traffic(&[Program::java(KAFKA_4)], |cluster, load| {
        nodes_restart(cluster, load);
        a_node_vanishes(cluster, load);
    });
}
