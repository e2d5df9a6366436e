//! The route that is the benchmark itself: what it relays arrives whole, with TLS where it was told so, and it takes part where it
//! should.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::client::{Client, Shape, Until};
use crate::connects::{Connects, Opening};
use crate::frames::{self, Exchange};
use crate::front::Front;
use crate::options::Options;
use crate::process;
use crate::relay;
use crate::tls::{self, Legs, Tls};
use crate::wire::Template;

const KB: usize = 1024;
/// A safety net: what is waited for comes in a fraction of it.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_load_arrives_whole_with_every_choice_of_encrypted_legs() {
    let (directory, tls, broker) = broker();
    for legs in [Legs::None, Legs::Client, Legs::Both] {
        let address = relay(&directory, &front(legs, &tls, &broker));
        let encrypted = (legs != Legs::None).then(|| tls.client());
        for (exchange, times) in [
            (frames::produce_records(1024 * KB), 60),
            (frames::fetch_records(1024 * KB, 1), 60),
            (frames::ping(), 500),
        ] {
            broker.answer_with(Template::answer(exchange.answer));
            let shape = Shape {
                connections: 3,
                in_flight: 5,
                interval: None,
            };
            let request = Template::request(exchange.request);
            let client = Client::connect(address, encrypted.as_ref(), &request, shape);
            // The client looks at each correlation id.
            let tally = client.unwrap().run(Until::Frames(times)).unwrap();
            assert!(tally.frames >= times, "{legs:?}");
        }
    }
}

#[test]
fn sessions_are_resumed() {
    let (directory, tls, broker) = broker();
    let address = relay(&directory, &front(Legs::Client, &tls, &broker));
    let opening = Opening::Tls(tls.resuming_client());
    let mut connects = Connects::new(address, opening, frames::ping(), true);
    assert_eq!(connects.run(Until::Frames(20)).unwrap().frames, 20);
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let address = relay(&directory, &Front::new([(0, target)]));
    let mut client = patient(TcpStream::connect(address).unwrap());
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    // The first that came was the look whether the relay was up.
    let (question, mut broker) = loop {
        let mut broker = patient(listener.accept().unwrap().0);
        let mut said = String::new();
        broker.read_to_string(&mut said).unwrap();
        if !said.is_empty() {
            break (said, broker);
        }
    };
    assert_eq!(question, "question");
    broker.write_all(b"answer").unwrap();
    drop(broker);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn a_broker_whose_certificate_another_root_has_signed_gets_nothing() {
    let (directory, tls, broker) = broker();
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Tls::new(elsewhere.path());
    let front = Front {
        broker_tls: Some(stranger.files),
        ..front(Legs::Both, &tls, &broker)
    };
    let address = relay(&directory, &front);
    let mut client = tls::connect(address, &tls.client()).unwrap();
    // Whether the relay has closed by now is a matter of chance.
    let _ = client.write_all(&frames::ping().request);
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert_eq!(answer, b"");
}

#[test]
fn a_file_that_says_something_else_is_refused_with_what_to_write() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let file = directory.path().join("wrong.relay");
        std::fs::write(&file, text).unwrap();
        let error = relay::run(&file).unwrap_err();
        error.replace(&format!("{}: ", file.display()), "")
    };
    assert_eq!(
        refused("relay 127.0.0.1:1 127.0.0.1:2\nfrontend in\n"),
        "line 2: write `certificate FILE`, `key FILE`, `root FILE` or `relay HOST:PORT HOST:PORT`"
    );
    assert_eq!(
        refused("key /nowhere/key.pem\n"),
        "certificate and key go together"
    );
    let error = refused("root /nowhere/root.pem\n");
    assert!(error.starts_with("/nowhere/root.pem: "), "{error}");
    let error = relay::run(Path::new("/nowhere/file")).unwrap_err();
    assert!(error.starts_with("/nowhere/file: "), "{error}");
}

#[test]
fn it_is_a_route_of_tls_and_of_others_by_name() {
    let routes = |arguments: &[&str]| -> Vec<&str> {
        let options = Options::parse_from([&["throughput"], arguments].concat());
        let routes = options.routes();
        routes.iter().map(|route| route.id.name()).collect()
    };
    assert!(routes(&["--tls"]).contains(&"relay"));
    assert!(routes(&["--tls", "--quick"]).contains(&"relay"));
    assert!(!routes(&[]).contains(&"relay"));
    assert!(!routes(&["--quick"]).contains(&"relay"));
    assert_eq!(routes(&["--routes", "relay"]), ["direct", "relay"]);
}

#[test]
fn its_version_names_what_it_is_made_of() {
    let version = relay::version();
    let parts: Vec<(&str, &str)> = version
        .split(", ")
        .filter_map(|part| part.split_once(' '))
        .collect();
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["tokio", "tokio-rustls", "rustls"], "{version}");
    for (_, number) in parts {
        assert!(
            number.starts_with(|c: char| c.is_ascii_digit()),
            "{version}"
        );
    }
}

fn broker() -> (TempDir, Tls, Broker) {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::new(directory.path());
    let Exchange { answer, .. } = frames::ping();
    let broker = Broker::start(None, tls.server(), Template::answer(answer));
    (directory, tls, broker)
}

fn front(legs: Legs, tls: &Tls, broker: &Broker) -> Front {
    let target = match legs {
        Legs::Both => broker.tls_address(),
        Legs::None | Legs::Client => broker.address(),
    };
    Front {
        client_tls: (legs != Legs::None).then(|| tls.files.clone()),
        broker_tls: (legs == Legs::Both).then(|| tls.files.clone()),
        ..Front::new([(0, target.to_string())])
    }
}

/// Relays on a thread of its own, which ends with the tests.
fn relay(directory: &TempDir, front: &Front) -> SocketAddr {
    let name = format!("{}.relay", front.bootstrap);
    let file = process::file(directory.path(), &name, &relay::config(front));
    let relaying = std::thread::spawn(move || relay::run(Path::new(&file)));
    let begin = Instant::now();
    while TcpStream::connect(front.address()).is_err() {
        assert!(!relaying.is_finished(), "{:?}", relaying.join());
        assert!(begin.elapsed() < PATIENCE, "it does not accept");
        std::thread::sleep(Duration::from_millis(5));
    }
    front.address()
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
