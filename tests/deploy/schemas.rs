//! Every object that the chart and the kustomizations make is one that Kubernetes and the owners of custom resources know, field by
//! field: by the schemas of the oldest version that is supported, of one in the middle and of the newest.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::common::toolbox::{custom_resources, python, ready};

/// The versions of Kubernetes.
pub(crate) const VERSIONS: [&str; 3] = ["1.27", "1.31", "1.37"];

/// What is to be looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Objects {
    /// Where they are from.
    pub(crate) name: String,
    /// The version of Kubernetes that they are for.
    pub(crate) version: &'static str,
    /// In YAML.
    pub(crate) text: String,
}

/// What is wrong with one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Fault {
    name: String,
    version: String,
    object: String,
    path: String,
    says: String,
}

#[derive(Debug, Deserialize)]
struct Report {
    objects: usize,
    faults: BTreeSet<Fault>,
}

impl Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            version,
            object,
            path,
            says,
        } = self;
        writeln!(to, "{name}, {object}, Kubernetes {version}: {path}: {says}")
    }
}

/// Fails with all that is wrong, if anything is.
pub(crate) fn assert_valid(all: &[Objects]) {
    let report = validated(all);
    assert!(report.objects > 0, "no objects");
    let faults: String = report.faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{faults}");
}

fn validated(all: &[Objects]) -> Report {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/schemas.py");
    let mut child = Command::new(python())
        .arg(script)
        .arg(custom_resources())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let asked = serde_json::to_vec(all).expect("JSON");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(&asked).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).expect("a report")
}

/// The faults of each of several texts, as "object: path: what is wrong".
fn faults_of(texts: &[(String, &'static str)]) -> Vec<Vec<String>> {
    let objects = texts
        .iter()
        .enumerate()
        .map(|(index, (text, version))| Objects {
            name: index.to_string(),
            version,
            text: text.clone(),
        });
    let report = validated(&objects.collect::<Vec<_>>());
    let mut faults = vec![Vec::new(); texts.len()];
    for fault in report.faults {
        let index: usize = fault.name.parse().expect("its index");
        faults[index].push(format!("{}: {}: {}", fault.object, fault.path, fault.says));
    }
    faults
}

/// That each of the custom resources, changed so, has one fault, which says this.
fn assert_refused(changes: [(&str, &str, &str); 4]) {
    let changed = CUSTOM.into_iter().zip(changes);
    let changed = changed.map(|(text, (right, wrong, _))| {
        assert!(text.contains(right), "{right}");
        (text.replace(right, wrong), "1.37")
    });
    let faults = faults_of(&changed.collect::<Vec<_>>());
    for (faults, (_, _, says)) in faults.iter().zip(changes) {
        assert!(faults.len() == 1 && faults[0].contains(says), "{faults:?}");
    }
}

/// An object of each kind of custom resource, with nothing wrong.
const CUSTOM: [&str; 4] = [
    "apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: it}
spec: {selector: {}, podMetricsEndpoints: [{port: admin, interval: 30s}]}
",
    "apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: it}
spec: {selector: {}, endpoints: [{port: admin, interval: 30s}]}
",
    "apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: it}
spec: {groups: [{name: all, rules: [{alert: Down, expr: up == 0, for: 5m}]}]}
",
    "apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: it}
spec: {secretName: it, dnsNames: [kafka.example.com], issuerRef: {name: ours, kind: Issuer}}
",
];

#[test]
fn good_custom_resources_are_good() {
    if ready() {
        let texts = CUSTOM.map(|text| (text.to_owned(), "1.37"));
        assert_eq!(faults_of(&texts), [[""; 0]; 4]);
    }
}

#[test]
fn a_field_that_a_custom_resource_does_not_have_is_refused() {
    if ready() {
        assert_refused([
            (
                "interval:",
                "intervall:",
                "spec.podMetricsEndpoints.0: Additional properties",
            ),
            (
                "interval:",
                "intervall:",
                "spec.endpoints.0: Additional properties",
            ),
            (
                "for:",
                "during:",
                "spec.groups.0.rules.0: Additional properties",
            ),
            ("dnsNames:", "hosts:", "spec: Additional properties"),
        ]);
    }
}

#[test]
fn a_value_that_a_custom_resource_cannot_have_is_refused() {
    if ready() {
        assert_refused([
            ("port: admin", "port: 9644", "9644 is not of type 'string'"),
            ("30s", "half a minute", "'half a minute' does not match"),
            ("5m", "a while", "'a while' does not match"),
            (
                "secretName: it, ",
                "",
                "'secretName' is a required property",
            ),
        ]);
    }
}

#[test]
fn labels_of_custom_resources_are_looked_at_too() {
    if ready() {
        let change = (
            "{name: it}",
            "{name: it, labels: {port: 9092}}",
            "metadata.labels.port: 9092",
        );
        assert_refused([change; 4]);
    }
}

#[test]
fn a_kind_that_nobody_defined_is_refused() {
    if ready() {
        let text = "{apiVersion: example.com/v1, kind: PodMonitor, metadata: {name: it}}";
        let faults = faults_of(&[(text.to_owned(), "1.37")]);
        assert!(
            faults[0].len() == 1 && faults[0][0].contains("Couldn't find schema"),
            "{faults:?}"
        );
    }
}

#[test]
fn what_a_version_does_not_have_yet_is_refused_there_and_nowhere_else() {
    if ready() {
        let text = "apiVersion: v1
kind: Service
metadata: {name: it}
spec: {ports: [{name: kafka, port: 9092}], trafficDistribution: PreferClose}
";
        let faults = faults_of(&VERSIONS.map(|version| (text.to_owned(), version)));
        let says = "Additional properties are not allowed ('trafficDistribution' was unexpected)";
        assert_eq!(faults[0], [format!("Service/it: spec: {says}")]);
        assert!(faults[1].is_empty() && faults[2].is_empty(), "{faults:?}");
    }
}
