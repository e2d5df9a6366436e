//! A scripted broker: accepts connections, counts them, and does with each what the test says, right or wrong.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use kafka_protocol::protocol::{Encodable, HeaderVersion, Request};
use socket2::{Domain, SockRef, Socket, Type};

use super::frames;
use super::proxy::{PATIENCE, wait_until};
use super::wire::Wire;

/// A listening broker. It goes away when this is dropped.
pub struct Broker {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    listener: Arc<TcpListener>,
    links: Mutex<Receiver<Link>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection from the proxy.
#[derive(Debug)]
pub struct Link {
    wire: Wire,
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// From the api key to its end.
    pub frame: Vec<u8>,
}

impl Broker {
    /// On a free port of 127.0.0.1; the test takes each connection by [`Broker::accept`].
    pub fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The same at a given address.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::listen(listener(address, false), None)
    }

    /// The same with receive buffers so small that a broker which does not read is felt soon.
    pub fn with_small_window() -> Self {
        Self::listen(listener((Ipv4Addr::LOCALHOST, 0).into(), true), None)
    }

    /// Each connection is handled by this function in a thread of its own.
    pub fn serving(handler: impl Fn(Link) + Send + Sync + 'static) -> Self {
        Self::serving_at((Ipv4Addr::LOCALHOST, 0).into(), handler)
    }

    /// The same at a given address.
    pub fn serving_at(address: SocketAddr, handler: impl Fn(Link) + Send + Sync + 'static) -> Self {
        Self::listen(listener(address, false), Some(Arc::new(handler)))
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
        Self::serving_at(address, move |mut link| {
            while let Some(frame) = link.try_request().as_ref().and_then(&answer) {
                if link.try_send(&frame).is_err() {
                    return;
                }
            }
        })
    }

    fn listen(listener: TcpListener, handler: Option<Arc<Handler>>) -> Self {
        let address = listener.local_addr().expect("a bound socket");
        let accepted = Arc::new(AtomicUsize::new(0));
        let listener = Arc::new(listener);
        let (sender, links) = channel();
        let thread = std::thread::spawn({
            let (accepted, listener) = (accepted.clone(), listener.clone());
            move || accept_loop(&listener, &accepted, handler.as_ref(), &sender)
        });
        Broker {
            address,
            accepted,
            listener,
            links: Mutex::new(links),
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

fn accept_loop(
    listener: &TcpListener,
    accepted: &AtomicUsize,
    handler: Option<&Arc<Handler>>,
    links: &Sender<Link>,
) {
    while let Ok((stream, _)) = listener.accept() {
        let link = Link {
            wire: Wire::new(stream),
        };
        accepted.fetch_add(1, Ordering::SeqCst);
        match handler {
            Some(handler) => {
                let handler = handler.clone();
                std::thread::spawn(move || handler(link));
            }
            None => {
                // The test may be over.
                let _ = links.send(link);
            }
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

impl Received {
    fn parse(frame: Vec<u8>) -> Self {
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *frame.first_chunk().expect("a request header");
        Received {
            api_key: i16::from_be_bytes([k0, k1]),
            api_version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
            frame,
        }
    }

    /// The request's message.
    pub fn decode<R: Request>(&self) -> R {
        frames::decode_request(&self.frame)
    }

    /// A frame that answers this request, with its size field.
    pub fn answer<M: Encodable + HeaderVersion>(&self, message: &M) -> Vec<u8> {
        frames::response(self.correlation_id, self.api_version, message)
    }

    /// A frame that answers this request with these bytes behind the correlation id.
    pub fn answer_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        frames::framed(&[&self.correlation_id.to_be_bytes(), bytes].concat())
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
