//! `config check` and `config show`.

use super::{Failure, File, map, notes, print};

/// Every fault at once, or `ok`, the port table, and what is worth knowing.
pub(super) fn check(file: &File) -> Result<(), Failure> {
    let config = file.read()?;
    let notes = notes::notes(&config);
    print(&format!("ok\n\n{}{notes}", map::table(&config)))
}

/// The configuration as understood.
pub(super) fn show(file: &File) -> Result<(), Failure> {
    print(&file.read()?.to_toml())
}
