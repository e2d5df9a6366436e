//! Completions and the manual page: bash completes by the one, groff understands the other, and both know every command.

use std::process::Command;

use crate::common::tools::available;
use crate::{finish, run};

/// All that are shown in the help.
const COMMANDS: [&str; 7] = [
    "run",
    "config",
    "map",
    "bench",
    "check",
    "completions",
    "man",
];

#[test]
fn bash_completes_commands_flags_and_values() {
    if !available(&["bash"]) {
        return;
    }
    let script = printed(["completions", "bash"]);
    for (typed, offered) in [
        (&["ru"][..], "run"),
        (&["config", "ch"], "check"),
        (&["run", "--advertised-h"], "--advertised-host"),
        (&["run", "--log-level", "tr"], "trace"),
        (&["map", "x.toml", "--output", "s"], "service"),
        (&["completions", "z"], "zsh"),
    ] {
        assert_eq!(completed(&script, typed), [offered], "{typed:?}");
    }
    let offered = completed(&script, &[""]);
    for command in COMMANDS {
        assert!(offered.iter().any(|one| one == command), "{offered:?}");
    }
    assert!(completed(&script, &["no-such-"]).is_empty());
}

/// What bash offers for a line, by the function that the script has registered for the program.
fn completed(script: &str, typed: &[&str]) -> Vec<String> {
    let call = r#"
        words=("$@")
        registered=$(complete -p portolan)
        [[ $registered =~ -F\ ([^ ]+) ]] || exit 1
        COMP_WORDS=(portolan "${words[@]}")
        COMP_CWORD=${#words[@]}
        COMP_LINE="${COMP_WORDS[*]}"
        COMP_POINT=${#COMP_LINE}
        "${BASH_REMATCH[1]}" portolan "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &format!("{script}\n{call}"), "bash"]);
    let outcome = finish(bash.args(typed), "");
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
    let lines = outcome.stdout.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
fn the_scripts_of_all_shells_know_all_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{command} for {shell}");
        }
        assert!(script.contains("advertised-host"), "{shell}");
    }
    let outcome = run(["completions", "tcsh"]);
    assert_eq!(outcome.code, Some(2));
    let values = "[possible values: bash, elvish, fish, powershell, zsh]";
    assert!(outcome.stderr.contains(values), "{}", outcome.stderr);
}

#[test]
fn the_manual_page_is_rendered_without_a_warning() {
    if !available(&["groff"]) {
        return;
    }
    let mut groff = Command::new("groff");
    // Without the strokes that make letters bold or underlined.
    groff.args(["-man", "-Tutf8", "-ww", "-P-cbou", "-"]);
    let outcome = finish(&mut groff, &printed(["man"]));
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
    let text = outcome.stdout;
    for section in [
        "NAME",
        "PORTOLAN RUN",
        "PORTOLAN CONFIG CHECK",
        "EXIT CODES",
    ] {
        assert!(
            text.contains(&format!("\n{section}\n")),
            "{section}:\n{text}"
        );
    }
    assert!(text.contains("\n   EXAMPLES\n"), "{text}");
    assert!(
        text.contains("\n       --advertised-host <HOST>\n"),
        "{text}"
    );
    // A line of an example, which filling would have joined with the one before.
    let example = "\n           --advertised-host kafka.example.com --nodes 0-9\n";
    assert!(text.contains(example), "{text}");
}

#[test]
fn the_manual_page_has_each_flag_of_each_command_in_its_section() {
    let page = printed(["man"]).replace("\\-", "-");
    let mut flags = 0;
    for command in ["run", "config check", "config show", "map", "bench"] {
        let heading = format!("\n.SH \"PORTOLAN {}\"\n", command.to_uppercase());
        let section = page.split_once(&*heading);
        let (_, section) = section.unwrap_or_else(|| panic!("{heading} in\n{page}"));
        let section = section.split("\n.SH ").next().unwrap_or_default();
        let help = printed(command.split(' ').chain(["--help"]));
        let lines = help.lines().map(str::trim_start);
        for flag in lines.filter(|line| line.starts_with("--")) {
            let flag = flag.split([' ', ',']).next().unwrap_or_default();
            flags += 1;
            assert!(section.contains(flag), "{flag} of {command}");
        }
    }
    assert!(flags >= 11 + 2 + 26, "only {flags} were found");
    assert!(!page.contains("PORTOLAN HELP"));
}

fn printed<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let outcome = run(arguments);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
    outcome.stdout
}
