//! Certificates are replaced while clients are served: nobody notices.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kafka_protocol::messages::MetadataRequest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::client::Program;
use crate::cluster::{self, Cluster, Listener};
use crate::common::certificates::{Authority, Identity};
use crate::common::mount::Mount;
use crate::common::proxy::wait_until;
use crate::front::{Clients, Front, NAME, Options};
use crate::go::franz_go;
use crate::librdkafka::librdkafka;
use crate::tls::java;
use crate::tls::visitors::Visitors;
use crate::traffic::{HUNG_UP, Load, under_traffic_through};
use crate::wire::Wire;

/// Long-lived clients have to connect again every few seconds, others come for one record or for one question, and each
/// certificate is replaced four times meanwhile, and once by a pair that is none.
#[test]
fn nothing_is_lost_while_certificates_are_replaced() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let programs = [java(), librdkafka(), franz_go()];
    let programs: Vec<Program> = programs.into_iter().flatten().collect();
    let askers = [franz_go(), librdkafka()];
    let askers: Vec<Program> = askers.into_iter().flatten().collect();
    let options = Options {
        clients: Clients::MutualTls,
        sections: "[timeouts]\nmax_connection_age = \"3s\"\n",
        ..Options::default()
    };
    let front = Front::with(cluster, Listener::Mtls, cluster.ids(), options);
    let visitors = Visitors::new(cluster, &front, "rotation-visitors");
    under_traffic_through(&front, cluster, "rotation", &programs, |_, load| {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            // Also where something fails: the scope waits for its threads.
            let end = AtEnd(&over);
            let (front, visitors, over) = (&front, &visitors, &over);
            let come = ["one", "another"].map(|name| scope.spawn(|| visitors.come(name, over)));
            let ask = scope.spawn(|| ask(front, &askers, over));
            replace(&Rotation {
                cluster,
                front,
                load,
                visitors,
            });
            drop(end);
            let written = come.map(|thread| thread.join().expect("no record was lost"));
            visitors.assert_stored(&written.concat());
            let asked = ask.join().expect("every client was answered");
            eprintln!("{} visits, {asked} clients asked", written.concat().len());
        });
    });
    assert_eq!(front.reloads("failure"), 1.0);
    front.proxy.assert_calm_but_for(&[REFUSED, HUNG_UP]);
}

const REFUSED: &str = "not reloaded: what is in force stays";

struct Rotation<'a> {
    cluster: &'a Cluster,
    front: &'a Front,
    load: &'a Load,
    visitors: &'a Visitors<'a>,
}

fn replace(rotation: &Rotation) {
    let door = rotation.front.door.as_ref().expect("TLS");
    let first = door.identity();
    rotation.turn(Mount::rewrite, &first);
    rotation.turn(Mount::swap, &door.identity());

    let last = door.identity();
    rotation.turn(Mount::swap, &last);
    let (front, successes) = (rotation.front, rotation.front.reloads("success"));
    door.mount().swap_halves(&door.identity(), &door.identity());
    wait_until("the refusal", || front.reloads("failure") == 1.0);
    rotation.goes_on_with(&last);
    assert_eq!(front.reloads("success"), successes);

    rotation.turn(Mount::rewrite, &door.identity());
}

impl Rotation<'_> {
    /// Replaces the certificates to both sides in this manner; this one is for clients.
    fn turn(&self, how: fn(&Mount, &Identity), identity: &Identity) {
        let door = self.front.door.as_ref().expect("TLS");
        self.reload(|| how(door.mount(), identity));
        self.goes_on_with(identity);

        let own = self.front.own.as_ref().expect("brokers demand one");
        let another = self.cluster.identities().another_client();
        self.reload(|| how(own, &another));
        self.goes_on_with(identity);
    }

    fn reload(&self, change: impl FnOnce()) {
        let before = self.front.reloads("success");
        change();
        wait_until("the reload", || self.front.reloads("success") > before);
    }

    /// Fails unless this is what clients are shown, and waits until clients of each kind had to do with it.
    fn goes_on_with(&self, identity: &Identity) {
        let expected = CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes());
        assert_eq!(self.visitors.shown(), expected.expect("PEM"));
        let old = || self.front.proxy.ends(NAME, "max_connection_age");
        let before = old();
        wait_until("connections to be made again", || old() >= before + 6.0);
        self.visitors.wait_for_more();
        self.load.goes_on();
    }
}

/// Lets one client process after the other ask something, each over connections of its own, until it is over.
fn ask(front: &Front, programs: &[Program], over: &AtomicBool) -> usize {
    let access = front.access(None);
    let mut asked = 0;
    for program in programs.iter().cycle() {
        if over.load(Ordering::SeqCst) {
            break;
        }
        assert_eq!(program.refused(&access), None, "{}", program.name());
        asked += 1;
    }
    asked
}

struct AtEnd<'o>(&'o AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Brokers say nothing about a certificate that they like. One that they do not like shows which of them new connections use.
#[test]
fn brokers_are_shown_the_newest_certificate_and_a_wrong_one_can_be_mended() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let front = Front::with(cluster, Listener::Mtls, cluster.ids(), Options::default());
    let own = front.own.as_ref().expect("brokers demand one");
    let bootstrap: SocketAddr = front.bootstrap().parse().expect("an address");
    let connect = || Wire::connect(bootstrap).expect("the port accepts");
    let request = MetadataRequest::default();
    let answers = |wire: &mut Wire| wire.ask(&request, 12).is_ok();
    let replace = |identity: &Identity| {
        let before = front.reloads("success");
        own.swap(identity);
        wait_until("the reload", || front.reloads("success") > before);
    };

    let mut open = connect();
    assert!(answers(&mut open));
    replace(&Authority::new("Root of nobody").client("stranger"));
    assert!(!answers(&mut connect()), "no broker knows the stranger");
    assert!(answers(&mut open), "what is open stays");
    replace(&cluster.identities().another_client());
    let mut mended = connect();
    assert!(answers(&mut mended) && answers(&mut open));
}
