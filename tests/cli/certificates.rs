//! What `config check` says of the files that a configuration names.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use crate::{GOOD, Outcome, finish, portolan};

/// Checks a configuration in a directory, where its files are.
fn check(directory: &Path, tables: &str) -> Outcome {
    let mut command = portolan(["config", "check", "-"]);
    finish(command.current_dir(directory), &format!("{GOOD}{tables}"))
}

/// A certificate that signs itself, with these names.
fn write_pair(directory: &Path, name: &str, names: &[&str]) {
    let key = KeyPair::generate().expect("a key");
    let names = names.iter().map(ToString::to_string);
    let params = CertificateParams::new(names.collect::<Vec<_>>()).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate");
    let write = |end: &str, text: String| {
        std::fs::write(directory.join(format!("{name}.{end}")), text).expect("it is written");
    };
    write("crt", certificate.pem());
    write("key", key.serialize_pem());
}

#[test]
fn every_fault_in_the_files_of_every_cluster_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    write_pair(directory.path(), "one", &["kafka.example.com"]);
    write_pair(directory.path(), "other", &["kafka.example.com"]);
    let tables = "\
[clusters.main.tls]
certificate = \"one.crt\"
key = \"other.key\"
[clusters.main.upstream_tls]
ca = \"missing.crt\"
[clusters.second]
bootstrap_servers = [\"kafka:9092\"]
advertised_host = \"kafka.example.com\"
bootstrap_port = 9200
[[clusters.second.nodes]]
ids = \"0\"
port = 9201
[clusters.second.tls]
certificate = \"one.key\"
key = \"one.key\"
";
    let outcome = check(directory.path(), tables);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(78), ""));
    for words in [
        "portolan: 3 faults in standard input\n",
        "clusters.main.tls.key: ",
        "clusters.main.upstream_tls.ca: missing.crt: ",
        "clusters.second.tls.certificate: one.key: ",
    ] {
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

#[test]
fn a_certificate_that_does_not_cover_what_clients_are_told_is_a_warning_with_the_names_it_has() {
    const COVERED: &str = "kafka.example.com";
    let directory = tempfile::tempdir().expect("a directory");
    write_pair(directory.path(), "tls", &[COVERED, "other.example.org"]);
    let tls = "[clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n";
    let sni = "[clusters.main.sni]\nport = 9443\nbootstrap_host = \"kafka.example.com\"\n\
               node_host = \"b-{node_id}.example.com\"\n";
    let covered = check(directory.path(), tls);
    assert_eq!(covered.code, Some(0), "{}", covered.stderr);
    assert!(
        !covered.stdout.contains("not for kafka"),
        "{}",
        covered.stdout
    );
    let outcome = check(directory.path(), &format!("{tls}{sni}"));
    let words = "\
warning on main: tls.crt: the certificate is not for b-0.example.com, b-1.example.com, b-2.example.com, which clients are \
told: those that verify it will refuse it; it is for kafka.example.com, other.example.org
";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(outcome.stdout.starts_with("ok\n\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains(words), "{}", outcome.stdout);
}

#[test]
fn a_wildcard_that_is_one_label_too_high_is_a_warning_with_the_one_that_is_needed() {
    let directory = tempfile::tempdir().expect("a directory");
    let names = ["kafka.example.com", "*.example.com"];
    write_pair(directory.path(), "tls", &names);
    let tables = "[clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n\
                  [clusters.main.sni]\nport = 9443\nbootstrap_host = \"kafka.example.com\"\n\
                  node_host = \"b-{node_id}.kafka.example.com\"\n";
    let outcome = check(directory.path(), tables);
    let words = "it is for kafka.example.com, *.example.com (a wildcard stands for one label: b-0.kafka.example.com needs \
                 *.kafka.example.com)\n";
    assert!(outcome.stdout.contains(words), "{}", outcome.stdout);
}

#[test]
fn files_that_cannot_be_used_are_a_bad_configuration_for_run_too() {
    let directory = tempfile::tempdir().expect("a directory");
    write_pair(directory.path(), "one", &["kafka.example.com"]);
    write_pair(directory.path(), "other", &["kafka.example.com"]);
    let tls = "[clusters.main.tls]\ncertificate = \"one.crt\"\nkey = \"other.key\"\n";
    let mut command = portolan(["run", "--config", "-"]);
    let command = command.current_dir(directory.path());
    let outcome = finish(command, &format!("{GOOD}{tls}"));
    assert_eq!(outcome.code, Some(78), "{}", outcome.stderr);
    let words = "clusters.main.tls.key: other.key: the key does not match";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
}
