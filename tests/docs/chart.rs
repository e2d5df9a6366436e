//! The Helm chart, as the documents' values and commands meet it.

use std::process::Command;

use serde_norway::Value;

use crate::common::certificates::write;
use crate::common::helm::{Helm, chart};
use crate::markdown::Document;
use crate::{assert_none, of_deployment, read, root};

/// Where the chart is in the tree.
pub(crate) const CHART: &str = "deploy/helm/portolan";

/// The two values that everybody sets, for blocks that show others.
const BOOTSTRAP: &str = "kafka.bootstrapServers=kafka.kafka.svc:9092";
const HOST: &str = "advertised.host=kafka.example.com";

/// The chart's own values.
pub(crate) struct Values(Value);

impl Values {
    pub(crate) fn of_the_chart() -> Self {
        Self::parse(&read(&format!("{CHART}/values.yaml")))
    }

    pub(crate) fn parse(text: &str) -> Self {
        Self(serde_norway::from_str(text).expect("YAML"))
    }

    /// Whether there is such a value: `a.b.c`. Below what is empty, as annotations are, there may be anything.
    pub(crate) fn has(&self, path: &str) -> bool {
        let mut at = &self.0;
        for key in path.split('.') {
            if is_open(at) {
                return true;
            }
            let key = key.split('[').next().unwrap_or_default();
            match at.get(key) {
                Some(value) => at = value,
                None => return false,
            }
        }
        true
    }

    /// Keys of these values that the chart does not have.
    pub(crate) fn unknown(&self, given: &Value) -> Vec<String> {
        let mut unknown = Vec::new();
        self.add_unknown("", given, &mut unknown);
        unknown
    }

    fn add_unknown(&self, above: &str, given: &Value, unknown: &mut Vec<String>) {
        let Value::Mapping(mapping) = given else {
            return;
        };
        for (key, value) in mapping {
            // A key with dots is one of an open map, whose parent was looked at already.
            let path = match above {
                "" => key.as_str().unwrap_or_default().to_owned(),
                above => format!("{above}.{}", key.as_str().unwrap_or_default()),
            };
            if self.has(&path) {
                self.add_unknown(&path, value, unknown);
            } else {
                unknown.push(path);
            }
        }
    }
}

fn is_open(value: &Value) -> bool {
    match value {
        Value::Mapping(mapping) => mapping.is_empty(),
        Value::Sequence(_) => true,
        _ => false,
    }
}

/// What the chart makes of these values, with the required ones where they have none: the manifests, or what Helm says
/// against them. None where there is no Helm.
pub(crate) fn template(values: &str) -> Option<Result<String, String>> {
    let dir = tempfile::tempdir().expect("a directory");
    let given: Value = serde_norway::from_str(values).unwrap_or_default();
    let values = write(dir.path(), "values.yaml", values);
    let mut arguments = vec!["-f".to_owned(), values.to_string_lossy().into_owned()];
    // Whoever says something of what is advertised says all of it.
    for (table, required) in [("kafka", BOOTSTRAP), ("advertised", HOST)] {
        if given.get(table).is_none() {
            arguments.extend(["--set".to_owned(), required.to_owned()]);
        }
    }
    template_with(&arguments)
}

/// The same for the arguments of a command.
pub(crate) fn template_with(arguments: &[String]) -> Option<Result<String, String>> {
    let mut command: Command = Helm::Four.command()?;
    command.args(["template", "portolan"]).arg(chart());
    command.args(arguments).current_dir(root());
    let output = command.output().expect("helm runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Some(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    })
}

/// What a document's prose names as a value, `a.b` or `a.b=c`, and the chart does not have.
fn unknown_in_prose(document: &Document, values: &Values) -> Vec<String> {
    // Not ours, though they begin like one: Kafka's, a host, and of Bitnami's chart.
    const OF_OTHERS: [&str; 3] = [
        "advertised.listeners",
        "kafka.example.com",
        "serviceAccount.automountServiceAccountToken",
    ];
    let is_unknown = |span: &&String| {
        let path = span.split('=').next().unwrap_or_default();
        let is_path = path.contains('.') && path.chars().all(|c| c.is_alphanumeric() || c == '.');
        let first = path.split('.').next().unwrap_or_default();
        is_path && values.has(first) && !values.has(path) && !OF_OTHERS.contains(&path)
    };
    let unknown = document.spans.iter().filter(is_unknown);
    unknown
        .map(|span| format!("{}: {span} is no value of the chart", document.path))
        .collect()
}

#[test]
fn values_that_the_deployment_docs_name_exist() {
    let values = Values::of_the_chart();
    let pages = of_deployment();
    assert_none(
        pages
            .flat_map(|page| unknown_in_prose(&page, &values))
            .collect(),
    );
    let page = Document::parse(
        "x.md",
        "`a.b=1`, `a.c`, `b.c`, `a b.c`, `advertised.listeners`\n",
    );
    let values = Values::parse("a:\n  b: 1\nadvertised:\n  host: x\n");
    assert_eq!(
        unknown_in_prose(&page, &values),
        ["x.md: a.c is no value of the chart"]
    );
}

/// The file of Portolan's configuration in what the chart makes of values.
pub(crate) fn config_of(manifests: &str) -> String {
    let config = crate::yaml::documents_of(manifests)
        .expect("YAML")
        .into_iter()
        .filter(|one| one["kind"] == "ConfigMap")
        .find_map(|one| Some(one["data"]["portolan.toml"].as_str()?.to_owned()));
    config.expect("a ConfigMap with portolan.toml")
}

#[test]
fn a_value_that_the_chart_lacks_is_found() {
    let values = Values::parse("a:\n  b: 1\n  c: {}\nd: []\n");
    for known in ["a", "a.b", "a.c.any.thing", "d[0].x"] {
        assert!(values.has(known), "{known}");
    }
    for unknown in ["b", "a.d", "a.b.c"] {
        assert!(!values.has(unknown), "{unknown}");
    }
    let given: Value =
        serde_norway::from_str("a: {b: 2, d: 3, c: {x.y/z: 1}}\ne: 1\n").expect("YAML");
    assert_eq!(values.unknown(&given), ["a.d", "e"]);
}

#[test]
fn helm_refuses_values_that_are_wrong() {
    let Some(good) = template("replicas: 3\n") else {
        return;
    };
    assert!(good.expect("it is accepted").contains("replicas: 3"));
    let bad = template("replicas: many\n").expect("helm was there a moment ago");
    assert!(bad.is_err(), "{bad:?}");
}
