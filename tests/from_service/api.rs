//! A stub of Kubernetes' API server that knows one Service, by TLS and with a token, and does right and wrong what a test says.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::common::certificates::Authority;
use crate::common::from_service::can_mount;
use crate::common::proxy::wait_until;

/// The Service that is there.
pub const NAMESPACE: &str = "kafka";
pub const NAME: &str = "lb";

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As the real one does.
    Right,
    /// It closes each connection at once.
    Away,
    /// It takes requests, and never answers.
    Silent,
    /// The account may not do anything.
    Forbids,
    /// The account may get and not watch.
    ForbidsWatch,
    /// There is no such Service.
    KnowsNone,
    /// The version is too old: said by the status of the answer.
    Gone,
    /// The same, said by an event of a watch that has begun.
    GoneEvent,
    /// The Service is deleted after it was read and before it is watched.
    GoneBetween,
    /// Each answer is this.
    Says(u16, &'static str),
    /// The same, but for reads.
    SaysWatches(u16, &'static str),
    /// Answers without an end.
    Endless,
    /// The same, but for reads.
    EndlessWatches,
    /// A watch begins and tells nothing.
    Dumb,
}

/// What it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub path: String,
    pub token: String,
}

impl Seen {
    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=true")
    }
}

struct State {
    manner: Manner,
    ingress: Value,
    version: u64,
    /// Watches that began before that many cuts end at once.
    cuts: u64,
    token: String,
    seen: Vec<Seen>,
    /// Watches that are open now.
    watches: usize,
    /// Changes that those who watched were told.
    events: usize,
}

/// A running API server. It goes away with the process of the test.
pub struct Api {
    address: SocketAddr,
    authority: Authority,
    state: Arc<Mutex<State>>,
}

impl Api {
    /// With a Service that has these entries in `status.loadBalancer.ingress`; `None` if this machine cannot have a proxy in what
    /// looks like a pod.
    pub fn start(ingress: Value) -> Option<Self> {
        Api::start_as(&["127.0.0.1", "localhost"], ingress)
    }

    /// The same with a certificate for other names.
    pub fn start_as(names: &[&str], ingress: Value) -> Option<Self> {
        if !can_mount() {
            return None;
        }
        let authority = Authority::new("Kubernetes");
        let own = authority.server(names);
        let chain = CertificateDer::pem_slice_iter(own.chain_pem().as_bytes());
        let chain = chain.collect::<Result<_, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).expect("PEM");
        let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate and its key");
        let tls = Arc::new(tls);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            manner: Manner::Right,
            ingress,
            version: 100,
            cuts: 0,
            token: "first".to_owned(),
            seen: Vec::new(),
            watches: 0,
            events: 0,
        }));
        thread::spawn({
            let state = state.clone();
            move || {
                for stream in listener.incoming().flatten() {
                    let (state, tls) = (state.clone(), tls.clone());
                    thread::spawn(move || serve(stream, tls, &state));
                }
            }
        });
        Some(Api {
            address,
            authority,
            state,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who signed its certificate.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Lets the Service have other addresses; those who watch are told.
    pub fn set(&self, ingress: Value) {
        let mut state = lock(&self.state);
        state.ingress = ingress;
        state.version += 1;
    }

    /// Lets it behave so from now on. Watches that are open end.
    pub fn behave(&self, manner: Manner) {
        let mut state = lock(&self.state);
        state.manner = manner;
        state.cuts += 1;
    }

    /// Cuts the connections of all watches.
    pub fn cut(&self) {
        lock(&self.state).cuts += 1;
    }

    /// From now on only this token is good.
    pub fn want(&self, token: &str) {
        lock(&self.state).token = token.to_owned();
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state).seen.clone()
    }

    /// How many changes those who watched were told.
    pub fn events(&self) -> usize {
        lock(&self.state).events
    }

    /// Waits until somebody watches.
    pub fn wait_for_watch(&self) {
        wait_until("a watch", || lock(&self.state).watches > 0);
    }

    /// Waits for so many requests more than there were.
    pub fn wait_for_more(&self, requests: usize) {
        let before = self.seen().len();
        wait_until("requests", || self.seen().len() >= before + requests);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// Serves one connection. How it ends is of no interest.
fn serve(stream: TcpStream, tls: Arc<ServerConfig>, state: &Mutex<State>) {
    if lock(state).manner == Manner::Away {
        return;
    }
    let connection = ServerConnection::new(tls).expect("a configuration");
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    while let Ok(Some(request)) = read(&mut stream) {
        if answer(&mut stream, request, state).is_err() {
            return;
        }
    }
}

/// The next request, which has no body.
fn read(stream: &mut Stream) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    let mut head = Vec::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            text => head.push(text.to_owned()),
        }
    }
    let path = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
    assert!(
        head[0].starts_with("GET "),
        "nothing else is allowed: {head:?}"
    );
    let bearer = |line: &String| {
        let (name, value) = line.split_once(": ")?;
        let is_it = name.eq_ignore_ascii_case("authorization");
        is_it.then(|| value.strip_prefix("Bearer ").unwrap_or(value).to_owned())
    };
    let token = head.iter().find_map(bearer).unwrap_or_default();
    Ok(Some(Seen { path, token }))
}

