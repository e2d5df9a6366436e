//! What brokers refuse, and what is no broker: one error, with what to change, and nothing left behind.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use crate::mock::{
    API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, FETCH, Fault, LIST_OFFSETS, METADATA, Mock, PRODUCE,
};
use crate::{finish, json, short};

/// Runs until it fails, and gives what it says; the address of the first broker is `HERE`.
fn failure(mock: &Mock, arguments: &[&str]) -> String {
    let outcome = finish(&mut short(&mock.address(), arguments));
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(1), ""),
        "{outcome:?}"
    );
    outcome.stderr.replace(&mock.address(), "HERE")
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("a bound socket").port()
    };
    let outcome = finish(&mut short(&format!("127.0.0.1:{port}"), &[]));
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.stderr,
        format!(
            "portolan: 127.0.0.1:{port}: cannot connect: Connection refused (os error 111)\n    \
             look whether it runs, and whether this is its address and port\n"
        )
    );
}

#[test]
fn more_connections_than_files_may_be_open_are_told() {
    let mock = Mock::calm();
    let arguments = ["--connections", "60", "--workload", "ping"];
    let bench = short(&mock.address(), &arguments);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 60; exec \"$0\" \"$@\""]);
    command.arg(bench.get_program()).args(bench.get_args());
    let outcome = finish(&mut command);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let words = ": Too many open files (os error 24)\n    \
                 raise the limit of open files (ulimit -n), or make fewer connections\n";
    assert!(outcome.stderr.ends_with(words), "{outcome:?}");
    mock.assert_cleaned_up();
}

#[test]
fn a_name_that_cannot_be_resolved_is_told() {
    let outcome = finish(&mut short("kafka.invalid:9092", &[]));
    assert_eq!(outcome.code, Some(1));
    let told = "portolan: kafka.invalid:9092: the name cannot be resolved from here: ";
    assert!(outcome.stderr.starts_with(told), "{outcome:?}");
    assert!(outcome.stderr.contains("connect through the proxy"));
}

#[test]
fn a_server_of_something_else_is_told() {
    let servers: [(&[u8], &str); 3] = [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "it speaks HTTP\n    give the address of a Kafka listener\n",
        ),
        (
            &[0x15, 3, 3, 0, 2, 2, 40],
            "it speaks TLS\n    give --tls\n",
        ),
        (
            &[0x7f; 8],
            "its answer cannot be understood\n    2139062143 is no size of an answer: is this a Kafka broker?\n",
        ),
    ];
    for (bytes, words) in servers {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let _ = stream.read(&mut [0; 512]);
            stream.write_all(bytes).expect("it is taken");
            // Until the client has gone.
            let _ = stream.read(&mut [0; 1]);
        });
        let outcome = finish(&mut short(&address.to_string(), &[]));
        assert_eq!(outcome.code, Some(1));
        assert_eq!(outcome.stderr, format!("portolan: {address}: {words}"));
        server.join().expect("the server ends");
    }
}

#[test]
fn a_topic_that_may_not_be_made_is_told() {
    let mock = Mock::with(|key, _| (key == CREATE_TOPICS).then_some(Fault::Error(29)));
    let told = failure(&mock, &[]);
    let words = "cannot create a topic: TOPIC_AUTHORIZATION_FAILED: said the broker\n    \
                 allow this user the topic (create, describe, write, read, delete), or give --topic one that it may use\n";
    assert!(told.ends_with(words), "{told}");
    assert_eq!(mock.state().created.len(), 0);
    assert_eq!(mock.state().count(DELETE_TOPICS), 0);
}

#[test]
fn a_topic_that_may_be_made_later_is_deleted() {
    let mock = Mock::with(|key, _| (key == CREATE_TOPICS).then_some(Fault::Error(7)));
    let told = failure(&mock, &[]);
    assert!(
        told.contains("cannot create a topic: REQUEST_TIMED_OUT"),
        "{told}"
    );
    assert_eq!(mock.state().count(DELETE_TOPICS), 1);
}

#[test]
fn errors_that_last_end_the_run_and_the_topic_is_deleted() {
    for (workload, key, code, words) in [
        (
            "produce",
            PRODUCE,
            10,
            "produce: MESSAGE_TOO_LARGE\n    choose a --batch-size below",
        ),
        (
            "produce",
            PRODUCE,
            29,
            "produce: TOPIC_AUTHORIZATION_FAILED\n    allow this user",
        ),
        ("produce", PRODUCE, 4711, "produce: error code 4711\n"),
        (
            "fetch",
            FETCH,
            29,
            "fetch: TOPIC_AUTHORIZATION_FAILED\n    allow this user",
        ),
        (
            "ping",
            LIST_OFFSETS,
            29,
            "ping: TOPIC_AUTHORIZATION_FAILED\n    allow this user",
        ),
    ] {
        let mock = Mock::with(move |seen, _| (seen == key).then_some(Fault::Error(code)));
        // A fetch asks for offsets and fills before, which are other requests.
        let told = failure(&mock, &["--workload", workload]);
        assert!(told.contains(words), "{workload}: {told}");
        mock.assert_cleaned_up();
    }
}

