//! Writes what is in the container image beside the program: Mozilla's authorities, the licences of all that is linked, and an SBOM.
//!
//! All of it follows from Cargo.lock, the sources of the crates and SOURCE_DATE_EPOCH: the same everywhere.

mod date;
mod licences;
mod packages;
mod roots;
mod sbom;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::packages::Packages;

const USAGE: &str =
    "usage: SOURCE_DATE_EPOCH=SECONDS portolan-image-contents MANIFEST TARGET FEATURES ROOT
    MANIFEST  Portolan's Cargo.toml
    TARGET    what it is built for, such as x86_64-unknown-linux-musl
    FEATURES  what it is built with beside the default features, separated by commas
    ROOT      the directory that becomes the image";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [manifest, target, features, root] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match write(Path::new(manifest), target, features, &PathBuf::from(root)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(manifest: &Path, target: &str, features: &str, root: &Path) -> Result<(), Box<dyn Error>> {
    let epoch = env::var("SOURCE_DATE_EPOCH").map_err(|_| USAGE)?;
    let packages = Packages::of(manifest, target, features)?;
    let own = manifest.with_file_name("LICENSE");
    let put = |path: &str, text: &str| -> Result<(), Box<dyn Error>> {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()).into())
    };
    put(roots::PATH, &roots::bundle())?;
    put("usr/share/doc/portolan/LICENSE", &fs::read_to_string(own)?)?;
    put(
        "usr/share/doc/portolan/THIRD-PARTY-LICENSES",
        &licences::notices(&packages)?,
    )?;
    put(
        "usr/share/doc/portolan/portolan.cdx.json",
        &sbom::document(&packages, epoch.trim().parse()?),
    )
}
