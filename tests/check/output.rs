//! The table for people, the exit codes, and wrong usage.

use crate::cluster::{Act, Cluster};
use crate::{command, finish};

#[test]
fn the_table_of_a_good_cluster_is_exactly_this() {
    let cluster = Cluster::start(&[0, 1]);
    let outcome = finish(&mut command(&[&cluster.target()]));
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(0), ""),
        "{outcome:?}"
    );
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(
        lines[0],
        format!("{}: 2 brokers of cluster test-cluster", cluster.target())
    );
    let words =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(
        words(lines[2]),
        [
            "NODE",
            "ADVERTISED",
            "RESOLVED",
            "PORT",
            "TLS",
            "KAFKA",
            "IDENTITY",
            "LEADS"
        ]
    );
    let bootstrap = cluster.target();
    assert_eq!(
        words(lines[3]),
        [
            "bootstrap",
            &bootstrap,
            "127.0.0.1",
            "open",
            "-",
            "answers",
            "-",
            "-"
        ]
    );
    for id in [0, 1] {
        let address = cluster.address(id).to_string();
        let number = id.to_string();
        assert_eq!(
            words(lines[4 + id as usize]),
            [
                &number,
                &address,
                "127.0.0.1",
                "open",
                "-",
                "answers",
                "proven",
                "1"
            ]
        );
    }
    assert_eq!(lines[6..], ["", "no faults"]);
}

#[test]
fn a_finding_has_three_lines() {
    let cluster = Cluster::start(&[0, 1]);
    cluster.script(|node, _| (node == 1).then_some(Act::Close));
    let outcome = finish(&mut command(&[&cluster.target()]));
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(1), ""),
        "{outcome:?}"
    );
    let words = format!(
        "\nfault broker-down: node 1 at {}: it closed the connection without an answer\n    \
         means: it accepts connections and closes them without an answer: a proxy or a balancer whose broker is down or refuses it\n    \
         to do: look whether node 1 runs and whether what stands before it reaches it: Portolan's log names the broker's address and the error\n",
        cluster.address(1)
    );
    assert!(outcome.stdout.contains(&words), "{}", outcome.stdout);
    assert!(
        outcome.stdout.ends_with("\n\n2 faults\n"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn wrong_usage_is_2_and_says_what_to_change() {
    for (arguments, words) in [
        (&["kafka.example.com"][..], "has no port"),
        (
            &["kafka:9092", "--output", "svg"],
            "[possible values: table, json]",
        ),
        (
            &["kafka:9092", "--tls-ca", "ca.pem"],
            "--tls-ca is given without --tls: add --tls",
        ),
        (
            &["kafka:9092", "--tls", "--tls-ca", "/no/such/file"],
            "--tls-ca: /no/such/file: No such file",
        ),
        (
            &[
                "kafka:9092",
                "--sasl-mechanism",
                "PLAIN",
                "--sasl-username",
                "alice",
            ],
            "set PORTOLAN_SASL_PASSWORD, or add --sasl-password-file",
        ),
        (&["kafka:9092", "--timeout", "soon"], "--timeout"),
    ] {
        let outcome = finish(&mut command(arguments));
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (Some(2), ""),
            "{outcome:?}"
        );
        assert!(
            outcome.stderr.contains(words),
            "{arguments:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn each_step_has_five_seconds_unless_it_is_said_otherwise() {
    let outcome = finish(&mut command(&["--help"]));
    let help = outcome.stdout;
    let (_, rest) = help.split_once("--timeout <TIME>").expect("the flag");
    let (about, _) = rest.split_once("--tls").expect("the next flag");
    assert!(about.contains("[default: 5s]"), "{about}");
}

#[test]
fn the_variables_are_read_as_the_flags_are() {
    let cluster = Cluster::start(&[0]);
    let mut command = command(&["--timeout", "20s"]);
    command.env("PORTOLAN_SERVER", cluster.target());
    command.env("PORTOLAN_OUTPUT", "json");
    let outcome = finish(&mut command);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.starts_with("{\n"), "{outcome:?}");
}
