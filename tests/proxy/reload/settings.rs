//! Limits, timeouts and logging that change, mistakes, and what has to wait for the next start.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::{Reloading, named, who, who_is_at};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::common::wire::End;
use crate::setup::{Setup, heartbeat, talking};

const LOG: &str = "[log]\nformat = \"json\"\n";

#[test]
fn who_waits_for_a_connection_gets_one_when_there_may_be_more() {
    let broker = named("broker");
    let setup = Setup::with(&broker);
    let config = |most: usize| {
        let limits = format!("[limits]\nconnections = {most}");
        setup.clone().section(&limits).toml()
    };
    let reloading = Reloading::start(&config(1));
    let allowed = || reloading.proxy.metric("portolan_max_connections");
    assert_eq!(allowed(), 1.0);
    let bootstrap = reloading.proxy.bootstrap("main");
    let mut first = Client::connect(bootstrap);
    assert_eq!(who(&mut first), "broker");
    let mut second = Client::connect(bootstrap);
    second.send(&heartbeat(1));
    let waits = "portolan_limit_rejections_total{limit=\"connections\"}";
    reloading.proxy.wait_for_metric(waits, 1.0);
    assert!(second.is_silent());
    reloading.reload(&config(2));
    assert_eq!(second.frame()[4..], *b"broker");
    assert_eq!(allowed(), 2.0);
    assert_eq!(
        reloading.last("reloaded", "changes"),
        "limits.connections changed"
    );
    // With fewer than there are nobody is thrown out, and nobody comes in before two have left.
    reloading.reload(&config(1));
    assert_eq!(
        (who(&mut first), who(&mut second)),
        ("broker".into(), "broker".into())
    );
    let mut third = Client::connect(bootstrap);
    third.send(&heartbeat(1));
    reloading.proxy.wait_for_metric(waits, 2.0);
    drop(first);
    reloading.proxy.wait_for_end("main", "client_closed");
    assert!(third.is_silent());
    drop(second);
    assert_eq!(third.frame()[4..], *b"broker");
}

#[test]
fn limits_and_access_hold_for_connections_that_are_open() {
    let broker = Broker::start();
    let setup = Setup::with(&broker);
    let config = |bytes: usize| {
        let limits = format!("[limits]\nrequest_bytes = {bytes}");
        setup.clone().section(&limits).toml()
    };
    let reloading = Reloading::start(&config(4096));
    let (mut client, mut link) = talking(&reloading.proxy, &broker);
    let (mut other, _link) = talking(&reloading.proxy, &broker);
    let request = frames::raw_request(12, 0, 5, &[0; 3000]);
    client.send(&request);
    let answer = link.request().answer_bytes(b"taken");
    link.send(&answer);
    assert_eq!(client.frame()[4..], *b"taken");
    reloading.reload(&config(2048));
    client.send(&request);
    reloading.proxy.wait_for_end("main", "request_too_large");
    reloading.reload(&setup.clone().line("deny = [\"127.0.0.0/8\"]").toml());
    assert_eq!(other.end(), End::Closed);
    reloading.proxy.wait_for_end("main", "not_allowed");
}

#[test]
fn the_level_of_the_log_changes() {
    let broker = named("broker");
    let setup = Setup::with(&broker);
    let config = |level: &str| {
        setup
            .clone()
            .section(&format!("{LOG}level = \"{level}\""))
            .toml()
    };
    let reloading = Reloading::start(&config("info"));
    let bootstrap = reloading.proxy.bootstrap("main");
    let told = || reloading.told("session ended");
    who_is_at(bootstrap);
    reloading.proxy.wait_for_end("main", "client_closed");
    reloading.reload(&config("debug"));
    assert_eq!(told(), 0);
    who_is_at(bootstrap);
    reloading.proxy.wait_for_log("session ended");
    reloading.reload(&config("info"));
    assert_eq!(reloading.last("reloaded", "changes"), "log.level changed");
}

