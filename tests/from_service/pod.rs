//! As in a pod: the API server by KUBERNETES_SERVICE_HOST and _PORT, and the account in its directory.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::api::{Api, NAME};
use crate::common::proxy::Proxy;
use crate::common::tools::{available, lacks};
use crate::{Place, account, broker, cluster, hostname, kubeconfig};

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

/// A proxy in what looks like a pod: with an account of this API server's, if any, and a kubeconfig, if any.
fn in_a_pod(api: Option<&Api>, kubeconfig: Option<&TempDir>) -> Place {
    let (broker, files) = (broker(), tempfile::tempdir().unwrap());
    let mut script = "mount -t tmpfs none /run".to_owned();
    if let Some(api) = api {
        account(files.path(), api);
        script += &format!(
            " && mkdir -p {ACCOUNT} && mount --bind '{}' {ACCOUNT}",
            files.path().display()
        );
    }
    script += " && exec \"$@\"";
    let port = api.map_or(1, |api| api.address().port());
    let kubeconfig = match kubeconfig {
        Some(files) => format!(
            "export KUBECONFIG='{}'",
            files.path().join("config").display()
        ),
        None => "unset KUBECONFIG".to_owned(),
    };
    let line = format!(
        "{kubeconfig}; HOME=/nowhere KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT={port} \
         exec unshare -rm sh -c '{}' sh \"$@\"",
        script.replace('\'', "'\\''")
    );
    let proxy = Proxy::start_by(&line, &cluster("main", &broker, NAME));
    Place {
        proxy,
        _broker: broker,
        files,
    }
}

#[test]
fn a_pod_finds_the_api_server_its_token_and_its_namespace() {
    if !can_mount() {
        return;
    }
    let api = Api::start(hostname("lb.example.com"));
    // What else there may be in a pod is not meant.
    let other = Api::start(hostname("other.example.com"));
    let place = in_a_pod(Some(&api), Some(&kubeconfig(&other)));
    place.wait_until_told("lb.example.com");
    api.wait_for_watch();
    // Tokens of pods are replaced long before they end.
    fs::write(place.token(), "second").unwrap();
    api.want("second");
    api.cut();
    api.set(hostname("two.example.com"));
    place.wait_until_told("two.example.com");
    place.proxy.assert_calm();
    assert_eq!(other.seen(), []);
}

#[test]
fn a_pod_without_a_token_may_have_a_kubeconfig_and_else_says_what_is_missing() {
    if !can_mount() {
        return;
    }
    let api = Api::start(hostname("lb.example.com"));
    let files = kubeconfig(&api);
    in_a_pod(None, Some(&files)).wait_until_told("lb.example.com");
    let place = in_a_pod(None, None);
    let line = place.wait_for_failure("no_account");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.ends_with("this pod has no token of a service account"),
        "{message}"
    );
    let remedy = line["remedy"].as_str().unwrap();
    assert!(remedy.contains("automountServiceAccountToken"), "{remedy}");
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
    let message = line["message"].as_str().unwrap();
    assert!(message.ends_with("and there is no kubeconfig"), "{message}");
    let remedy = line["remedy"].as_str().unwrap();
    assert!(remedy.contains("automountServiceAccountToken"), "{remedy}");
    assert_eq!(place.proxy.get("/readyz").0, 503);
    assert!(!place.known());
}
