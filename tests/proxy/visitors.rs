//! Who comes to the admin listener: browsers, whose pages must not read or change anything, and crowds, in which probes must get through.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::broker::Broker;
use crate::common::proxy::{PATIENCE, Proxy, wait_until};
use crate::reload::Reloading;
use crate::setup::Setup;

/// A connection that is kept open.
struct Visitor(TcpStream);

impl Visitor {
    fn come(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.admin()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Visitor(stream)
    }

    fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// The head of an answer, in small letters; empty where the connection ends first.
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && self.0.read(&mut byte).unwrap_or(0) > 0 {
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    /// Waits for the end of the connection.
    fn rest(&mut self) {
        let mut rest = Vec::new();
        // How it ends is the kernel's to say where it had bytes that nobody read.
        let _ = self.0.read_to_end(&mut rest);
    }

    /// Asks something that is answered by `ok`, and whether it is: not if the connection is over.
    fn is_served(&mut self) -> bool {
        let asked = self
            .0
            .write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n");
        if asked.is_err() || !self.head().starts_with("http/1.1 200 ") {
            return false;
        }
        let mut body = [0; 3];
        self.0.read_exact(&mut body).is_ok() && &body == b"ok\n"
    }
}

/// The head of the answer to a request with these header lines.
fn ask(proxy: &Proxy, request: &str, headers: &str) -> String {
    let mut visitor = Visitor::come(proxy);
    visitor.say(&format!("{request} HTTP/1.1\r\n{headers}\r\n"));
    visitor.head()
}

fn status_of(proxy: &Proxy, path: &str, host: &str) -> String {
    let head = ask(proxy, &format!("GET {path}"), &format!("host: {host}\r\n"));
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn no_answer_is_cached_or_taken_for_something_else() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for request in [
        "GET /",
        "GET /livez",
        "GET /readyz",
        "GET /lbz",
        "GET /status",
        "GET /metrics",
        "GET /log-level",
        "PUT /log-level",
        "HEAD /status",
        "POST /status",
        "GET /nothing",
    ] {
        for host in ["localhost", "evil.example"] {
            let head = ask(&proxy, request, &format!("host: {host}\r\n"));
            for header in [
                "cache-control: no-store",
                "x-content-type-options: nosniff",
                "cross-origin-resource-policy: same-origin",
            ] {
                let times = head.matches(&format!("\r\n{header}\r\n")).count();
                assert_eq!(times, 1, "{header} of {request} at {host}: {head}");
            }
        }
    }
}

/// To the browser such a page is of the same origin as the answers: only the name in `Host` tells it apart.
#[test]
fn a_page_that_lets_its_own_name_lead_here_reads_nothing() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let port = proxy.admin().port();
    for path in ["/", "/status", "/log-level"] {
        let stranger = format!("evil.example:{port}");
        assert_eq!(status_of(&proxy, path, &stranger), "421", "{path}");
        for ours in [
            "127.0.0.1",
            "[::1]",
            "localhost",
            "portolan",
            "admin.kafka.svc",
        ] {
            let host = format!("{ours}:{port}");
            assert_eq!(status_of(&proxy, path, &host), "200", "{path} at {host}");
        }
    }
    // Who says no name is no browser.
    let mut old = Visitor::come(&proxy);
    old.say("GET /status HTTP/1.0\r\n\r\n");
    assert!(old.head().starts_with("http/1.0 200 "));
    // A whole URL in the request line counts as much.
    let head = ask(
        &proxy,
        "GET http://evil.example/status",
        "host: localhost\r\n",
    );
    assert!(head.starts_with("http/1.1 421 "), "{head}");
}

#[test]
fn probes_and_scrapes_may_use_any_name() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for path in ["/livez", "/readyz", "/lbz", "/metrics"] {
        assert_eq!(
            status_of(&proxy, path, "kafka.example.com"),
            "200",
            "{path}"
        );
    }
}

#[test]
fn names_of_the_configuration_are_answered_from_the_next_reload_on() {
    let broker = Broker::start();
    let setup = Setup::with(&broker);
    let reloading = Reloading::start(&setup.clone().toml());
    let status = || status_of(&reloading.proxy, "/status", "status.example.com:80");
    assert_eq!(status(), "421");
    let listen = "listen = \"127.0.0.1:0\"\n";
    let admin = format!("[admin]\n{listen}allowed_hosts = [\".example.com\"]");
    reloading.reload(&setup.section(&admin).toml());
    assert_eq!(status(), "200");
    assert_eq!(
        reloading.last("reloaded", "changes"),
        "admin.allowed_hosts changed"
    );
}

