//! One port for all nodes: the TLS server name picks the route, and with it what the client is told.

use std::sync::{Arc, Mutex};

use kafka_protocol::messages::{MetadataRequest, MetadataResponse};
use rustls::{AlertDescription, ClientConfig};

use super::{NAME, Pki, is_served, refusal};
use crate::common::broker::{Broker, Received};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Setup, told_end, wait_for_ends};

/// The port that clients are told.
const ADVERTISED: i32 = 443;

fn name(node: i32) -> String {
    format!("broker-{node}.{NAME}")
}

/// The sections of SNI mode.
fn sections(pki: &Pki) -> String {
    let wildcard = format!("*.{NAME}");
    format!(
        "[clusters.main.sni]\nport = 0\nadvertised_port = {ADVERTISED}\nbootstrap_host = {NAME:?}\n\
         node_host = \"broker-{{node_id}}.{NAME}\"\n{}\n",
        pki.tls(&[NAME, &wildcard], "")
    )
}

/// SNI mode alone, with the nodes of `ids` at one broker, and further ones.
fn alone(pki: &Pki, broker: &Broker, ids: &str, others: &[(i32, &Broker)]) -> Proxy {
    let hosts: String = (0..200)
        .map(|id| format!("127.0.0.1 node-{id}.test\n"))
        .collect();
    let hosts = pki.write("hosts", &hosts);
    let (address, port) = (broker.address(), broker.address().port());
    let mut toml = format!(
        "[dns]\nhosts_file = {hosts:?}\n[clusters.main]\nbootstrap_servers = [\"{address}\"]\n\
         listen_address = \"127.0.0.1\"\n[[clusters.main.nodes]]\nids = {ids:?}\n\
         address = \"node-{{node_id}}.test:{port}\"\n"
    );
    for (id, broker) in others {
        let address = broker.address();
        toml += &format!("[[clusters.main.nodes]]\nids = \"{id}\"\naddress = \"{address}\"\n");
    }
    Proxy::start(&(toml + &sections(pki)))
}

/// A broker that knows these nodes.
fn knows(nodes: Vec<i32>) -> Broker {
    Broker::answering(move |request| Some(answer(request, &nodes)))
}

fn answer(request: &Received, nodes: &[i32]) -> Vec<u8> {
    match request.api_key {
        3 => request.answer(&frames::metadata(request.api_version, nodes)),
        _ => request.answer_bytes(b"alive"),
    }
}

fn connect(proxy: &Proxy, config: &Arc<ClientConfig>, name: &str) -> Client {
    Client::connect(proxy.listener("main", "sni")).secured(config, name)
}

fn told(metadata: &MetadataResponse) -> Vec<(i32, String, i32)> {
    let brokers = metadata.brokers.iter();
    brokers
        .map(|b| (b.node_id.0, b.host.to_string(), b.port))
        .collect()
}

fn connections(proxy: &Proxy, route: &str) -> f64 {
    proxy.metric(&format!(
        "portolan_connections{{cluster=\"main\",route=\"{route}\"}}"
    ))
}

#[test]
fn names_lead_to_the_bootstrap_server_and_to_each_node() {
    let pki = Pki::new();
    let (all, seven) = (knows(vec![0, 7]), knows(vec![7]));
    let proxy = alone(&pki, &all, "0-2", &[(7, &seven)]);
    let config = pki.client();
    for (name, at_seven) in [
        (NAME.to_owned(), false),
        (name(0), false),
        (name(7), true),
        (NAME.to_uppercase(), false),
        (name(7).to_uppercase(), true),
    ] {
        let mut client = connect(&proxy, &config, &name);
        let metadata = client.ask(9, &MetadataRequest::default());
        assert_eq!(metadata.brokers.len() == 1, at_seven, "{name}");
    }
    assert_eq!((all.connections(), seven.connections()), (3, 2));
    proxy.assert_calm();
}

#[test]
fn clients_are_told_names_at_the_one_advertised_port() {
    let pki = Pki::new();
    let nodes: Vec<i32> = (0..200).collect();
    let broker = knows(nodes.clone());
    let proxy = alone(&pki, &broker, "0-199", &[]);
    let config = pki.client();
    let mut client = connect(&proxy, &config, NAME);
    let metadata = client.ask(9, &MetadataRequest::default());
    let expected: Vec<_> = nodes.iter().map(|&id| (id, name(id), ADVERTISED)).collect();
    assert_eq!(told(&metadata), expected);
    // The certificate is good for each of them, and each is told the same.
    for node in [0, 1, 99, 198, 199] {
        let mut client = connect(&proxy, &config, &name(node));
        let metadata = client.ask(9, &MetadataRequest::default());
        assert_eq!(told(&metadata), expected);
        assert_eq!(connections(&proxy, &format!("node-{node}")), 1.0);
    }
    proxy.assert_calm();
}

