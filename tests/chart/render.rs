//! Renders the chart as a release "portolan" in the namespace "gate", with values of each test's own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::helm::{Helm, chart};

pub(crate) use crate::common::rendered::{Rendered, TWO};

/// Where the release is.
const NAMESPACE: &str = "gate";

/// Renders with these texts of YAML as values, later ones before earlier ones: objects, or what Helm says against it. None where
/// there is no Helm.
pub(crate) fn render(helm: Helm, values: &[&str]) -> Option<Result<Rendered, String>> {
    Rendered::try_new(helm, NAMESPACE, values)
}

/// The same with Helm 3 and [`TWO`] before the values, which must be good.
pub(crate) fn good(values: &[&str]) -> Option<Rendered> {
    let rendered = render(Helm::Three, &[&[TWO], values].concat())?;
    Some(rendered.unwrap_or_else(|said| panic!("{values:?}: {said}")))
}

/// What NOTES.txt says. Only Helm 4 tells without a cluster.
pub(crate) fn notes(values: &[&str]) -> Option<String> {
    let output = Helm::Four.run(&["install", "--dry-run=client"], NAMESPACE, values)?;
    let said = text(&output.stdout);
    let (_, notes) = said.split_once("\nNOTES:\n").unwrap_or_else(|| {
        panic!("{said}{}", text(&output.stderr));
    });
    Some(notes.to_owned())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The files of values in the chart's directory ci: what each is called, and its text.
pub(crate) fn ci() -> Vec<(String, String)> {
    files(&chart().join("ci"), "-values.yaml")
}

/// The profiles: what each is called, and the text of its file.
pub(crate) fn profiles() -> Vec<(String, String)> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    files(&deploy.join("profiles"), ".yaml")
}

fn files(directory: &Path, ending: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    let files = paths.iter().map(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name").strip_suffix(ending);
        let name = name.unwrap_or_else(|| panic!("{} ends in {ending}", path.display()));
        let text = fs::read_to_string(path).expect("it can be read");
        (name.to_owned(), text)
    });
    let files: Vec<(String, String)> = files.collect();
    assert!(files.len() > 5, "only {} files", files.len());
    files
}
