//! `config check` and `config show`.

use std::fmt::Write;

use super::{Failure, File, map, notes, print, refused};
use crate::config::{Config, Faults};
use crate::transport::tls::files::Files;

/// Every fault at once, or `ok`, the port table, and what is worth knowing. Looks into the files that are named, too.
pub(super) fn check(file: &File) -> Result<(), Failure> {
    let config = file.read()?;
    let of_files = of_files(&config).map_err(|faults| refused(&file.file, faults))?;
    let notes = notes::notes(&config);
    let table = map::table(&config);
    print(&format!("ok\n\n{table}{of_files}{notes}"))
}

/// The configuration as understood.
pub(super) fn show(file: &File) -> Result<(), Failure> {
    print(&file.read()?.to_toml())
}

/// What is odd about certificates and the like, as [`notes::notes`] are.
fn of_files(config: &Config) -> Result<String, Faults> {
    let mut faults = Vec::new();
    let mut out = String::new();
    for cluster in config.clusters.values() {
        match Files::load(cluster, None) {
            Ok(files) => {
                let told = [
                    ("warning", files.warnings(cluster, None)),
                    ("note", files.notes()),
                ];
                for (kind, lines) in told {
                    for line in lines {
                        // Writing to a string cannot fail.
                        let _ = writeln!(out, "\n{kind} on {}: {line}", cluster.name);
                    }
                }
            }
            Err(found) => faults.extend(found),
        }
    }
    match faults.is_empty() {
        true => Ok(out),
        false => Err(Faults(faults)),
    }
}
