//! What looks like a pod: the API server by KUBERNETES_SERVICE_HOST and _PORT, and the account in its directory.

use std::fs;

use tempfile::TempDir;

use crate::api::{Api, NAME};
use crate::common::from_service::{OTHERS, in_pod, in_pod_by};
use crate::common::proxy::Proxy;
use crate::{Place, account, broker, cluster, hostname};

/// A proxy that is started by a line which makes that.
fn place(files: TempDir, line: &str) -> Place {
    let broker = broker();
    let proxy = Proxy::start_by(line, &cluster("main", &broker, NAME));
    Place {
        proxy,
        _broker: broker,
        files,
    }
}

#[test]
fn a_pod_finds_the_api_server_its_token_and_its_namespace() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    let files = account(&api);
    let line = in_pod(files.path(), api.address().port());
    let place = place(files, &line);
    place.wait_until_told("lb.example.com");
    api.wait_for_watch();
    // Tokens of pods are replaced long before they end.
    fs::write(place.token(), "second").unwrap();
    api.want("second");
    api.cut();
    api.set(hostname("two.example.com"));
    place.wait_until_told("two.example.com");
    place.proxy.assert_calm();
}

#[test]
fn the_api_server_may_have_a_name() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    let files = account(&api);
    let server = ("localhost", api.address().port());
    let line = in_pod_by(files.path(), server, "exec \"$@\"");
    place(files, &line).wait_until_told("lb.example.com");
}

#[test]
fn outside_of_a_pod_it_says_what_is_missing() {
    let line =
        format!("{OTHERS}; unset KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT; exec \"$@\"");
    let place = place(tempfile::tempdir().unwrap(), &line);
    let failure = place.wait_for_failure("no_account");
    let remedy = failure["remedy"].as_str().unwrap();
    assert!(remedy.contains("automountServiceAccountToken"), "{remedy}");
    assert!(remedy.contains("advertised_host"), "{remedy}");
    assert_eq!(place.proxy.get("/readyz").0, 503);
    assert!(!place.known());
}

#[test]
fn an_account_that_cannot_be_used_is_told_with_its_file() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    let cases = [
        ("token", None, "cannot read "),
        ("token", Some("a\nb"), "has what is no token"),
        ("ca.crt", None, "No such file"),
        ("ca.crt", Some(""), "ca.crt has no certificate"),
        ("namespace", None, "namespace"),
    ];
    for (name, text, expected) in cases {
        let files = account(&api);
        let file = files.path().join(name);
        match text {
            None => fs::remove_file(file).unwrap(),
            Some(text) => fs::write(file, text).unwrap(),
        }
        let line = in_pod(files.path(), api.address().port());
        let failure = place(files, &line).wait_for_failure("no_account");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(api.seen(), []);
}
