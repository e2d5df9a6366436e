//! Certificates of clients, and lists of those that are revoked.

use rustls::CertificateError::{Revoked, UnknownIssuer};
use rustls::Error::{InvalidCertificate, NoCertificatesPresented};

use super::*;
use crate::transport::tls::server::has_expired;

/// A server, and the authority of its clients.
struct World {
    files: Files,
    servers: Authority,
    clients: Authority,
    own: Leaf,
}

impl World {
    fn new() -> Self {
        let servers = Authority::new("Servers");
        World {
            own: servers.leaf("localhost"),
            files: Files::new(),
            clients: Authority::new("Clients"),
            servers,
        }
    }

    fn tls(&self, auth: ClientAuth, ca: &str, crl: Option<&str>) -> Tls {
        let chain = self.own.pem() + &self.servers.pem();
        Tls {
            client_auth: auth,
            client_ca: file(&self.files.write("ca.crt", ca)),
            crl: crl.map(|text| self.files.write("crl.pem", text)),
            ..self.files.tls(&chain, &self.own.key())
        }
    }

    fn server(&self, auth: ClientAuth, crl: Option<&str>) -> Server {
        load(&self.tls(auth, &self.clients.pem(), crl)).unwrap()
    }

    fn refused(&self, ca: &str, crl: Option<&str>) -> Vec<String> {
        let tls = self.tls(ClientAuth::Required, ca, crl);
        self.files.told(&load(&tls).unwrap_err())
    }

    fn warned(&self, ca: &str, crl: Option<&str>) -> Vec<String> {
        let server = load(&self.tls(ClientAuth::Required, ca, crl)).unwrap();
        let bare = |text: &String| self.files.bare(text);
        server.warnings().iter().map(bare).collect()
    }

    /// Whether this client is let in, in both versions.
    fn connect(&self, server: &Server, own: Option<&Leaf>) -> Result<(), rustls::Error> {
        let one =
            |version| handshake(&client(&self.servers, own, version), server.config()).map(drop);
        let result = one(TlsVersion::Tls13);
        assert_eq!(one(TlsVersion::Tls12).is_ok(), result.is_ok());
        result
    }
}

fn numbered(authority: &Authority, serial: u64) -> Leaf {
    authority.leaf_with("client", |params| {
        params.serial_number = Some(SerialNumber::from(serial));
    })
}

#[test]
fn clients_are_let_in_by_their_certificates() {
    let world = World::new();
    let good = world.clients.leaf("client");
    let bad = Authority::new("Strangers").leaf("client");
    let anonymous = (Ok(()), Err(NoCertificatesPresented));
    for (auth, anonymous) in [
        (ClientAuth::Optional, anonymous.0),
        (ClientAuth::Required, anonymous.1),
    ] {
        let server = world.server(auth, None);
        assert_eq!(world.connect(&server, None), anonymous);
        assert_eq!(world.connect(&server, Some(&good)), Ok(()));
        let stranger = world.connect(&server, Some(&bad));
        assert_eq!(stranger, Err(InvalidCertificate(UnknownIssuer)));
    }
    let server = world.server(ClientAuth::None, None);
    assert_eq!(world.connect(&server, Some(&bad)), Ok(()));
}

#[test]
fn revoked_clients_are_refused_and_others_are_not() {
    let world = World::new();
    let middle = world.clients.intermediate("Middle");
    let (revoked, good) = (numbered(&world.clients, 7), numbered(&world.clients, 8));
    // A list that should have been renewed long ago: what it revokes stays revoked, and the rest comes in.
    for year in [2021, 2100] {
        let server = world.server(ClientAuth::Required, Some(&world.clients.list(&[7], year)));
        assert_eq!(
            world.connect(&server, Some(&revoked)),
            Err(InvalidCertificate(Revoked))
        );
        assert_eq!(world.connect(&server, Some(&good)), Ok(()));
        let next = server.crl_next_update().unwrap();
        assert_eq!(next < crate::transport::tls::identity::now(), year == 2021);
    }
    // No list by the intermediate authority: its clients come in all the same, which is a warning.
    let both = world.clients.pem() + &middle.pem();
    let list = world.clients.list(&[7], 2100);
    assert_eq!(
        world.warned(&both, Some(&list)),
        [
            "crl.pem: no list by these authorities of client_ca, so that nothing they signed is revoked: CN=Middle"
        ]
    );
    let server = load(&world.tls(ClientAuth::Required, &both, Some(&list))).unwrap();
    assert_eq!(world.connect(&server, Some(&numbered(&middle, 7))), Ok(()));
    assert_eq!(
        world.connect(&server, Some(&revoked)),
        Err(InvalidCertificate(Revoked))
    );
    // All lists count.
    let lists = list + &middle.list(&[9], 2100);
    let server = load(&world.tls(ClientAuth::Required, &both, Some(&lists))).unwrap();
    assert_eq!(server.warnings(), [""; 0]);
    let refused = world.connect(&server, Some(&numbered(&middle, 9)));
    assert_eq!(refused, Err(InvalidCertificate(Revoked)));
}

