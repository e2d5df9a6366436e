//! TLS towards clients, as it is loaded from files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{RootCertStore, SupportedProtocolVersion, version};

use super::authorities::{self, Authorities};
use super::identity::{Identity, now, provider};
use super::inspect::{Certificate, Side};
use super::pem::Wrong;
use super::revocation::Revocation;
use super::tickets::{Context, Tickets};
use super::{names, pem};
use crate::config::{ClientAuth, Fault, Tls, TlsVersion};

/// TLS towards the clients of one cluster. It never changes: other files make another one.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
    names: Vec<String>,
    not_after: i64,
    crl_next_update: Option<i64>,
    warnings: Vec<String>,
    note: Option<String>,
    tickets: Tickets,
}

impl Server {
    /// Reads all files, and says everything that is wrong with them.
    ///
    /// `section` is the path of the table, `clusters.main.tls`. `previous` is what has been in force: its session tickets
    /// stay good, unless it might have let in clients that this one does not.
    pub fn load(tls: &Tls, section: &str, previous: Option<&Server>) -> Result<Server, Vec<Fault>> {
        let mut faults = Vec::new();
        let clients = Clients::load(tls, section, &mut faults);
        let mut known = vec![authorities::system()];
        known.extend(clients.authorities.as_ref().map(|own| own.roots.clone()));
        let known: Vec<&RootCertStore> = known.iter().map(Arc::as_ref).collect();
        let files = (tls.certificate.as_path(), tls.key.as_path());
        let identity = Identity::load(files, Side::Server, &known, section);
        // First, as in the file; the authorities of clients had to be known before.
        let identity = identity.map_err(|more| faults.splice(0..0, more).for_each(drop));
        let context = clients.context(tls.client_auth, section);
        let previous = previous.map(|server| &server.tickets);
        let tickets = Tickets::load(tls.ticket_keys.as_deref(), context, previous);
        let tickets = tickets.map_err(|wrong| faults.push(wrong.fault(section, "ticket_keys")));
        let verifier = clients.verifier(tls, section, &mut faults);
        let (Ok(identity), Ok(tickets), Some(verifier)) = (identity, tickets, verifier) else {
            return Err(faults);
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let certificate = identity.certified.cert.first().cloned();
        let config = config(tls, &identity, verifier, &tickets);
        let config = config.map_err(|error| vec![whole(section, &error)])?;
        let mut warnings = identity.warnings;
        if identity.names.is_empty() {
            let whose = match identity.is_authority {
                true => " (it is an authority's: give the server's own)",
                false => "",
            };
            warnings.push(format!(
                "{}: the certificate has no names (no subject alternative name): clients will refuse it{whose}",
                tls.certificate.display()
            ));
        }
        warnings.extend(clients.authorities.into_iter().flat_map(|own| own.warnings));
        let crl_next_update = clients.revocation.as_ref().and_then(|own| own.next_update);
        warnings.extend(clients.revocation.into_iter().flat_map(|own| own.warnings));
        Ok(Server {
            config: Arc::new(config),
            // There is one, or there were no key that goes with it.
            certificate: certificate.unwrap_or_else(|| Vec::new().into()),
            names: identity.names,
            not_after: identity.not_after,
            crl_next_update,
            warnings,
            note: identity.note,
            tickets,
        })
    }

    /// The files that it is made from.
    pub fn files(tls: &Tls) -> Vec<&Path> {
        let others = [&tls.client_ca, &tls.crl, &tls.ticket_keys];
        let others = others.into_iter().flatten();
        let all = [&tls.certificate, &tls.key].into_iter().chain(others);
        all.map(|path| path.as_path()).collect()
    }

    /// What rustls takes.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// The own certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Until when the chain is good, in seconds since 1970: the earliest end of those that are sent.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// When the first revocation list should be renewed, in seconds since 1970.
    pub fn crl_next_update(&self) -> Option<i64> {
        self.crl_next_update
    }

    /// The names of the certificate: DNS names and IP addresses.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether clients that connect to this host (or IP address) find its name in the certificate.
    pub fn covers(&self, host: &str) -> bool {
        names::cover(&self.names, host)
    }

    /// What is worth knowing where it is not meant, and fine where it is.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// What an operator should look at, a line each; bounded in number and length.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Whether the certificate of a client has run out. A full handshake looks at that; a resumed one does not, and hands out
/// new tickets: without this question a client could come back for ever.
pub fn has_expired(chain: &[CertificateDer<'_>]) -> bool {
    let Some(own) = chain.first() else {
        return false;
    };
    Certificate::parse(own).is_ok_and(|own| own.not_after() < now())
}

/// What decides which clients are let in.
#[derive(Debug, Default)]
struct Clients {
    authorities: Option<Authorities>,
    revocation: Option<Revocation>,
}

impl Clients {
    fn load(tls: &Tls, section: &str, faults: &mut Vec<Fault>) -> Self {
        let mut clients = Clients::default();
        if tls.client_auth == ClientAuth::None {
            return clients;
        }
        let Some(file) = &tls.client_ca else {
            faults.push(Fault {
                key: format!("{section}.client_ca"),
                line: None,
                problem: "clients are asked for certificates, but it is not said who signs them"
                    .into(),
                remedy: "give a file of certificates of authorities in PEM".into(),
            });
            return clients;
        };
        match Authorities::load(file) {
            Err(wrong) => faults.push(wrong.fault(section, "client_ca")),
            Ok(authorities) => clients.authorities = Some(authorities),
        }
        if let Some(file) = &tls.crl {
            match (&clients.authorities, pem::revocation_lists(file)) {
                // Without authorities only the file itself can be judged.
                (None, Err(wrong)) => faults.push(wrong.fault(section, "crl")),
                (None, Ok(_)) => {}
                (Some(authorities), _) => match Revocation::load(file, &authorities.certificates) {
                    Err(wrong) => {
                        let wrong = wrong.into_iter();
                        faults.extend(wrong.map(|wrong| wrong.fault(section, "crl")));
                    }
                    Ok(revocation) => clients.revocation = Some(revocation),
                },
            }
        }
        clients
    }

    /// What a ticket is bound to. The cluster is part of it: each has its own clients.
    fn context(&self, auth: ClientAuth, section: &str) -> Context {
        let auth: &[u8] = match auth {
            ClientAuth::None => b"none",
            ClientAuth::Optional => b"optional",
            ClientAuth::Required => b"required",
        };
        let authorities = self.authorities.iter().flat_map(|own| &own.certificates);
        let lists = self.revocation.iter().flat_map(|own| &own.lists);
        let parts = [section.as_bytes(), auth].into_iter();
        let parts = parts.chain(authorities.map(|der| der.as_ref()));
        let parts = parts.chain([b"lists".as_slice()]);
        Context::new(parts.chain(lists.map(|der| der.as_ref())))
    }

    fn verifier(
        &self,
        tls: &Tls,
        section: &str,
        faults: &mut Vec<Fault>,
    ) -> Option<Arc<dyn ClientCertVerifier>> {
        if tls.client_auth == ClientAuth::None {
            return Some(WebPkiClientVerifier::no_client_auth());
        }
        let roots = self.authorities.as_ref()?.roots.clone();
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        if let Some(revocation) = &self.revocation {
            let lists = revocation.lists.iter().cloned();
            builder = builder.with_crls(lists).allow_unknown_revocation_status();
        }
        if tls.client_auth == ClientAuth::Optional {
            builder = builder.allow_unauthenticated();
        }
        match builder.build() {
            Ok(verifier) => Some(verifier),
            Err(error) => {
                let file = tls.crl.as_deref().unwrap_or(Path::new(""));
                let remedy = "give complete lists of version 2 (RFC 5280), no delta lists";
                faults.push(Wrong::new(file, error, remedy).fault(section, "crl"));
                None
            }
        }
    }
}

fn config(
    tls: &Tls,
    identity: &Identity,
    verifier: Arc<dyn ClientCertVerifier>,
    tickets: &Tickets,
) -> Result<ServerConfig, rustls::Error> {
    let certified = SingleCertAndKey::from(identity.certified.clone());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(tls.min_version))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certified));
    // Sessions are kept by the clients, as tickets: a store would need memory for everyone who comes.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets.ticketer.clone();
    Ok(config)
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match min {
        TlsVersion::Tls12 => &BOTH,
        TlsVersion::Tls13 => &BOTH[..1],
    }
}

fn whole(section: &str, error: &rustls::Error) -> Fault {
    Fault {
        key: section.to_owned(),
        line: None,
        problem: error.to_string(),
        remedy: String::new(),
    }
}