#[test]
fn connections_are_counted_at_the_port_and_then_at_their_route() {
    let pki = Pki::new();
    let broker = knows(vec![0]);
    let proxy = alone(&pki, &broker, "0-2", &[]);
    let config = pki.client();
    let counts =
        |proxy: &Proxy| ["sni", "bootstrap", "node-1"].map(|route| connections(proxy, route));
    assert_eq!(
        counts(&proxy),
        [0.0; 3],
        "each series is there from the start"
    );
    let undecided = Client::connect(proxy.listener("main", "sni"));
    wait_until("a connection at the port", || {
        counts(&proxy) == [1.0, 0.0, 0.0]
    });
    let mut first = connect(&proxy, &config, NAME);
    is_served(&mut first);
    let mut nodes = [(); 2].map(|()| connect(&proxy, &config, &name(1)));
    nodes.iter_mut().for_each(is_served);
    assert_eq!(counts(&proxy), [1.0, 1.0, 2.0]);
    drop((undecided, first, nodes));
    wait_until("all to end", || counts(&proxy) == [0.0; 3]);
}

#[test]
fn an_unknown_name_is_answered_by_the_alert_for_it() {
    let pki = Pki::new();
    let broker = knows(vec![0]);
    let proxy = alone(&pki, &broker, "0-2", &[]);
    let port = proxy.listener("main", "sni");
    let config = pki.client();
    let longest = format!("{}.{NAME}", "a".repeat(60));
    let unknown = [
        name(3),
        "broker--1.kafka.example.test".to_owned(),
        "broker-00.kafka.example.test".to_owned(),
        "broker-0.kafka.example.test.evil.test".to_owned(),
        "other.test".to_owned(),
        longest,
    ];
    for (n, name) in unknown.iter().enumerate() {
        assert_eq!(
            refusal(port, &config, name),
            AlertDescription::UnrecognisedName,
            "{name}"
        );
        wait_for_ends(&proxy, "unknown_server_name", n + 1);
    }
    let (message, remedy) = told_end(&proxy, "unknown_server_name");
    assert!(message.contains(&format!("{:?}", name(3))), "{message}");
    assert!(remedy.contains("sni.bootstrap_host"), "{remedy}");
    let warnings = proxy.log().into_iter().filter(|l| l["level"] == "WARN");
    assert_eq!(
        warnings.count(),
        1,
        "the others within a minute are only counted"
    );
    assert_eq!(broker.connections(), 0);
    wait_until("all to end", || connections(&proxy, "sni") == 0.0);
    is_served(&mut connect(&proxy, &config, NAME));
}

#[test]
fn a_client_without_a_name_gets_nowhere() {
    let pki = Pki::new();
    let broker = knows(vec![0]);
    let proxy = alone(&pki, &broker, "0-2", &[]);
    let alert = refusal(proxy.listener("main", "sni"), &pki.client(), "127.0.0.1");
    assert_eq!(alert, AlertDescription::UnrecognisedName);
    let (message, _) = told_end(&proxy, "unknown_server_name");
    assert_eq!(message, "session ended: the client sent no TLS server name");
}

#[test]
fn a_resumed_session_still_goes_where_its_name_says() {
    let pki = Pki::new();
    let (all, seven) = (knows(vec![0, 7]), knows(vec![7]));
    let proxy = alone(&pki, &all, "0-2", &[(7, &seven)]);
    let config = pki.client();
    for _ in 0..2 {
        for (name, brokers) in [(NAME.to_owned(), 2), (name(7), 1)] {
            let mut client = connect(&proxy, &config, &name);
            let metadata = client.ask(9, &MetadataRequest::default());
            assert_eq!(metadata.brokers.len(), brokers);
        }
    }
}

#[test]
fn each_client_is_told_addresses_of_the_kind_that_it_came_by() {
    let pki = Pki::new();
    let broker = knows(vec![0, 1]);
    let proxy = Setup::bootstrap(broker.address())
        .node(0, broker.address())
        .node(1, broker.address())
        .section(&sections(&pki))
        .start();
    let config = pki.client();
    let ports = [0, 1].map(|id| i32::from(proxy.node("main", id).port()));
    let by_port: Vec<_> = (0..2)
        .map(|id| (id, NAME.to_owned(), ports[id as usize]))
        .collect();
    let by_sni: Vec<_> = (0..2).map(|id| (id, name(id), ADVERTISED)).collect();
    for _ in 0..3 {
        // A name that would lead elsewhere does not matter at a port of its own.
        for (address, name, expected) in [
            (proxy.listener("main", "sni"), NAME.to_owned(), &by_sni),
            (proxy.listener("main", "sni"), name(1), &by_sni),
            (proxy.bootstrap("main"), NAME.to_owned(), &by_port),
            (proxy.node("main", 0), name(1), &by_port),
        ] {
            let mut client = Client::connect(address).secured(&config, &name);
            let metadata = client.ask(9, &MetadataRequest::default());
            assert_eq!(&told(&metadata), expected);
        }
    }
    proxy.assert_calm();
}

#[test]
fn a_first_message_in_pieces_has_its_name_all_the_same() {
    let pki = Pki::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seven = Broker::answering({
        let seen = seen.clone();
        move |request| {
            seen.lock().unwrap().push(request.api_key);
            Some(answer(request, &[7]))
        }
    });
    let broker = knows(vec![0]);
    let proxy = alone(&pki, &broker, "0-2", &[(7, &seven)]);
    let mut client = Client::connect(proxy.listener("main", "sni"));
    let tls = Client::tls(&pki.client(), &name(7));
    client.secure_in_pieces(tls, 1).unwrap();
    is_served(&mut client);
    assert_eq!(*seen.lock().unwrap(), [12]);
}
