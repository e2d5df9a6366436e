//! Reads `[clusters.<name>.tls]` and `[clusters.<name>.upstream_tls]`: which files and how strict. What is in the files is
//! not looked at here, so that a configuration can be read where its secrets are not.

use std::path::PathBuf;

use toml::de::DeValue;

use super::reader::{Reader, Section, Unfit};
use super::{ClientAuth, Tls, TlsVersion, UpstreamTls, address, keys, template, value};

/// TLS towards clients.
pub(super) fn read(reader: &mut Reader<'_>, cluster: &Section<'_>) -> Option<Tls> {
    cluster.value("tls")?;
    let section = reader.section(cluster, "tls");
    reader.known(&section, &keys::TLS);
    let certificate = reader.required(&section, "certificate", file, "\"tls.crt\"");
    let key = reader.required(&section, "key", file, "\"tls.key\"");
    let client_ca = reader.get_or(&section, "client_ca", file_or_none, None);
    let client_auth = reader.get(&section, "client_auth", client_auth);
    let min_version = reader.get_or(&section, "min_version", version, TlsVersion::default());
    let crl = reader.get_or(&section, "crl", file_or_none, None);
    let ticket_keys = reader.get_or(&section, "ticket_keys", file_or_none, None);
    if client_ca.is_none() && !is_there(&section, "client_ca") {
        refuse_without_ca(reader, &section, client_auth, crl.is_some());
    }
    if client_ca.is_some() && client_auth == Some(ClientAuth::None) {
        let problem = "\"none\" asks no client for a certificate, and client_ca has no effect";
        let remedy = "write \"required\" or \"optional\", or take client_ca out";
        reader.fault_at(&section, "client_auth", problem, remedy);
    }
    Some(Tls {
        certificate: certificate?,
        key: key?,
        client_auth: client_auth.unwrap_or(match client_ca {
            Some(_) => ClientAuth::Required,
            None => ClientAuth::None,
        }),
        client_ca,
        min_version,
        crl,
        ticket_keys,
    })
}

/// TLS towards brokers.
pub(super) fn read_upstream(reader: &mut Reader<'_>, cluster: &Section<'_>) -> Option<UpstreamTls> {
    cluster.value("upstream_tls")?;
    let section = reader.section(cluster, "upstream_tls");
    reader.known(&section, &keys::UPSTREAM_TLS);
    let certificate = reader.get_or(&section, "certificate", file_or_none, None);
    let key = reader.get_or(&section, "key", file_or_none, None);
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if is_there(&section, one) && !is_there(&section, other) {
            let problem =
                format!("missing, and {one} is there: neither is of use without the other");
            let remedy = format!("add {other}, or take {one} out");
            reader.fault(section.join(other), section.line, problem, remedy);
        }
    }
    Some(UpstreamTls {
        ca: reader.get_or(&section, "ca", file_or_none, None),
        identity: certificate.zip(key),
        server_name: reader.get_or(&section, "server_name", name_or_none, None),
    })
}

fn refuse_without_ca(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    client_auth: Option<ClientAuth>,
    has_crl: bool,
) {
    const ADD: &str = "add: client_ca = \"clients-ca.crt\"";
    if matches!(
        client_auth,
        Some(ClientAuth::Optional | ClientAuth::Required)
    ) {
        let problem = "client_ca is missing: no certificate of a client would be good";
        let remedy = format!("{ADD}, or write \"none\"");
        reader.fault_at(section, "client_auth", problem, remedy);
    }
    if has_crl {
        let problem = "client_ca is missing, and the list has no effect";
        let remedy = format!("{ADD}, or take it out");
        reader.fault_at(section, "crl", problem, remedy);
    }
}

/// Whether a key is there and does not say "none" by an empty string.
fn is_there(section: &Section<'_>, key: &str) -> bool {
    let value = section.value(key);
    value.is_some_and(|value| value.get_ref().as_str() != Some(""))
}

/// A file's path; a relative one begins where the program was started.
fn file(value: &DeValue<'_>) -> Result<PathBuf, Unfit> {
    file_or_none(value)?.ok_or_else(|| {
        let remedy = "write the path of a file in PEM, such as \"tls.crt\"";
        ("it is empty".into(), remedy.into())
    })
}

fn file_or_none(value: &DeValue<'_>) -> Result<Option<PathBuf>, Unfit> {
    let text = value::text(value)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

fn name_or_none(value: &DeValue<'_>) -> Result<Option<String>, Unfit> {
    let text = value::text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    template::check(&text, &["{node_id}"], address::server_name)?;
    Ok(Some(text))
}

fn client_auth(value: &DeValue<'_>) -> Result<ClientAuth, Unfit> {
    value::choice(value, &ClientAuth::WORDS)
}

fn version(value: &DeValue<'_>) -> Result<TlsVersion, Unfit> {
    value::choice(value, &TlsVersion::WORDS)
}
