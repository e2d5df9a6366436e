//! The steps of the story, in order.

use std::thread;
use std::time::Duration;

use kafka_protocol::messages::MetadataRequest;
use serde_json::{Value, json};

use crate::admin::patiently;
use crate::check::{assert_fine_by, check_behind, codes};
use crate::client::Program;
use crate::cluster::internal_host;
use crate::front;
use crate::go::franz_go;
use crate::round_trip::round_trip_by;
use crate::toolchain::KAFKA_4;
use crate::traffic::Load;
use crate::wire::Wire;

use super::outside::{self, NAME, access};
use super::who::{WhoIsThere, ask};
use super::{Pods, World};

/// Where check is to look.
const BOOTSTRAP: &str = "kafka.example.com:9092";

/// From outside every port of Portolan can be connected to, but no broker's, and no broker's name means anything.
pub fn clients_reach_one_address_and_know_one_name(world: &World) {
    let outside = &world.outside;
    assert!(outside.knows(NAME));
    assert!(outside.reaches(NAME, world.portolan.bootstrap_port()));
    let see = |id: i32| {
        // Each is there, and is found by its name inside: only not from out there.
        Wire::connect(world.cluster.direct(id)).expect("the broker accepts");
        assert!(world.cluster.pods().asked_for(id) > 0);
        let address = world.cluster.pods().address(id).to_string();
        assert!(!outside.reaches(&address, Pods::PORT), "{address}");
        assert!(!outside.knows(&internal_host(id)));
        assert!(outside.reaches(NAME, world.portolan.port(id)));
    };
    thread::scope(|scope| {
        for &id in world.cluster.ids() {
            scope.spawn(move || see(id));
        }
    });
    // And who asks a broker whether it is another one is told that it is not.
    let other = (world.cluster.pods().address(1), Pods::PORT);
    assert!(matches!(ask(0, other), Some(Err(_))));
}

/// Each creates a topic, writes, reads in a group, and is told all brokers by the one name it knows; see clients/README.md.
pub fn every_client_does_all_of_its_work(world: &World, programs: &[Program]) {
    let access = access(world.portolan.chart(), world.cluster.ids());
    thread::scope(|scope| {
        for (n, program) in programs.iter().enumerate() {
            let program = program.clone().on(&world.outside.words());
            let access = &access;
            scope.spawn(move || round_trip_by(access, &program, &format!("round-trip-{n}")));
        }
    });
    for &id in world.cluster.ids() {
        let connections = world.portolan.connections_to(id);
        assert!(
            connections >= programs.len() as f64,
            "node {id}: {connections}"
        );
    }
    front::assert_understood(&world.portolan.proxy);
    world.portolan.proxy.assert_calm();
}

/// `portolan check`, which anybody can run who wonders whether all is well, says so, and that each port leads to the right broker.
pub fn check_finds_everything_in_good_order(world: &World) {
    assert_fine_by(&world.outside.words(), &[BOOTSTRAP], world.cluster.ids());
}

/// Pods get new addresses all the time. A headless Service hides those that are not ready, unless it has publishNotReadyAddresses
/// (bitnami/charts#7846): who dials one of them waits for its name as long as `timeouts.connect` says, and gets through if that
/// comes in time.
pub fn a_pod_moves_and_has_no_name_until_it_is_ready(world: &World, load: &Load) {
    let (cluster, pods) = (&world.cluster, world.cluster.pods());
    let there = || ask(1, world.portolan.node(1));
    assert_eq!(there(), Some(Ok(())));
    end(world, 1);
    load.goes_on();
    start_again(world, 1, FREE_NUMBER);
    assert_eq!(there(), None, "its name does not exist");
    load.goes_on();
    thread::scope(|scope| {
        let asked = pods.asked_for(1);
        let patient = scope.spawn(there);
        patiently("somebody looks for its name", || pods.asked_for(1) > asked);
        thread::sleep(Duration::from_secs(1));
        pods.publish(1);
        let answer = patient.join().expect("it asks");
        assert_eq!(answer, Some(Ok(())), "{}", world.portolan.proxy.log_text());
    });
    cluster.wait_for_replicas();
    load.goes_on();
    let line = world.portolan.proxy.wait_for_log("connected again");
    assert_eq!(line["route"], "node-1");
}

/// Kubernetes is quick to give an address that was left to another pod (strimzi#3984), and this one is a broker, too. Whoever still
/// went there for the one that left would be answered, and be wrong.
pub fn another_pod_takes_the_address_that_it_had(world: &World, load: &Load) {
    let (cluster, pods) = (&world.cluster, world.cluster.pods());
    let node = |&id: &i32| (id, world.portolan.node(id));
    let nodes: Vec<_> = cluster.ids().iter().map(node).collect();
    let who = WhoIsThere::ask_at(&nodes);
    end(world, 2);
    load.goes_on();
    start_again(world, 2, Pods::number_of(1));
    pods.publish(2);
    cluster.wait_for_replicas();
    who.assert_always_right();
    load.goes_on();
    for &id in cluster.ids() {
        let before = who.right(id);
        patiently("everybody is at home", || {
            who.assert_always_right();
            who.right(id) > before
        });
    }
}

/// The number of an address that no pod has.
const FREE_NUMBER: u8 = 30;

/// Ends a broker as Kubernetes does: it is no longer ready, then it is told, then its pod is gone.
fn end(world: &World, id: i32) {
    world.cluster.pods().withdraw(id);
    world.cluster.stop_node(id);
    world.cluster.pods().delete(id);
}

