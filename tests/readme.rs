//! What the README says is so: its configurations are accepted, its commands, flags, endpoints, keys and files exist.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::proxy::Proxy;
use portolan::config::{Config, ParseOptions, keys};

const README: &str = include_str!("../README.md");
const CHANGELOG: &str = include_str!("../CHANGELOG.md");

/// The contents of the fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parts = README.split("```");
    parts.next();
    // Inside and outside take turns.
    while let Some(block) = parts.next() {
        if let Some(content) = block.strip_prefix(&format!("{language}\n")) {
            found.push(content.to_owned());
        }
        parts.next();
    }
    assert!(!found.is_empty(), "no block of {language}");
    found
}

/// What stands between single backticks, outside of fenced blocks.
fn spans() -> Vec<String> {
    let prose: Vec<&str> = README.split("```").step_by(2).collect();
    let spans: Vec<String> = prose
        .iter()
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert!(spans.len() > 30, "only {} spans", spans.len());
    spans
}

/// Where links lead to.
fn links(text: &str) -> Vec<&str> {
    let links: Vec<&str> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert!(!links.is_empty());
    links
}

/// The commands of the shell blocks and of the prose, without comments.
fn commands(program: &str) -> Vec<String> {
    let blocks = blocks("sh");
    let lines = blocks
        .iter()
        .flat_map(|block| block.lines())
        .map(str::to_owned);
    let commands: Vec<String> = lines
        .chain(spans())
        .filter_map(|line| {
            let line = line.split('#').next()?.trim();
            line.starts_with(&format!("{program} "))
                .then(|| line.to_owned())
        })
        .collect();
    assert!(!commands.is_empty(), "no {program} command");
    commands
}

fn help(subcommand: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .args(subcommand)
        .arg("--help")
        .output()
        .expect("the portolan binary runs");
    assert!(
        output.status.success(),
        "portolan {subcommand:?} is no command"
    );
    String::from_utf8(output.stdout).expect("it is text")
}

fn config(text: &str) -> Config {
    match Config::from_toml(text, &ParseOptions::default()) {
        Ok(config) => config,
        Err(faults) => panic!("{faults}\n{text}"),
    }
}

#[test]
fn its_configurations_are_accepted() {
    for block in blocks("toml") {
        config(&block);
    }
}

#[test]
fn its_first_configuration_is_the_minimal_file() {
    let minimal = std::fs::read_to_string("config/minimal.toml").expect("it is there");
    let first = blocks("toml").into_iter().next().expect("a block");
    assert_eq!(config(&first), config(&minimal));
}

#[test]
fn its_commands_and_flags_exist() {
    for command in commands("portolan") {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let count = match words[0] {
            "config" => 2,
            _ => 1,
        };
        let text = help(&words[..count]);
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(text.contains(&format!("  {flag} <")), "{command}: {flag}");
        }
    }
}

#[test]
fn its_cargo_commands_exist() {
    let quickstart = std::fs::read_to_string("examples/quickstart.rs").expect("it is there");
    for command in commands("cargo") {
        if let Some((_, name)) = command.split_once("--example ") {
            assert_eq!(name, "quickstart");
        } else if let Some((_, bench)) = command.split_once("cargo bench --bench ") {
            assert_bench_exists(bench);
        } else {
            assert!(["cargo build --release", "cargo test"].contains(&command.as_str()));
        }
    }
    let flags: Vec<String> = spans()
        .into_iter()
        .filter(|span| span.starts_with("-- --"))
        .collect();
    assert_eq!(flags, ["-- --port 19092", "-- --once"]);
    for flag in flags {
        let flag = flag.split(' ').nth(1).unwrap_or_default();
        assert!(quickstart.contains(&format!("\"{flag}\" =>")), "{flag}");
    }
}

/// `NAME -- --FLAG`.
fn assert_bench_exists(bench: &str) {
    let (name, flag) = bench.split_once(" -- --").expect("a flag");
    let file = |path: &str| std::fs::read_to_string(path).expect("it is there");
    let target = format!("[[bench]]\nname = \"{name}\"\n");
    assert!(file("Cargo.toml").contains(&target), "{name}");
    let options = file(&format!("benches/{name}/options.rs"));
    assert!(options.contains(&format!("pub {flag}: bool,")), "{flag}");
}

