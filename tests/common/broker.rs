//! A scripted broker: accepts connections, counts them, and does with each what the test says, right or wrong.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use kafka_protocol::protocol::{Encodable, HeaderVersion};
use rustls::{ServerConfig, ServerConnection};
use socket2::{Domain, SockRef, Socket, Type};

use super::proxy::{PATIENCE, wait_until};
pub use super::received::Received;
use super::wire::Wire;

/// A listening broker. It goes away when this is dropped.
pub struct Broker {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    listener: Arc<TcpListener>,
    links: Mutex<Receiver<Link>>,
    refused: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection from the proxy.
#[derive(Debug)]
pub struct Link {
    wire: Wire,
}

impl Broker {
    /// On a free port of 127.0.0.1; the test takes each connection by [`Broker::accept`].
    pub fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The same at a given address.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::listen(listener(address, false), None, None)
    }

    /// One that speaks TLS: what [`Broker::accept`] takes are connections whose handshake is over.
    pub fn with_tls(config: Arc<ServerConfig>) -> Self {
        let listener = listener((Ipv4Addr::LOCALHOST, 0).into(), false);
        Self::listen(listener, Some(config), None)
    }

    /// The same with receive buffers so small that a broker which does not read is felt soon.
    pub fn with_small_window() -> Self {
        Self::listen(listener((Ipv4Addr::LOCALHOST, 0).into(), true), None, None)
    }

    /// The same by TLS.
    pub fn with_tls_and_small_window(config: Arc<ServerConfig>) -> Self {
        let listener = listener((Ipv4Addr::LOCALHOST, 0).into(), true);
        Self::listen(listener, Some(config), None)
    }

    /// Each connection is handled by this function in a thread of its own.
    pub fn serving(handler: impl Fn(Link) + Send + Sync + 'static) -> Self {
        Self::serving_at((Ipv4Addr::LOCALHOST, 0).into(), handler)
    }

    /// The same at a given address.
    pub fn serving_at(address: SocketAddr, handler: impl Fn(Link) + Send + Sync + 'static) -> Self {
        Self::listen(listener(address, false), None, Some(Arc::new(handler)))
    }

    /// Answers every request with the frame that `answer` makes of it; `None` closes the connection.
    pub fn answering(
        answer: impl Fn(&Received) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::answering_at((Ipv4Addr::LOCALHOST, 0).into(), answer)
    }

    /// The same at a given address.
    pub fn answering_at(
        address: SocketAddr,
        answer: impl Fn(&Received) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::serving_at(address, move |link| answer_all(link, &answer))
    }

    /// The same by TLS.
    pub fn answering_by_tls(
        config: Arc<ServerConfig>,
        answer: impl Fn(&Received) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener = listener((Ipv4Addr::LOCALHOST, 0).into(), false);
        let handler = move |link| answer_all(link, &answer);
        Self::listen(listener, Some(config), Some(Arc::new(handler)))
    }

    fn listen(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        handler: Option<Arc<Handler>>,
    ) -> Self {
        let address = listener.local_addr().expect("a bound socket");
        let accepted = Arc::new(AtomicUsize::new(0));
        let listener = Arc::new(listener);
        let refused = Arc::new(Mutex::new(Vec::new()));
        let (sender, links) = channel();
        let taker = Taker {
            tls,
            refused: refused.clone(),
            handler,
            links: sender,
        };
        let thread = std::thread::spawn({
            let (accepted, listener) = (accepted.clone(), listener.clone());
            move || accept_loop(&listener, &accepted, &taker)
        });
        Broker {
            address,
            accepted,
            listener,
            links: Mutex::new(links),
            refused,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until it has accepted so many connections.
    pub fn wait_for_connections(&self, least: usize) {
        wait_until("connections to the broker", || self.connections() >= least);
    }

    /// Why TLS handshakes failed so far.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next connection.
    pub fn accept(&self) -> Link {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.recv_timeout(PATIENCE).expect("the proxy connects")
    }

    /// Goes away: its port refuses connections from here on. Those that are open stay.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        // Closing it would not do: a child process that another test is starting has a copy for a moment, and until then
        // the port would accept. This ends it for all copies, and wakes the loop.
        SockRef::from(&*self.listener)
            .shutdown(Shutdown::Both)
            .expect("a listener can be shut down");
        let _ = thread.join();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

type Handler = dyn Fn(Link) + Send + Sync;

fn listener(address: SocketAddr, small_window: bool) -> TcpListener {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)
        .expect("a socket can be made");
    socket.set_reuse_address(true).expect("a socket option");
    if small_window {
        // Accepted sockets inherit it.
        socket.set_recv_buffer_size(4096).expect("a socket option");
    }
    socket
        .bind(&address.into())
        .unwrap_or_else(|error| panic!("cannot bind {address}: {error}"));
    socket.listen(1024).expect("a bound socket can listen");
    socket.into()
}

fn accept_loop(listener: &TcpListener, accepted: &AtomicUsize, taker: &Taker) {
    while let Ok((stream, _)) = listener.accept() {
        let link = Link {
            wire: Wire::new(stream),
        };
        accepted.fetch_add(1, Ordering::SeqCst);
        if taker.tls.is_none() && taker.handler.is_none() {
            taker.take(link);
        } else {
            let taker = taker.clone();
            std::thread::spawn(move || taker.take(link));
        }
    }
}

/// What becomes of a connection.
#[derive(Clone)]
struct Taker {
    tls: Option<Arc<ServerConfig>>,
    refused: Arc<Mutex<Vec<String>>>,
    handler: Option<Arc<Handler>>,
    links: Sender<Link>,
}

impl Taker {
    fn take(&self, mut link: Link) {
        if let Some(config) = &self.tls {
            let server = ServerConnection::new(config.clone());
            if let Err(error) = link.secure(server.expect("a configuration for servers")) {
                let refused = self.refused.lock();
                let mut refused = refused.unwrap_or_else(PoisonError::into_inner);
                return refused.push(error.to_string());
            }
        }
        match &self.handler {
            Some(handler) => handler(link),
            // The test may be over.
            None => drop(self.links.send(link)),
        }
    }
}

fn answer_all(mut link: Link, answer: impl Fn(&Received) -> Option<Vec<u8>>) {
    while let Some(frame) = link.try_request().as_ref().and_then(&answer) {
        if link.try_send(&frame).is_err() {
            return;
        }
    }
}

impl Link {
    /// The next request.
    pub fn request(&mut self) -> Received {
        self.try_request().expect("a request, and not the end")
    }

    /// The next request; `None` at the end of the connection.
    pub fn try_request(&mut self) -> Option<Received> {
        self.try_frame().map(Received::parse)
    }

    /// Sends the answer to a request.
    pub fn answer<M: Encodable + HeaderVersion>(&mut self, request: &Received, message: &M) {
        self.send(&request.answer(message));
    }
}

impl Deref for Link {
    type Target = Wire;
    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl Link {
    /// The connection alone.
    pub fn into_wire(self) -> Wire {
        self.wire
    }
}
