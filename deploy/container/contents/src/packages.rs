//! What Portolan is built of, as cargo resolves it for one target: without what only tests need.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Name and version: what cargo's tree and its metadata have in common.
pub(crate) type Id = (String, String);

/// One crate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    /// Whether it is linked into the program, and not only used to build it.
    pub(crate) linked: bool,
    pub(crate) needs: BTreeSet<Id>,
    pub(crate) description: Option<String>,
    /// In the words of its author, which is an expression of SPDX but for a few old crates.
    pub(crate) licence: Option<String>,
    pub(crate) repository: Option<String>,
    /// SHA-256 of its archive, by Cargo.lock.
    pub(crate) checksum: Option<String>,
    /// Where its sources are.
    pub(crate) sources: PathBuf,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// Portolan itself.
    pub(crate) root: Id,
    pub(crate) all: BTreeMap<Id, Package>,
}

impl Packages {
    /// Asks cargo: its tree for what is needed by what, which unlike its metadata leaves out the features that tests turn on, and
    /// its metadata for the rest.
    pub(crate) fn of(
        manifest: &Path,
        target: &str,
        features: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let tree = |edges: &str| {
            cargo(
                manifest,
                &[
                    "tree",
                    "--features",
                    features,
                    "--target",
                    target,
                    "--edges",
                    edges,
                    "--prefix",
                    "depth",
                    "--format",
                    "{p}",
                ],
            )
        };
        let mut packages = Packages::from_tree(&tree("normal,build")?)?;
        for id in Packages::from_tree(&tree("normal,no-proc-macro")?)?
            .all
            .keys()
        {
            packages.all.entry(id.clone()).or_default().linked = true;
        }
        // What build scripts need is for the machine that builds.
        let host = host()?;
        let metadata = cargo(
            manifest,
            &[
                "metadata",
                "--features",
                features,
                "--format-version",
                "1",
                "--filter-platform",
                target,
                "--filter-platform",
                &host,
            ],
        )?;
        packages.describe(&serde_json::from_str(&metadata)?)?;
        let lock = std::fs::read_to_string(manifest.with_file_name("Cargo.lock"))?;
        packages.add_checksums(&lock);
        Ok(packages)
    }

    /// Reads lines such as `2aws-lc-sys v0.47.0`: the depth, the name, the version, and words that do not matter here.
    fn from_tree(text: &str) -> Result<Self, String> {
        let mut packages = Packages::default();
        let mut path: Vec<Id> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (depth, id) = tree_line(line).ok_or_else(|| format!("cargo tree wrote: {line}"))?;
            path.truncate(depth);
            match path.last() {
                Some(parent) => {
                    let parent = packages.all.entry(parent.clone()).or_default();
                    parent.needs.insert(id.clone());
                }
                None => packages.root = id.clone(),
            }
            packages.all.entry(id.clone()).or_default();
            path.push(id);
        }
        Ok(packages)
    }

    fn describe(&mut self, metadata: &Value) -> Result<(), String> {
        let told = metadata["packages"].as_array().into_iter().flatten();
        let told: BTreeMap<Id, &Value> = told
            .filter_map(|package| {
                let text = |key: &str| package[key].as_str().map(str::to_owned);
                Some(((text("name")?, text("version")?), package))
            })
            .collect();
        for (id, package) in &mut self.all {
            let described = told.get(id);
            let described = described
                .ok_or_else(|| format!("cargo metadata does not know {} {}", id.0, id.1))?;
            let text = |key: &str| described[key].as_str().map(str::to_owned);
            package.description = text("description");
            package.licence = text("license");
            package.repository = text("repository");
            let manifest = text("manifest_path").unwrap_or_default();
            package.sources = Path::new(&manifest)
                .parent()
                .unwrap_or(Path::new(""))
                .into();
        }
        Ok(())
    }

    /// Cargo writes the three lines of a package in this order.
    fn add_checksums(&mut self, lock: &str) {
        let value = |line: &str, key: &str| {
            let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
            Some(value.strip_suffix('"')?.to_owned())
        };
        let (mut name, mut version) = (None, None);
        for line in lock.lines() {
            name = value(line, "name").or(name);
            version = value(line, "version").or(version);
            let found = value(line, "checksum").zip(name.clone().zip(version.clone()));
            if let Some((checksum, id)) = found
                && let Some(package) = self.all.get_mut(&id)
            {
                package.checksum = Some(checksum);
            }
        }
    }
}

fn tree_line(line: &str) -> Option<(usize, Id)> {
    let digits = line.find(|c: char| !c.is_ascii_digit())?;
    let (depth, rest) = line.split_at(digits);
    let mut words = rest.split_whitespace();
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    Some((depth.parse().ok()?, (name, version)))
}

/// The target of the compiler itself.
fn host() -> Result<String, Box<dyn Error>> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output()?;
    let version = String::from_utf8(output.stdout)?;
    let mut lines = version.lines();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}

fn cargo(manifest: &Path, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--locked", "--manifest-path"])
        .arg(manifest)
        .output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("cargo {}: {words}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn a_tree_tells_what_needs_what_also_where_it_comes_back() {
        let tree = "0portolan v0.1.0 (/somewhere)\n1a v1.0.0\n2b v2.0.0 (proc-macro)\n3c v3.0.0\n1b v2.0.0 (proc-macro) (*)\n1c v4.0.0+x\n";
        let packages = Packages::from_tree(tree).expect("a tree");
        assert_eq!(packages.root, id("portolan", "0.1.0"));
        let needs = |name, version| -> Vec<Id> {
            let package = &packages.all[&id(name, version)];
            package.needs.iter().cloned().collect()
        };
        let of_root = [id("a", "1.0.0"), id("b", "2.0.0"), id("c", "4.0.0+x")];
        assert_eq!(needs("portolan", "0.1.0"), of_root);
        assert_eq!(needs("a", "1.0.0"), [id("b", "2.0.0")]);
        assert_eq!(needs("b", "2.0.0"), [id("c", "3.0.0")]);
        assert_eq!(packages.all.len(), 5);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for text in [
            "portolan v0.1.0",
            "0portolan 0.1.0",
            "0",
            "[dev-dependencies]",
        ] {
            assert!(Packages::from_tree(text).is_err(), "{text}");
        }
    }

    #[test]
    fn checksums_are_those_of_the_version() {
        let mut packages =
            Packages::from_tree("0r v1.0.0\n1a v1.0.0\n1a v2.0.0\n").expect("a tree");
        let one =
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"11\"\n\n";
        let two = "[[package]]\nname = \"a\"\nversion = \"2.0.0\"\nsource = \"x\"\nchecksum = \"22\"\ndependencies = [\n \"b\",\n]\n\n";
        let root = "[[package]]\nname = \"r\"\nversion = \"1.0.0\"\n";
        packages.add_checksums(&[one, two, root].concat());
        let checksum = |name, version| packages.all[&id(name, version)].checksum.as_deref();
        assert_eq!(checksum("a", "1.0.0"), Some("11"));
        assert_eq!(checksum("a", "2.0.0"), Some("22"));
        assert_eq!(checksum("r", "1.0.0"), None);
    }

    #[test]
    fn a_package_that_the_metadata_lacks_is_a_fault() {
        let mut packages = Packages::from_tree("0r v1.0.0\n").expect("a tree");
        let other = serde_json::json!({"packages": [{"name": "r", "version": "2.0.0"}]});
        let fault = packages.describe(&other).expect_err("it is not there");
        assert_eq!(fault, "cargo metadata does not know r 1.0.0");
    }
}