#[test]
fn a_bad_file_is_refused_whole_and_told_once() {
    let broker = named("broker");
    let setup = Setup::with(&broker);
    let reloading = Reloading::start(&setup.toml());
    let mut client = Client::connect(reloading.proxy.bootstrap("main"));
    assert_eq!(who(&mut client), "broker");
    let bad = setup.clone().node(1, broker.address());
    let bad = bad.section("[limits]\nin_flight = 0\nrequest_byte = 1");
    reloading.write(&bad.toml());
    reloading.wait_for_failures(1.0);
    let line = reloading.proxy.wait_for_log("not reloaded");
    assert_eq!(line["level"], "ERROR");
    let faults = line["faults"].as_str().unwrap();
    for words in [
        "limits.in_flight: ",
        "limits.request_byte: unknown key",
        "did you mean `request_bytes`?",
    ] {
        assert!(faults.contains(words), "{faults}");
    }
    // Some looks later.
    sleep(Duration::from_secs(3));
    assert_eq!((reloading.failures(), reloading.successes()), (1.0, 0.0));
    assert_eq!(who(&mut client), "broker");
    assert_eq!(who_is_at(reloading.proxy.node("main", 0)), "broker");
    // Who asks is told again.
    reloading.proxy.signal(Signal::HUP);
    reloading.wait_for_failures(2.0);
    reloading.write(&setup.clone().node(1, broker.address()).toml());
    reloading.wait_for_successes(1.0);
    assert_eq!(who_is_at(reloading.port("main", "node-1")), "broker");
    assert_eq!(who(&mut client), "broker");
}

#[test]
fn what_cannot_change_is_named_and_the_rest_is_put_into_force() {
    let broker = named("broker");
    let setup = Setup::with(&broker);
    let reloading = Reloading::start(&setup.toml());
    let sections = "[admin]\nlisten = \"\"\n[dns]\nservers = [\"127.0.0.1:1\"]\n[runtime]\nthreads = 7\n\
                    [log]\nformat = \"text\"\nlevel = \"debug\"\n";
    let changed = setup.clone().node(1, broker.address()).section(sections);
    reloading.reload(
        &changed
            .toml()
            .replace("listen_address = \"127.0.0.1\"\n", ""),
    );
    let line = reloading
        .proxy
        .wait_for_log("takes effect at the next start");
    assert_eq!(
        (line["level"].as_str(), line["message"].as_str()),
        (
            Some("WARN"),
            Some(
                "takes effect at the next start: admin.listen, dns, runtime.threads, log.format, \
                 clusters.main.listen_address"
            )
        )
    );
    assert_eq!(who_is_at(reloading.port("main", "node-1")), "broker");
}

#[test]
fn sighup_where_nothing_has_changed_disturbs_nobody() {
    let broker = Broker::start();
    let reloading = Reloading::start(&Setup::with(&broker).toml());
    let (mut client, mut link) = talking(&reloading.proxy, &broker);
    reloading.reload(&Setup::with(&broker).toml());
    assert_eq!(
        reloading.last("reloaded", "changes"),
        "none of the configuration"
    );
    crate::setup::exchange(&mut client, &mut link, 1);
    reloading.proxy.assert_calm();
}

#[test]
fn the_grace_of_the_drain_is_the_last_that_was_put_into_force() {
    let broker = Broker::start();
    let setup = Setup::with(&broker);
    let config = |grace: &str| {
        let drain = format!("[drain]\ngrace = \"{grace}\"");
        setup.clone().section(&drain).toml()
    };
    let mut reloading = Reloading::start(&config("1h"));
    let mut client = Client::connect(reloading.proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    let mut link = broker.accept();
    link.request();
    reloading.reload(&config("100ms"));
    reloading.proxy.terminate();
    let proxy: &mut Proxy = &mut reloading.proxy;
    assert_eq!(proxy.wait().code(), Some(0));
}
