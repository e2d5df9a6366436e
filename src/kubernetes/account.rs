//! Where a pod finds the API server, whom it trusts there, and as whom it asks.
//!
//! A kubeconfig is not read: its YAML, its commands and its proxies would be a fifth of the program, and a pod has none.

use std::error::Error;
use std::fs;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use kube::client::{Body, ClientBuilder};
use kube::core::Status;
use kube::{Client, Config};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Failure;
use crate::text::tamed;
use crate::transport::tls::client;

/// How long one of the addresses of the API server's name is tried, where it has several.
const ONE_ADDRESS: Duration = Duration::from_secs(4);

/// After so long without a byte the API server is asked whether it is there, and after three questions without an answer it is not:
/// a watch may be silent for minutes, and so is a machine that has lost its power.
const SILENCE: Duration = Duration::from_secs(20);

/// From one question to the next.
const AGAIN: Duration = Duration::from_secs(8);

/// Questions.
const QUESTIONS: u32 = 3;

/// An answer is no longer than that; a watch with more of it is begun anew. etcd takes objects of 1.5 MiB.
const MOST: usize = 4 << 20;

/// What is read of an answer that says what is wrong.
const MOST_OF_A_FAULT: usize = 64 << 10;

/// What tower and kube know of an error.
type BoxError = Box<dyn Error + Send + Sync>;

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
    ///
    /// What is no success is an error here already, by the status of HTTP: kube does not look at that of a watch, and what is between
    /// us and the API server may say something else in the body, or nothing.
    async fn ask(
        self,
        mut request: Request<Body>,
    ) -> Result<Response<Limited<Incoming>>, BoxError> {
        let host = self.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())?;
        let stream = connect(host, self.uri.port_u16().unwrap_or(443)).await?;
        let stream = TlsConnector::from(self.tls).connect(name, stream).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends once the answer was read, or nobody wants it any more; what goes wrong on it the answer tells.
        tokio::spawn(connection);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host);
        headers.insert(AUTHORIZATION, self.authorization);
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        let answer = sender.send_request(request).await?;
        match answer.status() {
            code if code.is_success() => Ok(answer.map(|body| Limited::new(body, MOST))),
            code => {
                let body = Limited::new(answer.into_body(), MOST_OF_A_FAULT).collect();
                let text = body.await.map(|body| body.to_bytes());
                let status = fault(code, &text.unwrap_or_default());
                Err(kube::Error::Api(Box::new(status)).into())
            }
        }
    }
}

/// What the API server writes into its audit log.
const PRODUCT: &str = concat!("portolan/", env!("CARGO_PKG_VERSION"));

/// What is told of an answer that is no success.
fn fault(code: StatusCode, body: &[u8]) -> Status {
    let mut status: Status = serde_json::from_slice(body).unwrap_or_default();
    status.code = code.as_u16();
    if status.message.is_empty() {
        let text = String::from_utf8_lossy(body);
        status.message = match text.trim() {
            "" => code.canonical_reason().unwrap_or_default().to_owned(),
            text => tamed(text, LONGEST),
        };
    }
    status
}

/// More of what is no status is not told.
const LONGEST: usize = 200;

/// It is an address nearly always; a name may have some that lead nowhere.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::other(format!("{host} has no address")));
    for address in lookup_host((host, port)).await? {
        outcome = match timeout(ONE_ADDRESS, TcpStream::connect(address)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_nodelay(true)?;
    let questions = TcpKeepalive::new().with_time(SILENCE).with_interval(AGAIN);
    socket.set_tcp_keepalive(&questions.with_retries(QUESTIONS))?;
    Ok(stream)
}

fn no_account(error: &(dyn Error + 'static)) -> Failure {
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
pub(super) fn whole(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for more in chain(error).skip(1).map(ToString::to_string) {
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
    }
    text
}

/// An error, what led to it, and so on.
pub(super) fn chain<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_http_counts_whatever_the_body_says() {
        let told = |code, body: &str| {
            let status = fault(StatusCode::from_u16(code).unwrap(), body.as_bytes());
            (status.code, status.message)
        };
        let of = |code, text: &str| (code, text.to_owned());
        let whole = "{\"kind\":\"Status\",\"message\":\"no\",\"code\":403}";
        assert_eq!(told(403, whole), of(403, "no"));
        let short = "{\"message\":\"Unauthorized\"}";
        assert_eq!(told(401, short), of(401, "Unauthorized"));
        assert_eq!(told(429, "Too many\n"), of(429, "Too many"));
        assert_eq!(told(503, ""), of(503, "Service Unavailable"));
        let long = told(502, &"a".repeat(1000)).1;
        assert!(long.len() < 300, "{long}");
    }
}