#[test]
fn errors_that_pass_are_counted_and_fail_the_run_at_its_end() {
    let mock = Mock::with(|key, n| (key == PRODUCE && n % 2 == 1).then_some(Fault::Error(19)));
    let arguments = [
        "--workload",
        "produce",
        "--rate",
        "100/s",
        "--output",
        "json",
    ];
    let outcome = finish(&mut short(&mock.address(), &arguments));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(
        outcome.stderr,
        "portolan: 10 requests failed: the results name the errors\n"
    );
    let result: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let proxied = &result["workloads"][0]["proxied"];
    assert_eq!(proxied["errors"]["NOT_ENOUGH_REPLICAS"], 10);
    assert_eq!(proxied["requests"], 10);
    mock.assert_cleaned_up();
}

#[test]
fn partitions_that_move_are_followed() {
    for (workload, key) in [
        ("produce", PRODUCE),
        ("ping", LIST_OFFSETS),
        ("fetch", FETCH),
    ] {
        let mock = Mock::with(move |seen, n| {
            (seen == key && (n == 5 || n == 40)).then_some(Fault::Error(6))
        });
        let arguments = ["--workload", workload, "--duration", "600ms"];
        let result = json(&mut short(&mock.address(), &arguments));
        let proxied = &result["workloads"][0]["proxied"];
        assert!(proxied["requests"].as_u64() > Some(10), "{result}");
        assert_eq!(proxied["errors"], serde_json::json!({}), "{result}");
        mock.assert_cleaned_up();
    }
}

#[test]
fn leaders_that_do_not_know_it_yet_are_waited_for() {
    // Longer than the whole load is.
    let mock = Mock::with(|key, n| (key == LIST_OFFSETS && n < 5).then_some(Fault::Error(3)));
    let arguments = ["--workload", "ping", "--duration", "10ms"];
    let result = json(&mut short(&mock.address(), &arguments));
    assert_eq!(result["workloads"][0]["proxied"]["moved"], 0, "{result}");
    mock.assert_cleaned_up();
    let mock = Mock::with(|key, _| (key == LIST_OFFSETS).then_some(Fault::Error(3)));
    let told = failure(&mock, &["--workload", "ping", "--timeout", "300ms"]);
    assert!(
        told.contains("list offsets: UNKNOWN_TOPIC_OR_PARTITION"),
        "{told}"
    );
    mock.assert_cleaned_up();
}

#[test]
fn a_leader_that_never_is_one_is_told() {
    let mock = Mock::with(|key, _| (key == PRODUCE).then_some(Fault::Error(6)));
    let told = failure(&mock, &["--workload", "produce", "--timeout", "300ms"]);
    let words = "produce: NOT_LEADER_OR_FOLLOWER\n    the port leads to another broker than the metadata says";
    assert!(told.contains(words), "{told}");
    mock.assert_cleaned_up();
}

#[test]
fn a_broker_that_hangs_up_is_told() {
    let mock = Mock::with(|key, n| (key == PRODUCE && n == 3).then_some(Fault::Close));
    let told = failure(&mock, &["--workload", "produce"]);
    assert!(
        told.contains("the connection was lost under load: "),
        "{told}"
    );
    mock.assert_cleaned_up();
    let mock = Mock::with(|key, _| (key == METADATA).then_some(Fault::Close));
    assert_eq!(
        failure(&mock, &[]),
        "portolan: HERE: it closed the connection without an answer\n    \
         its listener may want SASL (--sasl-mechanism) or TLS (--tls), or a proxy cannot reach the broker: their logs say more\n"
    );
}

#[test]
fn a_broker_that_does_not_answer_is_told() {
    let mock = Mock::with(|key, n| (key == PRODUCE && n > 3).then_some(Fault::Silence));
    let arguments = ["--workload", "produce", "--timeout", "300ms"];
    let told = failure(&mock, &arguments);
    let words = ": no answer within 300ms\n    look at the broker, or give a longer --timeout\n";
    assert!(told.ends_with(words), "{told}");
    mock.assert_cleaned_up();
    let mock = Mock::with(|key, _| (key == API_VERSIONS).then_some(Fault::Silence));
    let told = failure(&mock, &arguments);
    assert!(told.contains(" within 300ms\n"), "{told}");
}

#[test]
fn a_size_that_no_answer_has_is_refused_under_load_too() {
    let mock = Mock::with(|key, n| (key == PRODUCE && n == 3).then_some(Fault::Huge));
    let told = failure(&mock, &["--workload", "produce"]);
    assert!(
        told.contains("2139062143 is no size of an answer"),
        "{told}"
    );
    mock.assert_cleaned_up();
}
