//! Two brokers of one cluster, each a port: they speak just enough Kafka for a load, and fail as the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::proxy::PATIENCE;
use crate::state::{Reply, Session, State};

/// Api keys.
pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const LIST_OFFSETS: i16 = 2;
pub const METADATA: i16 = 3;
pub const SASL_HANDSHAKE: i16 = 17;
pub const API_VERSIONS: i16 = 18;
pub const CREATE_TOPICS: i16 = 19;
pub const DELETE_TOPICS: i16 = 20;
pub const SASL_AUTHENTICATE: i16 = 36;

/// What happens instead of an answer without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An answer with this error code.
    Error(i16),
    /// The connection is closed.
    Close,
    /// Nothing, for ever.
    Silence,
    /// A size field that no answer has.
    Huge,
}

/// Decides by the api key and by how many such requests came before.
pub type Script = dyn Fn(i16, usize) -> Option<Fault> + Send + Sync;

/// How the cluster differs from a well-behaved one.
#[derive(Default)]
pub struct Options {
    pub script: Option<Box<Script>>,
    /// The versions offered are the lowest.
    pub is_old: bool,
    /// Speaks TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Wants PLAIN with this user and password, and pretends to do SCRAM-SHA-256.
    pub sasl: Option<(&'static str, &'static str)>,
    /// A topic that is there already.
    pub topic: Option<&'static str>,
}

/// The running cluster.
pub struct Mock {
    state: Arc<Mutex<State>>,
    addresses: Vec<SocketAddr>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Mock {
    pub fn start(options: Options) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listeners = [listen(), listen()];
        let address = |listener: &TcpListener| listener.local_addr().expect("a bound socket");
        let addresses: Vec<SocketAddr> = listeners.iter().map(address).collect();
        let tls = options.tls.clone();
        let state = Arc::new(Mutex::new(State::new(&addresses, options)));
        let stopped = Arc::new(AtomicBool::new(false));
        let accept = |(node, listener): (usize, TcpListener)| {
            let (state, stopped, tls) = (state.clone(), stopped.clone(), tls.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let (state, tls) = (state.clone(), tls.clone());
                    std::thread::spawn(move || serve(node, stream, &state, tls));
                }
            })
        };
        let threads = listeners.into_iter().enumerate().map(accept).collect();
        Mock {
            state,
            addresses,
            stopped,
            threads,
        }
    }

    /// Well-behaved.
    pub fn calm() -> Self {
        Self::start(Options::default())
    }

    /// With faults.
    pub fn with(script: impl Fn(i16, usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self::start(Options {
            script: Some(Box::new(script)),
            ..Options::default()
        })
    }

    /// Where the first broker is.
    pub fn address(&self) -> String {
        self.addresses[0].to_string()
    }

    /// The same by a name.
    pub fn port(&self) -> u16 {
        self.addresses[0].port()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Fails unless a topic was made and none is left.
    pub fn assert_cleaned_up(&self) {
        let state = self.state();
        assert_eq!(state.created.len(), 1, "{:?}", state.created);
        assert_eq!(state.topics.len(), 0, "{:?}", state.created);
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for (thread, address) in self.threads.drain(..).zip(&self.addresses) {
            let _ = TcpStream::connect(address);
            let _ = thread.join();
        }
    }
}

fn serve(node: usize, stream: TcpStream, state: &Mutex<State>, tls: Option<Arc<ServerConfig>>) {
    stream.set_nodelay(true).expect("a socket option");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    match tls {
        None => serve_over(node, stream, state),
        Some(config) => {
            let connection = ServerConnection::new(config).expect("a good configuration");
            serve_over(node, StreamOwned::new(connection, stream), state);
        }
    }
}

fn serve_over(node: usize, mut stream: impl Read + Write, state: &Mutex<State>) {
    let mut session = Session::new(node);
    loop {
        let mut size = [0; 4];
        if stream.read_exact(&mut size).is_err() {
            return;
        }
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        let reply = lock(state).reply(&mut session, &frame);
        let written = match reply {
            Reply::Frame(bytes) => stream.write_all(&bytes).and_then(|()| stream.flush()),
            Reply::Nothing => Ok(()),
            Reply::Close => return,
        };
        if written.is_err() {
            return;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
