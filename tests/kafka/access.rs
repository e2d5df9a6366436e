//! How a client gets in: by which addresses, with which credentials, and where its names lead.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::cluster::{Cluster, Listener};
use crate::common::certificates::Files;
use crate::common::tools;

/// What a client program is told about the cluster that it is to use.
#[derive(Clone, Debug)]
pub struct Access {
    /// The one address that it is given.
    pub bootstrap: String,
    /// The addresses that it must be told when it asks for all brokers, separated by commas.
    pub brokers: String,
    /// Its credentials.
    pub sasl: Option<Sasl>,
    /// With TLS: whom it trusts, and who it is.
    pub tls: Option<Tls>,
    /// A hosts file that says where names lead, instead of the machine's.
    pub hosts: Option<PathBuf>,
}

/// How a client authenticates.
#[derive(Clone, Copy, Debug)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`.
    pub mechanism: &'static str,
    /// The user.
    pub username: &'static str,
    /// Its password.
    pub password: &'static str,
}

/// The TLS of a client. Every client verifies host names.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificates of authorities that it trusts: these and no others.
    pub ca: PathBuf,
    /// Its own certificate.
    pub identity: Option<Files>,
}

impl Access {
    /// Straight to the brokers, without a proxy, by the names that only the cluster's hosts file knows.
    pub fn straight(cluster: &Cluster, listener: Listener) -> Self {
        Access {
            bootstrap: cluster.internal(cluster.ids()[0], listener),
            brokers: cluster.all_internal(listener),
            sasl: None,
            tls: None,
            hosts: Some(cluster.hosts_file()),
        }
    }

    /// The same over TLS, for a client that trusts the cluster's authority and has no certificate.
    pub fn straight_by_tls(cluster: &Cluster, listener: Listener) -> Self {
        Access {
            tls: Some(Tls {
                ca: cluster.identities().ca().to_owned(),
                identity: None,
            }),
            ..Access::straight(cluster, listener)
        }
    }

    /// What it says in the environment of a client program, by clients/README.md.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut variables: Vec<(&str, OsString)> = vec![
            ("BOOTSTRAP", self.bootstrap.clone().into()),
            ("EXPECT_BROKERS", self.brokers.clone().into()),
        ];
        if let Some(sasl) = self.sasl {
            variables.push(("SASL_MECHANISM", sasl.mechanism.into()));
            variables.push(("SASL_USERNAME", sasl.username.into()));
            variables.push(("SASL_PASSWORD", sasl.password.into()));
        }
        if let Some(tls) = &self.tls {
            variables.push(("TLS_CA", tls.ca.clone().into()));
            if let Some(files) = &tls.identity {
                variables.push(("TLS_CERTIFICATE", files.certificate.clone().into()));
                variables.push(("TLS_KEY", files.key.clone().into()));
            }
        }
        variables
    }
}

/// What stands before a command that is to find names in a hosts file: the command gets an `/etc/hosts` of its own, so that it resolves
/// names as it always does. Nothing outside the command sees it, and no privilege is needed.
pub fn with_hosts(hosts: &Path) -> Vec<OsString> {
    const SCRIPT: &str = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;
    let namespaces = ["unshare", "--user", "--map-root-user", "--mount"];
    let shell = ["sh", "-c", SCRIPT, "sh"];
    let words = namespaces.into_iter().chain(shell).map(OsString::from);
    words.chain([hosts.into()]).collect()
}

/// Whether this machine lets a command have an `/etc/hosts` of its own, and resolves names by it. Where it does not the test must return:
/// it was said loudly that it is skipped.
pub fn own_hosts_work() -> bool {
    static WORK: OnceLock<bool> = OnceLock::new();
    let work = *WORK.get_or_init(|| {
        let hosts = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(hosts.path(), "127.1.2.3 name.portolan.test\n").expect("it can be written");
        let words = with_hosts(hosts.path());
        let output = Command::new(&words[0])
            .args(&words[1..])
            .args(["getent", "hosts", "name.portolan.test"])
            .output();
        output.is_ok_and(|output| output.stdout.starts_with(b"127.1.2.3"))
    });
    work || tools::lacks("`unshare --user --mount` and /etc/hosts first in /etc/nsswitch.conf")
}
