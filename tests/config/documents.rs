//! The file as a whole: TOML or not, empty, not text, not there, all faults at once.

use std::io::Write;
use std::path::Path;

use portolan::config::{Config, ParseOptions};

use crate::{LEAST, config, refused};

fn refused_file(path: &Path) -> String {
    match Config::from_file(path, &ParseOptions::default()) {
        Ok(_) => panic!("accepted: {}", path.display()),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn every_fault_is_reported_at_once_in_the_order_of_the_file() {
    let text = "\
bootstrap_servers = [\"kafka:9092\"]
[clusters.main]
bootstrap_server = [\"kafka:9092\"]
advertised_host = \"0.0.0.0\"
bootstrap_port = 0
tls = { certificate = \"c.pem\" }
[[clusters.main.nodes]]
ids = \"9-0\"
[limits]
connections = 0
[timeouts]
idle = 30
";
    assert_eq!(
        refused(text),
        "\
line 1: bootstrap_servers: unknown key here
    it belongs below [clusters.<name>]
line 2: clusters.main.bootstrap_servers: missing
    add: bootstrap_servers = [\"kafka-headless.kafka.svc.cluster.local:9092\"]
line 3: clusters.main.bootstrap_server: unknown key
    did you mean `bootstrap_servers`?
line 4: clusters.main.advertised_host: \"0.0.0.0\" is a wildcard, which no client can connect to
    write the name or address that clients outside use, such as \"kafka.example.com\"
line 5: clusters.main.bootstrap_port: port 0 would be another port after each start
    write a port from 1 to 65535
line 6: clusters.main.tls.key: missing
    add: key = \"tls.key\"
line 7: clusters.main.nodes[0].port: missing
    add: port = 9093
    or one port for all nodes, by TLS server name: [clusters.main.sni]
line 8: clusters.main.nodes[0].ids: \"9-0\" runs backwards
    write \"0-9\"
line 10: limits.connections: 0 is out of range
    write a number from 1 to 1000000, or \"auto\"
line 12: timeouts.idle: 30 has no unit
    write a whole number with a unit (ms, s, m, h), such as \"30s\", or \"off\""
    );
}

#[test]
fn an_empty_file_is_told_what_to_add() {
    for text in [
        "",
        "\n\n",
        "# only a comment\n",
        "[clusters]\n",
        "clusters = {}\n",
    ] {
        let words = refused(text);
        let after_line = words.trim_start_matches(|c| c != 'c');
        assert_eq!(
            after_line,
            "clusters: no cluster is configured\n    \
             add [clusters.main] with bootstrap_servers, advertised_host and [[clusters.main.nodes]]",
            "{text:?}"
        );
    }
}

#[test]
fn an_empty_cluster_is_told_each_key_that_it_needs() {
    assert_eq!(
        refused("[log]\nlevel = \"info\"\n[clusters.main]\n"),
        "\
line 3: clusters.main.bootstrap_servers: missing
    add: bootstrap_servers = [\"kafka-headless.kafka.svc.cluster.local:9092\"]
line 3: clusters.main.advertised_host: missing
    add: advertised_host = \"kafka.example.com\"
line 3: clusters.main.nodes: missing: no node has a port
    add:
    [[clusters.main.nodes]]
    ids = \"0-9\"
    port = 9093"
    );
}

#[test]
fn what_is_not_toml_is_reported_with_its_line_and_its_text() {
    assert_eq!(
        refused("[clusters.main]\nadvertised_host = kafka.example.com\n"),
        "line 2: not TOML: string values must be quoted, expected literal string\n    \
         correct: advertised_host = kafka.example.com"
    );
    assert_eq!(
        refused("[log]\nlevel = \"info\"\nlevel = \"warn\"\n"),
        "line 3: not TOML: duplicate key\n    correct: level = \"warn\""
    );
}

#[test]
fn all_toml_errors_are_reported_at_once() {
    let words = refused("a = b\nc = 1\nc = 2\n");
    assert!(words.contains("line 1: not TOML"), "{words}");
    assert!(words.contains("line 3: not TOML"), "{words}");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_fine() {
    let text = format!("\u{feff}{}", LEAST.replace('\n', "\r\n"));
    assert_eq!(config(&text), config(LEAST));
}

#[test]
fn lines_are_counted_with_windows_line_ends_too() {
    let words = refused(&LEAST.replace("ids", "idz").replace('\n', "\r\n"));
    assert!(
        words.contains("line 5: clusters.main.nodes[0].idz: unknown key"),
        "{words}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_eq!(
        refused_file(Path::new("no/such/file.toml")),
        "cannot read no/such/file.toml: No such file or directory (os error 2)\n    \
         give the path of a configuration file; config/minimal.toml is one to start from"
    );
}

#[test]
fn a_directory_is_no_file() {
    let words = refused_file(Path::new("config"));
    assert!(
        words.starts_with("cannot read config: Is a directory"),
        "{words}"
    );
}

#[test]
fn a_file_without_an_end_is_not_read_for_ever() {
    assert_eq!(
        refused_file(Path::new("/dev/zero")),
        "/dev/zero has no end\n    \
         give the path of a configuration file; config/minimal.toml is one to start from"
    );
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_the_line() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"# caf\xc3\xa9\n# caf\xe9\n")
        .expect("it is written");
    let path = file.path();
    assert_eq!(
        refused_file(path),
        format!(
            "{} is not UTF-8 from line 2 on\n    save it as UTF-8 text",
            path.display()
        )
    );
}

#[test]
fn the_minimal_file_is_accepted_and_says_what_its_comment_says() {
    let path = Path::new("config/minimal.toml");
    let config = Config::from_file(path, &ParseOptions::default()).expect("it is accepted");
    let main = &config.clusters["main"];
    let ports: Vec<_> = main
        .ports
        .as_ref()
        .unwrap()
        .nodes()
        .map(|(id, port)| (id.0, port.bound))
        .collect();
    let expected: Vec<_> = (0..10).map(|id| (id, 9093 + id as u16)).collect();
    assert_eq!(ports, expected);
    assert_eq!(main.ports.as_ref().unwrap().bootstrap().bound, 9092);
}
