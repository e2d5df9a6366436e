//! Who may resume a session, and where.

use super::*;

const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];
const ONE: &str = "MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=";
const TWO: &str = "MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI=";

/// Replicas of one cluster that clients must show a certificate to.
struct World {
    files: Files,
    servers: Authority,
    clients: Authority,
    tls: Tls,
    leaf: Leaf,
}

impl World {
    fn new(keys: Option<&str>) -> Self {
        let (files, servers, clients) = (Files::new(), Authority::new("S"), Authority::new("C"));
        let own = servers.leaf("localhost");
        let tls = Tls {
            client_auth: ClientAuth::Required,
            client_ca: file(&files.write("ca.crt", &clients.pem())),
            ticket_keys: keys.map(|text| files.write("tickets", text)),
            ..files.tls(&own.pem(), &own.key())
        };
        World {
            leaf: clients.leaf("client"),
            files,
            servers,
            clients,
            tls,
        }
    }

    fn load(&self) -> Server {
        load(&self.tls).unwrap()
    }

    fn reload(&self, previous: &Server) -> Server {
        Server::load(&self.tls, SECTION, Some(previous)).unwrap()
    }

    fn client(&self, version: TlsVersion) -> Arc<ClientConfig> {
        client(&self.servers, Some(&self.leaf), version)
    }

    /// Whether a session that began with one server is resumed by the other, in both versions alike.
    fn moves(&self, from: &Server, to: &Server) -> bool {
        let resumed = VERSIONS.map(|version| {
            let client = self.client(version);
            assert!(!is_resumed(&client, from), "{version:?}");
            is_resumed(&client, to)
        });
        assert_eq!(resumed[0], resumed[1]);
        resumed[0]
    }
}

#[test]
fn sessions_are_resumed_with_the_client_s_certificate_and_without_a_store() {
    let world = World::new(None);
    let server = world.load();
    for version in VERSIONS {
        let client = world.client(version);
        handshake(&client, server.config()).unwrap();
        // Each time anew: every session hands out the ticket of the next one.
        for _ in 0..3 {
            let (kind, connection) = handshake(&client, server.config()).unwrap();
            assert_eq!(kind, HandshakeKind::Resumed);
            let certificate = &connection.peer_certificates().unwrap()[0];
            assert_eq!(certificate, world.leaf.certificate.der());
        }
    }
    assert!(!server.config().session_storage.can_cache());
}

#[test]
fn own_tickets_outlive_a_reload_only_while_the_same_clients_are_let_in() {
    let mut world = World::new(None);
    let first = world.load();
    assert!(!world.moves(&first, &world.load()), "another process");
    let own = world.servers.leaf("localhost");
    fs::write(&world.tls.certificate, own.pem()).unwrap();
    fs::write(&world.tls.key, own.key()).unwrap();
    let renewed = world.reload(&first);
    assert!(world.moves(&first, &renewed), "a new certificate");
    let auth = std::mem::replace(&mut world.tls.client_auth, ClientAuth::Optional);
    assert!(
        !world.moves(&renewed, &world.reload(&renewed)),
        "who may be anonymous"
    );
    world.tls.client_auth = auth;
    world.tls.crl = file(
        &world
            .files
            .write("crl.pem", &world.clients.list(&[1], 2100)),
    );
    let listed = world.reload(&renewed);
    assert!(!world.moves(&renewed, &listed), "a first list");
    assert!(
        world.moves(&listed, &world.reload(&listed)),
        "the same list"
    );
    world
        .files
        .write("crl.pem", &world.clients.list(&[1, 2], 2100));
    assert!(
        !world.moves(&listed, &world.reload(&listed)),
        "a longer list"
    );
    world.tls.crl = None;
    let other = Authority::new("Others").pem();
    world.files.write("ca.crt", &(world.clients.pem() + &other));
    assert!(
        !world.moves(&renewed, &world.reload(&renewed)),
        "one authority more"
    );
}

#[test]
fn shared_keys_move_sessions_between_replicas_that_let_in_the_same_clients() {
    let mut world = World::new(Some(ONE));
    let first = world.load();
    assert!(world.moves(&first, &world.load()));
    let other = Server::load(&world.tls, "clusters.other.tls", None).unwrap();
    assert!(!world.moves(&first, &other), "another cluster");
    world.tls.crl = file(
        &world
            .files
            .write("crl.pem", &world.clients.list(&[1], 2100)),
    );
    assert!(!world.moves(&first, &world.load()), "revoked since");
    world.tls.crl = None;
    let added = world.clients.pem() + &Authority::new("Others").pem();
    world.files.write("ca.crt", &added);
    assert!(!world.moves(&first, &world.load()), "another authority");
    // A key of its own, after one of a file and before.
    world.files.write("ca.crt", &world.clients.pem());
    world.tls.ticket_keys = None;
    let own = world.reload(&first);
    assert!(!world.moves(&first, &own));
    world.tls.ticket_keys = file(&world.files.write("tickets", ONE));
    assert!(!world.moves(&own, &world.reload(&own)));
}

#[test]
fn keys_are_rotated_in_the_order_that_is_documented() {
    let world = World::new(Some(ONE));
    let steps = [
        ONE.to_owned(),
        format!("{ONE}\n{TWO}\n"),
        format!("{TWO}\n\n{ONE}\n"),
        TWO.into(),
    ];
    let servers = steps.each_ref().map(|text| {
        world.files.write("tickets", text);
        world.load()
    });
    // While a step is under way some replicas have taken it and others have not.
    for [old, new] in [[0, 1], [1, 2], [2, 3]] {
        assert!(world.moves(&servers[old], &servers[new]), "{old} to {new}");
        assert!(world.moves(&servers[new], &servers[old]), "{new} to {old}");
    }
    assert!(!world.moves(&servers[0], &servers[3]));
}

#[test]
fn faults_of_ticket_keys_are_told_without_telling_the_keys() {
    let remedy = "write one key a line, each made by: openssl rand -base64 32";
    let nine = [ONE; 9].join("\n");
    let cases = [
        ("", "there is no key in it"),
        ("\n\n", "there is no key in it"),
        ("secret!", "line 1 is not base64"),
        (
            "MTExMTExMTExMTExMTExMTExMTExMTExMTExMTEx",
            "the key in line 1 has 30 bytes, fewer than 32",
        ),
        (
            &format!("{ONE}\nMTEx"),
            "the key in line 2 has 3 bytes, fewer than 32",
        ),
        (&nine, "it has more than 8 keys"),
    ];
    for (text, expected) in cases {
        let world = World::new(Some(text));
        assert_eq!(
            world.files.told(&load(&world.tls).unwrap_err()),
            [format!(
                "clusters.main.tls.ticket_keys: tickets: {expected} | {remedy}"
            )]
        );
    }
    let world = World::new(Some(&nine[..nine.len() - ONE.len() - 1]));
    let debug = format!("{:?}", world.load());
    assert!(
        debug.contains("8 shared keys") && !debug.contains(ONE),
        "{debug}"
    );
}
