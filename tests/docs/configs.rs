//! Configurations in the documents are accepted by `portolan config check`. One that stands for a part of a file is marked
//! `toml fragment`, and completed by what it lacks of config/minimal.toml.

use std::process::Command;

use toml::{Table, Value};

use crate::common::certificates::{Authority, write};
use crate::{assert_none, documents, read};

#[test]
fn configurations_are_accepted() {
    let files = Files::new();
    let mut counted = 0;
    let mut wrong = Vec::new();
    for document in documents() {
        for (place, block) in document.blocks_of("toml") {
            counted += 1;
            let is_fragment = block.mark == "fragment";
            let fault = files.refused(&block.text, is_fragment);
            wrong.extend(fault.map(|fault| format!("{place}: {fault}")));
        }
    }
    assert_none(wrong);
    assert!(counted >= 4, "only {counted} configurations");
}

/// Files for the keys of a configuration that name some.
pub(crate) struct Files {
    dir: tempfile::TempDir,
    named: Vec<(&'static str, String)>,
}

impl Files {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::new("docs");
        let names = ["kafka.example.com", "*.kafka.example.com", "*.example.com"];
        let server = authority.server(&names).write(dir.path(), "server");
        let ca = write(dir.path(), "ca.pem", authority.root_pem());
        let crl = write(dir.path(), "crl.pem", &authority.crl_pem(&[]));
        // 32 bytes in base64.
        let ticket_key = format!("{}=\n", "A".repeat(43));
        let ticket_keys = write(dir.path(), "ticket.keys", &ticket_key);
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let named = vec![
            ("certificate", text(&server.certificate)),
            ("key", text(&server.key)),
            ("client_ca", text(&ca)),
            ("ca", text(&ca)),
            ("crl", text(&crl)),
            ("ticket_keys", text(&ticket_keys)),
        ];
        Self { dir, named }
    }

    /// What the program says against it.
    pub(crate) fn refused(&self, text: &str, is_fragment: bool) -> Option<String> {
        let mut table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return Some(error.to_string()),
        };
        if is_fragment {
            complete(
                &mut table,
                read("config/minimal.toml").parse().expect("TOML"),
            );
        }
        self.put_files(&mut table);
        let file = write(self.dir.path(), "portolan.toml", &table.to_string());
        let output = Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args(["config", "check"])
            .arg(file)
            .output()
            .expect("the portolan binary runs");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code() != Some(0)).then_some(words)
    }

    /// Those of the documents are not on this machine.
    fn put_files(&self, table: &mut Table) {
        for (key, value) in table.iter_mut() {
            match value {
                Value::Table(table) => self.put_files(table),
                Value::String(path) if path.starts_with('/') => {
                    let known = self.named.iter().find(|(name, _)| name == key);
                    if let Some((_, file)) = known {
                        path.clone_from(file);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Adds what is missing, table by table.
fn complete(table: &mut Table, minimal: Table) {
    for (key, value) in minimal {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(table)), Value::Table(minimal)) => complete(table, minimal),
            (Some(_), _) => {}
            (None, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[test]
fn a_configuration_that_is_wrong_is_found() {
    let files = Files::new();
    let whole = read("config/minimal.toml");
    assert_eq!(files.refused(&whole, false), None);
    let wrong = |text: &str, is_fragment| files.refused(text, is_fragment).expect("it is refused");
    assert!(wrong("[drain]\nlame_duck = \"15s\"\n", false).contains("clusters"));
    assert_eq!(files.refused("[drain]\nlame_duck = \"15s\"\n", true), None);
    assert!(wrong("[drain]\nlame_duk = \"15s\"\n", true).contains("lame_duck"));
    assert!(wrong("[drain\n", true).contains("expected"));
    let tls = "[clusters.main.tls]\ncertificate = \"/tls/tls.crt\"\nkey = \"/tls/tls.key\"\n";
    assert_eq!(files.refused(tls, true), None);
    assert!(wrong(&format!("{tls}crls = \"/x\"\n"), true).contains("crl"));
}
