//! Files where a rendered config looks for Secrets.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::common::certificates::{Authority, write};

/// Names that some of the values have certificates for.
const NAMES: [&str; 5] = [
    "kafka.example.com",
    "*.kafka.example.com",
    "boot.kafka.example.com",
    "*.nodes.kafka.example.com",
    "many.example.com",
];

/// The config, with this directory instead of /etc/portolan, and all that it may name there.
pub(crate) fn with_files(config: &str, directory: &Path) -> String {
    let authority = Authority::new("an authority");
    let place = |name: &str| {
        let place = directory.join(name);
        fs::create_dir_all(&place).expect("the directory is ours");
        place
    };
    authority.server(&NAMES).write(&place("tls"), "tls");
    let client = authority.client("portolan");
    client.write(&place("upstream-tls"), "tls");
    write(&place("upstream-ca"), "ca.crt", authority.root_pem());
    write(&place("client-ca"), "ca.crt", authority.root_pem());
    write(
        &place("client-ca"),
        "ca.crl",
        &authority.crl_pem(&[&client]),
    );
    let key = STANDARD.encode([7; 32]);
    write(&place("ticket-keys"), "ticket.keys", &key);
    let directory = directory.to_str().expect("a path in UTF-8");
    config.replace("/etc/portolan/", &format!("{directory}/"))
}
