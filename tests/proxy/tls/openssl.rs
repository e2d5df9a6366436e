//! A second opinion: what OpenSSL's s_client sees of the proxy.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{NAME, Pki, alive, is_served};
use crate::common::broker::Broker;
use crate::common::certificates::Kind;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tools;
use crate::setup::Setup;

/// A running `openssl s_client` at the bootstrap port, which verifies what it meets.
struct Session {
    child: Child,
}

impl Session {
    fn start(proxy: &Proxy, pki: &Pki, arguments: &[&str]) -> Self {
        let address = proxy.bootstrap("main").to_string();
        let child = Command::new("openssl")
            .args(["s_client", "-connect", &address, "-servername", NAME])
            .args(["-CAfile", &pki.ca(), "-verify_return_error"])
            .args(["-verify_hostname", NAME])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl runs");
        Session { child }
    }

    /// Types a line: `R` renegotiates, `Q` quits.
    fn line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        // It may have ended.
        let _ = writeln!(stdin, "{line}");
    }

    /// All that it says up to its end.
    fn output(mut self) -> String {
        self.line("Q");
        let output = self.child.wait_with_output().expect("openssl ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&output.stdout) + &text(&output.stderr)
    }
}

fn start(pki: &Pki) -> (Proxy, Broker) {
    let broker = alive();
    let authority = pki.authority.intermediate("Between").intermediate("Below");
    let identity = authority.server_of(Kind::Usual, &[NAME]);
    let setup = Setup::with(&broker).section(&pki.tls_with(&identity, ""));
    (setup.start(), broker)
}

fn has(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

#[test]
fn openssl_verifies_the_chain_and_gets_it_in_the_order_of_the_file() {
    if !tools::available(&["openssl"]) {
        return;
    }
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki);
    let file = std::fs::read_to_string(pki.directory().join("proxy.crt")).unwrap();
    for (option, protocol) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let output = Session::start(&proxy, &pki, &[option, "-showcerts"]).output();
        assert!(output.contains("Verification: OK"), "{output}");
        assert!(
            output.contains(&format!("New, {protocol}, Cipher is")),
            "{output}"
        );
        let mut sent = String::new();
        for line in output.lines() {
            let within = sent
                .lines()
                .last()
                .is_some_and(|last| !last.starts_with("-----END"));
            if line.starts_with("-----BEGIN CERT") || (within && !sent.is_empty()) {
                sent.push_str(line);
                sent.push('\n');
            }
        }
        // It prints the first once more.
        assert_eq!(file.matches("BEGIN").count(), 3);
        assert!(sent.starts_with(&file.replace("\r\n", "\n")), "{output}");
    }
    proxy.assert_calm();
}

#[test]
fn openssl_resumes_a_session() {
    if !tools::available(&["openssl"]) {
        return;
    }
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki);
    for option in ["-tls1_2", "-tls1_3"] {
        let file = pki.directory().join(format!("session{option}"));
        let path = file.to_str().unwrap();
        let session = Session::start(&proxy, &pki, &[option, "-sess_out", path]);
        // The ticket of TLS 1.3 comes behind the handshake.
        wait_until("a ticket", || has(&file));
        let output = session.output();
        assert!(
            output.contains("TLS session ticket lifetime hint: 43200"),
            "{output}"
        );
        let output = Session::start(&proxy, &pki, &[option, "-sess_in", path]).output();
        assert!(output.contains("Reused, TLS"), "{output}");
    }
}

#[test]
fn openssl_may_not_renegotiate() {
    if !tools::available(&["openssl"]) {
        return;
    }
    let pki = Pki::new();
    let (proxy, broker) = start(&pki);
    let mut session = Session::start(&proxy, &pki, &["-tls1_2"]);
    session.line("R");
    let output = session.output();
    assert!(output.contains("RENEGOTIATING"), "{output}");
    assert!(output.contains("no renegotiation"), "{output}");
    assert_eq!(broker.connections(), 0);
    let client = Client::connect(proxy.bootstrap("main"));
    is_served(&mut client.secured(&pki.client(), NAME));
}

#[test]
fn openssl_finds_no_version_below_1_2() {
    if !tools::available(&["openssl"]) {
        return;
    }
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki);
    // OpenSSL 3 offers the old versions only so.
    for option in ["-tls1", "-tls1_1"] {
        let arguments = [option, "-cipher", "ALL:@SECLEVEL=0"];
        let output = Session::start(&proxy, &pki, &arguments).output();
        assert!(output.contains("Cipher is (NONE)"), "{output}");
        assert!(output.contains("alert handshake failure"), "{output}");
    }
    proxy.wait_for_end("main", "tls_handshake_failed");
}
