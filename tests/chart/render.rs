//! Renders the chart, and takes the objects apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::common::helm::{Helm, chart};
use crate::common::objects::parsed;

/// The two values that must be set.
pub(crate) const TWO: &str =
    "{kafka: {bootstrapServers: 'kafka.kafka.svc:9092'}, advertised: {host: kafka.example.com}}";

/// What became of the chart with some values.
pub(crate) struct Rendered {
    /// By "Kind/name".
    objects: BTreeMap<String, Value>,
}

/// Renders with these texts of YAML as values, later ones before earlier ones: objects, or what Helm says against it. None where
/// there is no Helm.
pub(crate) fn render(helm: Helm, values: &[&str]) -> Option<Result<Rendered, String>> {
    let output = run(helm, &["template"], values)?;
    if !output.status.success() {
        return Some(Err(text(&output.stderr)));
    }
    let objects = parsed(&text(&output.stdout));
    Some(Ok(Rendered { objects }))
}

/// The same with Helm 3 and [`TWO`] before the values, which must be good.
pub(crate) fn good(values: &[&str]) -> Option<Rendered> {
    let rendered = render(Helm::Three, &[&[TWO], values].concat())?;
    Some(rendered.unwrap_or_else(|said| panic!("{values:?}: {said}")))
}

/// What NOTES.txt says. Only Helm 4 tells without a cluster.
pub(crate) fn notes(values: &[&str]) -> Option<String> {
    let output = run(Helm::Four, &["install", "--dry-run=client"], values)?;
    let said = text(&output.stdout);
    let (_, notes) = said.split_once("\nNOTES:\n").unwrap_or_else(|| {
        panic!("{said}{}", text(&output.stderr));
    });
    Some(notes.to_owned())
}

/// Runs Helm for a release "portolan" in the namespace "gate".
fn run(helm: Helm, command: &[&str], values: &[&str]) -> Option<Output> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut process = helm.command()?;
    process.args(command).args(["portolan", "--namespace=gate"]);
    process.arg(chart());
    for (n, values) in values.iter().enumerate() {
        let file = directory.path().join(format!("{n}.yaml"));
        fs::write(&file, values).expect("it can be written");
        process.arg("--values").arg(file);
    }
    Some(process.output().expect("helm runs"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The files of values in the chart's directory ci: what each is called, and its text.
pub(crate) fn ci() -> Vec<(String, String)> {
    files(&chart().join("ci"), "-values.yaml")
}

/// The profiles: what each is called, and the text of its file.
pub(crate) fn profiles() -> Vec<(String, String)> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    files(&deploy.join("profiles"), ".yaml")
}

fn files(directory: &Path, ending: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    let files = paths.iter().map(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name").strip_suffix(ending);
        let name = name.unwrap_or_else(|| panic!("{} ends in {ending}", path.display()));
        let text = fs::read_to_string(path).expect("it can be read");
        (name.to_owned(), text)
    });
    let files: Vec<(String, String)> = files.collect();
    assert!(files.len() > 5, "only {} files", files.len());
    files
}

impl Rendered {
    /// The names of all objects, "Kind/name", but for that of `helm test`, which Helm does not keep.
    pub(crate) fn names(&self) -> Vec<&str> {
        let kept = self.objects.iter().filter(|(_, object)| {
            let hook = &object["metadata"]["annotations"]["helm.sh/hook"];
            assert!(hook.is_null() || hook == "test", "{hook}");
            hook.is_null()
        });
        kept.map(|(name, _)| name.as_str()).collect()
    }

    /// All objects.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        let objects = self.objects.iter();
        objects.map(|(name, object)| (name.as_str(), object))
    }

    /// The object with this name, or null.
    pub(crate) fn object(&self, name: &str) -> &Value {
        self.objects.get(name).unwrap_or(&Value::Null)
    }

    /// The only object of a kind whose name ends so.
    fn only(&self, kind: &str, is_admin: bool) -> &Value {
        let mut found = self.objects.values().filter(|object| {
            let name = object["metadata"]["name"].as_str().expect("a name");
            object["kind"] == kind
                && name.ends_with("-admin") == is_admin
                && !name.ends_with("-dashboard")
        });
        let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(found.next().is_none(), "two of {kind}");
        object
    }

    /// The Service with the load balancer.
    pub(crate) fn service(&self) -> &Value {
        self.only("Service", false)
    }

    /// The Service of the admin port.
    pub(crate) fn admin(&self) -> &Value {
        self.only("Service", true)
    }

    /// What the Deployment makes its pods of.
    pub(crate) fn pod(&self) -> &Value {
        &self.only("Deployment", false)["spec"]["template"]
    }

    /// Portolan's configuration.
    pub(crate) fn config(&self) -> &str {
        let config = &self.only("ConfigMap", false)["data"]["portolan.toml"];
        config.as_str().expect("a text")
    }
}
