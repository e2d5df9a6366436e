//! Portolan: one externally exposed, Kafka-aware TCP proxy in front of a whole cluster.
//!
//! A Kafka client asks any broker for metadata and then connects to the brokers that the answer names. Portolan stands
//! in between: it forwards a bootstrap port and one port per node id to the brokers, and replaces the brokers' internal
//! addresses in the few responses that carry them by its own host and the port of that node.
//!
//! # One connection, told in order
//!
//! 1. A worker thread of [`server`] accepts it, takes a permit from [`limits`] and serves it, or hands it over to a thread
//!    that has less to do; nothing slow stands in the accept loop.
//! 2. [`session`] waits for the first bytes. Load balancers open and close bare connections all day: they cost the
//!    brokers nothing, for only a first Kafka request makes [`upstream`] resolve and dial the route's broker. What may come
//!    before that request is the client's arrival: a PROXY protocol header, and a TLS handshake ([`transport::tls`]), of
//!    which the server name may be what picks the route.
//! 3. The *request pump* reads each frame's prefix, lets [`protocol`] decide, notes the request in the in-flight queue,
//!    and streams the frame on.
//! 4. The *response pump* compares each answer's correlation id with the head of that queue and streams the answer on,
//!    rewrites its head, rewrites it whole (small ones only), or walks it on its way.
//! 5. Each direction has a *lane* in [`session`]. Small frames go through a buffer, lent by the thread while there are bytes
//!    in it: one read, a look at every header in it, one write. The bulk of a large frame goes through a pipe of the kernel
//!    ([`transport::pipe`]) and is never seen; the header of the next frame is looked at while it is still in the socket.
//!    A leg with TLS goes through buffers only.
//! 6. The session ends for exactly one reason, which is logged once and counted once.
//!
//! A reload makes anew what is in force for each cluster and puts it into the place of the old; sessions that still have a
//! place in it go on.
//!
//! # Who may import whom
//!
//! Imports only go down: `main` -> [`server`], [`admin`], [`commands`] -> [`session`] -> [`protocol`], [`transport`],
//! [`upstream`], [`limits`] -> [`port_map`], [`config`], [`lifecycle`]. `protocol` is pure (bytes in, decision out: no sockets, no
//! clock, no metrics) and knows nothing of ours but `port_map`. [`kubernetes`], which asks another kind of server for an address, is
//! known to `server` alone, but for the names of what it may say.

mod about;
pub mod admin;
pub mod calendar;
pub mod commands;
pub mod config;
pub mod kubernetes;
pub mod lifecycle;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod port_map;
pub mod protocol;
pub mod server;
mod service;
pub mod session;
pub mod status;
mod text;
pub mod transport;
pub mod upstream;

pub use about::{COMMIT, VERSION};
