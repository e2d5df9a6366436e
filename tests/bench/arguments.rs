//! Wrong usage is 2, and says what to write instead.

use crate::{command, finish};

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let outcome = finish(command(arguments).envs(variables.iter().copied()));
    assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
    assert_eq!(outcome.stdout, "", "{arguments:?}");
    outcome.stderr
}

#[test]
fn each_value_is_checked_and_the_remedy_is_named() {
    for (flag, value, words) in [
        (
            "--batch-size",
            "16kib",
            "write a whole number with a unit (B, KiB, MiB, GiB), such as 16KiB",
        ),
        ("--batch-size", "65MiB", "write a size from 1B to 64MiB"),
        ("--record-size", "0", "write a size from 1B to 64MiB"),
        ("--fetch-size", "1GiB", "write a size from 1B to 256MiB"),
        (
            "--duration",
            "5",
            "write a whole number with a unit (ms, s, m, h), such as 5s",
        ),
        ("--duration", "0s", "write a time from 1ms to 24h"),
        (
            "--rate",
            "fast",
            "write requests such as 200/s, or bytes of records such as 50MB/s",
        ),
        ("--rate", "0", "write a rate above 0"),
        // Not so many bytes.
        (
            "--rate",
            "5000000000",
            "write at most 1000000000 requests/s",
        ),
        ("--rate", "2000GB/s", "write at most 1000000 MB/s"),
        ("--acks", "2", "[possible values: 0, 1, all]"),
        (
            "--workload",
            "produce,consume",
            "[possible values: produce, fetch, ping]",
        ),
        ("--connections", "0", "0 is not in 1..=10000"),
        ("--in-flight", "1001", "1001 is not in 1..=1000"),
        (
            "--topic",
            "a b",
            "write up to 249 letters, digits, '.', '_' and '-'",
        ),
        ("--direct", "kafka", "\"kafka\" has no port"),
        ("--output", "yaml", "[possible values: table, json, svg]"),
        (
            "--sasl-mechanism",
            "GSSAPI",
            "[possible values: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER]",
        ),
    ] {
        let told = refused(&["127.0.0.1:9", flag, value], &[]);
        assert!(told.contains(words), "{flag} {value}: {told}");
        assert!(told.contains(flag), "{told}");
    }
    let told = refused(&["kafka.example.com"], &[]);
    assert!(told.contains("\"kafka.example.com\" has no port"), "{told}");
    assert!(refused(&[], &[]).contains("<HOST:PORT>"));
}

#[test]
fn flags_that_do_not_go_together_are_told() {
    for (arguments, words) in [
        (
            &["--record-size", "32KiB"][..],
            "portolan: --batch-size 16384 is less than --record-size 32768: a request has room for at least one record\n",
        ),
        (
            &["--direct-security", "tls"],
            "portolan: --direct-security is given without --direct: add --direct HOST:PORT\n",
        ),
        (
            &["--tls-ca", "ca.pem"],
            "portolan: --tls-ca is given without --tls: add --tls\n",
        ),
        (
            &["--tls", "--tls-cert", "a.pem", "--tls-ca", "b.pem"],
            "portolan: --tls-cert needs its key: add --tls-key\n",
        ),
        (
            &["--tls", "--tls-ca", "no-such.pem"],
            "portolan: --tls-ca: no-such.pem: ",
        ),
        (
            &["--tls", "--tls-ca", "/dev/zero"],
            "portolan: --tls-ca: /dev/zero: it has more than 4 MiB: give a file of certificates in PEM\n",
        ),
        (
            &["--tls", "--tls-server-name", "a b"],
            "portolan: --tls-server-name: \"a b\" is no host name: write one like kafka.example.com\n",
        ),
        (
            &["--sasl-mechanism", "plain"],
            "portolan: --sasl-mechanism needs a user: add --sasl-username\n",
        ),
        (
            &["--sasl-mechanism", "PLAIN", "--sasl-username", "alice"],
            "portolan: --sasl-mechanism needs a password: set PORTOLAN_SASL_PASSWORD, or add --sasl-password-file\n",
        ),
        (
            &["--sasl-mechanism", "OAUTHBEARER"],
            "portolan: --sasl-mechanism OAUTHBEARER needs a token: set PORTOLAN_SASL_TOKEN, or add --sasl-token-file\n",
        ),
        (
            &["--sasl-username", "alice"],
            "portolan: a user, a password or a token is given without a mechanism: add --sasl-mechanism\n",
        ),
        (
            &["--direct", "127.0.0.1:9", "--direct-security", "sasl-tls"],
            "portolan: SASL needs a mechanism: give --sasl-mechanism\n",
        ),
    ] {
        let mut all = vec!["127.0.0.1:9"];
        all.extend(arguments);
        let told = refused(&all, &[]);
        assert!(told.starts_with(words), "{arguments:?}: {told}");
    }
}

#[test]
fn an_empty_password_is_refused_before_anything_is_sent() {
    let arguments = [
        "127.0.0.1:9",
        "--sasl-mechanism",
        "PLAIN",
        "--sasl-username",
        "alice",
    ];
    let told = refused(&arguments, &[("PORTOLAN_SASL_PASSWORD", "")]);
    assert!(told.contains("needs a password"), "{told}");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("a path of plain characters");
    let told = refused(&arguments, &[("PORTOLAN_SASL_PASSWORD_FILE", path)]);
    assert!(
        told.contains("its first line is empty: write the password there"),
        "{told}"
    );
}

#[test]
fn a_switch_is_turned_on_and_off_by_the_usual_words() {
    let arguments = ["127.0.0.1:9", "--tls-cert", "a.pem"];
    for (value, words) in [
        ("1", "--tls-cert needs its key"),
        ("true", "--tls-cert needs its key"),
        ("off", "--tls-cert is given without --tls"),
    ] {
        let told = refused(&arguments, &[("PORTOLAN_TLS", value)]);
        assert!(told.contains(words), "{value}: {told}");
    }
}

#[test]
fn variables_stand_for_flags() {
    for (variable, value, words) in [
        ("PORTOLAN_BATCH_SIZE", "x", "--batch-size"),
        ("PORTOLAN_SERVER", "kafka", "has no port"),
        ("PORTOLAN_TIMEOUT", "1", "--timeout"),
        ("PORTOLAN_SASL_USERNAME", "alice", "add --sasl-mechanism"),
    ] {
        let arguments: &[&str] = match variable {
            "PORTOLAN_SERVER" => &[],
            _ => &["127.0.0.1:9"],
        };
        let told = refused(arguments, &[(variable, value)]);
        assert!(told.contains(words), "{variable}: {told}");
    }
}
