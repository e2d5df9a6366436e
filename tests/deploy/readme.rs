//! The README of the kustomizations: what it tells people to write works as it stands there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::objects::parsed;
use crate::common::toolbox::ready;
use crate::kustomize::{built_in, root};
use crate::schemas::{Objects, VERSIONS, assert_valid};

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("it is there")
}

/// The only block of code in a language.
fn block(language: &str) -> String {
    let readme = readme();
    let fence = format!("```{language}\n");
    let mut blocks = readme.split(fence.as_str()).skip(1);
    let block = blocks.next().and_then(|rest| rest.split("```").next());
    assert!(blocks.next().is_none(), "more than one block of {language}");
    block.expect("a block").to_owned()
}

/// A directory as the README wants it.
fn written() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: String| {
        fs::write(directory.path().join(name), text).expect("it can be written");
    };
    write("kustomization.yaml", block("yaml"));
    write("portolan.toml", block("toml"));
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    symlink(tree, directory.path().join("portolan")).expect("a link");
    directory
}

#[test]
fn the_kustomization_of_the_readme_has_all_that_it_says() {
    if ready() {
        let directory = written();
        let text = built_in(directory.path());
        let name = "README.md".to_owned();
        assert_valid(&VERSIONS.map(|version| Objects {
            name: name.clone(),
            version,
            text: text.clone(),
        }));
        let objects = parsed(&text);
        for (id, object) in &objects {
            assert_eq!(object["metadata"]["namespace"], "kafka-edge", "{id}");
        }
        let service = &objects["Service/portolan"];
        let annotations = &service["metadata"]["annotations"];
        for prefix in [
            "external-dns.alpha.kubernetes.io",
            "external-dns.kubernetes.io",
        ] {
            let host = &annotations[format!("{prefix}/hostname")];
            assert_eq!(host, "kafka.example.net");
        }
        assert_eq!(service["spec"]["loadBalancerClass"], "service.k8s.aws/nlb");
        let pod = &objects["Deployment/portolan"]["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 300);
        let image = &pod["containers"][0]["image"];
        assert_eq!(image, "images.example.net/portolan:0.1.0");
        // The hash of the ConfigMap is in the volume too, and the file is the user's own.
        let config = pod["volumes"][0]["configMap"]["name"].as_str();
        let config = &objects[&format!("ConfigMap/{}", config.expect("a name"))];
        assert_eq!(config["data"]["portolan.toml"], block("toml"));
        for id in [
            "PodMonitor/portolan",
            "PrometheusRule/portolan",
            "ConfigMap/portolan-dashboard",
        ] {
            assert!(objects.contains_key(id), "{id}");
        }
    }
}

#[test]
fn the_proxy_takes_the_readmes_configuration_and_has_the_services_ports() {
    if ready() {
        let directory = written();
        let portolan = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
            let output = command.args(arguments).current_dir(&directory).output();
            let output = output.expect("it runs");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{arguments:?}: {errors}");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        portolan(&["config", "check", "portolan.toml"]);
        let printed = portolan(&["map", "portolan.toml", "--output", "service"]);
        let printed: serde_json::Value = serde_norway::from_str(&printed).expect("YAML");
        let objects = parsed(&built_in(directory.path()));
        assert_eq!(
            objects["Service/portolan"]["spec"]["ports"],
            printed["ports"]
        );
    }
}

#[test]
fn the_readme_links_to_every_directory_and_to_nothing_else() {
    let readme = readme();
    let links = readme.split("](").skip(1);
    let mut links: Vec<&str> = links.filter_map(|rest| rest.split(')').next()).collect();
    links.sort_unstable();
    let mut found = vec!["base".to_owned()];
    for kind in ["components", "overlays"] {
        let entries = fs::read_dir(root().join(kind)).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let directories = paths.filter(|path: &PathBuf| path.join("kustomization.yaml").is_file());
        found.extend(directories.map(|path| {
            let name = path.file_name().expect("a name");
            format!("{kind}/{}", name.to_string_lossy())
        }));
    }
    found.sort();
    assert_eq!(links, found);
}
