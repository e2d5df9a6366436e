//! Dates, order and completeness of chains.

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose};

use super::*;

fn refused(chain: &str, key: &str) -> Vec<String> {
    let files = Files::new();
    files.told(&load(&files.tls(chain, key)).unwrap_err())
}

fn warned(chain: &str, key: &str) -> Vec<String> {
    let files = Files::new();
    let server = load(&files.tls(chain, key)).unwrap();
    server
        .warnings()
        .iter()
        .map(|text| files.bare(text))
        .collect()
}

fn noted(chain: &str, key: &str) -> Option<String> {
    let files = Files::new();
    let server = load(&files.tls(chain, key)).unwrap();
    assert_eq!(server.warnings(), [""; 0]);
    server.note().map(|text| files.bare(text))
}

#[test]
fn dates_are_told() {
    let root = Authority::new("Root");
    let expired = root.leaf_with("a.example", |params| {
        params.not_after = date_time_ymd(2020, 2, 3);
    });
    let prefix = "clusters.main.tls.certificate: tls.crt: ";
    assert_eq!(
        refused(&expired.pem(), &expired.key()),
        [format!(
            "{prefix}the certificate (CN=a.example) expired on 2020-02-03 00:00 UTC | renew it"
        )]
    );
    let early = root.leaf_with("a.example", |params| {
        params.not_before = date_time_ymd(2090, 2, 3);
    });
    let told = refused(&(early.pem() + &root.pem()), &early.key());
    let expected = format!(
        "{prefix}certificate 1 (CN=a.example) is not valid before 2090-02-03 00:00 UTC, and now it is 2"
    );
    assert!(
        told.len() == 1 && told[0].starts_with(&expected),
        "{told:?}"
    );
    assert!(told[0].ends_with(" | wait, use one that is valid now, or set this machine's clock"));
}

#[test]
fn a_certificate_that_expires_soon_is_a_warning() {
    let root = Authority::new("Root");
    let days = |days: i64| {
        let leaf = root.leaf_with("a.example", |params| {
            params.not_after = date_time_ymd(1970, 1, 1)
                + std::time::Duration::from_secs(
                    (super::super::identity::now() + days * 86400) as u64,
                );
        });
        warned(&(leaf.pem() + &root.pem()), &leaf.key())
    };
    assert_eq!(days(15), [""; 0]);
    let told = days(13);
    assert!(told.len() == 1, "{told:?}");
    assert!(
        told[0].starts_with("tls.crt: certificate 1 (CN=a.example) expires on 2"),
        "{told:?}"
    );
    assert!(told[0].ends_with(" UTC: renew it"), "{told:?}");
}

#[test]
fn an_old_root_at_the_end_is_not_looked_at() {
    let mut params = Authority::params("Old");
    params.not_after = date_time_ymd(2020, 1, 1);
    let key = KeyPair::generate().unwrap();
    let root = Authority {
        certificate: params.self_signed(&key).unwrap(),
        issuer: Issuer::new(params, key),
    };
    let leaf = root.leaf("a.example");
    assert_eq!(warned(&(leaf.pem() + &root.pem()), &leaf.key()), [""; 0]);
}

#[test]
fn a_broken_chain_is_told() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let low = middle.intermediate("Low");
    let leaf = low.leaf("a.example");
    let other = Authority::new("Other");
    // The same name, but another key: what is left over from a renewal.
    let renewed = middle.intermediate("Low");
    let no_authority = Authority {
        certificate: leaf.certificate.clone(),
        issuer: Issuer::new(
            CertificateParams::new(vec![]).unwrap(),
            KeyPair::generate().unwrap(),
        ),
    };
    let chain = |parts: &[&Authority]| parts.iter().map(|part| part.pem()).collect::<String>();
    let order = " | order the file: the own certificate first, after each one the authority that signed it, and nothing else";
    let cases = [
        (
            chain(&[&middle]),
            "certificate 1 (CN=a.example) is signed by CN=Low, but certificate 2 (CN=Middle) follows it",
        ),
        (
            chain(&[&renewed]),
            "certificate 1 (CN=a.example) is signed by CN=Low, but certificate 2 (CN=Low) follows it",
        ),
        (
            chain(&[&low, &root, &middle]),
            "certificate 2 (CN=Low) is signed by certificate 4 (CN=Middle), which does not follow it",
        ),
        (
            chain(&[&low, &middle, &root, &other]),
            "certificate 4 (CN=Root) signed itself, but more follow it",
        ),
        (
            chain(&[&no_authority]),
            "certificate 1 (CN=a.example) is signed by CN=Low, but certificate 2 (CN=a.example) follows it",
        ),
    ];
    for (rest, expected) in cases {
        let told = refused(&(leaf.pem() + &rest), &leaf.key());
        assert_eq!(
            told,
            [format!(
                "clusters.main.tls.certificate: tls.crt: {expected}{order}"
            )]
        );
    }
    let good = leaf.pem() + &chain(&[&low, &middle, &root]);
    assert_eq!(warned(&good, &leaf.key()), [""; 0]);
    // In the order of most significance first: both the chain and the key are wrong then.
    let reversed = chain(&[&low]) + &leaf.pem();
    assert_eq!(
        refused(&reversed, &leaf.key()),
        [
            format!("clusters.main.tls.certificate: tls.crt: certificate 1 (CN=Low) is signed by CN=Middle, but certificate 2 (CN=a.example) follows it{order}"),
            "clusters.main.tls.key: tls.key: the key is that of certificate 2 in tls.crt | put that certificate first".into(),
        ]
    );
}