#[test]
fn an_authority_between_that_is_revoked_takes_its_clients_along() {
    let world = World::new();
    let middle = world.clients.intermediate("Middle");
    let mut client = middle.leaf("client");
    client.chain.push(middle.certificate.der().clone());
    for (revoked, expected) in [
        (INTERMEDIATE + 1, Ok(())),
        (INTERMEDIATE, Err(InvalidCertificate(Revoked))),
    ] {
        let list = world.clients.list(&[revoked], 2100);
        let server = world.server(ClientAuth::Required, Some(&list));
        assert_eq!(world.connect(&server, Some(&client)), expected);
    }
}

#[test]
fn stale_lists_and_odd_authorities_are_warnings() {
    let world = World::new();
    assert_eq!(
        world.warned(&world.clients.pem(), Some(&world.clients.list(&[], 2021))),
        [
            "crl.pem: lists that should have been renewed (what they revoke stays revoked, later revocations are not \
             known): CN=Clients (on 2021-01-01 00:00 UTC): fetch them again"
        ]
    );
    let mut params = Authority::params("Old");
    params.not_after = date_time_ymd(2020, 1, 1);
    let old = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let leaf = world.clients.leaf("client");
    assert_eq!(
        world.warned(&(world.clients.pem() + &leaf.pem() + &old.pem()), None),
        [
            "ca.crt: no authority, and of no use here: CN=client",
            "ca.crt: expired, but trusted as long as it is in the file: CN=Old (on 2020-01-01 00:00 UTC)",
        ]
    );
}

#[test]
fn faults_of_authorities_and_lists_are_told() {
    let world = World::new();
    let ca = world.clients.pem();
    let list = world.clients.list(&[], 2100);
    let damaged = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let lists = "give a file of certificate revocation lists in PEM (BEGIN X509 CRL)";
    let stranger = |name: &str| Authority::new(name).list(&[], 2100);
    let unknown = |n: u8, name: &str| {
        format!(
            "clusters.main.tls.crl: crl.pem: list {n} is by CN={name}, and client_ca has no such authority (or one with \
             another key) | add that authority's certificate to client_ca, or take the list out"
        )
    };
    let leaf = world.clients.leaf("client").pem();
    let cases = [
        (leaf, None, "clusters.main.tls.client_ca: ca.crt: it has no authority, only CN=client | give certificates of authorities in PEM".to_owned()),
        (world.own.key(), None, "clusters.main.tls.client_ca: ca.crt: there is no certificate in it, but a private key | give a file of certificates in PEM".into()),
        (ca.clone(), Some(ca.clone()), format!("clusters.main.tls.crl: crl.pem: there is no revocation list in it, but a certificate | {lists}")),
        (ca.clone(), Some(damaged.into()), "clusters.main.tls.crl: crl.pem: list 1: it is no revocation list: ".into()),
        (ca.clone(), Some(list + &stranger("Strangers")), unknown(2, "Strangers")),
        (ca.clone(), Some(stranger("Clients")), unknown(1, "Clients")),
    ];
    for (ca, crl, expected) in cases {
        let told = world.refused(&ca, crl.as_deref());
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&expected), "{} <> {expected}", told[0]);
    }
    let tls = Tls {
        client_ca: None,
        ..world.tls(ClientAuth::Optional, &ca, None)
    };
    assert_eq!(
        world.files.told(&load(&tls).unwrap_err()),
        [
            "clusters.main.tls.client_ca: clients are asked for certificates, but it is not said who signs them | give a file \
             of certificates of authorities in PEM"
        ]
    );
}

#[test]
fn certificates_that_have_run_out_are_known() {
    let authority = Authority::new("Clients");
    let good = authority.leaf("client");
    let old = authority.leaf_with("client", |params| {
        params.not_after = date_time_ymd(2020, 1, 1)
    });
    assert!(!has_expired(&[]));
    assert!(!has_expired(&[good.certificate.der().clone()]));
    assert!(has_expired(&[old.certificate.der().clone()]));
}
