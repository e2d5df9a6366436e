//! As in a pod: the API server by KUBERNETES_SERVICE_HOST and _PORT, and the account in its directory.

use std::fs;
use std::process::Command;

use crate::api::{Api, NAME};
use crate::common::proxy::Proxy;
use crate::common::tools::{available, lacks};
use crate::{Place, account, broker, cluster, hostname};

/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Whether a process may have mounts of its own.
fn can_mount() -> bool {
    available(&["unshare", "mount"]) && {
        let tried = Command::new("unshare")
            .args(["-rm", "mount", "-t", "tmpfs", "none", "/run"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
            || lacks("namespaces of users and mounts (unshare -rm)")
    }
}

#[test]
fn a_pod_finds_the_api_server_its_token_and_its_namespace() {
    if !can_mount() {
        return;
    }
    let api = Api::start(hostname("lb.example.com"));
    let (broker, files) = (broker(), tempfile::tempdir().unwrap());
    account(files.path(), &api);
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p {ACCOUNT} && mount --bind '{}' {ACCOUNT} && exec \"$@\"",
        files.path().display()
    );
    let port = api.address().port();
    let line = format!(
        "unset KUBECONFIG; HOME=/nowhere KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT={port} \
         exec unshare -rm sh -c '{}' sh \"$@\"",
        script.replace('\'', "'\\''")
    );
    let proxy = Proxy::start_by(&line, &cluster("main", &broker, NAME));
    let place = Place {
        proxy,
        _broker: broker,
        files,
    };
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
fn outside_of_kubernetes_it_says_what_is_missing() {
    let broker = broker();
    let line = "unset KUBECONFIG KUBERNETES_SERVICE_HOST; HOME=/nowhere exec \"$@\"";
    let proxy = Proxy::start_by(line, &cluster("main", &broker, NAME));
    let place = Place {
        proxy,
        _broker: broker,
        files: tempfile::tempdir().unwrap(),
    };
    let line = place.wait_for_failure("no_account");
    let remedy = line["remedy"].as_str().unwrap();
    assert!(remedy.contains("automountServiceAccountToken"), "{remedy}");
    assert_eq!(place.proxy.get("/readyz").0, 503);
    assert!(!place.known());
}
