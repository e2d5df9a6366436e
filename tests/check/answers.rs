//! Answers that are meant to harm whoever reads them.

use std::sync::{Arc, Barrier};

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;

use crate::cluster::{Act, BOOTSTRAP, Cluster, METADATA};
use crate::common::broker::Broker;
use crate::{command, finish, look};

#[test]
fn lengths_beyond_the_answer_reserve_nothing() {
    for body in [
        // Flexible tags, throttle time, and an array of 2^31 brokers.
        &[0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x07][..],
        // An array of two brokers, of which nothing is there.
        &[0, 0, 0, 0, 0, 3, 0],
    ] {
        let cluster = Cluster::start(&[0]);
        let body = body.to_vec();
        cluster.script(move |_, request| {
            (request.api_key == METADATA).then(|| Act::Send(request.answer_bytes(&body)))
        });
        let report = look(&cluster.target(), &[]).blind();
        report.provokes("not-kafka", None, "give the port of a Kafka listener");
    }
}

#[test]
fn a_size_that_no_answer_has_is_refused() {
    let broker = Broker::serving(|mut link| {
        let _ = link.try_request();
        let _ = link.try_send(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        let _ = link.try_request();
    });
    let report = look(&broker.address().to_string(), &[]).blind();
    report.provokes("not-kafka", None, "give the port of a Kafka listener");
}

#[test]
fn names_with_control_characters_do_not_drive_the_terminal() {
    let cluster = Cluster::start(&[0, 1]);
    cluster
        .state()
        .brokers
        .insert(1, ("\u{1b}[2Jevil\u{7}\nno\u{202e}faults".into(), 9092));
    let escaped = r"\u{1b}[2Jevil\u{7}\nno\u{202e}faults:9092";
    let outcome = finish(&mut command(&[&cluster.target()]));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains(escaped), "{outcome:?}");
    let is_wild = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!outcome.stdout.contains(is_wild), "{outcome:?}");
    // Not for programs either, which often only pass it on to a terminal.
    let report = look(&cluster.target(), &[]).faulty();
    assert_eq!(report.node(1)["address"], escaped, "{:#}", report.json);
}

#[test]
fn of_thousands_of_brokers_a_thousand_are_looked_at() {
    let mut gone = Broker::start();
    gone.stop();
    let port = gone.address().port();
    let broker = Broker::answering(move |request| match request.api_key {
        METADATA => {
            let broker = |id: i32| {
                MetadataResponseBroker::default()
                    .with_node_id(id.into())
                    .with_host("127.0.0.1".into())
                    .with_port(port.into())
            };
            let brokers = (0..3000).map(broker).collect();
            Some(request.answer(&MetadataResponse::default().with_brokers(brokers)))
        }
        _ => Some(api_versions(request)),
    });
    let report = look(&broker.address().to_string(), &[]).faulty();
    let finding = report.provokes(
        "brokers-not-looked-at",
        None,
        "look at the others from their own machines",
    );
    assert_eq!(finding["seen"], "there are 3000 brokers");
    assert_eq!(report.json["nodes"].as_array().unwrap().len(), 1000);
}

#[test]
fn brokers_are_looked_at_all_at_once() {
    const COUNT: usize = 16;
    // None says anything before all were asked; then each hangs up.
    let all = Arc::new(Barrier::new(COUNT));
    let broker = |_| {
        let all = all.clone();
        Broker::answering(move |_| {
            all.wait();
            None
        })
    };
    let brokers: Vec<Broker> = (0..COUNT).map(broker).collect();
    let ports: Vec<u16> = brokers.iter().map(|b| b.address().port()).collect();
    let bootstrap = Broker::answering(move |request| match request.api_key {
        METADATA => {
            let broker = |(id, port): (usize, &u16)| {
                MetadataResponseBroker::default()
                    .with_node_id((id as i32).into())
                    .with_host("127.0.0.1".into())
                    .with_port((*port).into())
            };
            let brokers = ports.iter().enumerate().map(broker).collect();
            Some(request.answer(&MetadataResponse::default().with_brokers(brokers)))
        }
        _ => Some(api_versions(request)),
    });
    let report = look(&bootstrap.address().to_string(), &[]).faulty();
    assert_eq!(report.codes(), ["broker-down"; COUNT]);
}

fn api_versions(request: &crate::common::broker::Received) -> Vec<u8> {
    use kafka_protocol::messages::ApiVersionsResponse;
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    let metadata = ApiVersion::default()
        .with_api_key(METADATA)
        .with_max_version(12);
    request.answer(&ApiVersionsResponse::default().with_api_keys(vec![metadata]))
}

#[test]
fn partitions_led_by_a_hundred_thousand_unknown_nodes_are_bounded() {
    let cluster = Cluster::start(&[0]);
    {
        let mut state = cluster.state();
        let one = state.partitions[0].clone();
        for id in 1..100_000 {
            let mut partition = one.clone();
            (partition.index, partition.leader) = (id, id);
            state.partitions.push(partition);
        }
    }
    cluster.script(|node, request| {
        // Every node is asked for the brokers alone; the bootstrap for all.
        (node == BOOTSTRAP && request.api_key == 60).then_some(Act::Close)
    });
    let report = look(&cluster.target(), &[]).faulty();
    assert!(report.codes().len() < 200, "{}", report.codes().len());
    report.provokes("node-not-in-map", Some(1), "give id 1 a port");
}
