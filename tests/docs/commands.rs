//! Commands in the documents: `portolan` accepts them, files that they name are there, and values that they set are the
//! chart's.

use clap::Parser;
use clap::error::ErrorKind;
use portolan::commands::CommandLine;

use crate::chart::{CHART, Values, template_with};
use crate::markdown::Document;
use crate::{assert_none, documents, root, shell};

#[test]
fn commands_are_accepted() {
    let values = Values::of_the_chart();
    let mut counted = [0, 0];
    let mut wrong = Vec::new();
    for document in documents() {
        wrong.extend(faults(&document, &values, &mut counted));
    }
    assert_none(wrong);
    let [portolan, helm] = counted;
    assert!(portolan > 30, "only {portolan} commands of portolan");
    assert!(helm > 10, "only {helm} commands of helm");
}

fn faults(document: &Document, values: &Values, counted: &mut [usize; 2]) -> Vec<String> {
    let mut faults = Vec::new();
    for block in &document.blocks {
        for words in shell::commands(block) {
            let mut found = Vec::new();
            if let Some(arguments) = of_portolan(&words) {
                counted[0] += 1;
                found.extend(refused(arguments, &[]));
            }
            if words.iter().any(|word| word == "helm") && words.iter().any(|word| is_chart(word)) {
                counted[1] += 1;
                found.extend(of_helm(&words, values));
            }
            found.extend(missing_files(&words));
            let place = format!("{}:{}", document.path, block.line);
            faults.extend(found.iter().map(|fault| format!("{place}: {fault}")));
        }
    }
    // In prose a command may be without its arguments, which stand in the next words.
    let unsaid = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ErrorKind::MissingSubcommand,
    ];
    for span in &document.spans {
        if let Some(arguments) = span.strip_prefix("portolan ") {
            counted[0] += 1;
            let arguments = arguments
                .replace("HOST:PORT", "kafka.example.com:9092")
                .replace("SHELL", "bash");
            let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
            let found = refused(&words, &unsaid);
            faults.extend(found.map(|fault| format!("{}: `{span}`: {fault}", document.path)));
        }
    }
    faults
}

/// The arguments of `portolan`, also where it runs in a pod, `kubectl exec POD -- portolan ARGUMENTS`, or out of the image,
/// `docker run IMAGE ARGUMENTS`.
fn of_portolan(words: &[String]) -> Option<&[String]> {
    let is_variable = |word: &String| {
        word.split('=').next().is_some_and(|name| {
            name != word && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        })
    };
    let first = words.iter().position(|word| !is_variable(word))?;
    let words = &words[first..];
    let is_portolan = |word: &String| word == "portolan" || word.ends_with("/portolan");
    if is_portolan(&words[0]) {
        return Some(&words[1..]);
    }
    if words.starts_with(&["docker".to_owned(), "run".to_owned()]) {
        // By its tag: a directory that is mounted may be called so, too.
        let is_image = |word: &String| {
            let (name, tag) = word.rsplit_once(':').unwrap_or_default();
            name.ends_with("/portolan") && tag.starts_with(|c: char| c.is_ascii_digit())
        };
        let image = words.iter().position(is_image)?;
        return Some(&words[image + 1..]);
    }
    let inside = words.iter().position(|word| word == "--")? + 1;
    let command = words.get(inside)?;
    if words[0] == "kubectl" && words.iter().any(|word| word == "run") {
        // The image's entry point is the program.
        return Some(&words[inside..]);
    }
    is_portolan(command).then(|| &words[inside + 1..])
}

/// What the command line of this very program says against it.
fn refused(arguments: &[String], unsaid: &[ErrorKind]) -> Option<String> {
    let words = ["portolan"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str));
    let error = CommandLine::try_parse_from(words).err()?;
    let shown = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
    let fine = shown.contains(&error.kind()) || unsaid.contains(&error.kind());
    (!fine).then(|| format!("portolan {}: {}", arguments.join(" "), first_line(&error)))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

fn is_chart(word: &str) -> bool {
    word.trim_end_matches('/').ends_with(CHART)
}

/// Values that are set are values of the chart, and the chart accepts an installation with all of them.
fn of_helm(words: &[String], values: &Values) -> Vec<String> {
    let mut faults = Vec::new();
    let mut arguments = Vec::new();
    for (flag, setting) in words.iter().zip(&words[1..]) {
        match flag.as_str() {
            "-f" | "--values" | "--namespace" | "--set-string" | "--set-json" | "--set" => {
                arguments.extend([flag.clone(), setting.clone()]);
            }
            _ => continue,
        }
        if !flag.starts_with("--set") {
            continue;
        }
        // A comma inside of a list or behind a backslash separates nothing.
        let inside = setting.contains('{') || flag == "--set-json";
        let settings: Vec<&str> = match inside {
            true => vec![setting.as_str()],
            false => setting.split(',').collect(),
        };
        for setting in settings {
            let key = setting.split('=').next().unwrap_or_default();
            if !values.has(key) {
                faults.push(format!("{key} is no value of the chart"));
            }
        }
    }
    if faults.is_empty()
        && words.iter().any(|word| word == "install")
        && missing_files(words).is_empty()
        && let Some(Err(said)) = template_with(&arguments)
    {
        faults.push(said);
    }
    faults
}

/// Files of this tree that a command reads.
fn missing_files(words: &[String]) -> Vec<String> {
    let ours = ["deploy/", "config/", "docs/", "examples/"];
    let mut faults = Vec::new();
    for word in words {
        let path = word.split('=').next_back().unwrap_or_default();
        if ours.iter().any(|dir| path.starts_with(dir)) && !root().join(path).exists() {
            faults.push(format!("{path} does not exist"));
        }
    }
    faults
}

#[test]
fn a_command_that_nobody_knows_is_found() {
    let text = "```sh\nportolan serve\nX=1 portolan map a.toml --output yaml\nkubectl exec p -- portolan config chek f\n\
                kubectl run p --image=portolan -- check\n\
                docker run --rm images.example.com/portolan:1 chekc a:1\nportolan run --config a.toml | cat\n\
                helm install portolan deploy/helm/portolan --set nothing.here=1,kafka.bootstrapServers=k:9092 -f deploy/none.yaml\n\
                helm install portolan deploy/helm/portolan --set kafka.bootstrapServers=k:9092\n```\n\
                `portolan bench --drect a:1` and `portolan bench`\n";
    let document = Document::parse("bad.md", text);
    let values = Values::parse("kafka:\n  bootstrapServers: \"\"\n");
    let mut counted = [0, 0];
    let found = faults(&document, &values, &mut counted);
    assert_eq!(counted, [8, 2]);
    let expected = [
        "bad.md:1: portolan serve: error: unrecognized subcommand 'serve'",
        "bad.md:1: portolan map a.toml --output yaml: error: invalid value 'yaml' for '--output <FORM>'",
        "bad.md:1: portolan config chek f: error: unrecognized subcommand 'chek'",
        "bad.md:1: portolan check: error: the following required arguments were not provided:",
        "bad.md:1: portolan chekc a:1: error: unrecognized subcommand 'chekc'",
        "bad.md:1: nothing.here is no value of the chart",
        "bad.md:1: deploy/none.yaml does not exist",
        "bad.md: `portolan bench --drect a:1`: portolan bench --drect a:1: error: unexpected argument '--drect' found",
    ];
    // Helm says that a required value is missing, where there is Helm.
    let (of_helm, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|fault| fault.contains("advertised.host"));
    assert_eq!(others, expected);
    assert_eq!(of_helm.is_empty(), template_with(&[]).is_none());
}
