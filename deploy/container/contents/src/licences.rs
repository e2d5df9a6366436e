//! The licences of all that is linked into the program, as their texts ask for: each text once, below the crates that it came with.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::packages::{Id, Package, Packages};

/// How names of such files begin, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// How deep they lie where a crate brings sources in C.
const DEPTH: usize = 4;

const HEAD: &str = "\
Licences of what is linked into Portolan. Where authors let us choose, all that they offer is here.
Rust's standard library is under MIT or Apache-2.0 (https://github.com/rust-lang/rust/blob/master/COPYRIGHT).
The list of authorities in /etc/ssl/certs is Mozilla's, under CDLA-Permissive-2.0 (https://cdla.dev/permissive-2-0/).
";

/// The C library, whose sources are not among the crates.
const MUSL: &str = include_str!("../musl-COPYRIGHT");

const RULE: &str =
    "================================================================================\n";

/// All in one text.
pub(crate) fn notices(packages: &Packages) -> io::Result<String> {
    let mut crates: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut without = String::new();
    let linked = packages.all.iter().filter(|(_, package)| package.linked);
    for (id, package) in linked.filter(|(id, _)| **id != packages.root) {
        let mut texts = Vec::new();
        collect(&package.sources, DEPTH, &mut texts)?;
        if texts.is_empty() {
            without.push_str(&line(id, package));
        }
        for text in texts {
            let (_, users) = crates
                .entry(normal(&text))
                .or_insert_with(|| (text, Vec::new()));
            let line = line(id, package);
            if !users.contains(&line) {
                users.push(line);
            }
        }
    }
    let mut blocks: Vec<(Vec<String>, String)> = crates
        .into_values()
        .map(|(text, users)| (users, text))
        .collect();
    blocks.sort();
    let mut notices = format!("{HEAD}\n{RULE}\nmusl: MIT\n\n{}\n", MUSL.trim_end());
    if !without.is_empty() {
        notices.push_str(&format!(
            "\n{RULE}\nNo text of a licence in the package; by its description:\n\n{without}"
        ));
    }
    for (users, text) in blocks {
        let users = users.concat();
        notices.push_str(&format!("\n{RULE}\n{users}\n{}\n", text.trim_end()));
    }
    Ok(notices)
}

fn line((name, version): &Id, package: &Package) -> String {
    let licence = package.licence.as_deref().unwrap_or("see below");
    format!("{name} {version}: {licence}\n")
}

/// Adds the texts in a directory and below it, in the order of their names.
fn collect(directory: &Path, depth: usize, texts: &mut Vec<String>) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, texts)?;
        } else if kind.is_file() && is_licence(&name) {
            let bytes = fs::read(entry.path())?;
            texts.push(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
        }
    }
    Ok(())
}

/// A source of such a name, as `license.rs`, is none.
fn is_licence(name: &str) -> bool {
    let begins = NAMES.iter().any(|begin| name.starts_with(begin));
    begins
        && ![".RS", ".C", ".H", ".PY", ".GO", ".HTML"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Texts that differ in how their lines are broken are the same.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that is removed again.
    struct Directory(std::path::PathBuf);

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_text_is_there_once_with_all_that_it_is_for() {
        let name = format!("portolan-licences-{}", std::process::id());
        let directory = Directory(std::env::temp_dir().join(name));
        let mut packages = Packages::default();
        let files = [
            ("a", "LICENSE-MIT", "Permission\nis granted"),
            (
                "b",
                "third_party/x/license.txt",
                "Permission is\r\ngranted\r\n",
            ),
            ("b", "NOTICE", "By b"),
            ("b", "src/license.rs", "fn license() {}"),
            ("bare", "README", "nothing"),
            ("only-built", "LICENSE", "Not linked"),
        ];
        for (name, file, text) in files {
            let sources = directory.0.join(name);
            let path = sources.join(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
            fs::write(path, text).expect("a file");
            let package = Package {
                linked: name != "only-built",
                licence: Some("MIT".to_owned()),
                sources,
                ..Package::default()
            };
            packages
                .all
                .insert((name.to_owned(), "1.0.0".to_owned()), package);
        }
        let text = notices(&packages).expect("all can be read");
        assert!(
            text.contains("\na 1.0.0: MIT\nb 1.0.0: MIT\n\nPermission\nis granted\n"),
            "{text}"
        );
        assert!(text.contains("\nb 1.0.0: MIT\n\nBy b\n"), "{text}");
        assert!(
            text.contains("its description:\n\nbare 1.0.0: MIT\n\n"),
            "{text}"
        );
        assert_eq!(
            text.matches("Permission").count(),
            1 + MUSL.matches("Permission").count()
        );
        assert!(
            !text.contains("Not linked") && !text.contains("fn license"),
            "{text}"
        );
    }
}
