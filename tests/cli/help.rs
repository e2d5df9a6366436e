//! `--help` and wrong usage.

use crate::run;

const COMMANDS: [&[&str]; 10] = [
    &[],
    &["run"],
    &["config"],
    &["config", "check"],
    &["config", "show"],
    &["map"],
    &["bench"],
    &["check"],
    &["completions"],
    &["man"],
];

fn help(command: &[&str]) -> String {
    let outcome = run(command.iter().copied().chain(["--help"]));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    outcome.stdout
}

#[test]
fn the_help_of_each_command_shows_an_example_of_it() {
    for command in COMMANDS {
        let text = help(command);
        let (_, examples) = text
            .split_once("Example")
            .unwrap_or_else(|| panic!("{text}"));
        let example = format!("  portolan {}", command.join(" "));
        assert!(examples.contains(example.trim_end()), "{text}");
    }
}

#[test]
fn run_with_a_bare_file_is_2_and_says_what_to_write() {
    let outcome = run(["run", "portolan.toml"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        outcome.stderr,
        "portolan: run wants the flag before the file: portolan run --config portolan.toml\n"
    );
    assert!(help(&["run"]).contains("Usage: portolan run [OPTIONS]\n"));
}

#[test]
fn the_help_lists_all_commands() {
    let text = help(&[]);
    for command in COMMANDS.iter().filter_map(|command| command.first()) {
        assert!(text.contains(&format!("\n  {command} ")), "{text}");
    }
}

#[test]
fn every_flag_and_argument_has_a_variable_named_after_it() {
    let mut flags = 0;
    for command in COMMANDS {
        let text = help(command);
        let options = text.split("\nExample").next().unwrap_or_default();
        let entries: Vec<&str> = options.lines().map(str::trim_start).collect();
        for (n, entry) in entries.iter().enumerate() {
            let name = match (entry.strip_prefix("--"), *entry) {
                (Some(rest), _) => rest.split([' ', ',']).next().unwrap_or_default(),
                (None, entry) if entry.starts_with("<FILE>") => "config",
                (None, "<HOST:PORT>") => "server",
                _ => continue,
            };
            flags += 1;
            let variable = format!("PORTOLAN_{}=", name.to_uppercase().replace('-', "_"));
            // What is said of a flag ends where the next one begins.
            let said = entries[n..].iter().enumerate();
            let said: Vec<&str> = said
                .take_while(|(m, line)| *m == 0 || !line.starts_with("--"))
                .map(|(_, line)| *line)
                .collect();
            assert!(
                said.join(" ").contains(&format!("[env: {variable}")),
                "{name}:\n{text}"
            );
        }
    }
    assert!(flags >= 11 + 2 + 3 + 27 + 12, "only {flags} were found");
}

#[test]
fn wrong_usage_is_2_and_says_what_is_right() {
    for (arguments, words) in [
        (&["rum"][..], "a similar subcommand exists: 'run'"),
        (
            &["run", "--confg", "x"],
            "a similar argument exists: '--config'",
        ),
        (&["config", "check"], "<FILE>"),
        (
            &["map", "x", "--output", "yaml"],
            "[possible values: table, json, service]",
        ),
        (
            &["run", "--log-level", "loud"],
            "[possible values: error, warn, info, debug, trace]",
        ),
        (&[], "Usage: portolan <COMMAND>"),
        (&["config"], "Usage: portolan config <COMMAND>"),
    ] {
        let outcome = run(arguments.iter().copied());
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{arguments:?}");
        assert!(
            outcome.stderr.contains(words),
            "{arguments:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn the_examples_can_be_pasted_into_a_shell() {
    for command in COMMANDS {
        let text = help(command);
        let (_, examples) = text
            .split_once("Example")
            .unwrap_or_else(|| panic!("{text}"));
        let examples = examples.replace(" \\\n", " ");
        let lines: Vec<&str> = examples
            .lines()
            .skip(1)
            .take_while(|l| !l.is_empty())
            .collect();
        assert!(!lines.is_empty(), "{text}");
        for line in lines {
            let is_whole = line.starts_with("  portolan ");
            assert!(is_whole, "a line was broken: {line:?} in\n{text}");
        }
    }
}
