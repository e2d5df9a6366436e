//! SASL: what is accepted, and what is refused by either side.

use std::io::Write;

use crate::mock::{Mock, Options};
use crate::{Outcome, finish, json, short};

fn mock() -> Mock {
    Mock::start(Options {
        sasl: Some(("alice", "alice-secret")),
        ..Options::default()
    })
}

fn refused(mock: &Mock, mechanism: &str, password: &str) -> String {
    let arguments = ["--sasl-mechanism", mechanism, "--sasl-username", "alice"];
    let mut command = short(&mock.address(), &arguments);
    let outcome = finish(command.env("PORTOLAN_SASL_PASSWORD", password));
    let Outcome {
        code,
        stdout,
        stderr,
    } = outcome;
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(!stderr.contains(password), "{stderr}");
    stderr.replace(&mock.address(), "HERE")
}

#[test]
fn plain_is_accepted_with_a_password_from_the_environment_or_a_file() {
    let mock = mock();
    let arguments = [
        "--sasl-mechanism",
        "PLAIN",
        "--sasl-username",
        "alice",
        "--workload",
        "ping",
    ];
    let mut command = short(&mock.address(), &arguments);
    let result = json(command.env("PORTOLAN_SASL_PASSWORD", "alice-secret"));
    assert_eq!(result["parameters"]["sasl"], true);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "alice-secret").expect("it is written");
    let mut command = short(&mock.address(), &arguments);
    json(command.arg("--sasl-password-file").arg(file.path()));
}

#[test]
fn a_wrong_password_is_told_in_the_brokers_words() {
    assert_eq!(
        refused(&mock(), "PLAIN", "guessed"),
        "portolan: HERE: SASL: SASL_AUTHENTICATION_FAILED: Invalid username or password\n    \
         check --sasl-username, the password and --sasl-mechanism\n"
    );
}

#[test]
fn a_mechanism_that_is_not_enabled_is_told_with_those_that_are() {
    assert_eq!(
        refused(&mock(), "SCRAM-SHA-512", "alice-secret"),
        "portolan: HERE: SASL: UNSUPPORTED_SASL_MECHANISM: SCRAM-SHA-512 is not enabled; PLAIN, SCRAM-SHA-256 are\n    \
         give --sasl-mechanism one that the listener has\n"
    );
}

#[test]
fn a_server_that_cannot_prove_to_know_the_password_is_not_trusted() {
    assert_eq!(
        refused(&mock(), "SCRAM-SHA-256", "alice-secret"),
        "portolan: HERE: SCRAM: the server's signature is wrong: it does not know this user's password\n    \
         do not trust this address with a password: it may not be a broker\n"
    );
}

#[test]
fn a_listener_without_sasl_is_told() {
    assert_eq!(
        refused(&Mock::calm(), "PLAIN", "alice-secret"),
        "portolan: HERE: it does not offer SaslHandshake 1\n    \
         the listener may be without SASL: leave --sasl-mechanism out\n"
    );
}

#[test]
fn a_listener_that_wants_sasl_is_told() {
    let mock = mock();
    let outcome = finish(&mut short(&mock.address(), &[]));
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("its listener may want SASL"),
        "{outcome:?}"
    );
}

#[test]
fn the_direct_way_may_be_without_sasl() {
    let (proxied, direct) = (mock(), Mock::calm());
    // Each has topics of its own, so one that both have is used.
    for mock in [&proxied, &direct] {
        let topic = crate::state::Topic::with_partitions(2);
        mock.state().topics.insert("both".into(), topic);
    }
    let address = direct.address();
    let arguments = [
        "--direct",
        &address,
        "--direct-security",
        "plaintext",
        "--sasl-mechanism",
        "PLAIN",
        "--sasl-username",
        "alice",
        "--workload",
        "ping",
        "--topic",
        "both",
    ];
    let mut command = short(&proxied.address(), &arguments);
    let result = json(command.env("PORTOLAN_SASL_PASSWORD", "alice-secret"));
    assert!(result["workloads"][0]["direct"]["requests"].as_u64() > Some(0));
}
