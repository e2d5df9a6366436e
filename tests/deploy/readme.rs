//! The README of the kustomizations: what it tells people to write works as it stands there.

use std::env;
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

/// The blocks of code in a language, which must be as many as that.
fn blocks<const N: usize>(language: &str) -> [String; N] {
    let readme = readme();
    let fence = format!("```{language}\n");
    let blocks = readme.split(fence.as_str()).skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let blocks: Vec<String> = blocks.map(str::to_owned).collect();
    let found = blocks.len();
    let wanted = blocks.try_into();
    wanted.unwrap_or_else(|_| panic!("{found} blocks of {language}, not {N}"))
}

/// The configuration.
fn configuration() -> String {
    let [configuration] = blocks("toml");
    configuration
}

/// A directory as the README wants it.
fn written() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: String| {
        fs::write(directory.path().join(name), text).expect("it can be written");
    };
    let [kustomization, _] = blocks("yaml");
    write("kustomization.yaml", kustomization);
    write("portolan.toml", configuration());
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
        assert_eq!(config["data"]["portolan.toml"], configuration());
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

/// By the commands of the README, and with its patch beside the one that is there.
#[test]
fn the_readmes_patch_has_the_service_have_the_ports_of_another_configuration() {
    if ready() {
        let directory = written();
        let file = |name: &str| directory.path().join(name);
        let config = configuration()
            .replace("ids = \"0-15\"", "ids = \"0-2,1000\"")
            .replace("port = 9093", "port = 19093");
        fs::write(file("portolan.toml"), config).expect("it can be written");
        let [kustomization, patch] = blocks("yaml");
        let patch = patch.strip_prefix("patches:\n").expect("a list of patches");
        fs::write(file("kustomization.yaml"), kustomization + patch).expect("it can be written");

        let [_, commands] = blocks("sh");
        let program = Path::new(env!("CARGO_BIN_EXE_portolan"));
        let mut path = program
            .parent()
            .expect("a directory")
            .as_os_str()
            .to_owned();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &commands]).env("PATH", path);
        let output = shell.current_dir(&directory).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");

        let objects = parsed(&built_in(directory.path()));
        let service = &objects["Service/portolan"]["spec"];
        let ports = service["ports"].as_array().expect("a list");
        let ports: Vec<String> = ports
            .iter()
            .map(|port| {
                assert_eq!(port["port"], port["targetPort"]);
                format!("{} {}", port["name"], port["port"])
            })
            .collect();
        let wanted = [
            "\"bootstrap\" 9092",
            "\"node-0\" 19093",
            "\"node-1\" 19094",
            "\"node-2\" 19095",
            "\"node-1000\" 19096",
        ];
        assert_eq!(ports, wanted);
        // The other patch is there still.
        let annotations = &objects["Service/portolan"]["metadata"]["annotations"];
        let host = &annotations["external-dns.kubernetes.io/hostname"];
        assert_eq!(host, "kafka.example.net");
    }
}

#[test]
fn the_readme_links_to_every_directory_and_to_no_other_here() {
    let readme = readme();
    let links = readme.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split(')').next());
    let mut links: Vec<&str> = links.filter(|link| !link.starts_with("../")).collect();
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
