//! TLS in the benchmark: the load arrives whole, both ends speak what the report says, and handshakes are of the kind that is
//! counted.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustls::{CipherSuite, ClientConnection, NamedGroup, ProtocolVersion, ServerConnection};
use tempfile::TempDir;

use crate::broker::Broker;
use crate::client::{Client, Shape, Until};
use crate::connects::{Connects, Opening};
use crate::frames::{self, Exchange};
use crate::stream::Stream;
use crate::tls::{self, Tls};
use crate::wire::{IN_ANSWER, IN_REQUEST, Inbox, Outbox, Template};

const KB: usize = 1024;
/// A safety net: what is waited for comes in a fraction of it.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_load_goes_through_tls_and_comes_back() {
    let (_directory, tls, broker) = broker();
    for (exchange, in_flight, times) in [
        (frames::produce_records(1024 * KB), 5, 60),
        (frames::fetch_records(1024 * KB, 1), 5, 60),
        (frames::fetch_records(16 * KB, 1), 1, 500),
        (frames::ping(), 1, 500),
    ] {
        broker.answer_with(Template::answer(exchange.answer));
        let shape = Shape {
            connections: 3,
            in_flight,
            interval: None,
        };
        let request = Template::request(exchange.request);
        let client = Client::connect(broker.tls_address(), Some(&tls.client()), &request, shape);
        // The client looks at each correlation id.
        let tally = client.unwrap().run(Until::Frames(times)).unwrap();
        assert!(tally.frames >= times);
    }
}

#[test]
fn both_directions_are_full_at_once_and_nothing_stays_behind() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::new(directory.path());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let client = ClientConnection::new(tls.client(), tls::NAME.try_into().unwrap()).unwrap();
    let server = ServerConnection::new(tls.server()).unwrap();
    let request = Template::request(frames::produce_records(1024 * KB).request);
    let answer = Template::answer(frames::fetch_records(1024 * KB, 1).answer);
    let mut ends = [
        End::new(near, client.into(), Outbox::new(request), IN_ANSWER),
        End::new(far, server.into(), Outbox::new(answer), IN_REQUEST),
    ];
    // Far more than the sockets hold: an end that would write first and only then read would wait for the other for ever.
    let ids: Vec<i32> = (1..=40).collect();
    for end in &mut ends {
        ids.iter().for_each(|id| end.outbox.push(*id));
    }
    let begin = Instant::now();
    while ends.iter().any(|end| end.seen.len() < ids.len()) {
        assert!(begin.elapsed() < PATIENCE, "no more comes");
        ends.iter_mut().for_each(End::step);
    }
    ends.iter().for_each(|end| assert_eq!(end.seen, ids));
}

#[test]
fn both_ends_speak_what_the_report_says() {
    let (_directory, tls, broker) = broker();
    let stream = tls::connect(broker.tls_address(), &tls.client()).unwrap();
    let version = stream.conn.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
    let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_256_GCM_SHA384);
    let group = stream.conn.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519);
    let stranger = tempfile::tempdir().unwrap();
    let stranger = Tls::new(stranger.path()).client();
    assert!(
        tls::connect(broker.tls_address(), &stranger).is_err(),
        "a certificate by another root"
    );
}

#[test]
fn a_handshake_of_another_kind_than_is_counted_is_an_error() {
    let (_directory, tls, broker) = broker();
    let connects = |opening, resumes| {
        let mut connects = Connects::new(broker.tls_address(), opening, frames::ping(), resumes);
        connects.run(Until::Frames(20)).map(|tally| tally.frames)
    };
    let full = || Opening::Tls(tls.client());
    let resuming = || Opening::Tls(tls.resuming_client());
    assert_eq!(connects(full(), false), Ok(20));
    assert_eq!(connects(resuming(), true), Ok(20));
    let error = connects(full(), true).unwrap_err();
    assert_eq!(error, "a handshake was not resumed");
    let error = connects(resuming(), false).unwrap_err();
    assert_eq!(error, "a handshake was resumed that was to be a full one");
    let mut plain = Connects::new(broker.address(), Opening::Plain, frames::ping(), false);
    assert_eq!(plain.run(Until::Frames(20)).unwrap().frames, 20);
}

fn broker() -> (TempDir, Tls, Broker) {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::new(directory.path());
    let Exchange { answer, .. } = frames::ping();
    let broker = Broker::start(None, tls.server(), Template::answer(answer));
    (directory, tls, broker)
}

/// An end that reads and writes in turns, as its sockets let it.
struct End {
    stream: Stream,
    outbox: Outbox,
    inbox: Inbox,
    seen: Vec<i32>,
    scratch: Vec<u8>,
}

impl End {
    fn new(socket: TcpStream, tls: rustls::Connection, outbox: Outbox, id_at: usize) -> Self {
        socket.set_nonblocking(true).unwrap();
        End {
            stream: Stream::new(socket, Some(tls)),
            outbox,
            inbox: Inbox::new(id_at),
            seen: Vec::new(),
            scratch: vec![0; 256 * KB],
        }
    }

    fn step(&mut self) {
        let (inbox, seen) = (&mut self.inbox, &mut self.seen);
        let open = self.stream.receive(&mut self.scratch, |bytes| {
            inbox.feed(bytes, |id| seen.push(id));
        });
        assert!(open.unwrap());
        self.outbox.flush(&mut self.stream).unwrap();
    }
}
