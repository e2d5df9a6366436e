//! However it ends, the own topic is deleted, or it is said that it is not.

use rustix::process::{Pid, Signal, kill_process};

use crate::common::proxy::wait_until;
use crate::mock::{API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, Fault, Mock, PRODUCE};
use crate::{Running, finish, short};

/// Produces in more rounds than there is time for; twenty requests each, after ten of a warm-up.
const MANY_ROUNDS: [&str; 8] = [
    "--workload",
    "produce",
    "--rate",
    "100/s",
    "--rounds",
    "1000",
    "--output",
    "json",
];

#[test]
fn a_topic_that_cannot_be_deleted_is_named() {
    let mock = Mock::with(|key, _| (key == DELETE_TOPICS).then_some(Fault::Error(73)));
    let outcome = finish(&mut short(&mock.address(), &["--workload", "ping"]));
    let state = mock.state();
    let name = &state.created[0];
    let begin = format!("portolan: the topic {name} was not deleted: localhost:");
    assert!(outcome.stderr.starts_with(&begin), "{outcome:?}");
    assert!(outcome.stderr.contains("TOPIC_DELETION_DISABLED"));
    assert!(outcome.stderr.contains("\n    delete it by hand"));
    // The measuring itself went well.
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.stdout.contains("PING"));
}

#[test]
fn a_controller_that_cannot_be_reached_is_done_without() {
    // The second connection is the one to the controller.
    let mock = Mock::with(|key, n| (key == API_VERSIONS && n == 1).then_some(Fault::Close));
    let outcome = finish(&mut short(&mock.address(), &["--workload", "ping"]));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let created = |seen: &&(usize, i16, i16)| seen.1 == CREATE_TOPICS;
    let node = mock.state().seen.iter().find(created).map(|seen| seen.0);
    assert_eq!(node, Some(0));
    mock.assert_cleaned_up();
}

#[test]
fn a_topic_that_is_gone_already_is_as_good() {
    let mock = Mock::with(|key, _| (key == DELETE_TOPICS).then_some(Fault::Error(3)));
    let outcome = finish(&mut short(&mock.address(), &["--workload", "ping"]));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_signal_ends_it_in_the_middle_and_the_topic_is_deleted() {
    for signal in [Signal::INT, Signal::TERM] {
        let mock = Mock::calm();
        let arguments = [
            "--workload",
            "produce",
            "--duration",
            "1h",
            "--rate",
            "100/s",
        ];
        let running = Running::start(&mut short(&mock.address(), &arguments));
        wait_until("requests", || mock.state().count(PRODUCE) > 10);
        kill_process(Pid::from_child(running.child()), signal).expect("it runs");
        let outcome = running.finish();
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (Some(1), ""),
            "{outcome:?}"
        );
        assert_eq!(
            outcome.stderr,
            "portolan: interrupted before the first round was over: there are no results\n"
        );
        mock.assert_cleaned_up();
    }
}

#[test]
fn what_was_measured_before_a_failure_is_told() {
    let mock = Mock::with(|key, n| (key == PRODUCE && n > 10 + 3 * 20).then_some(Fault::Error(29)));
    let outcome = finish(&mut short(&mock.address(), &MANY_ROUNDS));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let words = "produce: TOPIC_AUTHORIZATION_FAILED";
    assert!(outcome.stderr.contains(words), "{outcome:?}");
    let result: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let rounds = result["workloads"][0]["rounds"].as_array().expect("a list");
    assert_eq!(rounds.len(), 3, "{result}");
    mock.assert_cleaned_up();
}

#[test]
fn what_was_measured_before_a_signal_is_told() {
    let mock = Mock::calm();
    let running = Running::start(&mut short(&mock.address(), &MANY_ROUNDS));
    wait_until("two rounds", || mock.state().count(PRODUCE) > 10 + 2 * 20);
    kill_process(Pid::from_child(running.child()), Signal::INT).expect("it runs");
    let outcome = running.finish();
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.stderr,
        "portolan: interrupted: only the rounds before were measured\n"
    );
    let result: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let rounds = result["workloads"][0]["rounds"].as_array().expect("a list");
    assert!(rounds.len() >= 2, "{result}");
    mock.assert_cleaned_up();
}
