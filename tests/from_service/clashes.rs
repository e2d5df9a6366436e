//! Two clusters whose clients are told the same: known only when the Service has an address.

use rustix::process::Signal;
use serde_json::json;

use crate::api::{Api, NAME, NAMESPACE};
use crate::common::proxy::wait_until;
use crate::{Place, account, broker, cluster, hostname, start};

const CLASH: &str = "two clusters tell their clients the same addresses";

/// As behind a balancer, whose ports are these from 9092 on.
fn behind(config: &str, first: u16) -> String {
    let config = config.replace(
        "bootstrap_port = 0\n",
        &format!("bootstrap_port = 0\nbootstrap_advertised_port = {first}\n"),
    );
    [0, 1].iter().fold(config, |config, id| {
        let node = format!("ids = {id}\nport = 0\n");
        let port = first + 1 + id;
        config.replace(&node, &format!("{node}advertised_port = {port}\n"))
    })
}

/// `main` is told of by the Service, `other` by its configuration; from these ports on.
fn two(api: &Api, main: u16, other: u16) -> Place {
    let (broker, files) = (broker(), account(api));
    let first = behind(&cluster("main", &broker, NAME), main);
    let second = behind(&cluster("other", &broker, NAME), other);
    let second = second.replace(
        &format!("advertised_from_service = \"{NAME}\""),
        "advertised_host = \"LB.example.com\"",
    );
    let proxy = start(api, &files, &(first + &second));
    Place {
        proxy,
        _broker: broker,
        files,
    }
}

/// Waits until that is known.
fn known(place: &Place, host: &str) {
    wait_until(host, || place.service()["address"] == host);
}

fn clashes(place: &Place) -> Vec<serde_json::Value> {
    let mut log = place.proxy.log();
    log.retain(|line| {
        line["message"]
            .as_str()
            .is_some_and(|m| m.starts_with(CLASH))
    });
    log
}

#[test]
fn an_address_that_another_cluster_has_is_told_once_when_it_is_known() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    let place = two(&api, 9092, 9092);
    known(&place, "one.example.com");
    assert_eq!(clashes(&place), [json!(null); 0]);
    api.wait_for_watch();
    api.set(hostname("lb.example.com"));
    let line = place.proxy.wait_for_log(CLASH);
    assert_eq!(line["level"], "WARN");
    assert_eq!(
        (&line["cluster"], &line["other"]),
        (&json!("main"), &json!("other"))
    );
    assert_eq!(
        (&line["address"], &line["addresses"]),
        (&json!("lb.example.com:9092"), &json!(3))
    );
    // However often it comes, and whatever else changes.
    for host in ["one.example.com", "lb.example.com"] {
        api.set(hostname(host));
        known(&place, host);
    }
    let reloads = || {
        place
            .proxy
            .metric("portolan_config_reloads_total{result=\"success\"}")
    };
    let before = reloads();
    place.proxy.signal(Signal::HUP);
    wait_until("a reload", || reloads() > before);
    assert_eq!(clashes(&place).len(), 1);
}

#[test]
fn other_ports_of_the_same_address_are_no_fault() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    let place = two(&api, 9092, 9192);
    known(&place, "lb.example.com");
    api.wait_for_watch();
    // It was looked at by then.
    wait_until("the end of what is told", || {
        place
            .proxy
            .log_has("the Service has an address, which clients are told")
    });
    place.proxy.assert_calm();
}

#[test]
fn a_service_that_is_named_in_two_ways_is_found_when_it_has_its_address() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let (broker, files) = (broker(), account(&api));
    let named =
        |cluster_name: &str, service: &str| behind(&cluster(cluster_name, &broker, service), 9092);
    let config = named("main", NAME) + &named("other", &format!("{NAMESPACE}/{NAME}"));
    let proxy = start(&api, &files, &config);
    proxy.wait_for_log("the Service has no address yet");
    assert!(!proxy.log_has(CLASH));
    api.set(hostname("lb.example.com"));
    let line = proxy.wait_for_log(CLASH);
    assert_eq!(
        (&line["cluster"], &line["other"], &line["addresses"]),
        (&json!("main"), &json!("other"), &json!(3))
    );
}
