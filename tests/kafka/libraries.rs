//! What the modules of the client libraries share: where their sources are, and the whole life of a topic as tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::Sasl;
use crate::cluster::USER;
use crate::toolchain;

/// SCRAM with the shorter hash, as the user that every cluster knows.
pub const SCRAM_256: Sasl = Sasl {
    mechanism: "SCRAM-SHA-256",
    username: USER.0,
    password: USER.1,
};

/// One test for each line: its name, a function that returns the program or `None` where a tool is missing, the cluster, SASL.
macro_rules! library_round_trips {
    ($($name:ident: $program:expr, $cluster:ident, $sasl:expr;)*) => {$(
        #[test]
        fn $name() {
            let Some(program) = $program() else { return };
            let Some(cluster) = crate::cluster::$cluster() else { return };
            crate::round_trip::round_trip(&program, cluster, $sasl, stringify!($name));
        }
    )*};
}
pub(crate) use library_round_trips;

/// Where the programs in a language are.
pub fn sources(language: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/kafka/clients").join(language)
}

/// A name for what is built from all sources in a language: other sources, another name.
pub fn fingerprint(language: &str) -> String {
    let mut files = Vec::new();
    collect(&sources(language), &mut files);
    assert!(!files.is_empty(), "no sources in {language}");
    fingerprint_of(&files)
}

/// The same for what depends on these files only.
pub fn fingerprint_of(files: &[PathBuf]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for file in files {
        // Where the tree lies makes no difference.
        let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR"));
        texts.push(name.expect("it lies in the tree").display().to_string());
        texts.push(fs::read_to_string(file).expect("a source can be read"));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    toolchain::fingerprint(&texts)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).expect("the sources are there");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a directory can be read").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// A command that is given up after so many seconds: packages are fetched from afar.
pub fn limited(seconds: u32, command: &str) -> Command {
    let mut limited = Command::new("timeout");
    limited.arg(seconds.to_string()).arg(command);
    limited
}
