//! The scripted broker: one thread that answers every request of a connection with the same prepared frame.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::epoll::{self, EventData, EventFlags};

use crate::process;
use crate::wire::{IN_REQUEST, Inbox, Outbox, Template};

/// A broker that listens and answers as long as the process lives.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    script: Arc<Mutex<Arc<Template>>>,
}

impl Broker {
    /// Starts its thread on a CPU.
    pub fn start(cpu: Option<usize>, answer: Arc<Template>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of our own");
        let address = listener.local_addr().expect("a bound socket");
        let script = Arc::new(Mutex::new(answer));
        let shared = script.clone();
        std::thread::spawn(move || {
            process::pin_this_thread(cpu);
            serve(&listener, &shared);
        });
        Broker { address, script }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What connections that are accepted from now on get as answers.
    pub fn answer_with(&self, answer: Arc<Template>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

struct Connection {
    stream: TcpStream,
    inbox: Inbox,
    outbox: Outbox,
    /// Whether the socket took all there was.
    blocked: bool,
    /// Whether we hear when the socket takes bytes again.
    watched: bool,
}

const LISTENER: u64 = u64::MAX;

fn serve(listener: &TcpListener, script: &Mutex<Arc<Template>>) {
    listener.set_nonblocking(true).expect("a socket option");
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll instance");
    epoll::add(
        &poll,
        listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )
    .expect("the listener can be watched");
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
            if data.u64() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    let answer = script.lock().unwrap_or_else(PoisonError::into_inner);
                    let index = free.pop().unwrap_or(connections.len());
                    if index == connections.len() {
                        connections.push(None);
                    }
                    connections[index] = accept(&poll, stream, index, answer.clone());
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
    stream: TcpStream,
    index: usize,
    answer: Arc<Template>,
) -> Option<Connection> {
    stream.set_nonblocking(true).expect("a socket option");
    stream.set_nodelay(true).expect("a socket option");
    let data = EventData::new_u64(index as u64);
    epoll::add(poll, &stream, data, EventFlags::IN).expect("a connection can be watched");
    Some(Connection {
        stream,
        inbox: Inbox::new(IN_REQUEST),
        outbox: Outbox::new(answer),
        blocked: false,
        watched: false,
    })
}

impl Connection {
    /// Reads once and answers what is complete; false at its end.
    fn serve(&mut self, flags: EventFlags, scratch: &mut [u8]) -> bool {
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            match self.stream.read(scratch) {
                Ok(0) => return false,
                Ok(n) => {
                    let outbox = &mut self.outbox;
                    self.inbox.feed(&scratch[..n], |id| outbox.push(id));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
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
            watch(poll, &self.stream, index as u64, self.blocked);
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
