//! Kubernetes objects as parsed documents, whoever made them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The objects of a text in YAML, by "Kind/name". What has the same name twice is refused, as is a key that stands twice.
pub fn parsed(text: &str) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for document in serde_norway::Deserializer::from_str(text) {
        let object = Value::deserialize(document);
        let object = object.unwrap_or_else(|error| panic!("{error}\n{text}"));
        if !object.is_null() {
            let name = id(&object);
            assert!(
                objects.insert(name.clone(), object).is_none(),
                "{name} twice"
            );
        }
    }
    objects
}

fn id(object: &Value) -> String {
    let word = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{object}"))
            .to_owned()
    };
    format!(
        "{}/{}",
        word(&object["kind"]),
        word(&object["metadata"]["name"])
    )
}

/// Whether Helm keeps it out of the release, and makes it only for `helm test`.
pub fn is_hook(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/hook"].is_string()
}
