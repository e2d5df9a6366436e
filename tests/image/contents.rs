//! What is in the image, and what is said of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::image::{Image, built};
use crate::{python, tree};

const MEGABYTE: u64 = 1_000_000;

const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";
const PROGRAM: &str = "usr/bin/portolan";
const SBOM: &str = "usr/share/doc/portolan/portolan.cdx.json";

fn read(image: &Image, path: &str) -> String {
    let path = image.root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_image_holds_the_program_authorities_licences_and_nothing_else() {
    let Some(image) = built() else { return };
    let mut found = BTreeSet::new();
    for layer in image.layers() {
        let output = Command::new("tar")
            .arg("-tvzf")
            .arg(layer)
            .args(["--numeric-owner"])
            .output();
        let output = output.expect("tar runs");
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).expect("text").lines() {
            let mut words = line.split_whitespace();
            let (mode, owner) = (
                words.next().expect("a mode"),
                words.next().expect("an owner"),
            );
            let name = words.next_back().expect("a name");
            found.insert(format!("{mode} {owner} {name}"));
        }
    }
    let expected = [
        "drwxr-xr-x 0/0 etc/",
        "drwxr-xr-x 0/0 etc/ssl/",
        "drwxr-xr-x 0/0 etc/ssl/certs/",
        "-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt",
        "drwxr-xr-x 0/0 usr/",
        "drwxr-xr-x 0/0 usr/bin/",
        "-rwxr-xr-x 0/0 usr/bin/portolan",
        "drwxr-xr-x 0/0 usr/share/",
        "drwxr-xr-x 0/0 usr/share/doc/",
        "drwxr-xr-x 0/0 usr/share/doc/portolan/",
        "-rw-r--r-- 0/0 usr/share/doc/portolan/LICENSE",
        "-rw-r--r-- 0/0 usr/share/doc/portolan/THIRD-PARTY-LICENSES",
        "-rw-r--r-- 0/0 usr/share/doc/portolan/portolan.cdx.json",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
fn the_image_is_small() {
    let Some(image) = built() else { return };
    let files = [AUTHORITIES, PROGRAM, SBOM];
    let sizes = files.map(|path| image.root().join(path).metadata().expect("a file").len());
    eprintln!(
        "program {} bytes, archive {} bytes",
        sizes[1], image.archive_bytes
    );
    assert!(sizes[1] < 11_500_000, "the program has {} bytes", sizes[1]);
    // On the disk of a node; what is pulled is less than half of it.
    let all: u64 = sizes.iter().sum();
    assert!(
        all < 12 * MEGABYTE && image.archive_bytes < 6 * MEGABYTE,
        "{sizes:?}"
    );
}

#[test]
fn the_image_says_what_it_is_and_runs_as_nobody() {
    let Some(image) = built() else { return };
    let config = &image.config["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/usr/bin/portolan"]));
    assert_eq!(
        config["Cmd"],
        json!(["run", "--config", "/etc/portolan/portolan.toml"])
    );
    let ports = config["ExposedPorts"].as_object().expect("a table");
    for port in ["9092/tcp", "9093/tcp", "9102/tcp", "9644/tcp"] {
        assert!(ports.contains_key(port), "{port} in {ports:?}");
    }
    let labels = config["Labels"].as_object().expect("a table");
    let label = |name: &str| {
        labels
            .get(&format!("org.opencontainers.image.{name}"))
            .cloned()
    };
    assert_eq!(label("title"), Some("Portolan".into()));
    assert_eq!(label("version"), Some(env!("CARGO_PKG_VERSION").into()));
    assert_eq!(label("revision"), Some("tested".into()));
    assert_eq!(label("created"), Some("2023-11-14T22:13:20Z".into()));
    assert_eq!(label("licenses"), Some("Apache-2.0".into()));
    assert_eq!(labels.len(), 6, "{labels:?}");
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");
}

#[test]
fn the_program_needs_no_library_and_names_no_path_of_the_machine() {
    let Some(image) = built() else { return };
    let program = fs::read(image.root().join(PROGRAM)).expect("the program");
    let has = |text: &str| {
        program
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    // The loader's name stands in every program that wants one.
    assert!(!has("/lib64/ld-linux") && !has("/lib/ld-musl"));
    // musl resolves names by itself; glibc would look for its modules.
    assert!(!has("libnss_") && !has("nsswitch.conf"));
    for variable in ["HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        let Ok(path) = std::env::var(variable) else {
            continue;
        };
        assert!(
            path.len() < 2 || !has(&format!("{path}/")),
            "{path} is in the program"
        );
    }
    let tree = tree().display().to_string();
    assert!(!has(&tree), "{tree} is in the program");
    assert!(
        has("/cargo/registry/src/"),
        "nothing was remapped: what then was looked for?"
    );
}