#[test]
fn its_test_command_is_what_the_ci_runs() {
    let ci = std::fs::read_to_string(".ci/run").expect("it is there");
    let command = "PORTOLAN_REQUIRE_KAFKA=1 cargo test";
    assert!(blocks("sh").iter().any(|block| block.trim() == command));
    assert!(ci.lines().any(|line| line == command));
}

#[cfg(unix)]
#[test]
fn the_ci_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(".ci/run")
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111);
}

#[test]
fn the_files_that_it_links_to_exist() {
    let mut files = 0;
    for link in links(README).into_iter().chain(links(CHANGELOG)) {
        if !link.starts_with("https://") {
            files += 1;
            let file = link.split('#').next().unwrap_or_default();
            assert!(Path::new(file).is_file(), "{link}");
        }
    }
    assert!(files >= 5, "only {files} files");
}

#[test]
fn it_names_no_path_of_a_machine() {
    for text in [README, CHANGELOG] {
        for path in ["/home/", "/root", "/tmp", "/work", "/Users/", "localhost:"] {
            assert!(!text.contains(path), "{path}");
        }
    }
}

#[test]
fn its_configuration_keys_exist() {
    let mut found = 0;
    for span in spans() {
        let key = span.split(" = ").next().unwrap_or_default();
        let known = |table: &str, key: &str| {
            let header = format!("[{table}]");
            let mut tables = keys::TABLES.iter().filter(|known| known.header == header);
            tables.any(|table| table.keys.contains(&key))
        };
        if let Some((table, key)) = key.split_once('.')
            && keys::ROOT.keys.contains(&table)
        {
            found += 1;
            assert!(known(table, key), "{span}");
        } else if span.contains(" = ") {
            found += 1;
            assert!(known("clusters.<name>", key), "{span}");
            let text = format!(
                "[clusters.main]\nbootstrap_servers = [\"kafka:9092\"]\nadvertised_host = \"kafka.example.com\"\n{span}\n\
                 [[clusters.main.nodes]]\nids = 0\nport = 9093\n"
            );
            config(&text);
        }
    }
    assert!(found >= 5, "only {found} keys");
}

#[test]
fn its_endpoints_answer_and_its_metrics_have_that_prefix() {
    let proxy = Proxy::start(
        "[clusters.main]\nbootstrap_servers = [\"kafka.invalid:9092\"]\nadvertised_host = \"localhost\"\n\
         listen_address = \"127.0.0.1\"\nbootstrap_port = 0\n[[clusters.main.nodes]]\nids = 0\nport = 0\n",
    );
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `/"));
    let paths: Vec<String> = rows
        .filter_map(|row| Some(format!("/{}", row.split('`').next()?)))
        .collect();
    assert_eq!(
        paths,
        ["/", "/livez", "/readyz", "/lbz", "/status", "/metrics"]
    );
    for path in paths {
        assert_eq!(proxy.get(&path).0, 200, "{path}");
    }
    let (_, metrics) = proxy.get("/metrics");
    let ours = metrics.lines().filter(|line| line.starts_with("portolan_"));
    assert!(ours.count() > 10, "{metrics}");
}

#[test]
fn the_clients_that_it_names_are_those_of_the_tests() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let row = |language: &str| {
        let mut rows = README
            .lines()
            .filter(|line| line.starts_with(&format!("| {language} |")));
        rows.next()
            .unwrap_or_else(|| panic!("no row of {language}"))
            .to_owned()
    };
    let toolchain = read("tests/kafka/toolchain.rs");
    let java = row("Java");
    for version in ["2.8.2", "3.9.2", "4.3.1"] {
        assert!(
            java.contains(version) && toolchain.contains(&format!("\"{version}\"")),
            "{version}"
        );
    }
    for (language, names, file) in [
        (
            "Go",
            &["franz-go", "sarama"][..],
            "tests/kafka/clients/go/go.mod",
        ),
        (
            "Python",
            &["kafka-python", "aiokafka", "confluent-kafka"],
            "tests/kafka/clients/python/requirements.txt",
        ),
        (
            "Node",
            &["kafkajs"],
            "tests/kafka/clients/node/package.json",
        ),
        (
            "C and C++",
            &["rdkafka"],
            "tests/kafka/clients/rust/Cargo.toml",
        ),
    ] {
        for name in names {
            assert!(row(language).contains(name), "{name}");
            assert!(read(file).contains(name), "{name} in {file}");
        }
    }
}
