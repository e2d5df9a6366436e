//! A rotation under load loses no request.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;

use super::certificates::{connect, own, shown};
use super::{Reloading, named, who};
use crate::common::certificates::{Files, Identity};
use crate::common::mount::Mount;
use crate::common::proxy::wait_until;
use crate::setup::Setup;
use crate::tls::{NAME, Pki};

const CLIENTS: usize = 8;
const ROTATIONS: usize = 10;

/// Requests that a client sends on each connection.
const REQUESTS: usize = 5;

#[test]
fn ten_rotations_under_load_lose_no_request() {
    let (pki, broker) = (Pki::new(), named("broker"));
    let identities: Vec<Identity> = (0..=ROTATIONS)
        .map(|_| pki.authority.server(&[NAME]))
        .collect();
    let mount = Mount::new(&identities[0]);
    let Files { certificate, key } = mount.files();
    let section = format!("[clusters.main.tls]\ncertificate = {certificate:?}\nkey = {key:?}");
    let reloading = Reloading::start(&Setup::with(&broker).section(&section).toml());
    let bootstrap = reloading.proxy.bootstrap("main");
    let over = AtomicBool::new(false);
    let connections = AtomicUsize::new(0);
    let seen = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                // Half of them resume their sessions.
                let config = pki.client();
                let (over, connections, pki) = (&over, &connections, &pki);
                scope.spawn(move || {
                    let mut seen = BTreeSet::new();
                    while !over.load(Ordering::Relaxed) {
                        let config = match n % 2 {
                            0 => config.clone(),
                            _ => pki.client(),
                        };
                        let mut client = connect(bootstrap, &config);
                        seen.insert(shown(&mut client).to_vec());
                        for _ in 0..REQUESTS {
                            assert_eq!(who(&mut client), "broker");
                        }
                        connections.fetch_add(1, Ordering::Relaxed);
                    }
                    seen
                })
            })
            .collect();
        for (n, identity) in identities.iter().enumerate().skip(1) {
            // With each certificate, some come.
            let before = connections.load(Ordering::Relaxed);
            wait_until("clients", || {
                connections.load(Ordering::Relaxed) > before + 2 * CLIENTS
            });
            mount.swap(identity);
            if n % 2 == 0 {
                reloading.proxy.signal(Signal::HUP);
            }
            reloading.wait_for_successes(n as f64);
        }
        let before = connections.load(Ordering::Relaxed);
        wait_until("clients", || {
            connections.load(Ordering::Relaxed) > before + 2 * CLIENTS
        });
        over.store(true, Ordering::Relaxed);
        let clients = clients.into_iter();
        let seen = clients.flat_map(|client| client.join().expect("no request was lost"));
        seen.collect::<BTreeSet<Vec<u8>>>()
    });
    for identity in &identities {
        assert!(seen.contains(own(identity).as_ref()), "each was shown");
    }
    let requests = connections.load(Ordering::Relaxed) * REQUESTS;
    println!("{requests} requests during {ROTATIONS} rotations");
    assert_eq!(reloading.failures(), 0.0);
    assert_eq!(reloading.successes(), ROTATIONS as f64);
    reloading.proxy.assert_calm();
}