fn answer(stream: &mut Stream, request: Seen, state: &Mutex<State>) -> io::Result<()> {
    let (manner, is_known) = {
        let mut state = lock(state);
        state.seen.push(request.clone());
        (state.manner, request.token == state.token)
    };
    let collection = format!("/api/v1/namespaces/{NAMESPACE}/services");
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if !is_known {
        return status(stream, 401, "Unauthorized");
    }
    // What a Role with resourceNames allows: this name, got or watched, and no list.
    let named = query.contains(&format!("fieldSelector=metadata.name%3D{NAME}"));
    let watches = path == collection && request.is_watch() && named;
    if !watches && path != format!("{collection}/{NAME}") {
        return status(
            stream,
            403,
            "services is forbidden: User \"test\" cannot list it",
        );
    }
    match manner {
        Manner::Away => Err(io::ErrorKind::ConnectionAborted.into()),
        Manner::Silent => {
            while lock(state).manner == Manner::Silent {
                thread::sleep(STEP);
            }
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        Manner::Forbids => forbidden(stream, "get"),
        Manner::ForbidsWatch if watches => forbidden(stream, "watch"),
        Manner::KnowsNone => status(stream, 404, "services \"lb\" not found"),
        Manner::Gone if watches => status(stream, 410, "too old resource version"),
        Manner::Says(code, body) => whole(stream, code, body),
        Manner::SaysWatches(code, body) if watches => whole(stream, code, body),
        Manner::Endless => endless(stream),
        Manner::EndlessWatches if watches => endless(stream),
        _ if watches => watch(stream, query, manner, state),
        _ => {
            let text = service(&lock(state)).to_string();
            whole(stream, 200, &text)
        }
    }
}

const STEP: Duration = Duration::from_millis(5);

/// Tells what there is now and changes of it until it is cut. Changes since a version would not do: an API server that was begun
/// anew, or whose etcd has been compacted, knows nothing of before, and the Service may have been as it is for years.
fn watch(stream: &mut Stream, query: &str, manner: Manner, state: &Mutex<State>) -> io::Result<()> {
    let version = query
        .split('&')
        .find_map(|part| part.strip_prefix("resourceVersion="));
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.get_mut().write_all(head.as_bytes())?;
    stream.get_mut().flush()?;
    let is_old = version.is_some_and(|version| !version.is_empty());
    if manner == Manner::GoneEvent || is_old {
        event(stream, "ERROR", &failure(410, "too old resource version"))?;
        return stream.get_mut().write_all(b"0\r\n\r\n");
    }
    let began = {
        let mut state = lock(state);
        state.watches += 1;
        if manner == Manner::GoneBetween {
            state.manner = Manner::KnowsNone;
        }
        state.cuts
    };
    let mut version = None;
    let outcome = loop {
        let (now, cuts, object) = {
            let state = lock(state);
            (state.version, state.cuts, service(&state))
        };
        if cuts != began {
            break Err(io::ErrorKind::ConnectionAborted.into());
        }
        if version != Some(now) && !matches!(manner, Manner::GoneBetween | Manner::Dumb) {
            let kind = if version.is_none() {
                "ADDED"
            } else {
                "MODIFIED"
            };
            version = Some(now);
            if let Err(error) = event(stream, kind, &object) {
                break Err(error);
            }
            lock(state).events += 1;
        }
        thread::sleep(STEP);
    };
    lock(state).watches -= 1;
    outcome
}

/// Until nobody reads it any more.
fn endless(stream: &mut Stream) -> io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    loop {
        write!(stream, "10000\r\n{}\r\n", " ".repeat(0x10000))?;
    }
}

fn event(stream: &mut Stream, kind: &str, object: &Value) -> io::Result<()> {
    let line = format!("{}\n", json!({"type": kind, "object": object}));
    write!(stream.get_mut(), "{:x}\r\n{line}\r\n", line.len())?;
    stream.get_mut().flush()
}

fn service(state: &State) -> Value {
    json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "resourceVersion": state.version.to_string()},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 9092}], "selector": {"app": "portolan"}},
        "status": {"loadBalancer": {"ingress": state.ingress}},
    })
}

fn failure(code: u16, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "Test", "code": code,
    })
}

fn forbidden(stream: &mut Stream, verb: &str) -> io::Result<()> {
    let message = format!("services \"{NAME}\" is forbidden: User \"test\" cannot {verb} it");
    status(stream, 403, &message)
}

fn status(stream: &mut Stream, code: u16, message: &str) -> io::Result<()> {
    whole(stream, code, &failure(code, message).to_string())
}

fn whole(stream: &mut Stream, code: u16, body: &str) -> io::Result<()> {
    let bytes = body.len();
    let stream = stream.get_mut();
    write!(
        stream,
        "HTTP/1.1 {code} Test\r\ncontent-type: application/json\r\ncontent-length: {bytes}\r\n\r\n{body}"
    )?;
    stream.flush()
}
