//! Connections that are opened one after the other, with one question each.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;
use rustls::ClientConfig;

use crate::client::{Tally, Until};
use crate::frames::Exchange;
use crate::tls::{self, Blocking};

/// How a connection begins.
#[derive(Clone, Debug)]
pub enum Opening {
    Plain,
    /// With a handshake. It is full or resumes as the configuration has it.
    Tls(Arc<ClientConfig>),
}

/// A connection that is open.
pub enum Open {
    Plain(TcpStream),
    Tls(Box<Blocking>),
}

impl Open {
    /// Connects, asks the question and waits for the answer.
    pub fn new(address: SocketAddr, opening: &Opening, exchange: &Exchange) -> io::Result<Self> {
        let mut open = match opening {
            Opening::Plain => Open::Plain(tls::plain(address)?),
            Opening::Tls(config) => Open::Tls(Box::new(tls::connect(address, config)?)),
        };
        let mut answer = vec![0; exchange.answer.len()];
        match &mut open {
            Open::Plain(stream) => ask(stream, &exchange.request, &mut answer)?,
            Open::Tls(stream) => ask(stream, &exchange.request, &mut answer)?,
        }
        Ok(open)
    }

    fn has_resumed(&self) -> bool {
        match self {
            Open::Plain(_) => false,
            Open::Tls(stream) => tls::has_resumed(stream),
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Open::Plain(_) => Ok(()),
            Open::Tls(stream) => tls::close(*stream),
        }
    }
}

/// The load of the cases that connect. A client that resumes does so from its second connection on.
pub struct Connects {
    address: SocketAddr,
    opening: Opening,
    exchange: Exchange,
    resumes: bool,
    /// So that the first one may be without a ticket.
    opened: u64,
}

impl Connects {
    pub fn new(address: SocketAddr, opening: Opening, exchange: Exchange, resumes: bool) -> Self {
        Connects {
            address,
            opening,
            exchange,
            resumes,
            opened: 0,
        }
    }

    /// Connects for a while. That a handshake is not of the kind that is to be measured is an error.
    pub fn run(&mut self, until: Until) -> Result<Tally, String> {
        let begin = Instant::now();
        let mut latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
        let mut frames = 0;
        loop {
            let one = Instant::now();
            self.connect()?;
            frames += 1;
            latency.saturating_record((one.elapsed().as_micros() as u64).max(1));
            let elapsed = begin.elapsed();
            let over = match until {
                Until::Elapsed(duration) => elapsed >= duration,
                Until::Frames(wanted) => frames >= wanted,
            };
            if over {
                return Ok(Tally {
                    frames,
                    elapsed,
                    latency,
                });
            }
        }
    }

    fn connect(&mut self) -> Result<(), String> {
        let open = Open::new(self.address, &self.opening, &self.exchange);
        let open = open.map_err(|error| error.to_string())?;
        let resumed = open.has_resumed();
        open.close().map_err(|error| error.to_string())?;
        if resumed != (self.resumes && self.opened > 0) {
            return Err(match resumed {
                true => "a handshake was resumed that was to be a full one".to_owned(),
                false => "a handshake was not resumed".to_owned(),
            });
        }
        self.opened += 1;
        Ok(())
    }
}

fn ask(stream: &mut (impl Read + Write), request: &[u8], answer: &mut [u8]) -> io::Result<()> {
    stream.write_all(request)?;
    stream.flush()?;
    stream.read_exact(answer)
}
