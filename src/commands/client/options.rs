//! How to connect, as it is said on the command line or in the environment.

use std::env::VarError;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use rustls::pki_types::ServerName;

use super::sasl::{Credentials, Mechanism};
use super::{Settings, Tls, tls};
use crate::transport::tls::pem::read_file;

/// The variable that holds a password, which must not stand on a command line where everyone can read it.
const PASSWORD: &str = "PORTOLAN_SASL_PASSWORD";
/// The same for a token.
const TOKEN: &str = "PORTOLAN_SASL_TOKEN";

/// TLS, SASL, and what else a client says about itself.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Options {
    /// What brokers log and set quotas by
    #[arg(
        long,
        value_name = "NAME",
        default_value = "portolan",
        env = "PORTOLAN_CLIENT_ID",
        value_parser = client_id
    )]
    client_id: String,
    /// How long a connection, or an answer, may take
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        env = "PORTOLAN_TIMEOUT",
        value_parser = crate::commands::units::duration
    )]
    timeout: Duration,
    /// Speak TLS. Certificates are always verified
    #[arg(long, env = "PORTOLAN_TLS", value_parser = BoolishValueParser::new())]
    tls: bool,
    /// Certificates of authorities in PEM [default: the system's]
    #[arg(long, value_name = "FILE", env = "PORTOLAN_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// The name that certificates must have [default: the host that is connected to]
    #[arg(long, value_name = "NAME", env = "PORTOLAN_TLS_SERVER_NAME")]
    tls_server_name: Option<String>,
    /// The client's own certificate chain in PEM
    #[arg(long, value_name = "FILE", env = "PORTOLAN_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", env = "PORTOLAN_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Authenticate by SASL
    #[arg(
        long,
        value_enum,
        ignore_case = true,
        value_name = "MECHANISM",
        env = "PORTOLAN_SASL_MECHANISM"
    )]
    sasl_mechanism: Option<Mechanism>,
    /// The user. The password comes from PORTOLAN_SASL_PASSWORD or a file
    #[arg(long, value_name = "NAME", env = "PORTOLAN_SASL_USERNAME")]
    sasl_username: Option<String>,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE", env = "PORTOLAN_SASL_PASSWORD_FILE")]
    sasl_password_file: Option<PathBuf>,
    /// A file whose first line is the token of OAUTHBEARER, which may also come from PORTOLAN_SASL_TOKEN
    #[arg(long, value_name = "FILE", env = "PORTOLAN_SASL_TOKEN_FILE")]
    sasl_token_file: Option<PathBuf>,
}

/// What protects a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Security {
    /// Whether it is TLS.
    pub(crate) tls: bool,
    /// Whether the user is authenticated.
    pub(crate) sasl: bool,
}

impl Options {
    /// What `--tls` and `--sasl-mechanism` say.
    pub(crate) fn security(&self) -> Security {
        Security {
            tls: self.tls,
            sasl: self.sasl_mechanism.is_some(),
        }
    }

    /// The settings for each of these, in their order, with every file read once. Else what is wrong and what to change.
    pub(crate) fn settings(&self, legs: &[Security]) -> Result<Vec<Settings>, String> {
        let tls = match legs.iter().any(|leg| leg.tls) {
            true => Some(self.tls()?),
            false => {
                self.refuse_tls_flags()?;
                None
            }
        };
        let sasl = self.sasl()?;
        let settings = |leg: &Security| {
            if leg.sasl && sasl.is_none() {
                return Err("SASL needs a mechanism: give --sasl-mechanism".to_owned());
            }
            Ok(Settings {
                client_id: self.client_id.clone(),
                timeout: self.timeout,
                tls: tls.clone().filter(|_| leg.tls),
                sasl: sasl.clone().filter(|_| leg.sasl),
            })
        };
        legs.iter().map(settings).collect()
    }

