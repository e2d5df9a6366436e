//! What is sent.

use crate::mock::{
    CREATE_TOPICS, DELETE_TOPICS, FETCH, Fault, LIST_OFFSETS, METADATA, Mock, Options, PRODUCE,
};
use crate::{finish, json, short};

#[test]
fn all_workloads_reach_every_leader_and_the_topic_is_gone_afterwards() {
    let mock = Mock::calm();
    let result = json(&mut short(&mock.address(), &["--client-id", "a-client"]));
    for (n, workload) in ["produce", "fetch", "ping"].iter().enumerate() {
        let found = &result["workloads"][n];
        assert_eq!(found["workload"], *workload);
        let requests = found["proxied"]["requests"].as_u64().expect("a number");
        assert!(requests > 0, "{workload}: {result}");
        assert_eq!(found["proxied"]["moved"], 0, "{workload}: {result}");
    }
    let state = mock.state();
    for key in [PRODUCE, FETCH, LIST_OFFSETS] {
        for node in [0, 1] {
            let at_node = |seen: &&(usize, i16, i16)| (seen.0, seen.1) == (node, key);
            assert!(state.seen.iter().any(|seen| at_node(&seen)), "{key} {node}");
        }
    }
    // Made and deleted at the controller, which is the second node.
    for key in [CREATE_TOPICS, DELETE_TOPICS] {
        let nodes = state.seen.iter().filter(|(_, k, _)| *k == key);
        let nodes: Vec<usize> = nodes.map(|(node, ..)| *node).collect();
        assert_eq!(nodes, [1]);
    }
    assert_eq!(state.client_ids, ["a-client"]);
    drop(state);
    mock.assert_cleaned_up();
}

#[test]
fn the_newest_versions_are_used() {
    let mock = Mock::calm();
    json(&mut short(&mock.address(), &[]));
    let state = mock.state();
    assert_eq!(state.versions(PRODUCE), [12]);
    assert_eq!(state.versions(FETCH), [17]);
    assert_eq!(state.versions(METADATA), [12]);
}

#[test]
fn brokers_from_before_tagged_fields_are_spoken_to() {
    let mock = Mock::start(Options {
        is_old: true,
        ..Options::default()
    });
    json(&mut short(&mock.address(), &[]));
    let state = mock.state();
    assert_eq!(state.versions(PRODUCE), [3]);
    assert_eq!(state.versions(FETCH), [4]);
    assert_eq!(state.versions(METADATA), [4]);
    assert_eq!(state.versions(DELETE_TOPICS), [1]);
    drop(state);
    mock.assert_cleaned_up();
}

#[test]
fn a_rate_is_kept_to_the_request() {
    let mock = Mock::calm();
    for (workload, key, rate, expected) in [
        ("produce", PRODUCE, "100/s", 50usize),
        // 2 KiB a request.
        ("produce", PRODUCE, "204800B/s", 50),
        ("ping", LIST_OFFSETS, "70", 35),
    ] {
        let before = mock.state().count(key);
        let arguments = [
            "--workload",
            workload,
            "--rate",
            rate,
            "--duration",
            "500ms",
        ];
        let result = json(&mut short(&mock.address(), &arguments));
        let proxied = &result["workloads"][0]["proxied"];
        assert_eq!(proxied["requests"], expected, "{rate}: {result}");
        assert_eq!(proxied["unsent"], 0, "{result}");
        // Before the load each of the two partitions is asked whether it has a leader.
        let asked = if key == LIST_OFFSETS { 2 } else { 0 };
        // The warm-up is half as long.
        let all = mock.state().count(key) - before;
        assert_eq!(all, asked + expected + expected.div_ceil(2), "{rate}");
    }
}

#[test]
fn with_acks_0_everything_arrives_though_nothing_is_answered() {
    let mock = Mock::calm();
    let arguments = ["--workload", "produce", "--acks", "0", "--rate", "200/s"];
    let result = json(&mut short(&mock.address(), &arguments));
    let proxied = &result["workloads"][0]["proxied"];
    assert_eq!(proxied["requests"], 40);
    assert!(proxied["latency_microseconds"].is_null(), "{result}");
    assert_eq!(mock.state().count(PRODUCE), 40 + 20);
}

#[test]
fn a_topic_that_is_given_is_neither_made_nor_deleted() {
    let mock = Mock::start(Options {
        topic: Some("theirs"),
        ..Options::default()
    });
    let arguments = ["--topic", "theirs", "--workload", "produce,fetch"];
    json(&mut short(&mock.address(), &arguments));
    let state = mock.state();
    assert!(state.topics.contains_key("theirs"));
    assert_eq!(state.count(CREATE_TOPICS) + state.count(DELETE_TOPICS), 0);
}

#[test]
fn a_topic_that_is_given_and_empty_is_not_written_to_for_a_fetch() {
    let mock = Mock::start(Options {
        topic: Some("theirs"),
        ..Options::default()
    });
    let arguments = ["--topic", "theirs", "--workload", "fetch"];
    let outcome = finish(&mut short(&mock.address(), &arguments));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    assert!(
        outcome.stderr.contains("of theirs are empty"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("give --topic one with records"));
    assert_eq!(mock.state().count(PRODUCE), 0);
}

#[test]
fn a_topic_that_is_not_there_is_told() {
    let mock = Mock::calm();
    let arguments = ["--topic", "nowhere", "--timeout", "300ms"];
    let outcome = finish(&mut short(&mock.address(), &arguments));
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.stderr,
        format!(
            "portolan: {}: topic nowhere: UNKNOWN_TOPIC_OR_PARTITION\n    create the topic, or check its name\n",
            mock.address()
        )
    );
}

#[test]
fn the_replication_factor_is_that_of_the_brokers_or_the_one_given() {
    for (arguments, expected) in [(&[][..], -1), (&["--replication-factor", "2"], 2)] {
        let mock = Mock::with(|key, _| (key == DELETE_TOPICS).then_some(Fault::Error(73)));
        let mut all = vec!["--workload", "ping"];
        all.extend(arguments);
        finish(&mut short(&mock.address(), &all));
        let state = mock.state();
        let topic = state
            .topics
            .values()
            .next()
            .expect("it could not be deleted");
        assert_eq!(topic.replication_factor, expected);
        assert_eq!(topic.partitions.len(), 2);
    }
}
