//! Colour: only on a terminal, and never with NO_COLOR.

use std::process::Command;

use crate::{Outcome, finish, portolan, run};

const ESCAPE: char = '\u{1b}';

/// Runs the program on a terminal, which `script` makes; `None` where there is no such tool.
fn on_a_terminal(variables: &[(&str, &str)], arguments: &str) -> Option<Outcome> {
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_portolan"));
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]);
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    command.envs(variables.iter().copied());
    let is_there = Command::new("script").arg("--version").output().is_ok();
    if !is_there {
        eprintln!("SKIPPED: colour on a terminal, because `script` (bsdutils) is missing");
        assert!(
            std::env::var_os("PORTOLAN_REQUIRE_KAFKA").is_none_or(|value| value != "1"),
            "`script` (bsdutils) is missing"
        );
        return None;
    }
    Some(finish(&mut command, ""))
}

#[test]
fn there_is_no_colour_where_there_is_no_terminal() {
    for arguments in [&["--help"][..], &["rum"], &["map", "no-such.toml"]] {
        let outcome = run(arguments.iter().copied());
        assert!(!outcome.stdout.contains(ESCAPE), "{outcome:?}");
        assert!(!outcome.stderr.contains(ESCAPE), "{outcome:?}");
    }
    // The log, of a server that cannot start.
    let config = "\
[clusters.main]
bootstrap_servers = [\"kafka.invalid:9092\"]
advertised_host = \"localhost\"
listen_address = \"192.0.2.1\"
[[clusters.main.nodes]]
ids = 0
port = 9093
";
    let outcome = finish(&mut portolan(["run", "--config", "-"]), config);
    assert!(outcome.stderr.contains("ERROR"), "{outcome:?}");
    assert!(!outcome.stderr.contains(ESCAPE), "{outcome:?}");
}

#[test]
fn a_terminal_has_colour_but_not_with_no_color() {
    let run = "run --bootstrap-servers kafka.invalid:9092 --advertised-host localhost --nodes 0 --listen-address 192.0.2.1";
    for (arguments, word) in [("--help", "Usage:"), ("rum", "similar"), (run, "ERROR")] {
        let Some(coloured) = on_a_terminal(&[], arguments) else {
            return;
        };
        assert!(coloured.stdout.contains(word), "{coloured:?}");
        assert!(
            coloured.stdout.contains(ESCAPE),
            "{arguments}: {coloured:?}"
        );
        let Some(plain) = on_a_terminal(&[("NO_COLOR", "1")], arguments) else {
            return;
        };
        assert!(plain.stdout.contains(word), "{plain:?}");
        // Bold and underline are no colour, but a terminal that wants none wants none of these either.
        assert!(!plain.stdout.contains(ESCAPE), "{arguments}: {plain:?}");
    }
}
