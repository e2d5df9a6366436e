//! What certificates and revocation lists say of themselves.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::der_parser::Oid;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::asn1_rs::oid;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use crate::text;

/// A certificate, as far as it matters here (RFC 5280).
#[derive(Debug)]
pub(super) struct Certificate<'a>(X509Certificate<'a>);

impl<'a> Certificate<'a> {
    /// Takes it apart; else what is wrong with it.
    pub(super) fn parse(der: &'a CertificateDer<'_>) -> Result<Self, String> {
        match X509Certificate::from_der(der) {
            Ok((_, certificate)) => Ok(Certificate(certificate)),
            Err(error) => Err(format!("it is no X.509 certificate: {error}")),
        }
    }

    /// Who it is for, as text: `CN=kafka.example.com`, or a name where that is empty, as it may be.
    pub(super) fn subject(&self) -> String {
        let subject = bounded(self.0.subject().to_string());
        match (subject.is_empty(), self.names().into_iter().next()) {
            (true, Some(name)) => bounded(name),
            _ => subject,
        }
    }

    /// Who signed it, as text.
    pub(super) fn issuer(&self) -> String {
        bounded(self.0.issuer().to_string())
    }

    /// Who signed it, in DER.
    pub(super) fn issuer_der(&self) -> &[u8] {
        self.0.issuer().as_raw()
    }

    /// From when it is valid, in seconds since 1970.
    pub(super) fn not_before(&self) -> i64 {
        self.0.validity().not_before.timestamp()
    }

    /// Until when it is valid, in seconds since 1970.
    pub(super) fn not_after(&self) -> i64 {
        self.0.validity().not_after.timestamp()
    }

    /// Whether it may sign others. Roots from before version 3 do not say it, and are trusted for what they are.
    pub(super) fn is_authority(&self) -> bool {
        self.0.is_ca() || (self.0.version().0 == 0 && self.is_self_issued())
    }

    /// Whether it is of the version that has extensions, and in them names.
    pub(super) fn is_version_3(&self) -> bool {
        self.0.version().0 == 2
    }

    /// Whether it names itself as its issuer, as roots do.
    pub(super) fn is_self_issued(&self) -> bool {
        same(self.0.subject(), self.0.issuer())
    }

    /// Whether this one signed that one: by name, and by signature where we know the algorithm.
    pub(super) fn signed(&self, other: &Certificate<'_>) -> bool {
        same(self.0.subject(), other.0.issuer())
            && is_good(other.0.verify_signature(Some(self.0.public_key())))
    }

    /// Whether this one signed that list.
    pub(super) fn signed_list(&self, list: &RevocationList<'_>) -> bool {
        same(self.0.subject(), list.0.issuer())
            && is_good(list.0.verify_signature(self.0.public_key()))
    }

    /// Its names: DNS names and IP addresses of the subject alternative name, as text. A common name is none (RFC 9525).
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(Some(extension)) = self.0.subject_alternative_name() else {
            return Vec::new();
        };
        let text = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => ip(bytes).map(|ip| ip.to_string()),
            _ => None,
        };
        let names = &extension.value.general_names;
        names.iter().filter_map(text).collect()
    }

    /// Whether it says what it is for, and servers (or else clients) are not among it.
    pub(super) fn is_not_for(&self, side: Side) -> bool {
        let Ok(Some(usage)) = self.0.extended_key_usage() else {
            return false;
        };
        let good = match side {
            Side::Server => usage.value.server_auth,
            Side::Client => usage.value.client_auth,
        };
        !good && !usage.value.any
    }

    /// Whether it is by a public authority: it carries one of the policies that the CA/Browser Forum reserves for those
    /// (Baseline Requirements 7.1.6.1), and which they must put in.
    pub(super) fn is_public(&self) -> bool {
        let extensions = self.0.extensions().iter();
        let mut policies = extensions.filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::CertificatePolicies(policies) => Some(policies),
            _ => None,
        });
        policies.any(|policies| policies.iter().any(|info| PUBLIC.contains(&info.policy_id)))
    }
}

/// What a certificate says of itself, for people.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Who it is for.
    pub(crate) subject: String,
    /// Who signed it.
    pub(crate) issuer: String,
    /// The names that it is for, fit to be shown, and not to be compared.
    pub(crate) names: Vec<String>,
    /// In seconds since 1970.
    pub(crate) not_before: i64,
    /// In seconds since 1970.
    pub(crate) not_after: i64,
}

/// Takes a certificate apart that a peer showed.
pub(crate) fn shown(der: &CertificateDer<'_>) -> Result<Shown, String> {
    let certificate = Certificate::parse(der)?;
    Ok(Shown {
        subject: certificate.subject(),
        issuer: certificate.issuer(),
        names: certificate.names().into_iter().map(bounded).collect(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
    })
}

/// Which side of a connection a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that is connected to.
    Server,
    /// The one that connects.
    Client,
}

/// A list of revoked certificates (RFC 5280, section 5).
#[derive(Debug)]
pub(super) struct RevocationList<'a>(CertificateRevocationList<'a>);

impl<'a> RevocationList<'a> {
    /// Takes it apart; else what is wrong with it.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, String> {
        match CertificateRevocationList::from_der(der) {
            Ok((_, list)) => Ok(RevocationList(list)),
            Err(error) => Err(format!("it is no revocation list: {error}")),
        }
    }

    /// Who signed it, as text.
    pub(super) fn issuer(&self) -> String {
        bounded(self.0.issuer().to_string())
    }

    /// By when there should be a newer one, in seconds since 1970.
    pub(super) fn next_update(&self) -> Option<i64> {
        self.0.next_update().map(|time| time.timestamp())
    }
}

/// A time in seconds since 1970 as people read it: `2026-11-26 05:39 UTC`.
pub fn date(seconds: i64) -> String {
    let Ok(time) = ASN1Time::from_timestamp(seconds) else {
        return format!("{seconds} s after 1970");
    };
    let time = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute()
    )
}

/// Some authorities write one name in two encodings: then the text decides.
fn same(one: &X509Name<'_>, other: &X509Name<'_>) -> bool {
    one.as_raw() == other.as_raw() || one.to_string() == other.to_string()
}

/// An algorithm that we cannot check is left to those who can: the peers.
fn is_good(checked: Result<(), X509Error>) -> bool {
    matches!(
        checked,
        Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm)
    )
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// One line of bounded length: names come from files and from peers, and go to logs.
fn bounded(name: String) -> String {
    text::tamed(&name, 200)
}

/// Domain, organization, individual and extended validation.
const PUBLIC: [Oid<'static>; 4] = [
    oid!(2.23.140.1.2.1),
    oid!(2.23.140.1.2.2),
    oid!(2.23.140.1.2.3),
    oid!(2.23.140.1.1),
];
