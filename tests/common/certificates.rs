//! Certificates of every kind that a test wants: authorities, chains, names, validity, revocation, forms of keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RevokedCertParams, SerialNumber, date_time_ymd,
};

/// An authority: a root, or an intermediate below one.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate and those above it, but for the root's.
    chain: String,
    /// The certificate of the root, which peers trust.
    root: String,
}

/// A certificate of a server or a client, with its key.
pub struct Identity {
    certificate: String,
    chain: String,
    key: KeyPair,
    serial: SerialNumber,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and the chain to its authority.
    pub certificate: PathBuf,
    /// The key, in PKCS#8.
    pub key: PathBuf,
}

/// What a certificate may be otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// ECDSA on P-256, valid now and for long.
    #[default]
    Usual,
    /// RSA with 2048 bits.
    Rsa,
    /// Valid until the year 2001.
    Expired,
    /// Valid from the year 3000 on.
    NotYetValid,
    /// Valid for three more days.
    ExpiresSoon,
}

impl Authority {
    /// A root of its own, that nobody else knows. Two of one name have different keys.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = authority(name);
        let root = params.self_signed(&key).expect("a certificate").pem();
        Authority {
            issuer: Issuer::new(params, key),
            chain: String::new(),
            root,
        }
    }

    /// An authority that this one vouches for. What it signs comes with its certificate.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = authority(name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Authority {
            issuer: Issuer::new(params, key),
            chain: format!("{}{}", certificate.pem(), self.chain),
            root: self.root.clone(),
        }
    }

    /// For a server of these names: DNS names, which may begin with `*.`, and IP addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.server_of(Kind::Usual, names)
    }

    /// The same, otherwise.
    pub fn server_of(&self, kind: Kind, names: &[&str]) -> Identity {
        let alternatives: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(alternatives).expect("names");
        params.distinguished_name = called(names.first().unwrap_or(&"a server"));
        self.identity(kind, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a client with this common name.
    pub fn client(&self, common_name: &str) -> Identity {
        self.client_of(Kind::Usual, common_name)
    }

    /// The same, otherwise.
    pub fn client_of(&self, kind: Kind, common_name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = called(common_name);
        self.identity(kind, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// The certificate of the root above, in PEM: what peers are told to trust.
    pub fn root_pem(&self) -> &str {
        &self.root
    }

    /// Its own certificate and those above it but for the root's, in PEM. Empty for a root.
    pub fn chain_pem(&self) -> &str {
        &self.chain
    }

    /// A list of revoked certificates of this authority, in PEM.
    pub fn crl_pem(&self, revoked: &[&Identity]) -> String {
        let revoked = revoked.iter().map(|identity| RevokedCertParams {
            serial_number: identity.serial.clone(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(3000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a list");
        list.pem().expect("a list in PEM")
    }

    fn identity(
        &self,
        kind: Kind,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Identity {
        let key = match kind {
            Kind::Rsa => KeyPair::generate_for(&PKCS_RSA_SHA256),
            _ => KeyPair::generate(),
        };
        let key = key.expect("a key");
        (params.not_before, params.not_after) = match kind {
            Kind::Usual | Kind::Rsa => (date_time_ymd(2000, 1, 1), date_time_ymd(3000, 1, 1)),
            Kind::Expired => (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1)),
            Kind::NotYetValid => (date_time_ymd(3000, 1, 1), date_time_ymd(3001, 1, 1)),
            Kind::ExpiresSoon => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let soon = now.expect("it is after 1970") + Duration::from_secs(3 * 24 * 3600);
                (date_time_ymd(2000, 1, 1), date_time_ymd(1970, 1, 1) + soon)
            }
        };
        // Less than 20 bytes of which the first is positive, as RFC 5280 has it.
        let serial = SerialNumber::from(fastrand::u64(1 << 32..1 << 63));
        params.serial_number = Some(serial.clone());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            certificate: certificate.pem(),
            chain: format!("{}{}", certificate.pem(), self.chain),
            key,
            serial,
        }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = called(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

fn called(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

impl Identity {
    /// The certificate alone, in PEM: for a server with an intermediate authority an incomplete chain.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The certificate and the chain to its authority, in PEM.
    pub fn chain_pem(&self) -> &str {
        &self.chain
    }

    /// The key in PKCS#8, in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The key in the older form of its algorithm, in PEM: PKCS#1 for RSA, SEC1 for ECDSA.
    pub fn old_key_pem(&self) -> String {
        let inner = inner_key(self.key.serialized_der());
        match self.key.algorithm() == &PKCS_RSA_SHA256 {
            true => pem("RSA PRIVATE KEY", inner),
            false => pem("EC PRIVATE KEY", &with_curve(inner)),
        }
    }

    /// Writes the chain to `NAME.crt` and the key to `NAME.key`. Files that are there already are replaced, each at once.
    pub fn write(&self, dir: &Path, name: &str) -> Files {
        Files {
            certificate: write(dir, &format!("{name}.crt"), &self.chain),
            key: write(dir, &format!("{name}.key"), &self.key_pem()),
        }
    }
}

/// Writes a file, or replaces it so that whoever reads it sees the old text or the new one.
pub fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let (path, new) = (dir.join(name), dir.join(format!("{name}.new")));
    fs::write(&new, text).expect("the directory is ours");
    fs::rename(new, &path).expect("the directory is ours");
    path
}

/// PKCS#8 (RFC 5208) wraps the older form: a sequence of a version, an algorithm and an octet string, which is that.
fn inner_key(pkcs8: &[u8]) -> &[u8] {
    let (sequence, _) = element(pkcs8);
    let (_version, rest) = element(sequence);
    let (_algorithm, rest) = element(rest);
    element(rest).0
}

/// In PKCS#8 the algorithm says which curve it is, and the inner key does not (RFC 5915). A key that stands alone has to.
fn with_curve(key: &[u8]) -> Vec<u8> {
    const P_256: [u8; 12] = [0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let (sequence, _) = element(key);
    let (_version, rest) = element(sequence);
    let (_private, public) = element(rest);
    let private = &sequence[..sequence.len() - public.len()];
    let contents = [private, &P_256, public].concat();
    let length = u8::try_from(contents.len()).expect("a short key");
    assert!(length < 0x80, "a key whose length takes one byte");
    [&[0x30, length], contents.as_slice()].concat()
}

/// The contents of the first element of DER, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (header, length) = match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let bytes = usize::from(long & 0x7f);
            let length = der[2..2 + bytes]
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            (2 + bytes, length)
        }
    };
    der[header..].split_at(length)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for n in (0..text.len()).step_by(64) {
        pem.push_str(&text[n..text.len().min(n + 64)]);
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}
