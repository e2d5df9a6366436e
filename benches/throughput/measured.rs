//! All that one invocation found out.

use crate::cases::Case;
use crate::footprint::Footprint;
use crate::machine::Machine;
use crate::rounds::Run;
use crate::routes::Route;
use crate::syscalls::Calls;

/// What the report is made of.
pub struct Measured {
    pub machine: Machine,
    pub load_after: f64,
    pub pinned: bool,
    pub seed: u64,
    pub rounds: usize,
    pub seconds: f64,
    pub routes: Vec<Route>,
    pub cases: Vec<Case>,
    pub runs: Vec<Run>,
    pub calls: Vec<Calls>,
    pub footprints: Vec<Footprint>,
    pub binary_bytes: Option<u64>,
    /// What could not be measured, and why.
    pub faults: Vec<String>,
}
