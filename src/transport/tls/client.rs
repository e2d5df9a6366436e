//! TLS towards brokers, as it is loaded from files.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

use super::authorities::{self, Authorities};
use super::identity::{Identity, provider};
use super::inspect::Side;
use crate::config::{Fault, UpstreamTls};
use crate::port_map::NodeId;

/// TLS towards the brokers of one cluster. It never changes: other files make another one. Certificates of brokers are
/// always verified. Sessions are resumed, of a bounded number of names.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
    certificate: Option<CertificateDer<'static>>,
    not_after: Option<i64>,
    warnings: Vec<String>,
    note: Option<String>,
}

impl Client {
    /// Reads all files, and says everything that is wrong with them. `section` is the path of the table,
    /// `clusters.main.upstream_tls`.
    pub fn load(tls: &UpstreamTls, section: &str) -> Result<Client, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut warnings = Vec::new();
        let system = authorities::system();
        let roots = match &tls.ca {
            Some(file) => match Authorities::load(file) {
                Ok(authorities) => {
                    warnings.extend(authorities.warnings);
                    authorities.roots
                }
                Err(wrong) => {
                    faults.push(wrong.fault(section, "ca"));
                    Arc::new(RootCertStore::empty())
                }
            },
            None => {
                if system.is_empty() {
                    faults.push(no_roots(section));
                }
                system.clone()
            }
        };
        let known = [system.as_ref(), roots.as_ref()];
        let load = |(certificate, key): &(_, _)| -> Result<Identity, Vec<Fault>> {
            let files = (AsRef::<Path>::as_ref(certificate), AsRef::as_ref(key));
            Identity::load(files, Side::Client, &known, section)
        };
        let identity = match tls.identity.as_ref().map(load).transpose() {
            Ok(identity) => identity,
            Err(more) => {
                faults.extend(more);
                None
            }
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let own = identity.as_ref();
        let certificate = own.and_then(|own| own.certified.cert.first().cloned());
        let not_after = identity.as_ref().map(|own| own.not_after);
        let mut note = None;
        let certified = identity.map(|own| {
            note = own.note;
            warnings.extend(own.warnings);
            own.certified
        });
        let config = config(roots, certified.map(SingleCertAndKey::from));
        let config = config.map_err(|problem| {
            vec![Fault {
                key: section.to_owned(),
                line: None,
                problem,
                remedy: String::new(),
            }]
        })?;
        Ok(Client {
            config: Arc::new(config),
            server_name: tls.server_name.clone(),
            certificate,
            not_after,
            warnings,
            note,
        })
    }

    /// The files that it is made from.
    pub fn files(tls: &UpstreamTls) -> Vec<&Path> {
        let own = tls.identity.iter().flat_map(|(chain, key)| [chain, key]);
        let all = tls.ca.iter().chain(own);
        all.map(|path| path.as_path()).collect()
    }

    /// What rustls takes.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Our own certificate, in DER; `None` where there is none.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// Until when our own chain is good, in seconds since 1970; `None` where there is none.
    pub fn not_after(&self) -> Option<i64> {
        self.not_after
    }

    /// What is worth knowing where it is not meant, and fine where it is.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// What an operator should look at, a line each; bounded in number and length.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The name that the certificate must have of a broker that is dialled at `host`, a name or an IP address without
    /// brackets; `node` is `None` for a bootstrap server. Else what is wrong; to set `server_name` is what
    /// helps.
    pub fn name_for(
        &self,
        node: Option<NodeId>,
        host: &str,
    ) -> Result<ServerName<'static>, String> {
        let name = match (&self.server_name, node) {
            (Some(template), Some(node)) => template.replace(NODE_ID, &node.to_string()),
            (Some(name), None) if !name.contains(NODE_ID) => name.clone(),
            _ => host.to_owned(),
        };
        ServerName::try_from(name.clone())
            .map_err(|_| format!("\"{name}\" cannot be the name in a certificate"))
    }
}

/// Settings of connections to brokers that trust these roots, and show this certificate if they are asked.
pub(crate) fn config(
    roots: Arc<RootCertStore>,
    own: Option<SingleCertAndKey>,
) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    Ok(match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(own)),
        None => builder.with_no_client_auth(),
    })
}

fn no_roots(section: &str) -> Fault {
    Fault {
        key: format!("{section}.ca"),
        line: None,
        problem: "this system has no root certificates".into(),
        remedy: "give a file of certificates of authorities in PEM".into(),
    }
}

const NODE_ID: &str = "{node_id}";
