//! Links lead to files, and to headings in them, that are there.

use std::path::{Component, Path, PathBuf};

use crate::markdown::{Document, Link};
use crate::{assert_none, documents, root};

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let all = documents();
    let links: usize = all.iter().map(|document| document.links.len()).sum();
    assert!(links > 50, "only {links} links");
    assert_none(all.iter().flat_map(|one| faults(one, &all)).collect());
}

#[test]
fn every_page_of_the_deployment_docs_is_linked_from_their_index() {
    let all = documents();
    let index = all.iter().find(|one| one.path == "docs/deploy/README.md");
    let index = index.expect("docs/deploy/README.md");
    let pages = all.iter().filter(|one| {
        one.path != index.path
            && (one.path.starts_with("docs/deploy/") || one.path.starts_with("deploy/examples/"))
    });
    let mut found = 0;
    for page in pages {
        found += 1;
        let links = |link: &Link| resolved(&index.path, &link.target).0 == Path::new(&page.path);
        assert!(index.links.iter().any(links), "{} is not linked", page.path);
    }
    assert!(found >= 15, "only {found} pages");
}

fn faults(document: &Document, all: &[Document]) -> Vec<String> {
    let fault = |link: &Link| {
        let what = fault(document, link, all)?;
        Some(format!("{}:{}: {what}", document.path, link.line))
    };
    document.links.iter().filter_map(fault).collect()
}

fn fault(document: &Document, link: &Link, all: &[Document]) -> Option<String> {
    let target = link.target.as_str();
    if target.starts_with("https://") {
        return wrong_number(link);
    }
    if target.contains("://") {
        return Some(format!("{target} is not by https"));
    }
    let (path, anchor) = resolved(&document.path, target);
    if !root().join(&path).exists() {
        return Some(format!("{target} leads to no file"));
    }
    let anchor = anchor?;
    let known = all.iter().find(|one| Path::new(&one.path) == path);
    let there = known.is_some_and(|one| one.anchors.iter().any(|known| known == anchor));
    (!there).then(|| format!("{target} leads to no heading"))
}

/// `#123` must lead to the issue or pull request with that number.
fn wrong_number(link: &Link) -> Option<String> {
    let (_, number) = link.text.rsplit_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let leads_there = link.target.ends_with(&format!("/{number}"));
    (is_number && !leads_there).then(|| format!("{} leads to {}", link.text, link.target))
}

/// The file from the root of the tree, and the heading in it.
fn resolved<'a>(from: &str, target: &'a str) -> (PathBuf, Option<&'a str>) {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    if file.is_empty() {
        return (PathBuf::from(from), anchor);
    }
    let mut path = Path::new(from)
        .parent()
        .map(PathBuf::from)
        .unwrap_or_default();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    (path, anchor)
}

#[test]
fn a_link_to_nowhere_is_found() {
    let text = "# Here\n[a](#here) [b](#there) [c](gone.md) [d](../README.md#try-it) [e](../README.md#nothing)\n\
                [x#12](https://github.com/x/y/issues/13) [x#12](https://github.com/x/y/issues/12) [f](http://example.com)\n";
    let document = Document::parse("docs/bad.md", text);
    let mut all = documents();
    all.push(Document::parse("docs/bad.md", text));
    // The first of these is not a file, so that its headings do not count.
    assert_eq!(
        faults(&document, &all),
        [
            "docs/bad.md:2: #here leads to no file",
            "docs/bad.md:2: #there leads to no file",
            "docs/bad.md:2: gone.md leads to no file",
            "docs/bad.md:2: ../README.md#nothing leads to no heading",
            "docs/bad.md:3: x#12 leads to https://github.com/x/y/issues/13",
            "docs/bad.md:3: http://example.com is not by https",
        ]
    );
}
