//! Near the limit of open files: new connections are refused, those that are there go on, whoever looks at the process gets
//! his answers, and it recovers by itself.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::limits::met;
use crate::setup::{Setup, heartbeat};

/// A proxy with few descriptors that is told to take more connections than there is room for.
fn proxy(broker: &Broker, descriptors: u64) -> Proxy {
    let setup = Setup::with(broker)
        .section("[limits]\nconnections = 10000")
        .section("[runtime]\nthreads = 1");
    Proxy::start_by(
        &format!("ulimit -n {descriptors}; exec \"$@\""),
        &setup.toml(),
    )
}

/// So many clients that say nothing.
fn crowd(proxy: &Proxy, clients: usize) -> Vec<Client> {
    let connect = |_| Client::connect(proxy.bootstrap("main"));
    (0..clients).map(connect).collect()
}

/// Whether the proxy has not closed this connection. There is nothing to be read on it.
fn is_open(client: &Client) -> bool {
    let mut stream = client.stream();
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Every endpoint for those who look at the process answers, also if many look at the same time.
fn assert_answers(proxy: &Proxy) {
    let connect = |_| {
        let mut probe = Client::connect(proxy.admin());
        probe.send(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n");
        probe
    };
    let mut probes: Vec<Client> = (0..16).map(connect).collect();
    for probe in &mut probes {
        assert_eq!(probe.read(15), b"HTTP/1.1 200 OK");
    }
    drop(probes);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(proxy.get(path).0, 200, "{path}");
    }
}

/// Lines of the log at `WARN` and above that begin so.
fn told(proxy: &Proxy, beginning: &str) -> usize {
    let log = proxy.log();
    let lines = log.iter().filter(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        line["level"] != "DEBUG" && message.starts_with(beginning)
    });
    lines.count()
}

/// Whether a request on this connection is answered.
fn answers(client: &mut Client) -> bool {
    client.try_send(&heartbeat(1)).is_ok() && client.try_frame().is_some()
}

/// New clients are served again.
fn recovers(proxy: &Proxy) {
    wait_until("a new client to be served", || {
        answers(&mut Client::connect(proxy.bootstrap("main")))
    });
}

/// Waits until the proxy has let in or refused so many clients; returns how many it has refused.
fn seen(proxy: &Proxy, clients: usize) -> usize {
    let gauge = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
    wait_until("the proxy to have seen all", || {
        met(proxy, "open_files") + proxy.metric(gauge) == clients as f64
    });
    met(proxy, "open_files") as usize
}

#[test]
fn near_the_limit_new_connections_are_closed_and_all_else_goes_on() {
    let broker = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    let proxy = proxy(&broker, 200);
    let mut client = Client::connect(proxy.bootstrap("main"));
    assert!(answers(&mut client));
    // Let in, but not at its broker yet.
    let mut late = Client::connect(proxy.bootstrap("main"));
    seen(&proxy, 2);
    let crowd = crowd(&proxy, 300);
    let refused = seen(&proxy, 302);
    assert!(refused > 100, "{refused} of 300");
    wait_until("the refused to be closed", || {
        crowd.iter().filter(|client| !is_open(client)).count() == refused
    });
    assert_answers(&proxy);
    assert!(answers(&mut client));
    assert!(answers(&mut late), "its broker can be dialled");
    assert_eq!(told(&proxy, "almost as many files are open"), 1);
    drop(crowd);
    recovers(&proxy);
    assert!(answers(&mut client));
}

#[test]
fn clients_that_all_want_their_brokers_leave_descriptors_for_probes() {
    let broker = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    let proxy = proxy(&broker, 200);
    let mut clients = crowd(&proxy, 300);
    seen(&proxy, 300);
    clients.retain(is_open);
    for client in &mut clients {
        client.send(&heartbeat(1));
    }
    // Each gets its answer, or the end where there is no room for the connection to its broker.
    let served = clients.iter_mut().filter_map(|client| client.try_frame());
    let served = served.count();
    let all = clients.len();
    assert!((20..all).contains(&served), "{served} of {all}");
    assert_answers(&proxy);
    let failures = "portolan_upstream_connect_failures_total{cluster=\"main\",node=\"bootstrap\",reason=\"local\"}";
    assert_eq!(proxy.metric(failures), (all - served) as f64);
    assert_eq!(told(&proxy, "cannot connect: "), 1);
    drop(clients);
    recovers(&proxy);
}

#[test]
fn without_any_descriptor_it_waits_and_never_gives_a_listener_up() {
    let broker = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    let proxy = proxy(&broker, 200);
    let mut client = Client::connect(proxy.bootstrap("main"));
    assert!(answers(&mut client));
    let limit = |most| Rlimit {
        current: Some(most),
        maximum: Some(200),
    };
    let pid = Pid::from_raw(proxy.pid() as i32);
    prlimit(pid, Resource::Nofile, limit(3)).unwrap();
    let crowd = crowd(&proxy, 20);
    let line = proxy.wait_for_log("cannot accept connections; will try again");
    let error = line["error"].as_str().unwrap_or_default();
    assert!(error.contains("Too many open files"), "{line}");
    // Time in which a loop without a pause would try thousands of times.
    std::thread::sleep(Duration::from_millis(500));
    assert!(answers(&mut client), "what is open goes on");
    prlimit(pid, Resource::Nofile, limit(200)).unwrap();
    drop(crowd);
    recovers(&proxy);
    let errors = proxy.metric("portolan_accept_errors_total");
    assert!(
        (1.0..1000.0).contains(&errors),
        "{errors} tries without a pause"
    );
    assert_eq!(told(&proxy, "cannot accept connections"), 1);
    proxy.wait_for_log("new connections are served again");
}
