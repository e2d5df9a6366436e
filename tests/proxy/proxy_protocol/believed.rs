//! What follows from the client in a header: whether it may connect, and which host it is told.

use kafka_protocol::messages::MetadataRequest;

use super::{TRUSTED, client_of, ended, serves, setup};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::dns::Dns;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::headers::{AUTHORITY, v1, v2, v2_local};
use crate::reload::Reloading;
use crate::setup::{ADVERTISED_HOST, Setup, heartbeat, told_end, wait_for_ends};

#[test]
fn who_may_connect_is_decided_by_the_address_in_the_header() {
    let broker = Broker::start();
    let proxy = setup(&broker, "required")
        .line("allow = [\"10.0.0.0/8\", \"2001:db8::/32\"]\ndeny = [\"10.9.0.0/16\"]")
        .start();
    let connect = |source: &str| {
        let mut client = Client::connect(proxy.bootstrap("main"));
        let destination = if source.starts_with('[') {
            "[::1]:1"
        } else {
            "192.0.2.1:1"
        };
        client.send(&[v2(source, destination, &[]), heartbeat(1)].concat());
        client
    };
    for source in ["10.1.1.1:1", "[2001:db8::5]:1"] {
        serves(&broker, connect(source));
    }
    for source in ["10.9.1.1:5", "192.0.2.7:5", "[2001:db9::5]:5"] {
        connect(source).end();
    }
    // The load balancer speaks for itself, and is not allowed.
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&[v2_local(), heartbeat(1)].concat());
    client.end();
    // But it may look whether somebody is there.
    let mut health_check = Client::connect(proxy.bootstrap("main"));
    health_check.send(&v2_local());
    health_check.half_close();
    health_check.end();
    wait_for_ends(&proxy, "bare_connect", 1);
    wait_for_ends(&proxy, "not_allowed", 4);
    assert_eq!(client_of(&proxy, "not_allowed"), "10.9.1.1:5");
    assert_eq!(
        told_end(&proxy, "not_allowed"),
        (
            "session ended: allow and deny keep this client out".to_owned(),
            "put the client's network into allow, or take it out of deny, if it should connect"
                .to_owned()
        )
    );
    assert_eq!(ended(&proxy, "not_allowed").len(), 1, "told once");
    assert_eq!(broker.connections(), 2);
}

#[test]
fn each_client_is_told_the_host_that_it_dialled() {
    let broker = Broker::answering(|request| Some(request.answer(&frames::metadata(12, &[0]))));
    let proxy = setup(&broker, "optional")
        .line("advertise = \"dialled\"")
        .start();
    let authority: [(u8, &[u8]); 1] = [(AUTHORITY, b"private.example.test")];
    let no_host: [(u8, &[u8]); 1] = [(AUTHORITY, b"no host: 1")];
    let (v4, v6) = ("10.1.1.1:1", "[2001:db8::5]:1");
    for (header, host) in [
        (v2(v4, "192.0.2.1:9092", &authority), "private.example.test"),
        (v2(v4, "192.0.2.1:9092", &no_host), "192.0.2.1"),
        (v2(v4, "192.0.2.1:9092", &[]), "192.0.2.1"),
        (v1(v4, "192.0.2.8:9092"), "192.0.2.8"),
        (v2(v6, "[2001:db8::1]:9092", &[]), "2001:db8::1"),
        (
            v2("[::ffff:10.1.1.1]:1", "[::ffff:192.0.2.9]:2", &[]),
            "192.0.2.9",
        ),
        (v2_local(), ADVERTISED_HOST),
        (b"PROXY UNKNOWN\r\n".to_vec(), ADVERTISED_HOST),
        (Vec::new(), ADVERTISED_HOST),
    ] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&header);
        let answer = client.ask(12, &MetadataRequest::default());
        let told = &answer.brokers[0];
        assert_eq!(told.host.as_str(), host, "{}", header.escape_ascii());
        assert_eq!(told.port, i32::from(proxy.node("main", 0).port()));
    }
    proxy.assert_calm();
}

#[test]
fn without_a_host_of_its_own_a_client_that_says_nothing_is_refused() {
    let broker = Broker::start();
    let toml = setup(&broker, "optional")
        .line("advertise = \"dialled\"")
        .toml();
    let toml = toml.replace(&format!("advertised_host = {ADVERTISED_HOST:?}\n"), "");
    let proxy = Proxy::start(&toml);
    let mut health_check = Client::connect(proxy.bootstrap("main"));
    health_check.send(&v2_local());
    health_check.half_close();
    health_check.end();
    proxy.wait_for_end("main", "bare_connect");
    proxy.assert_calm();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&[v2_local(), heartbeat(1)].concat());
    client.end();
    told_end(&proxy, "no_advertised_host");
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_proxy_that_dials_itself_is_recognised_whatever_a_header_says() {
    let dns = Dns::start();
    dns.set("loop.test", &["127.0.0.1"]);
    // A port that is free now; the proxy binds it a moment later.
    let port = Broker::start().address().port();
    let toml = Setup::bootstrap(format!("loop.test:{port}"))
        .nodes("0", Some("127.0.0.1:1"))
        .line("proxy_protocol = \"optional\"")
        .line(TRUSTED)
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[limits]\nconnections = 50")
        .toml();
    let toml = toml.replace("bootstrap_port = 0", &format!("bootstrap_port = {port}"));
    let proxy = Proxy::start(&toml);
    let mut client = Client::connect(proxy.bootstrap("main"));
    let header = v1("203.0.113.7:4711", "192.0.2.1:9092");
    client.send(&[header, heartbeat(1)].concat());
    client.end();
    proxy.wait_for_end("main", "loop");
    let opened = "portolan_connections_total{cluster=\"main\",route=\"bootstrap\"}";
    assert_eq!(proxy.metric(opened), 2.0, "the client's and one of its own");
}

#[test]
fn who_was_silent_behind_a_header_goes_by_what_is_in_force_when_it_speaks() {
    let broker = Broker::answering(|request| Some(request.answer(&frames::metadata(12, &[0]))));
    let served = setup(&broker, "optional").line("advertise = \"dialled\"");
    let host = format!("advertised_host = {ADVERTISED_HOST:?}\n");
    let refused = served.toml().replace(&host, "");
    let reloading = Reloading::start(&refused);
    let proxy = &reloading.proxy;
    let behind_a_balancer = || {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&v2_local());
        client.wait_until_taken();
        client
    };
    let mut client = behind_a_balancer();
    reloading.reload(&served.toml());
    let answer = client.ask(12, &MetadataRequest::default());
    assert_eq!(answer.brokers[0].host.as_str(), ADVERTISED_HOST);

    reloading.reload(&refused);
    let mut client = behind_a_balancer();
    reloading.reload(&served.line("deny = [\"127.0.0.0/8\"]").toml());
    client.send(&heartbeat(1));
    client.end();
    proxy.wait_for_end("main", "not_allowed");
    assert_eq!(proxy.ends("main", "no_advertised_host"), 0.0);
}
