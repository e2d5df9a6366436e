//! One finding, at one place, in words for the user.

use std::fmt;

use super::codes::{Code, Severity};
use crate::commands::client::error::tamed;
use crate::config::BrokerAddress;

/// An address that clients use: the bootstrap's, or that of a node.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `None` is the bootstrap.
    pub(super) node: Option<i32>,
    /// As advertised.
    pub(super) address: BrokerAddress,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some(node) => write!(f, "node {node}"),
            None => f.write_str("the bootstrap"),
        }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    code: &'static Code,
    /// The node, where it is about one.
    pub(super) node: Option<i32>,
    /// The address, where it is about one.
    pub(super) address: Option<String>,
    /// What was seen.
    pub(super) seen: String,
    /// What it means.
    pub(super) means: String,
    /// What to do.
    pub(super) remedy: String,
}

impl Finding {
    /// At an address.
    pub(super) fn at(place: &Place, code: &'static Code, seen: impl AsRef<str>) -> Self {
        let address = &place.address;
        let node = match place.node {
            Some(node) => node.to_string(),
            None => "N".to_owned(),
        };
        let fill = |text: &str| {
            let text = text
                .replace("{who}", &place.to_string())
                .replace("{node}", &node)
                .replace("{host}", &address.host)
                .replace("{port}", &address.port.to_string());
            tamed(&text)
        };
        Finding {
            code,
            node: place.node,
            address: Some(tamed(&address.to_string())),
            seen: tamed(seen.as_ref()),
            means: fill(code.means),
            remedy: fill(code.remedy),
        }
    }

    /// About a node whose address nobody knows.
    pub(super) fn of_node(node: i32, code: &'static Code, seen: impl AsRef<str>) -> Self {
        let fill = |text: &str| text.replace("{node}", &node.to_string());
        Finding {
            code,
            node: Some(node),
            address: None,
            seen: tamed(seen.as_ref()),
            means: fill(code.means),
            remedy: fill(code.remedy),
        }
    }

    /// About the cluster as a whole.
    pub(super) fn of_all(code: &'static Code, seen: impl AsRef<str>) -> Self {
        Finding {
            code,
            node: None,
            address: None,
            seen: tamed(seen.as_ref()),
            means: code.means.to_owned(),
            remedy: code.remedy.to_owned(),
        }
    }

    /// The same with another remedy.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Its stable name.
    pub(super) fn code(&self) -> &'static str {
        self.code.name
    }

    /// How bad it is.
    pub(super) fn severity(&self) -> Severity {
        self.code.severity
    }
}
