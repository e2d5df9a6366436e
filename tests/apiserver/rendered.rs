//! What the chart and the kustomizations make, as text in YAML.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::helm::{Helm, chart};
use crate::common::toolbox::program;

/// The two values that must be set.
pub(crate) const TWO: [&str; 2] = [
    "kafka.bootstrapServers=kafka.kafka.svc:9092",
    "advertised.host=kafka.example.com",
];

/// What `helm template` makes with these arguments. None where there is no Helm, as was then said.
pub(crate) fn templated(namespace: &str, arguments: &[String]) -> Option<String> {
    let mut helm = Helm::Three.command()?;
    helm.args(["template", "portolan"]).arg(chart());
    helm.args(["--namespace", namespace, "--kube-version", "1.37"]);
    Some(output(helm.args(arguments)))
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `--set` for each of these.
pub(crate) fn set(values: &[&str]) -> Vec<String> {
    let flags = values
        .iter()
        .map(|value| ["--set".to_owned(), (*value).to_owned()]);
    flags.flatten().collect()
}

/// A way to have Portolan: what it is called, and its objects.
pub(crate) struct Way {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Every one: the chart with each of its files of values, and with each profile and the two values that must be set; each
/// kustomization. The objects are in a namespace of that name. None where there is no Helm.
pub(crate) fn ways() -> Option<Vec<Way>> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let mut ways = Vec::new();
    let files = |directory: &Path, ending: &str| {
        let mut found: Vec<(String, PathBuf)> = entries(directory)
            .into_iter()
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.strip_suffix(ending)?;
                Some((name.to_owned(), path.clone()))
            })
            .collect();
        found.sort();
        assert!(found.len() > 5, "only {found:?}");
        found
    };
    for (name, path) in files(&chart().join("ci"), "-values.yaml") {
        let name = format!("ci-{name}");
        let text = templated(&name, &["--values".to_owned(), path.display().to_string()])?;
        ways.push(Way { name, text });
    }
    for (name, path) in files(&deploy.join("profiles"), ".yaml") {
        let name = format!("profile-{name}");
        let values = ["--values".to_owned(), path.display().to_string()];
        let text = templated(&name, &[&values[..], &set(&TWO)].concat())?;
        ways.push(Way { name, text });
    }
    let kustomize = deploy.join("kustomize");
    for directory in [
        vec![kustomize.join("base")],
        entries(&kustomize.join("overlays")),
    ]
    .concat()
    {
        let place = directory.file_name().expect("a name").to_string_lossy();
        let mut kubectl = Command::new(program("kubectl"));
        let text = output(kubectl.arg("kustomize").arg(&directory));
        let name = format!("kustomize-{place}");
        ways.push(Way { name, text });
    }
    Some(ways)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}
