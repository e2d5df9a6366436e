//! `config check` and `config show`.

use super::{Failure, File, map, print};

/// Every fault at once, or `ok` and the port table.
pub(super) fn check(file: &File) -> Result<(), Failure> {
    let config = file.read()?;
    print(&format!("ok\n\n{}", map::table(&config)))
}

/// The configuration as understood.
pub(super) fn show(file: &File) -> Result<(), Failure> {
    print(&file.read()?.to_toml())
}
