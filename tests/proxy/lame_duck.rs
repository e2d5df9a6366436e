//! SIGTERM with `drain.lame_duck`: load balancers are told to send nobody any more, and whoever comes is served until it is over.

use std::net::TcpStream;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::haproxy::Haproxy;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tools;
use crate::common::wire::End;
use crate::setup::{Setup, exchange, heartbeat, talking};

/// So long that it does not end before a test is through.
const LONG: &str = "[drain]\nlame_duck = \"1h\"";

fn draining() -> (u16, String) {
    (503, "draining\n".to_owned())
}

fn drain_state(proxy: &Proxy) -> f64 {
    proxy.metric("portolan_drain_state")
}

#[test]
fn a_serving_proxy_welcomes_new_connections() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).section(LONG).start();
    assert_eq!(proxy.get("/lbz"), (200, "ok\n".to_owned()));
    assert_eq!(drain_state(&proxy), 0.0);
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_lame_duck_says_so_and_serves_old_and_new_connections() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).section(LONG).start();
    let (mut old, mut old_link) = talking(&proxy, &broker);
    proxy.terminate();
    wait_until("/lbz to be 503", || proxy.get("/lbz") == draining());
    assert_eq!(proxy.get("/lbz?cluster=main"), draining());
    assert_eq!(drain_state(&proxy), 1.0);
    assert_eq!(proxy.get("/readyz").0, 200);
    assert_eq!(proxy.get("/livez").0, 200);
    let line = proxy.wait_for_log("lame duck: /lbz answers 503, new connections are still served");
    assert_eq!(line["connections"], 1);
    assert_eq!(line["lame_duck_seconds"], 3600.0);
    for _ in 0..3 {
        let (mut new, mut link) = talking(&proxy, &broker);
        exchange(&mut new, &mut link, 1);
        exchange(&mut old, &mut old_link, 2);
    }
    assert!(!proxy.log_has("draining"));
    proxy.assert_calm();
}

#[test]
fn when_it_is_over_the_ports_close_and_the_process_drains() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker)
        .section("[drain]\nlame_duck = \"300ms\"")
        .start();
    let (mut busy, mut link) = talking(&proxy, &broker);
    busy.send(&heartbeat(1));
    let request = link.request();
    proxy.terminate();
    proxy.wait_for_log("draining");
    assert_eq!(drain_state(&proxy), 2.0);
    assert_eq!(proxy.get("/lbz"), draining());
    assert_eq!(proxy.get("/readyz").0, 200);
    TcpStream::connect(proxy.bootstrap("main")).expect_err("nobody listens");
    let answer = request.answer_bytes(b"alive");
    link.send(&answer);
    assert_eq!(busy.frame(), answer[4..]);
    assert_eq!(busy.end(), End::Closed);
    drop(busy);
    assert_eq!(proxy.wait().code(), Some(0));
    let told = ["told to stop", "lame duck: /lbz", "draining", "drained"];
    let log = proxy.log();
    let at = |text: &str| {
        log.iter().position(|line| {
            line["message"]
                .as_str()
                .is_some_and(|message| message.starts_with(text))
        })
    };
    let at: Vec<_> = told.iter().map(|text| at(text).expect(text)).collect();
    assert!(at.is_sorted(), "{at:?}");
    proxy.assert_calm();
}

#[test]
fn haproxy_sends_new_connections_elsewhere_and_leaves_the_old_ones() {
    if !tools::available(&["haproxy"]) {
        return;
    }
    let broker = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    let proxies = [(); 2].map(|()| Setup::with(&broker).section(LONG).start());
    let mut section = "option httpchk GET /lbz\ndefault-server check inter 100ms\n".to_owned();
    for (n, proxy) in proxies.iter().enumerate() {
        let (address, admin) = (proxy.bootstrap("main"), proxy.admin());
        section += &format!("server portolan-{n} {address} port {}\n", admin.port());
    }
    let haproxy = Haproxy::with_sections(&[section]);
    let connect = || {
        let mut client = Client::connect(haproxy.fronts[0]);
        client.send(&heartbeat(1));
        client.frame();
        client
    };
    let total = |proxy: &Proxy| {
        proxy.metric("portolan_connections_total{cluster=\"main\",route=\"bootstrap\"}")
    };
    // It lets them take turns.
    let mut old = [connect(), connect(), connect(), connect()];
    let before = proxies.each_ref().map(total);
    assert!(before.iter().all(|&total| total >= 2.0), "{before:?}");
    proxies[0].terminate();
    wait_until("no new connection to a lame duck", || {
        let before = total(&proxies[0]);
        drop([connect(), connect(), connect(), connect()]);
        total(&proxies[0]) == before
    });
    for client in &mut old {
        client.send(&heartbeat(2));
        assert_eq!(client.frame()[..4], 2i32.to_be_bytes());
    }
}

#[test]
fn without_a_lame_duck_time_there_is_none() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    proxy.terminate();
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(!proxy.log_has("lame duck"));
}

#[test]
fn a_second_signal_ends_a_lame_duck_at_once_with_exit_code_1() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).section(LONG).start();
    let (_client, _link) = talking(&proxy, &broker);
    proxy.terminate();
    proxy.wait_for_log("lame duck");
    let told = "a second signal: stopped before all connections were drained";
    wait_until(told, || {
        proxy.terminate();
        proxy.log_has(told)
    });
    assert_eq!(proxy.wait().code(), Some(1));
}