#[test]
fn a_page_does_not_change_the_log_level() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    assert_eq!(proxy.get("/log-level").1, "debug\n");
    for origin in ["http://evil.example", "http://localhost", "null"] {
        let host = format!("host: 127.0.0.1\r\norigin: {origin}\r\ncontent-length: 4\r\n");
        let mut page = Visitor::come(&proxy);
        page.say(&format!("PUT /log-level HTTP/1.1\r\n{host}\r\ninfo"));
        let head = page.head();
        assert!(head.starts_with("http/1.1 403 "), "{head}");
    }
    // What a browser asks before it lets a page of another site do so is not answered with a yes.
    let asks =
        "host: 127.0.0.1\r\norigin: http://evil.example\r\naccess-control-request-method: PUT\r\n";
    let head = ask(&proxy, "OPTIONS /log-level", asks);
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    assert!(!head.contains("access-control-allow"), "{head}");
    assert_eq!(proxy.get("/log-level").1, "debug\n");
}

#[test]
fn a_body_that_does_not_come_is_cut() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut visitor = Visitor::come(&proxy);
    visitor.say("PUT /log-level HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\ntrac");
    let head = visitor.head();
    assert!(head.starts_with("http/1.1 408 "), "{head}");
    visitor.rest();
    assert_eq!(proxy.get("/log-level").1, "debug\n");
}

#[test]
fn a_body_that_never_ends_is_cut_by_time_and_by_length() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    // So many bytes, one at a time and so long apart: the first is too slow for all that may come, the other too long.
    for (pause, status) in [(Duration::from_millis(300), "408"), (Duration::ZERO, "400")] {
        let mut visitor = Visitor::come(&proxy);
        visitor.say("PUT /log-level HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut sending = visitor.0.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            while sending.write_all(b"1\r\nx\r\n").is_ok() {
                std::thread::sleep(pause);
            }
        });
        let head = visitor.head();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        sender.join().unwrap();
    }
    assert_eq!(proxy.get("/log-level").1, "debug\n");
}

#[test]
fn connections_that_are_kept_open_do_not_keep_a_probe_out() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    // After five seconds of silence they are closed anyway: a machine that needs as long for this tells nothing.
    let told = (0..10).find_map(|_| {
        let begin = Instant::now();
        let gone = who_made_room(&proxy);
        (begin.elapsed() < Duration::from_secs(4)).then_some(gone)
    });
    let gone = told.expect("a machine that is fast enough");
    assert_eq!(gone, [1], "the one that was silent longest, and no more");
}

/// Fills the house, the first asking last, and lets a probe come. Returns who is gone then.
fn who_made_room(proxy: &Proxy) -> Vec<usize> {
    // As many as there may be. Each was served, as browsers and balancers are that keep theirs.
    let mut kept: Vec<Visitor> = (0..64).map(|_| Visitor::come(proxy)).collect();
    for visitor in &mut kept {
        visitor.is_served();
    }
    kept[0].is_served();
    assert!(Visitor::come(proxy).is_served(), "a probe");
    let left: Vec<bool> = kept.iter_mut().map(Visitor::is_served).collect();
    (0..left.len()).filter(|&n| !left[n]).collect()
}

#[test]
fn connections_that_say_nothing_do_not_keep_a_probe_out() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let silent: Vec<Visitor> = (0..200).map(|_| Visitor::come(&proxy)).collect();
    assert_eq!(proxy.get("/livez").0, 200);
    drop(silent);
    wait_until("all to be gone", || Visitor::come(&proxy).is_served());
}

#[test]
fn checks_of_balancers_may_begin_with_a_proxy_header() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    // LOCAL, as of the balancer's own connections; and on behalf of somebody, whom nobody believes.
    let local = [&signature[..], &[0x20, 0, 0, 0]].concat();
    let from = [&signature[..], &[0x21, 0x11, 0, 12], &[10; 12]].concat();
    let text = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec();
    for header in [local, from, text] {
        let mut whole = Visitor::come(&proxy);
        whole.0.write_all(&header).unwrap();
        assert!(whole.is_served(), "{header:?}");
        assert!(whole.is_served(), "and again");
        let mut in_pieces = Visitor::come(&proxy);
        for byte in &header {
            in_pieces.0.write_all(&[*byte]).unwrap();
        }
        assert!(in_pieces.is_served(), "{header:?} in pieces");
    }
    // Of a version that there is not.
    let mut malformed = Visitor::come(&proxy);
    malformed.0.write_all(signature).unwrap();
    malformed.0.write_all(&[0x30, 0, 0, 0]).unwrap();
    assert!(!malformed.is_served());
}
