//! What container engines forbid by default, in the form that runc takes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::tools::lacks;

/// The default profile of podman and CRI-O, which Debian's packages of buildah and podman bring; Docker's is its origin.
const PROFILE: &str = "/usr/share/containers/seccomp.json";

/// It, for a process without capabilities. `None`: it is not there.
pub fn default_profile() -> Option<Value> {
    if !Path::new(PROFILE).is_file() {
        lacks(&format!("{PROFILE} (package containers-common)"));
        return None;
    }
    let text = fs::read_to_string(PROFILE).expect("it can be read");
    let profile: Value = serde_json::from_str(&text).expect("JSON");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => ("SCMP_ARCH_X86_64", "amd64"),
        "aarch64" => ("SCMP_ARCH_AARCH64", "arm64"),
        other => panic!("what is {other} to seccomp?"),
    };
    let rules = profile["syscalls"].as_array().expect("a list").iter();
    let rules: Vec<Value> = rules
        .filter(|rule| holds(rule, architecture.1))
        .map(|rule| {
            let mut kept = json!({"names": rule["names"], "action": rule["action"]});
            for key in ["args", "errnoRet"] {
                if !rule[key].is_null() {
                    kept[key] = rule[key].clone();
                }
            }
            kept
        })
        .collect();
    assert!(rules.len() > 5, "only {} rules", rules.len());
    Some(json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [architecture.0],
        "syscalls": rules,
    }))
}

/// Whether a rule is for this machine and for who has no capability.
fn holds(rule: &Value, architecture: &str) -> bool {
    let list = |condition: &str, kind: &str| -> Vec<String> {
        let found = rule[condition][kind].as_array().into_iter().flatten();
        let found = found.filter_map(Value::as_str);
        found.map(str::to_owned).collect()
    };
    let here = |names: &[String]| names.iter().any(|name| name == architecture);
    let only = list("includes", "arches");
    list("includes", "caps").is_empty()
        && (only.is_empty() || here(&only))
        && !here(&list("excludes", "arches"))
}
