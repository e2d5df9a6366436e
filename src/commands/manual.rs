//! `completions` and `man`: what other programs shall know of the command line, from its own definition.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::{CommandLine, Failure, print};

/// Which shell.
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell that shall complete
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script that makes a shell complete our commands and flags.
pub(super) fn completions(completions: &Completions) -> Result<(), Failure> {
    let mut line = CommandLine::command();
    let name = line.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut line, name, &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Prints the manual page: one for all commands, each with a section of its own.
pub(super) fn man() -> Result<(), Failure> {
    let mut line = CommandLine::command();
    line.build();
    let page = page(&line).map_err(Failure::Output)?;
    print(&String::from_utf8_lossy(&page))
}

fn page(line: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(line.clone())
        .source(format!("Portolan {}", crate::VERSION))
        .manual("Portolan");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    sections(line, &mut page)?;
    for command in line.get_subcommands() {
        command_sections(command, &mut page)?;
    }
    Ok(page)
}

/// A section for a command, or for each of those that it has in turn.
fn command_sections(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    // The one called help has each command once more.
    if command.is_hide_set() || command.get_name() == "help" {
        return Ok(());
    }
    if command.has_subcommands() {
        let mut commands = command.get_subcommands();
        return commands.try_for_each(|command| command_sections(command, page));
    }
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut heading = Roff::new();
    heading.control("SH", [name.to_uppercase().as_str()]);
    heading.to_writer(page)?;
    let mut own = Vec::new();
    Man::new(command.clone()).render_synopsis_section(&mut own)?;
    sections(command, &mut own)?;
    // Sections of the page of this command would be subsections of ours.
    let own = String::from_utf8_lossy(&own);
    for line in own.split_inclusive('\n') {
        match line.strip_prefix(".SH ") {
            Some(name) => page.extend([".SS ", name].concat().bytes()),
            None => page.extend(line.bytes()),
        }
    }
    Ok(())
}

fn sections(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    match command.get_after_help() {
        Some(text) => notes(&text.to_string()).to_writer(page),
        None => Ok(()),
    }
}

/// What the help ends with: paragraphs that begin with a word and a colon, most of them examples, whose lines must stay.
fn notes(text: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in text.split("\n\n") {
        let (heading, rest) = paragraph.split_once(':').unwrap_or(("Notes", paragraph));
        roff.control("SH", [heading.to_uppercase().as_str()]);
        let rest = rest.trim_start_matches('\n');
        if !rest.starts_with("  ") {
            roff.text([roman(rest.trim())]);
            continue;
        }
        roff.control("nf", []);
        for line in rest.lines() {
            let line = line.strip_prefix("  ").unwrap_or(line);
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}
