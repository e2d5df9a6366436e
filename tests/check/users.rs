//! Users: who is let in, who is not, and who should have said who they are.

use std::io::Write;

use crate::cluster::{Act, BOOTSTRAP, Cluster};
use crate::sasl::Listener;
use crate::{Report, command, look, report};

/// A cluster that lets in whoever sends this first, by one of these mechanisms.
fn cluster(mechanisms: &'static [&'static str], token: &[u8]) -> Cluster {
    let cluster = Cluster::start(&[0, 1]);
    cluster.state().sasl = Some(Listener {
        mechanisms,
        token: token.to_vec(),
        challenge: "",
    });
    cluster
}

fn plain() -> Cluster {
    cluster(&["PLAIN", "SCRAM-SHA-256"], b"\0alice\0alice-secret")
}

fn look_as(cluster: &Cluster, mechanism: &str, password: &str) -> Report {
    let target = cluster.target();
    let arguments = [
        target.as_str(),
        "--sasl-mechanism",
        mechanism,
        "--sasl-username",
        "alice",
    ];
    let report = report(command(&arguments).env("PORTOLAN_SASL_PASSWORD", password));
    assert!(
        !report.json.to_string().contains(password),
        "{:#}",
        report.json
    );
    report
}

#[test]
fn a_user_is_let_in_everywhere() {
    let cluster = plain();
    assert_eq!(
        look_as(&cluster, "PLAIN", "alice-secret").fine().codes(),
        [""; 0]
    );
}

#[test]
fn a_listener_that_wants_a_user_is_told_with_its_mechanisms() {
    let report = look(&plain().target(), &[]).blind();
    assert_eq!(report.codes(), ["sasl-wanted"]);
    let finding = report.provokes(
        "sasl-wanted",
        None,
        "give --sasl-mechanism, --sasl-username and a password (sasl.mechanism and sasl.jaas.config in clients)",
    );
    assert_eq!(
        finding["seen"],
        "it closed the connection at the first request, and it has SASL: PLAIN, SCRAM-SHA-256"
    );
}

#[test]
fn a_wrong_password_is_told_in_the_brokers_words() {
    let report = look_as(&plain(), "PLAIN", "guessed").blind();
    let finding = report.provokes(
        "sasl-refused",
        None,
        "check --sasl-username, the password or token",
    );
    assert_eq!(
        finding["seen"],
        "SASL: SASL_AUTHENTICATION_FAILED: Invalid username or password"
    );
}

#[test]
fn a_user_that_one_broker_does_not_know_is_told() {
    let cluster = plain();
    cluster.script(|node, request| {
        (node == 1 && request.api_key == crate::cluster::SASL_AUTHENTICATE).then_some(Act::Close)
    });
    let report = look_as(&cluster, "PLAIN", "alice-secret").faulty();
    report.provokes(
        "sasl-refused",
        Some(1),
        "whether this user exists for this mechanism",
    );
    assert_eq!(report.node(0)["identity"], "proven");
}

#[test]
fn a_mechanism_that_is_not_offered_is_told_with_those_that_are() {
    let report = look_as(&plain(), "SCRAM-SHA-512", "alice-secret").blind();
    let finding = report.provokes(
        "sasl-mechanism-not-offered",
        None,
        "give --sasl-mechanism one of those, or add this one to sasl.enabled.mechanisms of the bootstrap",
    );
    assert_eq!(
        finding["seen"],
        "SASL: UNSUPPORTED_SASL_MECHANISM: SCRAM-SHA-512 is not enabled; PLAIN, SCRAM-SHA-256 are"
    );
}

#[test]
fn a_listener_without_sasl_is_told_whether_it_says_so_or_lacks_the_api() {
    const REMEDY: &str = "leave --sasl-mechanism out, or use the port of the SASL listener";
    let cluster = Cluster::start(&[0]);
    let report = look_as(&cluster, "PLAIN", "alice-secret").blind();
    report.provokes("sasl-not-wanted", None, REMEDY);
    cluster
        .state()
        .versions
        .retain(|(key, ..)| *key != crate::cluster::SASL_HANDSHAKE);
    let report = look_as(&cluster, "PLAIN", "alice-secret").blind();
    report.provokes("sasl-not-wanted", None, REMEDY);
}

#[test]
fn a_server_that_cannot_prove_to_know_the_password_is_told() {
    let report = look_as(&plain(), "SCRAM-SHA-256", "alice-secret").blind();
    report.provokes(
        "sasl-server-unproven",
        None,
        "do not trust this address with a password",
    );
}

#[test]
fn a_token_lets_in_by_oauthbearer_from_the_environment_or_a_file() {
    let cluster = cluster(&["OAUTHBEARER"], b"n,,\x01auth=Bearer a.b.c\x01\x01");
    let target = cluster.target();
    let arguments = [target.as_str(), "--sasl-mechanism", "OAUTHBEARER"];
    let by_variable = report(command(&arguments).env("PORTOLAN_SASL_TOKEN", "a.b.c")).fine();
    assert_eq!(by_variable.codes(), [""; 0]);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "a.b.c").expect("it is written");
    report(
        command(&arguments)
            .arg("--sasl-token-file")
            .arg(file.path()),
    )
    .fine();
}

#[test]
fn a_token_that_is_refused_is_told_in_the_servers_words() {
    let cluster = cluster(&["OAUTHBEARER"], b"n,,\x01auth=Bearer a.b.c\x01\x01");
    let target = cluster.target();
    let arguments = [target.as_str(), "--sasl-mechanism", "OAUTHBEARER"];
    let told = report(command(&arguments).env("PORTOLAN_SASL_TOKEN", "old")).blind();
    told.provokes("sasl-refused", None, "the password or token");
    // RFC 7628, section 3.2.3: first a message, then, after a dummy of the client, the error.
    if let Some(listener) = &mut cluster.state().sasl {
        listener.challenge = r#"{"status":"invalid_token"}"#;
    }
    let told = report(command(&arguments).env("PORTOLAN_SASL_TOKEN", "old")).blind();
    let finding = told.provokes("sasl-refused", None, "the password or token");
    assert_eq!(
        finding["seen"],
        r#"SASL: SASL_AUTHENTICATION_FAILED: {"status":"invalid_token"}"#
    );
}

#[test]
fn a_connection_that_is_closed_for_another_reason_is_not_taken_for_sasl() {
    let cluster = Cluster::start(&[0]);
    cluster.script(|node, request| {
        (node == BOOTSTRAP && request.api_key == crate::cluster::METADATA).then_some(Act::Close)
    });
    let report = look(&cluster.target(), &[]).blind();
    report.provokes("connection-closed", None, "its log says why");
}
