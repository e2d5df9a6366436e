//! What the tests need besides Rust, fetched and built once into a cache outside the tree: Kafka's jars and the Java client
//! programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use crate::common::cache::{cache, cached, fingerprint, run_tool};
pub use crate::common::tools::available;

/// The broker version in which every feature is tested, and the client version of the same number.
pub const KAFKA_4: &str = "4.3.1";
/// The last line of brokers of the version before.
pub const KAFKA_3: &str = "3.9.2";
/// A client from before KIP-951, KIP-848 and tagged fields in many requests.
pub const KAFKA_2: &str = "2.8.2";

/// The class path of the brokers of a version, and of the Java client of that version.
pub fn jars(version: &str) -> String {
    let artifact = match version {
        KAFKA_2 => "kafka-clients",
        _ => "kafka_2.13",
    };
    let pom = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>portolan</groupId><artifactId>tests</artifactId><version>1</version><dependencies>\
         <dependency><groupId>org.apache.kafka</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>\
         <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>\
         </dependencies></project>"
    );
    let name = format!("kafka/{version}-{}", fingerprint(&[&pom]));
    let dir = cached(&name, |dir| {
        let file = tempfile::Builder::new()
            .suffix(".xml")
            .tempfile()
            .expect("a temporary file");
        fs::write(file.path(), &pom).expect("a temporary file can be written");
        let mut maven = Command::new("timeout");
        maven
            .args(["900", "mvn", "-B", "-q", "-f"])
            .arg(file.path());
        maven.arg("dependency:copy-dependencies");
        // The only binding of slf4j shall be slf4j-simple, which writes to stderr.
        maven.arg("-DexcludeArtifactIds=slf4j-reload4j,log4j-slf4j-impl");
        maven.arg(format!("-DoutputDirectory={}", dir.display()));
        run_tool(&mut maven);
    });
    format!("{}/*", dir.display())
}

/// The class path of the Java client programs, compiled against a version of the client.
pub fn java_clients(version: &'static str) -> String {
    static BUILT: [OnceLock<String>; 3] = [const { OnceLock::new() }; 3];
    let versions = [KAFKA_2, KAFKA_3, KAFKA_4];
    let index = versions.iter().position(|known| *known == version);
    BUILT[index.expect("a known version")]
        .get_or_init(|| compile_java_clients(version))
        .clone()
}

fn compile_java_clients(version: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/clients/java");
    let mut files = java_files(&source);
    assert!(!files.is_empty(), "no Java sources in {}", source.display());
    if version == KAFKA_4 {
        let newest = java_files(&source.join("newest"));
        assert!(!newest.is_empty(), "no Java sources for the newest client");
        files.extend(newest);
    }
    let texts: Vec<String> = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("a source can be read"))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let jars = jars(version);
    let name = format!("java-clients/{version}-{}", fingerprint(&texts));
    let classes = cached(&name, |dir| {
        let mut javac = Command::new("javac");
        javac
            .args(["-nowarn", "-proc:none", "-cp", &jars, "-d"])
            .arg(dir)
            .args(&files);
        run_tool(&mut javac);
    });
    format!("{}:{jars}", classes.display())
}

fn java_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the sources are there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a directory can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "java")
        })
        .collect();
    files.sort();
    files
}