    fn refuse_tls_flags(&self) -> Result<(), String> {
        let given = [
            ("--tls-ca", self.tls_ca.is_some()),
            ("--tls-server-name", self.tls_server_name.is_some()),
            ("--tls-cert", self.tls_cert.is_some()),
            ("--tls-key", self.tls_key.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(format!("{flag} is given without --tls: add --tls")),
            None => Ok(()),
        }
    }

    fn tls(&self) -> Result<Tls, String> {
        let own = match (&self.tls_cert, &self.tls_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
            (Some(_), None) => return Err("--tls-cert needs its key: add --tls-key".into()),
            (None, Some(_)) => {
                return Err("--tls-key needs its certificate: add --tls-cert".into());
            }
        };
        let files = tls::Files {
            ca: self.tls_ca.as_deref(),
            own,
        };
        let server_name = match self.tls_server_name.clone() {
            None => None,
            Some(name) => Some(ServerName::try_from(name.clone()).map_err(|_| {
                format!("--tls-server-name: \"{name}\" is no host name: write one like kafka.example.com")
            })?),
        };
        let (config, roots) = tls::client_config(&files)?;
        Ok(Tls {
            config: Arc::new(config),
            roots,
            server_name,
        })
    }

    fn sasl(&self) -> Result<Option<Credentials>, String> {
        let Some(mechanism) = self.sasl_mechanism else {
            let given = [
                self.sasl_username.is_some(),
                self.sasl_password_file.is_some(),
                self.sasl_token_file.is_some(),
            ];
            return match given.contains(&true) {
                false => Ok(None),
                true => Err(
                    "a user, a password or a token is given without a mechanism: add --sasl-mechanism"
                        .into(),
                ),
            };
        };
        let (username, password) = match mechanism {
            // The token says who it is.
            Mechanism::OAuthBearer => (
                self.sasl_username.clone().unwrap_or_default(),
                Secret::TOKEN.read(self.sasl_token_file.as_deref())?,
            ),
            _ => {
                let Some(username) = self.sasl_username.clone() else {
                    return Err("--sasl-mechanism needs a user: add --sasl-username".into());
                };
                let password = Secret::PASSWORD.read(self.sasl_password_file.as_deref())?;
                (username, password)
            }
        };
        Ok(Some(Credentials {
            mechanism,
            username,
            password,
        }))
    }
}

/// What nobody may see: it comes from a file or a variable.
struct Secret {
    what: &'static str,
    mechanism: &'static str,
    flag: &'static str,
    variable: &'static str,
}

impl Secret {
    const PASSWORD: Secret = Secret {
        what: "password",
        mechanism: "",
        flag: "--sasl-password-file",
        variable: PASSWORD,
    };
    const TOKEN: Secret = Secret {
        what: "token",
        mechanism: " OAUTHBEARER",
        flag: "--sasl-token-file",
        variable: TOKEN,
    };

    fn read(&self, file: Option<&Path>) -> Result<String, String> {
        let Secret {
            what,
            mechanism,
            flag,
            variable,
        } = self;
        match (file, std::env::var(variable)) {
            (Some(file), _) => self.first_line(file),
            (None, Ok(secret)) if !secret.is_empty() => Ok(secret),
            (None, Err(VarError::NotUnicode(_))) => {
                Err(format!("{variable} is not UTF-8: set it to the {what}"))
            }
            _ => Err(format!(
                "--sasl-mechanism{mechanism} needs a {what}: set {variable}, or add {flag}"
            )),
        }
    }

    fn first_line(&self, file: &Path) -> Result<String, String> {
        let Secret { what, flag, .. } = self;
        let wrong = |error: &dyn Display| {
            let file = file.display();
            format!("{flag}: {file}: {error}: give a file whose first line is the {what}")
        };
        let bytes = read_file(file).map_err(|error| wrong(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong(&"it is not UTF-8"))?;
        match text.lines().next() {
            None | Some("") => Err(format!(
                "{flag}: {}: its first line is empty: write the {what} there",
                file.display()
            )),
            Some(secret) => Ok(secret.to_owned()),
        }
    }
}

/// A string of the protocol has a length of 15 bits; this is enough, and keeps requests small.
fn client_id(text: &str) -> Result<String, String> {
    match text.len() {
        0..=255 => Ok(text.to_owned()),
        _ => Err("write at most 255 bytes".into()),
    }
}
