//! The level of the log, changed while the proxy runs: what is written then, what is refused, and what sets it back.

use crate::admin::http_with;
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::reload::Reloading;
use crate::setup::Setup;

const INFO: &str = "[log]\nformat = \"json\"\nlevel = \"info\"";

const CHANGED: &str = "the log level is changed, until the next reload or start";

/// The status of the answer, and its body.
fn put(proxy: &Proxy, body: &str) -> (String, String) {
    let answer = http_with(proxy, "PUT /log-level", body);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head.split(' ').nth(1).expect("a status");
    (status.to_owned(), body.to_owned())
}

fn change(proxy: &Proxy, level: &str) {
    assert_eq!(put(proxy, level), ("204".to_owned(), String::new()));
    let (status, in_force) = proxy.get("/log-level");
    assert_eq!((status, in_force.trim()), (200, level.trim()));
}

/// How many lines have this level.
fn lines(proxy: &Proxy, level: &str) -> usize {
    let log = proxy.log();
    log.iter().filter(|line| line["level"] == level).count()
}

/// An end that is told at debug only.
fn connect_and_leave(proxy: &Proxy) {
    let ended = proxy.ends("main", "bare_connect");
    drop(Client::connect(proxy.bootstrap("main")));
    wait_until("the end", || proxy.ends("main", "bare_connect") > ended);
}

#[test]
fn the_level_changes_at_once_in_both_directions() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).section(INFO).start();
    assert_eq!(proxy.get("/log-level"), (200, "info\n".to_owned()));
    connect_and_leave(&proxy);
    assert_eq!(lines(&proxy, "DEBUG"), 0);
    change(&proxy, "debug\n");
    let line = proxy.wait_for_log(CHANGED);
    assert_eq!(
        (&line["log_level"], lines(&proxy, "DEBUG")),
        (&"debug".into(), 0)
    );
    connect_and_leave(&proxy);
    let line = proxy.wait_for_log("session ended");
    assert_eq!(line["reason"], "bare_connect");
    let told = lines(&proxy, "DEBUG");
    for level in ["info", "warn", "error"] {
        change(&proxy, level);
        connect_and_leave(&proxy);
    }
    assert_eq!(lines(&proxy, "DEBUG"), told);
    change(&proxy, "trace");
    connect_and_leave(&proxy);
    wait_until("a line", || lines(&proxy, "DEBUG") > told);
}

#[test]
fn what_is_no_level_is_refused_with_all_that_are() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).section(INFO).start();
    let long = "debug".repeat(10_000);
    for wrong in ["loud", "", "DEBUG", "debug info", "\0", "3", &long] {
        let (status, body) = put(&proxy, wrong);
        assert_eq!(status, "400", "{wrong:.20}");
        assert_eq!(
            body,
            "the body must be one of error, warn, info, debug, trace\n"
        );
    }
    let answer = http_with(&proxy, "POST /log-level", "debug").to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 405 "), "{answer}");
    assert!(answer.contains("\r\nallow: get, head, put\r\n"), "{answer}");
    assert_eq!(proxy.get("/log-level").1, "info\n");
    assert!(!proxy.log_has(CHANGED));
    proxy.assert_calm();
}

#[test]
fn a_reload_sets_it_back_to_that_of_the_file() {
    let broker = Broker::start();
    let config = Setup::with(&broker).section(INFO).toml();
    let reloading = Reloading::start(&config);
    let proxy = &reloading.proxy;
    change(proxy, "debug");
    reloading.refuse(&config.replace("[log]", "[lock]"));
    assert_eq!(proxy.get("/log-level").1, "debug\n", "all stays");
    reloading.reload(&config);
    assert_eq!(proxy.get("/log-level").1, "info\n");
    reloading.reload(&config.replace("\"info\"", "\"trace\""));
    assert_eq!(proxy.get("/log-level").1, "trace\n");
}
