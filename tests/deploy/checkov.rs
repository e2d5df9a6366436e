//! What checkov, which looks for what is not secure, says of what the chart makes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::helm::Helm;
use crate::common::toolbox::{python, ready};
use crate::render::renders;
use crate::schemas::VERSIONS;

/// What it would have otherwise: the check, the kind of objects or "" for all, and why it is so.
const ACCEPTED: [(&str, &str, &str); 7] = [
    (
        "CKV_K8S_11",
        "",
        "CPU limits: they slow every client down when the proxy is busiest, though the node has time to spare",
    ),
    (
        "CKV_K8S_15",
        "",
        "imagePullPolicy Always: a tag of a release does not move, and pods start where the registry is away",
    ),
    (
        "CKV_K8S_43",
        "",
        "an image by its digest: image.digest has it for those who want it",
    ),
    (
        "CKV2_K8S_6",
        "",
        "a NetworkPolicy: whom it must let in is known to the user alone; networkPolicy.enabled makes one",
    ),
    (
        "CKV_K8S_8",
        "Pod",
        "a liveness probe: the pod of `helm test` ends by itself",
    ),
    (
        "CKV_K8S_9",
        "Pod",
        "a readiness probe: nobody connects to the pod of `helm test`",
    ),
    (
        "CKV_K8S_35",
        "Pod",
        "a Secret as an environment variable: the password that the values give the pod of `helm test`, which reads no file of it",
    ),
];

/// By check, the objects that fail it.
type Failed = BTreeMap<String, BTreeSet<String>>;

/// A directory that checkov does not leave out as a hidden one.
fn directory() -> TempDir {
    let named = tempfile::Builder::new().prefix("checkov").tempdir();
    named.expect("a directory")
}

/// Whether it is that check, by the words that it is called by below.
fn is(id: &str, check: &str) -> bool {
    id.split(' ').next() == Some(check)
}

fn failed(directory: &Path) -> Failed {
    let mut checkov = Command::new(python());
    checkov.args(["-m", "checkov.main", "--framework", "kubernetes"]);
    // It needs nothing from the internet.
    checkov.args(["--skip-download", "--compact", "--quiet", "--soft-fail"]);
    checkov.args(["--output", "json", "--directory"]);
    let output = checkov.arg(directory).output().expect("checkov runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| {
        let errors = String::from_utf8_lossy(&output.stderr);
        panic!("{error}:\n{said}\n{errors}")
    });
    let summary = &report["summary"];
    assert!(summary["parsing_errors"] == 0, "{summary}");
    assert!(summary["passed"].as_u64() > Some(20), "{summary}");
    let mut failed = Failed::new();
    for check in report["results"]["failed_checks"]
        .as_array()
        .expect("a list")
    {
        let word = |key: &str| check[key].as_str().unwrap_or_default();
        let object = format!("{} of {}", word("resource"), word("file_path"));
        let id = format!("{} ({})", word("check_id"), word("check_name"));
        failed.entry(id).or_default().insert(object);
    }
    failed
}

#[test]
fn checkov_finds_only_what_is_meant() {
    if let Some(renders) = renders() {
        let directory = directory();
        let newest = renders.iter().filter(|render| {
            render.helm == Helm::Three && render.version == VERSIONS[VERSIONS.len() - 1]
        });
        for render in newest {
            let file = directory.path().join(&render.values).with_extension("yaml");
            fs::write(file, &render.text).expect("it can be written");
        }
        let mut failed = failed(directory.path());
        for (check, kind, why) in ACCEPTED {
            let mut found = false;
            for (_, objects) in failed.iter_mut().filter(|(id, _)| is(id, check)) {
                let before = objects.len();
                objects
                    .retain(|object| !kind.is_empty() && !object.starts_with(&format!("{kind}.")));
                found |= objects.len() < before;
            }
            assert!(found, "{check} is no longer found: {why}");
        }
        failed.retain(|_, objects| !objects.is_empty());
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

#[test]
fn checkov_would_find_a_container_that_may_write_and_become_root() {
    if ready() {
        let directory = directory();
        let pod = "apiVersion: v1
kind: Pod
metadata: {name: it}
spec: {containers: [{name: it, image: it, securityContext: {privileged: true}}]}
";
        fs::write(directory.path().join("pod.yaml"), pod).expect("it can be written");
        let failed = failed(directory.path());
        for check in [
            "CKV_K8S_16",
            "CKV_K8S_20",
            "CKV_K8S_22",
            "CKV_K8S_23",
            "CKV_K8S_31",
        ] {
            let found = failed.keys().any(|id| is(id, check));
            assert!(found, "{check}: {failed:#?}");
        }
    }
}
