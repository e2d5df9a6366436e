//! `config check` and `config show`, and what all commands do with a file that they cannot use.

use crate::{GOOD, file, finish, path, portolan, run};

const TABLE: &str = "\
CLUSTER  ROUTE      BOUND         ADVERTISED              BROKER
main     bootstrap  0.0.0.0:9092  kafka.example.com:9092  kafka:9092
main     node-0     0.0.0.0:9093  kafka.example.com:9093  kafka-0.kafka:9092
main     node-1     0.0.0.0:9094  kafka.example.com:9094  kafka-1.kafka:9092
main     node-2     0.0.0.0:9095  kafka.example.com:9095  kafka-2.kafka:9092
";

/// The commands that read a file, without its name.
const READERS: [&[&str]; 4] = [
    &["config", "check"],
    &["config", "show"],
    &["map"],
    &["run", "--config"],
];

#[test]
fn a_good_file_is_ok_and_its_port_table_is_shown() {
    let file = file(GOOD);
    let outcome = run(["config", "check", path(&file)]);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stdout, format!("ok\n\n{TABLE}"));
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_bad_file_is_78_for_every_command_with_all_faults_on_stderr() {
    let file = file("[clusters.main]\nadvertised_host = \"*\"\n[drain]\nlame_duck = 15\n");
    for reader in READERS {
        let outcome = run(reader.iter().copied().chain([path(&file)]));
        assert_eq!(outcome.code, Some(78), "{reader:?}");
        assert_eq!(outcome.stdout, "", "{reader:?}");
        assert_eq!(
            outcome.stderr,
            format!(
                "\
portolan: 4 faults in {}
line 1: clusters.main.bootstrap_servers: missing
    add: bootstrap_servers = [\"kafka-headless.kafka.svc.cluster.local:9092\"]
line 1: clusters.main.nodes: missing: no node has a port
    add:
    [[clusters.main.nodes]]
    ids = \"0-9\"
    port = 9093
line 2: clusters.main.advertised_host: \"*\" is a wildcard, which no client can connect to
    write the name or address that clients outside use, such as \"kafka.example.com\"
line 4: drain.lame_duck: 15 has no unit
    write a whole number with a unit (ms, s, m, h), such as \"30s\"
",
                path(&file)
            ),
            "{reader:?}"
        );
    }
}

#[test]
fn a_missing_file_is_78_for_every_command_and_named() {
    for reader in READERS {
        let outcome = run(reader.iter().copied().chain(["no-such.toml"]));
        assert_eq!(outcome.code, Some(78), "{reader:?}");
        assert_eq!(outcome.stdout, "", "{reader:?}");
        assert_eq!(
            outcome.stderr,
            "portolan: 1 fault in no-such.toml\n\
             cannot read no-such.toml: No such file or directory (os error 2)\n    \
             give the path of a configuration file; config/minimal.toml is one to start from\n",
            "{reader:?}"
        );
    }
}

#[test]
fn a_minus_is_standard_input() {
    let outcome = finish(&mut portolan(["config", "check", "-"]), GOOD);
    assert_eq!(outcome.stdout, format!("ok\n\n{TABLE}"));
    let outcome = finish(&mut portolan(["config", "check", "-"]), "");
    assert_eq!(outcome.code, Some(78));
    assert_eq!(
        outcome.stderr,
        "portolan: 1 fault in standard input\nclusters: no cluster is configured\n    \
         add [clusters.main] with bootstrap_servers, advertised_host and [[clusters.main.nodes]]\n"
    );
}

#[test]
fn the_file_may_come_from_the_environment() {
    let file = file(GOOD);
    let mut command = portolan(["config", "check"]);
    let outcome = finish(command.env("PORTOLAN_CONFIG", file.path()), "");
    assert_eq!(outcome.stdout, format!("ok\n\n{TABLE}"));
}

#[test]
fn what_is_shown_is_accepted_and_shown_the_same() {
    for text in [GOOD, include_str!("../../config/full.toml")] {
        let shown = finish(&mut portolan(["config", "show", "-"]), text);
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
        let again = finish(&mut portolan(["config", "show", "-"]), &shown.stdout);
        assert_eq!(again.stdout, shown.stdout);
        let checked = finish(&mut portolan(["config", "check", "-"]), &shown.stdout);
        assert_eq!(checked.code, Some(0));
    }
}

#[test]
fn the_files_of_the_tree_are_ok() {
    for file in ["config/minimal.toml", "config/full.toml"] {
        let outcome = run(["config", "check", file]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(outcome.stdout.contains("node-9 "), "{outcome:?}");
    }
}
