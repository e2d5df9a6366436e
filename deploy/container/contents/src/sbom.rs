//! The bill of materials in CycloneDX 1.5: each crate with its version, licence, checksum and what it needs.

use serde_json::{Map, Value, json};

use crate::date::rfc3339;
use crate::packages::{Id, Package, Packages};

/// As JSON, in an order that does not change.
pub(crate) fn document(packages: &Packages, epoch: u64) -> String {
    let others = packages.all.iter().filter(|(id, _)| **id != packages.root);
    let mut components: Vec<Value> = others
        .map(|(id, package)| component(id, package, "library"))
        .collect();
    components.push(standard_library());
    let dependencies = packages.all.iter().map(|(id, package)| {
        let needs: Vec<String> = package.needs.iter().map(purl).collect();
        json!({"ref": purl(id), "dependsOn": needs})
    });
    let root = packages.all.get(&packages.root).cloned();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(epoch),
            "component": component(&packages.root, &root.unwrap_or_default(), "application"),
        },
        "components": components,
        "dependencies": dependencies.collect::<Vec<Value>>(),
    });
    format!("{document:#}\n")
}

/// Rust's own library and the C library that it brings for musl come with the compiler: cargo does not know them.
fn standard_library() -> Value {
    json!({
        "type": "library",
        "bom-ref": "rust-std",
        "name": "rust-std",
        "description": "The standard library of the Rust compiler, and for musl targets the musl C library that comes with it",
        "scope": "required",
        "licenses": [{"expression": "(MIT OR Apache-2.0) AND MIT"}],
    })
}

fn component(id: &Id, package: &Package, kind: &str) -> Value {
    let mut component = Map::new();
    let mut put = |key: &str, value: Value| component.insert(key.to_owned(), value);
    put("type", kind.into());
    put("bom-ref", purl(id).into());
    put("name", id.0.clone().into());
    put("version", id.1.clone().into());
    put("purl", purl(id).into());
    // What only runs while the program is built is not in the image.
    put(
        "scope",
        if package.linked {
            "required"
        } else {
            "excluded"
        }
        .into(),
    );
    if let Some(description) = &package.description {
        let words: Vec<&str> = description.split_whitespace().collect();
        put("description", words.join(" ").into());
    }
    if let Some(licence) = &package.licence {
        let expression = expression(licence);
        put("licenses", json!([{"expression": expression}]));
    }
    if let Some(checksum) = &package.checksum {
        put("hashes", json!([{"alg": "SHA-256", "content": checksum}]));
    }
    // The schema wants an address, which most authors give.
    let repository = package.repository.as_ref();
    if let Some(url) = repository.filter(|url| url.starts_with("https://")) {
        let reference = json!([{"type": "vcs", "url": url}]);
        put("externalReferences", reference);
    }
    component.into()
}

/// Before SPDX had expressions, crates wrote a slash for "or".
fn expression(licence: &str) -> String {
    let parts = licence.split('/').map(str::trim);
    parts.collect::<Vec<&str>>().join(" OR ")
}

/// A `+` stands for itself in a path, but not everywhere where addresses are read.
fn purl((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn sample() -> Packages {
        let id = |name: &str| (name.to_owned(), "1.0.0+b".to_owned());
        let root = Package {
            linked: true,
            needs: BTreeSet::from([id("made"), id("used")]),
            ..Package::default()
        };
        let used = Package {
            linked: true,
            licence: Some("MIT/Apache-2.0".to_owned()),
            checksum: Some("00ff".to_owned()),
            repository: Some("https://example.com/used".to_owned()),
            description: Some("Two\n lines".to_owned()),
            ..Package::default()
        };
        let made = Package {
            repository: Some("git@example.com".to_owned()),
            ..Package::default()
        };
        Packages {
            root: id("r"),
            all: BTreeMap::from([(id("r"), root), (id("used"), used), (id("made"), made)]),
        }
    }

    #[test]
    fn a_document_says_of_each_package_what_is_known() {
        let document: Value = serde_json::from_str(&document(&sample(), 0)).expect("it is JSON");
        assert_eq!(document["metadata"]["timestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(document["metadata"]["component"]["type"], "application");
        assert_eq!(
            document["components"][0],
            json!({"type": "library", "bom-ref": "pkg:cargo/made@1.0.0%2Bb", "name": "made", "version": "1.0.0+b",
                "purl": "pkg:cargo/made@1.0.0%2Bb", "scope": "excluded"})
        );
        assert_eq!(
            document["components"][1],
            json!({"type": "library", "bom-ref": "pkg:cargo/used@1.0.0%2Bb", "name": "used", "version": "1.0.0+b",
                "purl": "pkg:cargo/used@1.0.0%2Bb", "scope": "required", "description": "Two lines",
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
                "hashes": [{"alg": "SHA-256", "content": "00ff"}],
                "externalReferences": [{"type": "vcs", "url": "https://example.com/used"}]})
        );
        assert_eq!(document["components"][2]["name"], "rust-std");
        let needs = json!({"ref": "pkg:cargo/r@1.0.0%2Bb", "dependsOn": ["pkg:cargo/made@1.0.0%2Bb", "pkg:cargo/used@1.0.0%2Bb"]});
        assert_eq!(document["dependencies"][1], needs);
    }

    #[test]
    fn the_same_packages_give_the_same_document() {
        assert_eq!(document(&sample(), 7), document(&sample(), 7));
    }
}
