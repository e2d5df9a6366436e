//! What is seen while something happens: the proxy's memory and processor time, and the answers that clients get who behave.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::client::Client;
use crate::common::tls_client::{Certificate, TlsClient};
use crate::setup::heartbeat;
use crate::stage::{ANSWER, Stage};

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// How long each answer on a connection that was open before took.
    pub(crate) pings: Vec<Duration>,
    /// How long connecting and one answer took, for each new client.
    pub(crate) newcomers: Vec<Duration>,
    /// The most resident memory, in bytes.
    pub(crate) peak: u64,
}

/// A client that behaves.
pub(crate) enum Peer {
    Plain(Client),
    Tls(Box<TlsClient>),
}

impl Peer {
    /// Connects, with TLS where the ports speak it.
    pub(crate) fn connect(stage: &Stage) -> Self {
        let client = Client::connect(stage.port());
        match stage.certificate() {
            Some(certificate) => Peer::over_tls(client, certificate),
            None => Peer::Plain(client),
        }
    }

    fn over_tls(client: Client, certificate: &Certificate) -> Self {
        Peer::Tls(Box::new(certificate.handshake(client)))
    }

    /// One request and its answer.
    pub(crate) fn ping(&mut self) {
        self.send(&heartbeat(1));
        assert_eq!(self.frame()[4..], *ANSWER);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self {
            Peer::Plain(client) => client.send(bytes),
            Peer::Tls(client) => client.send(bytes),
        }
    }

    pub(crate) fn frame(&mut self) -> Vec<u8> {
        match self {
            Peer::Plain(client) => client.frame(),
            Peer::Tls(client) => client.frame(),
        }
    }
}

/// Does something, and watches meanwhile.
pub(crate) fn watch(stage: &Stage, act: impl FnOnce()) -> Watched {
    let over = AtomicBool::new(false);
    let over = &over;
    let go_on = || !over.load(Ordering::Relaxed);
    let mut settled = Peer::connect(stage);
    settled.ping();
    std::thread::scope(|scope| {
        let pings = scope.spawn(move || {
            let mut took = Vec::new();
            while go_on() {
                took.push(timed(|| settled.ping()));
                sleep(Duration::from_millis(1));
            }
            took
        });
        let newcomers = scope.spawn(move || {
            let mut took = Vec::new();
            while go_on() {
                took.push(timed(|| Peer::connect(stage).ping()));
                sleep(Duration::from_millis(50));
            }
            took
        });
        let peak = scope.spawn(move || {
            let mut peak = 0;
            while go_on() {
                peak = resident_bytes(stage.pid()).max(peak);
                sleep(Duration::from_millis(5));
            }
            peak
        });
        {
            let _over = SetOnDrop(over);
            act();
        }
        Watched {
            pings: pings.join().expect("every ping is answered"),
            newcomers: newcomers.join().expect("every newcomer is served"),
            peak: peak.join().unwrap(),
        }
    })
}

/// However the attack ends, those who watch must hear of it.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn timed(act: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    act();
    begin.elapsed()
}

/// Resident memory as the kernel says, which asks nothing of the proxy.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// Of the values, in order, that which 99 of 100 do not exceed.
pub(crate) fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}
