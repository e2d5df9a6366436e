//! A relay between clients and the proxy that looks at every byte which clients receive.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// What no client may ever receive: parts of the names that brokers advertise inside the cluster.
pub const INTERNAL: [&str; 2] = ["svc.cluster.local", "kafka-headless"];

/// Listeners on ports of their own, which clients are told instead of the proxy's.
pub struct Tap {
    seen: Arc<Seen>,
    relays: Vec<Relay>,
    closing: Arc<AtomicBool>,
}

/// A port and where it leads.
struct Relay {
    port: u16,
    target: Arc<Mutex<SocketAddr>>,
}

/// What went by.
#[derive(Default)]
struct Seen {
    to_clients: AtomicU64,
    leaks: Mutex<Vec<String>>,
}

/// A port that listens but leads nowhere yet: its number must be known before the proxy is configured.
pub struct Reserved(TcpListener);

impl Reserved {
    /// Takes a free port.
    pub fn new() -> Self {
        let any = (Ipv4Addr::LOCALHOST, 0);
        Reserved(TcpListener::bind(any).expect("there are free ports"))
    }

    /// Its number.
    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }
}

impl Tap {
    /// Relays each reserved port to its target, from now on.
    pub fn start(relays: Vec<(Reserved, SocketAddr)>) -> Self {
        let mut tap = Tap {
            seen: Arc::default(),
            relays: Vec::new(),
            closing: Arc::default(),
        };
        for (reserved, target) in relays {
            let port = reserved.port();
            let target = Arc::new(Mutex::new(target));
            let (seen, closing) = (tap.seen.clone(), tap.closing.clone());
            let leads_to = target.clone();
            thread::spawn(move || {
                for client in reserved.0.incoming().map_while(Result::ok) {
                    if closing.load(Ordering::SeqCst) {
                        return;
                    }
                    let target = *lock(&leads_to);
                    match TcpStream::connect(target) {
                        Ok(proxy) => relay(client, proxy, port, &seen),
                        // The proxy is gone: a client would be refused, and takes a reset as much the same.
                        Err(_) => reset(&client),
                    }
                }
            });
            tap.relays.push(Relay { port, target });
        }
        tap
    }

    /// Lets new connections to a port go elsewhere; those that are open stay where they are.
    pub fn redirect(&self, port: u16, target: SocketAddr) {
        let relay = self.relays.iter().find(|relay| relay.port == port);
        *lock(&relay.expect("a port of this tap").target) = target;
    }

    /// How many bytes clients received.
    pub fn bytes_to_clients(&self) -> u64 {
        self.seen.to_clients.load(Ordering::SeqCst)
    }

    /// Where internal names went by: the port and the bytes around.
    pub fn leaks(&self) -> Vec<String> {
        lock(&self.seen.leaks).clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        for relay in &self.relays {
            // Wakes the thread that accepts, so that it sees the flag and lets the port go.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn relay(client: TcpStream, proxy: TcpStream, port: u16, seen: &Arc<Seen>) {
    let _ = client.set_nodelay(true);
    let _ = proxy.set_nodelay(true);
    let (Ok(client_read), Ok(proxy_read)) = (client.try_clone(), proxy.try_clone()) else {
        return;
    };
    let seen = seen.clone();
    thread::spawn(move || pump(client_read, proxy, |_| {}));
    thread::spawn(move || {
        let mut search = Search::default();
        pump(proxy_read, client, |bytes| {
            seen.to_clients
                .fetch_add(bytes.len() as u64, Ordering::SeqCst);
            for found in search.look(bytes) {
                lock(&seen.leaks).push(format!("port {port}: {found}"));
            }
        });
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(n) => {
                look(&buffer[..n]);
                if to.write_all(&buffer[..n]).is_err() {
                    reset(&from);
                    return;
                }
            }
            Err(_) => {
                reset(&to);
                return;
            }
        }
    }
}

/// Lets the closing of a connection be a reset, as the other one's was: some clients do not try again after an orderly close
/// before the first answer. The pump that reads from it is woken, and lets it go.
fn reset(connection: &TcpStream) {
    let _ = SockRef::from(connection).set_linger(Some(Duration::ZERO));
    let _ = connection.shutdown(Shutdown::Read);
}

/// Looks for the internal names in a stream: keeps as much of its end as a name may begin in.
#[derive(Default)]
struct Search {
    kept: Vec<u8>,
}

impl Search {
    fn look(&mut self, bytes: &[u8]) -> Vec<String> {
        let overlap = INTERNAL
            .iter()
            .map(|name| name.len() - 1)
            .max()
            .unwrap_or(0);
        let old = self.kept.len();
        self.kept.extend_from_slice(bytes);
        let mut found = Vec::new();
        for name in INTERNAL {
            let windows = self.kept.windows(name.len()).enumerate();
            // A name that ends in the part kept from the last time was found then.
            let new =
                windows.filter(|(at, window)| *window == name.as_bytes() && at + name.len() > old);
            for (at, _) in new {
                let around =
                    &self.kept[at.saturating_sub(16)..self.kept.len().min(at + name.len() + 8)];
                found.push(String::from_utf8_lossy(around).into_owned());
            }
        }
        let keep = self.kept.len().saturating_sub(overlap);
        self.kept.drain(..keep);
        found
    }
}

#[test]
fn the_tap_passes_a_reset_on_as_one() {
    let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    let port = Reserved::new();
    let address = port.0.local_addr().expect("it is bound");
    let _tap = Tap::start(vec![(port, proxy.local_addr().expect("it is bound"))]);
    let mut client = TcpStream::connect(address).expect("the tap listens");
    client.write_all(b"request").expect("it is open");
    let (mut accepted, _) = proxy.accept().expect("the tap connects");
    accepted.read_exact(&mut [0; 7]).expect("the request");
    reset(&accepted);
    drop(accepted);
    let end = client.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));
}

#[test]
fn the_tap_finds_a_name_however_the_stream_is_cut() {
    let stream = b"before kafka-1.kafka-headless.kafka.svc.cluster.local after";
    for size in 1..=stream.len() {
        let mut search = Search::default();
        let found: Vec<String> = stream
            .chunks(size)
            .flat_map(|chunk| search.look(chunk))
            .collect();
        assert_eq!(found.len(), 2, "chunks of {size}: {found:?}");
    }
}
