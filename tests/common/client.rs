//! A raw client: writes exact bytes, or asks with kafka-protocol's messages.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use kafka_protocol::protocol::Request;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Socket, Type};

use super::frames;
use super::proxy::{PATIENCE, wait_until};
use super::wire::Wire;

/// A connected client.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    next_id: i32,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("{address} should accept: {error}"));
        Self::over(stream)
    }

    /// Connects with a receive buffer so small that a client which does not read is felt soon.
    pub fn with_small_window(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)
            .expect("a socket can be made");
        socket.set_recv_buffer_size(4096).expect("a socket option");
        socket
            .connect_timeout(&address.into(), PATIENCE)
            .expect("the port accepts");
        Self::over(socket.into())
    }

    /// Connects from this address, to be another peer than the other clients.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)
            .expect("a socket can be made");
        socket
            .bind(&SocketAddr::new(source, 0).into())
            .unwrap_or_else(|error| panic!("cannot bind {source}: {error}"));
        socket
            .connect_timeout(&address.into(), PATIENCE)
            .expect("the port accepts");
        Self::over(socket.into())
    }

    /// Does the TLS handshake with a server of this name; an IP address is not told to the server.
    pub fn secured(mut self, config: &Arc<ClientConfig>, name: &str) -> Self {
        self.secure(Self::tls(config, name))
            .unwrap_or_else(|error| panic!("a TLS handshake with {name}: {error}"));
        self
    }

    /// What [`Wire::secure`] takes.
    pub fn tls(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
        let name = name.to_owned().try_into().expect("a name");
        ClientConnection::new(config.clone(), name).expect("a configuration for clients")
    }

    fn over(stream: TcpStream) -> Self {
        Client {
            wire: Wire::new(stream),
            next_id: 1,
        }
    }

    /// Sends a request and returns its correlation id.
    pub fn request<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&frames::request(id, version, request));
        id
    }

    /// Reads the answer to a request.
    pub fn answer<R: Request>(&mut self, id: i32, version: i16) -> R::Response {
        let (found, response) = frames::decode_response::<R>(&self.frame(), version);
        assert_eq!(found, id, "the answer's correlation id");
        response
    }

    /// Sends a request and reads its answer.
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let id = self.request(version, request);
        self.answer::<R>(id, version)
    }

    /// Waits until the peer, on this machine, has read what was sent, so that what follows comes for itself.
    pub fn wait_until_taken(&self) {
        let hex = |address: SocketAddr| match address {
            SocketAddr::V4(v4) => {
                let ip = u32::from_le_bytes(v4.ip().octets());
                format!("{ip:08X}:{:04X}", v4.port())
            }
            SocketAddr::V6(_) => panic!("IPv4 only"),
        };
        let our_end = hex(self.local_address());
        let waits = |line: &str| {
            let fields: Vec<_> = line.split_whitespace().collect();
            fields[2] == our_end && !fields[4].ends_with(":00000000")
        };
        wait_until("the peer to read", || {
            let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
            !table.lines().any(waits)
        });
    }

    /// The connection alone.
    pub fn into_wire(self) -> Wire {
        self.wire
    }
}

impl Deref for Client {
    type Target = Wire;
    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}