#[test]
fn the_bill_of_materials_is_valid_and_names_what_is_linked() {
    let Some(image) = built() else { return };
    let text = read(image, SBOM);
    let bill: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(bill["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    let components = bill["components"].as_array().expect("a list");
    let scope = |name: &str| {
        let mut found = components
            .iter()
            .filter(|component| component["name"] == name);
        found.next().map(|component| component["scope"].clone())
    };
    for name in [
        "tokio",
        "rustls",
        "aws-lc-sys",
        "prometheus",
        "hickory-resolver",
        "rust-std",
    ] {
        assert_eq!(scope(name), Some("required".into()), "{name}");
    }
    // What builds, and what only tests need.
    assert_eq!(scope("cc"), Some("excluded".into()));
    assert_eq!(scope("serde_derive"), Some("excluded".into()));
    for name in ["rdkafka", "criterion", "proptest", "tempfile"] {
        assert_eq!(scope(name), None, "{name}");
    }
    let hashes = components
        .iter()
        .filter(|component| !component["hashes"].is_null());
    assert_eq!(
        hashes.count(),
        components.len() - 1,
        "all but Rust's own library"
    );
    let Some(environment) = python::environment() else {
        return;
    };
    let validate = |text: &str| {
        let script = "import sys\nfrom cyclonedx.schema import SchemaVersion\nfrom cyclonedx.validation.json import JsonStrictValidator\n\
                      fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())\nsys.exit(str(fault) if fault else 0)";
        let mut python = Command::new(environment.join("bin/python"))
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Python runs");
        let mut stdin = python.stdin.take().expect("it is piped");
        stdin.write_all(text.as_bytes()).expect("Python reads");
        drop(stdin);
        let output = python.wait_with_output().expect("Python ends");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (good, said) = validate(&text);
    assert!(good, "{said}");
    let (good, said) = validate(&text.replace("\"required\"", "\"perhaps\""));
    assert!(!good && said.contains("perhaps"), "{said}");
}

#[test]
fn licences_of_all_that_is_linked_are_there() {
    let Some(image) = built() else { return };
    let bill: Value = serde_json::from_str(&read(image, SBOM)).expect("JSON");
    let notices = read(image, "usr/share/doc/portolan/THIRD-PARTY-LICENSES");
    let mut linked = 0;
    for component in bill["components"].as_array().expect("a list") {
        let named = format!(
            "\n{} {}: ",
            component["name"].as_str().expect("a name"),
            component["version"].as_str().unwrap_or_default()
        );
        if component["scope"] == "required" && component["name"] != "rust-std" {
            linked += 1;
            assert!(notices.contains(&named), "{named}");
        }
    }
    assert!(linked > 100, "only {linked}");
    assert!(notices.contains("Rich Felker"), "musl's");
    let own = fs::read_to_string(tree().join("LICENSE")).expect("it is there");
    assert_eq!(read(image, "usr/share/doc/portolan/LICENSE"), own);
}

#[test]
fn the_authorities_are_mozillas_and_can_be_read() {
    let Some(image) = built() else { return };
    let text = read(image, AUTHORITIES);
    let parsed = x509_parser::pem::Pem::iter_from_buffer(text.as_bytes());
    let names: Vec<String> = parsed
        .map(|pem| {
            let pem = pem.expect("PEM");
            let certificate = pem.parse_x509().expect("a certificate");
            certificate.subject().to_string()
        })
        .collect();
    assert!(names.len() > 100, "only {}", names.len());
    assert!(
        names.iter().any(|name| name.contains("ISRG Root X1")),
        "{names:?}"
    );
    // By what Portolan reads those of the system with, and is content with.
    let file = image.root().join(AUTHORITIES);
    let found = rustls_native_certs::load_certs_from_paths(Some(&file), None);
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let mut store = rustls::RootCertStore::empty();
    let (good, bad) = store.add_parsable_certificates(found.certs);
    assert_eq!((good, bad), (names.len(), 0));
}
