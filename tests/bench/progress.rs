//! The line that says how far it is: only on a terminal, and never coloured with NO_COLOR.

use std::process::Command;

use crate::common::tools;
use crate::mock::Mock;
use crate::{Outcome, finish};

const ESCAPE: char = '\u{1b}';

/// Runs a short load on a terminal, which `script` makes; `None` where there is no such tool.
fn on_a_terminal(mock: &Mock, variables: &[(&str, &str)]) -> Option<Outcome> {
    if !tools::available(&["script"]) {
        return None;
    }
    let line = format!(
        "{} bench {} --workload produce,ping --rounds 1 --duration 300ms --connections 1",
        env!("CARGO_BIN_EXE_portolan"),
        mock.address()
    );
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]);
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    Some(finish(command.envs(variables.iter().copied())))
}

#[test]
fn a_terminal_is_told_how_far_it_is() {
    let mock = Mock::calm();
    let Some(coloured) = on_a_terminal(&mock, &[]) else {
        return;
    };
    assert_eq!(coloured.code, Some(0), "{coloured:?}");
    let text = &coloured.stdout;
    for words in [
        "produce warm-up     proxied",
        "ping    round 1/1   proxied",
        "MB/s",
        "requests/s",
    ] {
        assert!(text.contains(words), "{words}: {text:?}");
    }
    assert!(text.contains(ESCAPE), "{text:?}");
    let Some(plain) = on_a_terminal(&mock, &[("NO_COLOR", "1")]) else {
        return;
    };
    assert!(plain.stdout.contains("[####"), "{plain:?}");
    assert!(!plain.stdout.contains(ESCAPE), "{plain:?}");
}