#[test]
fn who_signs_without_being_an_authority_is_told() {
    let root = Authority::new("Root");
    let mut params = Authority::params("Server");
    params.is_ca = IsCa::ExplicitNoCa;
    let key = KeyPair::generate().unwrap();
    let server = Authority {
        certificate: params.signed_by(&key, &root.issuer).unwrap(),
        issuer: Issuer::new(params, key),
    };
    let leaf = server.leaf("a.example");
    let told = refused(&(leaf.pem() + &server.pem()), &leaf.key());
    let expected = "clusters.main.tls.certificate: tls.crt: certificate 2 (CN=Server) signed certificate 1 (CN=a.example), but it is no authority | ";
    assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
}

#[test]
fn an_incomplete_chain_of_a_public_authority_is_a_fault_and_else_a_note() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let leaf = middle.leaf("a.example");
    let end = "which is not known here: peers must have that authority in their trust store; if it is an intermediate one, \
               add its certificate to the file";
    assert_eq!(
        noted(&leaf.pem(), &leaf.key()),
        Some(format!(
            "tls.crt: the chain ends with a certificate that is signed by CN=Middle, {end}"
        ))
    );
    let longer = leaf.pem() + &middle.pem();
    assert_eq!(
        noted(&longer, &leaf.key()),
        Some(format!(
            "tls.crt: the chain ends with a certificate that is signed by CN=Root, {end}"
        ))
    );
    let public = middle.leaf_with("a.example", |params| {
        // SEQUENCE { SEQUENCE { OID 2.23.140.1.2.1 } }: domain validated.
        let policies = vec![
            0x30, 0x0a, 0x30, 0x08, 0x06, 0x06, 0x67, 0x81, 0x0c, 0x01, 0x02, 0x01,
        ];
        let extension = CustomExtension::from_oid_content(&[2, 5, 29, 32], policies);
        params.custom_extensions.push(extension);
    });
    assert_eq!(
        refused(&public.pem(), &public.key()),
        [
            "clusters.main.tls.certificate: tls.crt: the chain is incomplete: the certificate of CN=Middle is missing | give \
             the full chain (fullchain.pem of certbot): the server's certificate, then those of the intermediate authorities"
        ]
    );
    let longer = public.pem() + &middle.pem();
    assert!(noted(&longer, &public.key()).is_some());
    // Whose issuer is known by client_ca needs nobody else.
    let files = Files::new();
    let tls = Tls {
        client_ca: file(&files.write("ca.crt", &middle.pem())),
        client_auth: ClientAuth::Required,
        ..files.tls(&public.pem(), &public.key())
    };
    let server = load(&tls).unwrap();
    assert_eq!((server.warnings(), server.note()), (&[][..], None));
}

#[test]
fn a_certificate_that_peers_will_refuse_is_a_warning() {
    let root = Authority::new("Root");
    let leaf = root.leaf_with("a.example", |params| {
        params.subject_alt_names.clear();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(
        warned(&(leaf.pem() + &root.pem()), &leaf.key()),
        [
            "tls.crt: the certificate is not for servers (its extended key usage has no serverAuth): peers will refuse it",
            "tls.crt: the certificate has no names (no subject alternative name): clients will refuse it",
        ]
    );
}

#[test]
fn a_signature_that_we_cannot_check_is_left_to_the_peers() {
    let params = Authority::params("Root");
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let root = Authority {
        certificate,
        issuer: Issuer::new(params, key),
    };
    let leaf = root.leaf("a.example");
    assert_eq!(warned(&(leaf.pem() + &root.pem()), &leaf.key()), [""; 0]);
}
