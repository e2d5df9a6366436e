//! A proxy whose two legs speak TLS, or do not.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig};

use super::{NAME, Pki, client, server};
use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::proxy::Proxy;
use crate::setup::{Setup, answer_heartbeat, heartbeat};

/// What a leg speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Plain,
    Tls12,
    Tls13,
}

use Speech::{Plain, Tls12, Tls13};

/// All that is worth telling apart: client's leg and broker's leg.
pub(super) const ALL: [(Speech, Speech); 7] = [
    (Plain, Plain),
    (Tls13, Plain),
    (Plain, Tls13),
    (Tls13, Tls13),
    (Tls12, Plain),
    (Plain, Tls12),
    (Tls12, Tls12),
];

/// A proxy between a broker and clients.
pub(super) struct Legs {
    pub(super) proxy: Proxy,
    pub(super) broker: Broker,
    legs: (Speech, Speech),
    client: Option<Arc<ClientConfig>>,
    _pki: Pki,
}

/// How the peers of a proxy speak.
pub(super) struct Plan {
    legs: (Speech, Speech),
    fragment: Option<usize>,
    small_window: bool,
    sections: String,
}

impl Plan {
    pub(super) fn new(legs: (Speech, Speech)) -> Self {
        Plan {
            legs,
            fragment: None,
            small_window: false,
            sections: String::new(),
        }
    }

    /// Records of peers have so many bytes at most, and 5 of each are its header.
    pub(super) fn records(mut self, bytes: usize) -> Self {
        self.fragment = Some(bytes);
        self
    }

    /// The broker's window is small.
    pub(super) fn small_window(mut self) -> Self {
        self.small_window = true;
        self
    }

    /// A section of the configuration.
    pub(super) fn section(mut self, section: &str) -> Self {
        self.sections.push_str(section);
        self.sections.push('\n');
        self
    }

    pub(super) fn start(self) -> Legs {
        let pki = Pki::new();
        let (client_leg, broker_leg) = self.legs;
        let server = tls(broker_leg).map(|version| {
            let identity = pki.authority.server(&["127.0.0.1"]);
            let mut config = server(&identity, &[version]);
            config.max_fragment_size = self.fragment;
            Arc::new(config)
        });
        let broker = broker(server, self.small_window);
        let mut setup = Setup::with(&broker).section(&self.sections);
        if client_leg != Plain {
            setup = setup.section(&pki.tls(&[NAME], ""));
        }
        if broker_leg != Plain {
            setup = setup.section(&pki.upstream_tls(""));
        }
        let client = tls(client_leg).map(|version| {
            let mut config = client(&pki.authority, None, &[version]);
            config.max_fragment_size = self.fragment;
            Arc::new(config)
        });
        Legs {
            proxy: setup.start(),
            broker,
            legs: self.legs,
            client,
            _pki: pki,
        }
    }
}

impl Legs {
    /// Whether the client's leg speaks TLS, and whether the broker's does.
    pub(super) fn is_secure(&self) -> (bool, bool) {
        (self.legs.0 != Plain, self.legs.1 != Plain)
    }

    /// A client whose handshake is over.
    pub(super) fn connect(&self) -> Client {
        self.secured(Client::connect(self.proxy.bootstrap("main")))
    }

    /// The same with a small window.
    pub(super) fn connect_with_small_window(&self) -> Client {
        self.secured(Client::with_small_window(self.proxy.bootstrap("main")))
    }

    /// A client with one exchange behind it, and the broker's end of its connection.
    pub(super) fn talking(&self) -> (Client, Link) {
        self.talk(self.connect())
    }

    /// The same with this client.
    pub(super) fn talk(&self, mut client: Client) -> (Client, Link) {
        client.send(&heartbeat(1000));
        let mut link = self.broker.accept();
        answer_heartbeat(&mut client, &mut link, 1000);
        (client, link)
    }

    fn secured(&self, client: Client) -> Client {
        match &self.client {
            Some(config) => client.secured(config, NAME),
            None => client,
        }
    }
}

fn broker(tls: Option<Arc<ServerConfig>>, small_window: bool) -> Broker {
    match (tls, small_window) {
        (None, false) => Broker::start(),
        (None, true) => Broker::with_small_window(),
        (Some(config), false) => Broker::with_tls(config),
        (Some(config), true) => Broker::with_tls_and_small_window(config),
    }
}

fn tls(speech: Speech) -> Option<&'static rustls::SupportedProtocolVersion> {
    match speech {
        Plain => None,
        Tls12 => Some(&TLS12),
        Tls13 => Some(&TLS13),
    }
}
