//! Leaders that move and brokers that restart or vanish, under the traffic of the newest Java client.

use crate::client::Program;
use crate::cluster::{self, Cluster};
use crate::toolchain::KAFKA_4;
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

#[test]
fn java_loses_nothing_while_leaders_move() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    nothing_is_lost_while_leaders_move(cluster, "leaders-move", &[Program::java(KAFKA_4)]);
}

#[test]
fn java_loses_nothing_while_nodes_restart_and_one_vanishes() {
    let Some((cluster, _one_at_a_time)) = cluster::own() else {
        return;
    };
    under_traffic(
        &cluster,
        "restarts",
        &[Program::java(KAFKA_4)],
        |cluster, load| {
            nodes_restart(cluster, load);
            a_node_vanishes(cluster, load);
        },
    );
}
