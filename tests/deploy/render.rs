//! What the chart makes of each file of values in its directory ci, by both majors of Helm, for each version of Kubernetes.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;

use crate::common::helm::{Helm, chart};
use crate::common::objects::parsed;
use crate::common::toolbox::ready;
use crate::schemas::{Objects, VERSIONS, assert_valid};

/// One set of values, rendered.
#[derive(Debug)]
pub(crate) struct Render {
    /// What its file is called, without `-values.yaml`.
    pub(crate) values: String,
    /// The version of Kubernetes that it is for.
    pub(crate) version: &'static str,
    /// Who rendered it.
    pub(crate) helm: Helm,
    /// All objects in YAML.
    pub(crate) text: String,
}

/// The values that the profiles come with, and what else must work: without `-values.yaml`, with the path.
pub(crate) fn values() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(chart().join("ci")).expect("the chart has values to test with");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut named: Vec<(String, PathBuf)> = paths
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix("-values.yaml")?;
            Some((name.to_owned(), path.clone()))
        })
        .collect();
    named.sort();
    assert!(named.len() > 5, "only {named:?}");
    named
}

/// All renders: made once, and None where Helm cannot be had.
pub(crate) fn renders() -> Option<&'static [Render]> {
    static RENDERS: OnceLock<Option<Vec<Render>>> = OnceLock::new();
    RENDERS.get_or_init(all).as_deref()
}

fn all() -> Option<Vec<Render>> {
    if !ready() || Helm::Three.program().is_none() || Helm::Four.program().is_none() {
        return None;
    }
    let three = VERSIONS.map(|version| (Helm::Three, version));
    // The newest of all; that Helm 4 makes the same of the others follows from the same templates.
    let combinations = three.into_iter().chain([(Helm::Four, VERSIONS[2])]);
    thread::scope(|scope| {
        let running: Vec<_> = combinations
            .map(|(helm, version)| {
                scope.spawn(move || {
                    let values = values().into_iter();
                    values
                        .map(|(name, path)| render(helm, version, name, &path))
                        .collect::<Vec<Render>>()
                })
            })
            .collect();
        let renders = running.into_iter();
        Some(
            renders
                .flat_map(|one| one.join().expect("it renders"))
                .collect(),
        )
    })
}

fn render(helm: Helm, version: &'static str, values: String, path: &PathBuf) -> Render {
    let mut command = helm.command().expect("it was there");
    command
        .args(["template", "portolan"])
        .arg(chart())
        .args(["--namespace", "kafka-edge", "--kube-version", version])
        .arg("--values")
        .arg(path);
    let output = command.output().expect("helm runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{values}: {errors}");
    Render {
        values,
        version,
        helm,
        text: String::from_utf8(output.stdout).expect("UTF-8"),
    }
}

#[test]
fn every_object_is_valid_in_every_version() {
    if let Some(renders) = renders() {
        let objects = renders.iter().map(|render| Objects {
            name: format!("{} by Helm {:?}", render.values, render.helm),
            version: render.version,
            text: render.text.clone(),
        });
        assert_valid(&objects.collect::<Vec<_>>());
    }
}

#[test]
fn both_majors_of_helm_make_the_same() {
    if let Some(renders) = renders() {
        let newest = |helm| {
            let mine = renders.iter().filter(move |render| render.helm == helm);
            mine.filter(|render| render.version == VERSIONS[2])
        };
        let pairs = newest(Helm::Three).zip(newest(Helm::Four));
        let same = pairs.map(|(three, four)| {
            assert_eq!(three.values, four.values);
            assert_eq!(parsed(&three.text), parsed(&four.text), "{}", three.values);
        });
        assert_eq!(same.count(), values().len());
    }
}

#[test]
fn lint_finds_nothing() {
    for helm in [Helm::Three, Helm::Four] {
        for (name, path) in values() {
            let Some(mut command) = helm.command() else {
                return;
            };
            command.args(["lint", "--strict"]).arg(chart());
            let output = command.arg("--values").arg(path).output();
            let output = output.expect("helm runs");
            let said =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{name} by Helm {helm:?}:\n{said}");
            // It would be shown by a site that lists charts; there is none.
            let said = said.replace("[INFO] Chart.yaml: icon is recommended", "");
            let remark = ["[INFO]", "[WARNING]", "[ERROR]"]
                .iter()
                .find(|one| said.contains(*one));
            assert!(remark.is_none(), "{name} by Helm {helm:?}:\n{said}");
        }
    }
}
