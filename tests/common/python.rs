//! Virtual environments of Python, made once into the tests' cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{cached, fingerprint, run_tool};

/// An environment with all that a file names, which is told by its path in the tree; kept under this name.
pub fn environment(name: &str, requirements: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(requirements);
    let text = fs::read_to_string(&file).expect("the requirements can be read");
    // Libraries with parts in C are of one version of Python, and the environment refers to the one it was made with.
    let which = "import sys; print(sys.version, sys.base_prefix)";
    let output = Command::new("python3").args(["-c", which]).output();
    let version = output.expect("Python runs").stdout;
    let version = String::from_utf8_lossy(&version);
    let of_requirements = fingerprint(&[requirements, &text]);
    let name = format!("{name}/{}", fingerprint(&[&version, &of_requirements]));
    cached(&name, |dir| {
        run_tool(pip(dir, &["install", "--requirement"]).arg(file));
    })
}

/// pip of a new environment in this directory: a system's own Python may have none.
pub fn pip(dir: &Path, arguments: &[&str]) -> Command {
    let mut venv = Command::new("timeout");
    run_tool(venv.args(["300", "python3", "-m", "venv"]).arg(dir));
    let mut pip = Command::new("timeout");
    pip.arg("900").arg(dir.join("bin/python"));
    pip.args(["-m", "pip", "--disable-pip-version-check"]);
    pip.args(arguments);
    pip
}
