//! The same as JSON, with every run.

use serde_json::json;

use crate::measured::Measured;
use crate::results::Verdict;

/// The document.
pub fn document(measured: &Measured, verdicts: &[Verdict]) -> String {
    let routes = measured.routes.iter().map(|route| {
        json!({
            "name": route.id.name(),
            "what": route.id.about(),
            "version": route.version,
            "absent": route.program.as_ref().err(),
        })
    });
    let cases = measured.cases.iter().map(|case| {
        json!({
            "name": case.name,
            "connections": case.shape.connections,
            "in_flight": case.shape.in_flight,
            "interval_us": case.shape.interval.map(|interval| interval.as_secs_f64() * 1e6),
            "unit": case.unit.label(),
        })
    });
    let document = json!({
        "machine": measured.machine,
        "load_after": measured.load_after,
        "pinned": measured.pinned,
        "seed": measured.seed,
        "rounds": measured.rounds,
        "seconds": measured.seconds,
        "routes": routes.collect::<Vec<_>>(),
        "cases": cases.collect::<Vec<_>>(),
        "runs": measured.runs,
        "goals": verdicts,
        "system_calls": measured.calls,
        "footprints": measured.footprints,
        "binary_bytes": measured.binary_bytes,
        "faults": measured.faults,
    });
    format!("{document:#}\n")
}
