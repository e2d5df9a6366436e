//! Where a pod finds the API server, whom it trusts there, and as whom it asks.
//!
//! A kubeconfig is not read: its YAML, its commands and its proxies would be a fifth of the program, and a pod has none.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;
use crate::transport::stream::tune;
use crate::transport::tls::client;

/// A watch is silent for minutes, and so are firewalls about what they forget.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A pod's service account.
pub(super) struct Account {
    /// What asks the API server.
    pub(super) client: Client,
    /// The namespace of the pod.
    pub(super) namespace: String,
}

impl Account {
    /// With what is in its files now.
    pub(super) fn read() -> Result<Self, Failure> {
        let config = Config::incluster_env().map_err(|error| no_account(&error))?;
        let file = config.auth_info.token_file.as_deref().unwrap_or_default();
        let token = fs::read_to_string(file)
            .map_err(|error| unusable(format!("cannot read {file}: {error}")))?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| unusable(format!("{file} has what is no token")))?;
        authorization.set_sensitive(true);
        let host = config
            .cluster_url
            .authority()
            .map_or("", |all| all.as_str());
        let server = Server {
            uri: config.cluster_url.clone(),
            host: HeaderValue::try_from(host).map_err(|error| no_account(&error))?,
            tls: tls(config.root_cert.unwrap_or_default()).map_err(unusable)?,
            authorization,
        };
        let ask = tower::service_fn(move |request| server.clone().ask(request));
        let namespace = config.default_namespace.trim().to_owned();
        Ok(Account {
            client: ClientBuilder::new(ask, namespace.clone()).build(),
            namespace,
        })
    }
}

/// Trusts these authorities and no other.
fn tls(authorities: Vec<Vec<u8>>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let all = authorities.into_iter().map(CertificateDer::from);
    if roots.add_parsable_certificates(all).0 == 0 {
        return Err("its ca.crt has no certificate of an authority".to_owned());
    }
    client::config(Arc::new(roots), None).map(Arc::new)
}

/// The API server, and what is shown there.
#[derive(Clone)]
struct Server {
    uri: Uri,
    host: HeaderValue,
    tls: Arc<ClientConfig>,
    authorization: HeaderValue,
}

impl Server {
    /// One request on a connection of its own, for there are two in minutes. Whoever waits for it says how long.
    async fn ask(self, mut request: Request<Body>) -> io::Result<Response<Incoming>> {
        let host = self.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host, self.uri.port_u16().unwrap_or(443))).await?;
        tune(&stream, Some(KEEPALIVE))?;
        let stream = TlsConnector::from(self.tls).connect(name, stream).await?;
        let begun = handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = begun.map_err(io::Error::other)?;
        // It ends once the answer was read, or nobody wants it any more; what goes wrong on it the answer tells.
        tokio::spawn(connection);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host);
        headers.insert(AUTHORIZATION, self.authorization);
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        sender.send_request(request).await.map_err(io::Error::other)
    }
}

/// What the API server writes into its audit log.
const PRODUCT: &str = concat!("portolan/", env!("CARGO_PKG_VERSION"));

fn no_account(error: &dyn Error) -> Failure {
    unusable(whole(error))
}

fn unusable(message: String) -> Failure {
    Failure {
        reason: Failure::NO_ACCOUNT,
        message,
        remedy: "give the pod the token of a service account (automountServiceAccountToken: true); outside of Kubernetes set \
                 advertised_host instead of advertised_from_service"
            .to_owned(),
    }
}

/// An error with all that led to it: libraries tell only the last part of it. Some repeat the next in themselves.
pub(super) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}
