//! The scripted broker: one thread that answers every request of a connection with the same prepared frame, at one address in
//! plaintext and at another through TLS.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustls::{ServerConfig, ServerConnection};

use crate::process;
use crate::stream::Stream;
use crate::wire::{IN_REQUEST, Inbox, Outbox, Template};

/// A broker that listens and answers as long as the process lives.
#[derive(Debug)]
pub struct Broker {
    plain: SocketAddr,
    tls: SocketAddr,
    script: Arc<Mutex<Arc<Template>>>,
}

impl Broker {
    /// Starts its thread on a CPU.
    pub fn start(cpu: Option<usize>, tls: Arc<ServerConfig>, answer: Arc<Template>) -> Self {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of our own");
        let listeners = [(listen(), None), (listen(), Some(tls))];
        let [plain, tls] = [&listeners[0].0, &listeners[1].0]
            .map(|listener| listener.local_addr().expect("a bound socket"));
        let script = Arc::new(Mutex::new(answer));
        let shared = script.clone();
        std::thread::spawn(move || {
            process::pin_this_thread(cpu);
            serve(&listeners, &shared);
        });
        Broker { plain, tls, script }
    }

    /// Where it speaks plaintext.
    pub fn address(&self) -> SocketAddr {
        self.plain
    }

    /// Where it speaks TLS.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls
    }

    /// What connections that are accepted from now on get as answers.
    pub fn answer_with(&self, answer: Arc<Template>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

struct Connection {
    stream: Stream,
    inbox: Inbox,
    outbox: Outbox,
    /// Whether the socket took all there was.
    blocked: bool,
    /// Whether we hear when the socket takes bytes again.
    watched: bool,
}

/// Listeners are told from connections by what is above it.
const FIRST_LISTENER: u64 = u64::MAX / 2;

/// A listener, and what its connections are encrypted with.
type Listener = (TcpListener, Option<Arc<ServerConfig>>);

fn serve(listeners: &[Listener], script: &Mutex<Arc<Template>>) {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll instance");
    for (data, (listener, _)) in (FIRST_LISTENER..).zip(listeners) {
        listener.set_nonblocking(true).expect("a socket option");
        epoll::add(&poll, listener, EventData::new_u64(data), EventFlags::IN)
            .expect("the listener can be watched");
    }
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut scratch = vec![0; 128 * 1024];
    let mut events = Vec::with_capacity(64);
    loop {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in &events {
            let (data, flags) = (event.data, event.flags);
            if let Some(n) = data.u64().checked_sub(FIRST_LISTENER) {
                let (listener, tls) = &listeners[n as usize];
                while let Ok((socket, _)) = listener.accept() {
                    let answer = script.lock().unwrap_or_else(PoisonError::into_inner);
                    let index = free.pop().unwrap_or(connections.len());
                    if index == connections.len() {
                        connections.push(None);
                    }
                    let connection = accept(&poll, socket, tls.as_ref(), index, answer.clone());
                    connections[index] = Some(connection);
                }
                continue;
            }
            let index = data.u64() as usize;
            let Some(connection) = connections[index].as_mut() else {
                continue;
            };
            if !connection.serve(flags, &mut scratch) {
                // Closing it also takes it out of the epoll instance.
                connections[index] = None;
                free.push(index);
                continue;
            }
            connection.watch(&poll, index);
        }
    }
}

fn accept(
    poll: &rustix::fd::OwnedFd,
    socket: TcpStream,
    tls: Option<&Arc<ServerConfig>>,
    index: usize,
    answer: Arc<Template>,
) -> Connection {
    socket.set_nonblocking(true).expect("a socket option");
    socket.set_nodelay(true).expect("a socket option");
    let data = EventData::new_u64(index as u64);
    epoll::add(poll, &socket, data, EventFlags::IN).expect("a connection can be watched");
    let tls = tls.map(|config| {
        let session = ServerConnection::new(config.clone());
        session.expect("a configuration that serves").into()
    });
    Connection {
        stream: Stream::new(socket, tls),
        inbox: Inbox::new(IN_REQUEST),
        outbox: Outbox::new(answer),
        blocked: false,
        watched: false,
    }
}

impl Connection {
    /// Reads once and answers what is complete; false at its end.
    fn serve(&mut self, flags: EventFlags, scratch: &mut [u8]) -> bool {
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            let Connection {
                stream,
                inbox,
                outbox,
                ..
            } = self;
            let open = stream.receive(scratch, |bytes| inbox.feed(bytes, |id| outbox.push(id)));
            if !open.unwrap_or(false) {
                return false;
            }
        }
        match self.outbox.flush(&mut self.stream) {
            Ok(all) => self.blocked = !all,
            Err(_) => return false,
        }
        true
    }

    fn watch(&mut self, poll: &rustix::fd::OwnedFd, index: usize) {
        if self.blocked != self.watched {
            watch(poll, self.stream.socket(), index as u64, self.blocked);
            self.watched = self.blocked;
        }
    }
}

/// Asks for readiness to read, and to write where something waits.
pub fn watch(poll: &rustix::fd::OwnedFd, stream: &TcpStream, data: u64, blocked: bool) {
    let flags = match blocked {
        true => EventFlags::IN | EventFlags::OUT,
        false => EventFlags::IN,
    };
    epoll::modify(poll, stream, EventData::new_u64(data), flags)
        .expect("a connection can be watched");
}
