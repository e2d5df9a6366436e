//! What was seen and found, for people and for programs.

mod json;
mod table;

pub(super) use json::json;
pub(super) use table::table;
