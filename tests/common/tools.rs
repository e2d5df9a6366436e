//! Programs that tests need and that may not be there.

use std::env;
use std::io::Write;

/// Whether all these tools are on the PATH. Where one is missing the test must return: it was said loudly that it is skipped, unless
/// `PORTOLAN_REQUIRE_KAFKA=1`, in which case this panics.
pub fn available(tools: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing: Vec<&str> = tools
        .iter()
        .copied()
        .filter(|tool| !env::split_paths(&path).any(|dir| dir.join(tool).is_file()))
        .collect();
    missing.is_empty() || lacks(&missing.join(" and "))
}

/// Says that this test is skipped for want of something, or panics as above. Always false.
pub fn lacks(needed: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED: {test} needs {needed}\n");
    assert!(
        env::var_os("PORTOLAN_REQUIRE_KAFKA").is_none_or(|value| value != "1"),
        "{line}"
    );
    // Past the test harness, which shows what a test prints only if it fails.
    let _ = std::io::stderr().write_all(line.as_bytes());
    false
}
