//! The Service of Kubernetes whose load balancer's address clients are told.

use std::fmt;

use toml::de::DeValue;

use super::reader::Unfit;
use super::value;

/// A Service by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceName {
    /// Where it is; `None` is the namespace of the pod.
    pub namespace: Option<String>,
    /// What it is called there.
    pub name: String,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

const REMEDY: &str = "write the Service as \"namespace/name\", or as \"name\" for one in the pod's own namespace, such as \
                      \"kafka/portolan\"";

/// `namespace/name` or `name`.
pub(super) fn read(value: &DeValue<'_>) -> Result<ServiceName, Unfit> {
    let text = value::text(value)?;
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text.as_str()),
    };
    let parts = [namespace, Some(name)];
    if let Some(bad) = parts.into_iter().flatten().find(|part| !is_label(part)) {
        return Err((
            format!("\"{text}\" is no Service: \"{bad}\" is not a name in Kubernetes"),
            REMEDY.to_owned(),
        ));
    }
    if !cfg!(feature = "kubernetes") {
        let remedy = "use the image, or build with `--features kubernetes`; or write advertised_host instead";
        let problem = "this build cannot read Services: it was made without the feature kubernetes";
        return Err((problem.to_owned(), remedy.to_owned()));
    }
    Ok(ServiceName {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    })
}

/// Whether it is a label of RFC 1123, as Kubernetes wants of Services and namespaces.
fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
