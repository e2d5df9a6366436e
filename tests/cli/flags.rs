//! `run` without a file: flags and environment variables, their faults, and what they do beside a file.

use crate::{GOOD, Outcome, file, finish, path, portolan};

/// Runs to the end, which comes at once because the configuration is bad.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = portolan(["run"].into_iter().chain(arguments.iter().copied()));
    let Outcome {
        code,
        stdout,
        stderr,
    } = finish(command.envs(variables.iter().copied()), "");
    assert_eq!((code, stdout.as_str()), (Some(78), ""), "{stderr}");
    stderr
}

#[test]
fn without_a_file_and_flags_it_says_what_to_give() {
    assert_eq!(
        refused(&[], &[]),
        "portolan: 1 fault in the flags and environment variables\n\
         no configuration is given\n    \
         give --config FILE, or --bootstrap-servers, --advertised-host and --nodes\n"
    );
}

#[test]
fn flags_that_are_missing_are_named_all_at_once() {
    assert_eq!(
        refused(&["--bootstrap-port", "9092"], &[]),
        "portolan: 3 faults in the flags and environment variables\n\
         --bootstrap-servers: missing\n    add --bootstrap-servers kafka-headless:9092\n\
         --advertised-host: missing\n    add --advertised-host kafka.example.com\n\
         --nodes: missing\n    add --nodes 0-9\n"
    );
}

#[test]
fn the_faults_of_flags_name_the_flags() {
    let arguments = [
        "--bootstrap-servers",
        "kafka",
        "--advertised-host",
        "0.0.0.0",
        "--nodes",
        "0-9",
        "--bootstrap-port",
        "x",
        "--node-port",
        "70000",
        "--node-address",
        "kafka-{id}:9092",
        "--admin-listen",
        "9644",
        "--listen-address",
        "eth0",
    ];
    assert_eq!(
        refused(&arguments, &[]),
        "\
portolan: 7 faults in the flags and environment variables
--bootstrap-servers[0]: \"kafka\" has no port
    write it like \"kafka-headless.kafka.svc.cluster.local:9092\"
--advertised-host: \"0.0.0.0\" is a wildcard, which no client can connect to
    write the name or address that clients outside use, such as \"kafka.example.com\"
--listen-address: \"eth0\" is no IP address
    write an IP address such as \"0.0.0.0\", or \"::\" for both families
--bootstrap-port: \"x\" is no port
    write a port from 1 to 65535
--node-port: 70000 is no port
    write a port from 1 to 65535
--node-address: \"{id}\" is no placeholder
    write {node_id}, or {ordinal}, which is 0 for the first id of the entry
--admin-listen: \"9644\" is no address to listen on
    write IP:PORT such as \"127.0.0.1:9644\" or \"0.0.0.0:9644\", or \"\" to turn it off
"
    );
}

#[test]
fn each_mistake_is_one_fault_and_its_remedy_names_flags() {
    let arguments = [
        "--bootstrap-servers",
        "kafka:9092",
        "--advertised-host",
        "kafka.example.com:9092",
        "--nodes",
        "0-9",
        "--bootstrap-port",
        "x",
    ];
    assert_eq!(
        refused(&arguments, &[]),
        "portolan: 2 faults in the flags and environment variables\n\
         --advertised-host: \"kafka.example.com:9092\" has a port\n    \
         write \"kafka.example.com\" alone; its ports are set by --bootstrap-port and --node-port\n\
         --bootstrap-port: \"x\" is no port\n    \
         write a port from 1 to 65535\n"
    );
}

#[test]
fn ports_that_overlap_name_the_flags() {
    let arguments = [
        "--bootstrap-servers",
        "kafka:9092",
        "--advertised-host",
        "kafka.example.com",
        "--nodes",
        "0-9",
        "--node-port",
        "9085",
    ];
    assert_eq!(
        refused(&arguments, &[]),
        "portolan: 1 fault in the flags and environment variables\n\
         --node-port: port 9092 is taken by --bootstrap-port\n    \
         choose a port from which on 10 ports are free\n"
    );
}

#[test]
fn there_is_no_port_after_the_last_one() {
    let arguments = [
        "--bootstrap-servers",
        "kafka:9092",
        "--advertised-host",
        "kafka.example.com",
        "--nodes",
        "0",
        "--bootstrap-port",
        "65535",
    ];
    assert_eq!(
        refused(&arguments, &[]),
        "portolan: 1 fault in the flags and environment variables\n\
         --node-port: missing\n    add --node-port 9093\n"
    );
}

#[test]
fn variables_stand_for_flags() {
    let variables = [
        ("PORTOLAN_BOOTSTRAP_SERVERS", "a:1, b"),
        ("PORTOLAN_ADVERTISED_HOST", "*"),
        ("PORTOLAN_NODES", "9-0"),
        ("PORTOLAN_NODE_PORT", "0"),
        ("PORTOLAN_NODE_ADDRESS", "x"),
        ("PORTOLAN_LISTEN_ADDRESS", "y"),
        ("PORTOLAN_BOOTSTRAP_PORT", "-1"),
        ("PORTOLAN_ADMIN_LISTEN", "z"),
    ];
    let words = refused(&[], &variables);
    for flag in [
        "--bootstrap-servers[1]",
        "--advertised-host",
        "--nodes",
        "--node-address",
        "--listen-address",
        "--bootstrap-port",
        "--admin-listen",
    ] {
        assert!(words.contains(&format!("\n{flag}: ")), "{flag}: {words}");
    }
}

#[test]
fn a_flag_wins_over_its_variable() {
    let arguments = ["--bootstrap-servers", "kafka:9092", "--nodes", "0"];
    let variables = [("PORTOLAN_NODES", "9-0"), ("PORTOLAN_ADVERTISED_HOST", "*")];
    let words = refused(&arguments, &variables);
    assert!(words.starts_with("portolan: 1 fault "), "{words}");
    assert!(
        words.contains("--advertised-host: \"*\" is a wildcard"),
        "{words}"
    );
}

#[test]
fn a_file_and_flags_contradict_each_other() {
    let file = file(GOOD);
    let expected = "portolan: 1 fault in the flags and environment variables\n\
         --config (or PORTOLAN_CONFIG) and --nodes (or PORTOLAN_NODES) are both given\n    \
         write it into the file and leave the flag out, or leave the file out\n";
    let by_flags = ["--config", path(&file), "--nodes", "0-4"];
    assert_eq!(refused(&by_flags, &[]), expected);
    let by_variable = [("PORTOLAN_CONFIG", path(&file))];
    assert_eq!(refused(&["--nodes", "0-4"], &by_variable), expected);
}

#[test]
fn variables_that_kubernetes_injects_for_a_service_of_such_a_name_are_not_ours() {
    let injected = [
        ("PORTOLAN_BOOTSTRAP_PORT", "tcp://10.96.12.7:9092"),
        ("PORTOLAN_NODE_PORT", "tcp://10.96.12.8:9093"),
        ("PORTOLAN_PORT", "tcp://10.96.12.9:9092"),
        ("PORTOLAN_SERVICE_HOST", "10.96.12.9"),
    ];
    let bad = file(&GOOD.replace("kafka.example.com", "*"));
    let words = refused(&["--config", path(&bad)], &injected);
    assert!(
        words.starts_with(&format!("portolan: 1 fault in {}\n", path(&bad))),
        "{words}"
    );
    let arguments = [
        "--bootstrap-servers",
        "kafka:9092",
        "--advertised-host",
        "*",
        "--nodes",
        "0-9",
    ];
    let words = refused(&arguments, &injected);
    assert!(words.starts_with("portolan: 1 fault "), "{words}");
}