/// Starts a broker again in another pod, with this number, until it serves. It has no name yet.
fn start_again(world: &World, id: i32, number: u8) {
    world.cluster.pods().create(id, number);
    world.cluster.start_node(id);
    world.cluster.wait_for_node(id);
}

/// Ids 0 to 15 have ports, so the fourth broker has one already: nothing is told, nothing restarts (strimzi#1211, koperator#440).
pub fn a_broker_joins_that_has_a_port(world: &mut World, load: &Load) {
    join(world, 3);
    let cluster = &world.cluster;
    cluster.create_topic_on("led-by-the-fourth", &[3, 0, 1]);
    let program = franz_go().unwrap_or_else(|| Program::java(KAFKA_4));
    let program = program.on(&world.outside.words());
    let traffic = program.start_traffic_by(
        &access(world.portolan.chart(), cluster.ids()),
        "led-by-the-fourth",
        &[],
    );
    traffic.wait_for(300);
    let result = traffic.finish();
    for wrong in ["missing", "duplicates", "failed"] {
        assert_eq!(result[wrong], json!([]), "{wrong} in {result}");
    }
    assert!(world.portolan.connections_to(3) > 0.0);
    assert_eq!(ask(3, world.portolan.node(3)), Some(Ok(())));
    assert_fine_by(&world.outside.words(), &[BOOTSTRAP], cluster.ids());
    world.portolan.assert_left_alone();
    load.goes_on();
}

/// Id 40 has no port. Whoever looks finds out, and finds what to do about it; all others are served on.
pub fn a_broker_joins_that_has_none(world: &mut World, load: &Load) {
    assert_eq!(world.portolan.count("unmapped_nodes_total"), 0.0);
    let mapped = world.cluster.ids().to_vec();
    join(world, WITHOUT_PORT);
    let portolan = &world.portolan;

    // Clients are told all the others, by the one name.
    let mut wire = Wire::connect(portolan.bootstrap()).expect("Portolan accepts");
    let metadata = wire.ask(&MetadataRequest::default().with_topics(None), 12);
    let brokers = metadata.expect("an answer").brokers;
    let mut told: Vec<(i32, String, i32)> = brokers
        .iter()
        .map(|broker| (broker.node_id.0, broker.host.to_string(), broker.port))
        .collect();
    told.sort_unstable();
    let expected = mapped
        .iter()
        .map(|&id| (id, NAME.to_owned(), i32::from(portolan.port(id))));
    assert_eq!(told, expected.collect::<Vec<_>>());

    // The log, the metric and the status page say so.
    let remedy = "add a [[clusters.main.nodes]] with ids = \"40\", port = 9109, or extend the ids of one that is there";
    let line = portolan
        .proxy
        .wait_for_log("node 40 is not in the port map");
    assert_eq!(line["level"], "WARN");
    let message = line["message"].as_str().unwrap_or_default();
    assert!(message.ends_with(remedy), "{message}");
    assert!(portolan.count("unmapped_nodes_total") > 0.0);
    let (_, status) = portolan.proxy.get("/status");
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let unmapped = &status["clusters"][0]["unmapped"];
    assert_eq!(unmapped[0]["node"], WITHOUT_PORT, "{status:#}");
    assert_eq!(unmapped[0]["remedy"], remedy, "{status:#}");

    // And so does check, to whoever stands outside, as soon as something is where no client can go.
    world
        .cluster
        .create_topic_on("led-by-40", &[WITHOUT_PORT, 0, 1]);
    let (code, found, report) = check_behind(&world.outside.words(), &[BOOTSTRAP]);
    let expected = codes(&["node-not-in-map", "partitions-without-leader"]);
    assert_eq!((code, found), (Some(1), expected), "{report:#}");
    let findings = report["findings"].as_array().expect("a list");
    let mut findings = findings.iter();
    let about_it = findings.find(|finding| finding["code"] == "node-not-in-map");
    assert_eq!(
        about_it.expect("it was found")["node"],
        WITHOUT_PORT,
        "{report:#}"
    );
    load.goes_on();
}

/// A broker's id that is not among those which have ports.
const WITHOUT_PORT: i32 = 40;

/// Starts a broker that was not there before.
fn join(world: &mut World, id: i32) {
    world.cluster.pods().create(id, Pods::number_of(id));
    world.cluster.pods().publish(id);
    world.cluster.add_node(id);
}

/// What the load wrote in all that time was acknowledged, read and stored, once; and nobody was called for more than there was.
pub fn nothing_is_lost_and_nothing_is_there_twice(world: &World, load: Load) {
    let programs = outside::programs_for_load();
    for (finished, program) in load.finish().iter().zip(&programs) {
        finished.assert_nothing_twice(&world.cluster, program);
    }
    let portolan = &world.portolan;
    front::assert_understood(&portolan.proxy);
    portolan.assert_left_alone();
    // Whoever is on call was told of the two that were away, and of the one without a port: of nothing else.
    for line in portolan.proxy.log() {
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        let is_known = match text("level") {
            "INFO" => true,
            "WARN" if text("message").starts_with("cannot connect: ") => {
                ["node-1", "node-2"].contains(&text("route"))
            }
            "WARN" => line["node"] == WITHOUT_PORT,
            _ => false,
        };
        assert!(is_known, "unexpected in the log: {line}");
    }
}
