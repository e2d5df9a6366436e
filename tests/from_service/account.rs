//! Outside of a pod: the account of a kubeconfig, its command, and proxies before the API server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Api;
use crate::common::proxy::wait_until;
use crate::{Place, hostname, kubeconfig, kubeconfig_of};

/// A kubeconfig whose user has a command that tells the token: a script, beside which it finds its files.
fn with_command(api: &Api, script: &str) -> TempDir {
    kubeconfig_of(api, |files| {
        let command = files.join("plugin");
        let script = format!("#!/bin/sh\ncd '{}'\n{script}\n", files.display());
        fs::write(&command, script).unwrap();
        fs::set_permissions(&command, PermissionsExt::from_mode(0o755)).unwrap();
        user(&command)
    })
}

fn user(command: &Path) -> Value {
    json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": command,
    }})
}

const CREDENTIAL: &str = "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\
                          \"status\":{\"token\":\"first\"}}'";

/// Waits for as long as there is a file called `wait`, and notes that it was begun.
fn waiting(api: &Api) -> TempDir {
    let wait = "echo begun >> begun; while [ -e wait ]; do sleep 0.05; done";
    let files = with_command(api, &format!("{wait}\n{CREDENTIAL}"));
    fs::write(files.path().join("wait"), "").unwrap();
    files
}

fn begun(place: &Place) -> usize {
    let text = fs::read_to_string(place.files.path().join("begun"));
    text.unwrap_or_default().lines().count()
}

#[test]
fn a_command_of_the_kubeconfig_tells_the_token() {
    let api = Api::start(hostname("lb.example.com"));
    let place = Place::start_with(with_command(&api, CREDENTIAL), "");
    place.wait_until_told("lb.example.com");
}

#[test]
fn a_command_that_hangs_holds_up_nothing_is_begun_once_and_used_when_it_is_ready() {
    let api = Api::start(hostname("lb.example.com"));
    let place = Place::start_with(waiting(&api), "");
    let line = place.wait_for_failure("no_account");
    let message = line["message"].as_str().unwrap();
    assert!(
        message
            .contains("was not ready within 15 s: a command of the kubeconfig (exec) that waits"),
        "{message}"
    );
    for path in ["/livez", "/status", "/metrics"] {
        assert_eq!(place.proxy.get(path).0, 200, "{path}");
    }
    wait_until("another try", || place.failures("no_account") >= 2.0);
    assert_eq!(begun(&place), 1);
    fs::remove_file(place.files.path().join("wait")).unwrap();
    place.wait_until_told("lb.example.com");
    place.proxy.wait_for_log("the Service can be read again");
}

#[test]
fn a_command_that_hangs_does_not_hold_up_the_end_of_the_process() {
    let api = Api::start(hostname("lb.example.com"));
    let mut place = Place::start_with(waiting(&api), "");
    wait_until("the command", || begun(&place) == 1);
    place.proxy.terminate();
    let status = place.proxy.wait();
    // It ends by itself then.
    fs::remove_file(place.files.path().join("wait")).unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(place.proxy.log_has("drained"));
}

#[test]
fn of_a_command_that_fails_it_is_told_what_it_says_and_not_what_may_be_a_token() {
    let api = Api::start(hostname("lb.example.com"));
    let script = "echo secret; echo 'please log in' >&2; exit 3";
    let place = Place::start_with(with_command(&api, script), "");
    let line = place.wait_for_failure("no_account");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.ends_with("the command of the kubeconfig failed (exit status: 3): please log in"),
        "{message}"
    );
    let remedy = line["remedy"].as_str().unwrap();
    assert!(remedy.starts_with("see that kubectl works"), "{remedy}");
    let place = Place::start_with(with_command(&api, "echo '{\"kind\": secret'"), "");
    let line = place.wait_for_failure("no_account");
    let message = line["message"].as_str().unwrap();
    assert!(message.ends_with("wrote is no credential"), "{message}");
    assert!(!place.proxy.log_text().contains("secret"));
}

#[test]
fn a_proxy_before_the_api_server_is_named_without_its_password() {
    let api = Api::start(hostname("lb.example.com"));
    let environment = "HTTPS_PROXY=http://user:secret@proxy.example.com:3128";
    let place = Place::start_with(kubeconfig(&api), environment);
    let line = place.wait_for_failure("needs_proxy");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.contains("by way of the proxy proxy.example.com, which"),
        "{message}"
    );
    let remedy = line["remedy"].as_str().unwrap();
    assert!(remedy.contains("without HTTPS_PROXY"), "{remedy}");
    assert!(!place.proxy.log_text().contains("secret"));
    assert_eq!(api.seen(), []);
}
