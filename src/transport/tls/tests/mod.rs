//! Certificates made by rcgen, and handshakes in memory.

mod chains;
mod clients;
mod faults;
mod keys;
mod resumption;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
};
use tempfile::TempDir;

use super::identity::provider;
use super::server::Server;
use crate::config::{ClientAuth, Fault, Tls, TlsVersion};

const SECTION: &str = "clusters.main.tls";

/// The number of certificates of intermediate authorities.
const INTERMEDIATE: u64 = 77;

/// Files, which go away with it.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// `key: problem | remedy`, with bare names of files.
    fn told(&self, faults: &[Fault]) -> Vec<String> {
        let text = |fault: &Fault| format!("{}: {} | {}", fault.key, fault.problem, fault.remedy);
        faults.iter().map(|fault| self.bare(&text(fault))).collect()
    }

    fn bare(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    /// A server with this chain and key.
    fn tls(&self, chain: &str, key: &str) -> Tls {
        Tls {
            certificate: self.write("tls.crt", chain),
            key: self.write("tls.key", key),
            client_ca: None,
            client_auth: ClientAuth::None,
            min_version: TlsVersion::Tls12,
            crl: None,
            ticket_keys: None,
        }
    }
}

/// Who signs.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Leaf {
    certificate: Certificate,
    /// What a client sends.
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let (params, key) = (Self::params(name), KeyPair::generate().unwrap());
        Authority {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn intermediate(&self, name: &str) -> Self {
        let (mut params, key) = (Self::params(name), KeyPair::generate().unwrap());
        params.serial_number = Some(SerialNumber::from(INTERMEDIATE));
        Authority {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn leaf(&self, name: &str) -> Leaf {
        self.leaf_with(name, |_| {})
    }

    fn leaf_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            chain: vec![certificate.der().clone()],
            certificate,
            key,
        }
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A list of these numbers, which should be renewed by the first day of `year`.
    fn list(&self, revoked: &[u64], year: i32) -> String {
        let revoked = revoked.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Leaf {
    fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn key(&self) -> String {
        self.key.serialize_pem()
    }
}

fn load(tls: &Tls) -> Result<Server, Vec<Fault>> {
    Server::load(tls, SECTION, None)
}

/// A client that trusts this authority and may have a certificate; it keeps its sessions.
fn client(authority: &Authority, own: Option<&Leaf>, version: TlsVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let verifier: Arc<dyn ServerCertVerifier> =
        rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider())
            .build()
            .unwrap();
    let version = match version {
        TlsVersion::Tls12 => &rustls::version::TLS12,
        TlsVersion::Tls13 => &rustls::version::TLS13,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(own) = own else {
        return builder.with_no_client_auth().into();
    };
    let key = own.key.serialize_der().try_into().unwrap();
    builder
        .with_client_auth_cert(own.chain.clone(), key)
        .unwrap()
        .into()
}

/// Shakes hands with `localhost`, and says how it went, or what stopped the server (or else the client).
fn handshake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<(HandshakeKind, ServerConnection), rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    while client.wants_write() || server.wants_write() {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut to_server).unwrap();
        }
        let mut bytes = to_server.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets()?;
        }
        while server.wants_write() {
            server.write_tls(&mut to_client).unwrap();
        }
        let mut bytes = to_client.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((server.handshake_kind().unwrap(), server))
}

fn is_resumed(client: &Arc<ClientConfig>, server: &Server) -> bool {
    handshake(client, server.config()).unwrap().0 == HandshakeKind::Resumed
}

fn file(path: &Path) -> Option<PathBuf> {
    Some(path.to_owned())
}
