//! TLS: certificates are verified, and what is wrong with them is told.

use std::io::Write;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::NamedTempFile;

use crate::mock::{Mock, Options};
use crate::{finish, json, short};

/// An authority, and a certificate by it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    file: NamedTempFile,
}

/// A certificate and its key.
struct Leaf {
    certificate: CertificateDer<'static>,
    key: KeyPair,
    pem: String,
}

fn authority() -> Authority {
    authority_called("Test authority")
}

fn authority_called(name: &str) -> Authority {
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Authority {
        file: file(&certificate.pem()),
        certificate: certificate.der().clone(),
        issuer: Issuer::new(params, key),
    }
}

impl Authority {
    fn leaf(&self, name: &str) -> Leaf {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Leaf {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key,
        }
    }

    fn path(&self) -> &str {
        self.file
            .path()
            .to_str()
            .expect("a path of plain characters")
    }
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("it is written");
    file
}

/// Brokers with this certificate; they want one of the client by this authority.
fn mock(leaf: &Leaf, clients: Option<&Authority>) -> Mock {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the usual versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
    let config = builder
        .with_single_cert(vec![leaf.certificate.clone()], key)
        .expect("a certificate and its key");
    Mock::start(Options {
        tls: Some(config.into()),
        ..Options::default()
    })
}

/// By a name, since certificates have names.
fn address(mock: &Mock) -> String {
    format!("localhost:{}", mock.port())
}

fn refused(mock: &Mock, arguments: &[&str]) -> String {
    let outcome = finish(&mut short(&address(mock), arguments));
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(1), ""),
        "{outcome:?}"
    );
    outcome.stderr
}

#[test]
fn all_workloads_run_over_tls() {
    let authority = authority();
    let mock = mock(&authority.leaf("localhost"), None);
    let arguments = ["--tls", "--tls-ca", authority.path()];
    let result = json(&mut short(&address(&mock), &arguments));
    assert_eq!(result["parameters"]["tls"], true);
    for n in 0..3 {
        let requests = &result["workloads"][n]["proxied"]["requests"];
        assert!(requests.as_u64() > Some(0), "{result}");
    }
    mock.assert_cleaned_up();
}

#[test]
fn an_authority_that_is_not_known_is_refused() {
    let theirs = authority();
    let mock = mock(&theirs.leaf("localhost"), None);
    for (ours, problem) in [
        (authority_called("Another"), "UnknownIssuer"),
        // The same name, and another key.
        (authority(), "BadSignature"),
    ] {
        let told = refused(&mock, &["--tls", "--tls-ca", ours.path()]);
        let words = format!(
            ": TLS failed: invalid peer certificate: {problem}\n    \
             give --tls-ca the certificate of the authority that signed the broker's\n"
        );
        assert!(told.ends_with(&words), "{told}");
    }
}

#[test]
fn a_certificate_of_another_name_is_refused_unless_that_name_is_given() {
    let authority = authority();
    let mock = mock(&authority.leaf("kafka.example.com"), None);
    let told = refused(&mock, &["--tls", "--tls-ca", authority.path()]);
    assert!(
        told.contains("or give --tls-server-name one that is"),
        "{told}"
    );
    let arguments = [
        "--tls",
        "--tls-ca",
        authority.path(),
        "--tls-server-name",
        "kafka.example.com",
        "--workload",
        "ping",
    ];
    json(&mut short(&address(&mock), &arguments));
}

#[test]
fn a_broker_that_wants_a_certificate_gets_one() {
    let authority = authority();
    let mock = mock(&authority.leaf("localhost"), Some(&authority));
    let told = refused(&mock, &["--tls", "--tls-ca", authority.path()]);
    // With TLS 1.3 the client learns it after its handshake.
    assert!(told.contains(&address(&mock)), "{told}");
    let client = authority.leaf("client");
    let (certificate, key) = (file(&client.pem), file(&client.key.serialize_pem()));
    let mut command = short(&address(&mock), &["--tls", "--workload", "ping"]);
    command.args(["--tls-ca", authority.path()]);
    command.arg("--tls-cert").arg(certificate.path());
    json(command.arg("--tls-key").arg(key.path()));
}

#[test]
fn tls_to_a_plaintext_port_and_plaintext_to_a_tls_port_are_told() {
    let authority = authority();
    let plaintext = crate::mock::Mock::with(|_, _| None);
    let told = refused(
        &plaintext,
        &["--tls", "--tls-ca", authority.path(), "--timeout", "1s"],
    );
    assert!(told.contains(&address(&plaintext)), "{told}");
    let tls = mock(&authority.leaf("localhost"), None);
    let told = refused(&tls, &[]);
    assert!(
        told.ends_with(": it speaks TLS\n    give --tls\n"),
        "{told}"
    );
}
