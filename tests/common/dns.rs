//! A DNS server in the test process, whose records a test changes at any time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};

use super::proxy::wait_until;

/// A name server on UDP. It goes away when this is dropped.
pub struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Zone {
    names: HashMap<String, Vec<IpAddr>>,
    /// Questions of these types get no answer at all.
    silent: Vec<RecordType>,
    asked: HashMap<String, usize>,
}

impl Dns {
    /// On a free port of 127.0.0.1. It knows no name yet: every one is NXDOMAIN.
    pub fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The same at an address of the caller's choice.
    pub fn start_at(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).expect("a free port");
        let address = socket.local_addr().expect("a bound socket");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (zone, stopping) = (zone.clone(), stopping.clone());
            move || serve(&socket, &zone, &stopping)
        });
        Dns {
            address,
            zone,
            stopping,
            thread: Some(thread),
        }
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A name has these addresses from now on; with none of a family, that question is answered empty.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect();
        self.zone().names.insert(name.to_owned(), addresses);
    }

    /// A name does not exist any more: NXDOMAIN.
    pub fn remove(&self, name: &str) {
        self.zone().names.remove(name);
    }

    /// Questions for AAAA records get no answer from now on, as some broken servers do it.
    pub fn be_silent_about_aaaa(&self) {
        self.zone().silent = vec![RecordType::AAAA];
    }

    /// How often the A records of a name were asked for.
    pub fn asked(&self, name: &str) -> usize {
        self.zone().asked.get(name).copied().unwrap_or(0)
    }

    /// Waits until the A records of a name were asked for so often.
    pub fn wait_until_asked(&self, name: &str, least: usize) {
        wait_until("questions to the name server", || self.asked(name) >= least);
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the loop. Where this fails the loop has ended already.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) {
            let _ = socket.send_to(&[], self.address);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, zone: &Mutex<Zone>, stopping: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok((n, peer)) = socket.recv_from(&mut bytes) {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let mut zone = zone.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(question) = Message::from_vec(&bytes[..n])
            && let Some(answer) = zone.answer(&question)
        {
            let answer = answer.to_vec().expect("an answer can be encoded");
            // The asker may be gone.
            let _ = socket.send_to(&answer, peer);
        }
    }
}

impl Zone {
    fn answer(&mut self, question: &Message) -> Option<Message> {
        let query = question.queries.first()?;
        let kind = query.query_type();
        let name = query.name().to_ascii();
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if kind == RecordType::A {
            *self.asked.entry(name.clone()).or_default() += 1;
        }
        if self.silent.contains(&kind) {
            return None;
        }
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        let Some(addresses) = self.names.get(&name) else {
            answer.metadata.response_code = ResponseCode::NXDomain;
            return Some(answer);
        };
        for &address in addresses {
            let data = match (address, kind) {
                (IpAddr::V4(address), RecordType::A) => RData::A(address.into()),
                (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(address.into()),
                _ => continue,
            };
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        }
        Some(answer)
    }
}
