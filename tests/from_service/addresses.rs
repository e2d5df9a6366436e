//! The address as it comes, changes and goes.

use serde_json::json;

use crate::api::{Api, Manner};
use crate::common::proxy::wait_until;
use crate::{Place, hostname, refused, told};

#[test]
fn until_the_address_is_known_the_process_is_ready_and_clients_are_closed_at_once() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let place = Place::start(&api);
    let proxy = &place.proxy;
    let line =
        proxy.wait_for_log("the Service has no address yet: clients are closed until its load");
    assert_eq!(
        (&line["level"], &line["service"]),
        (&json!("WARN"), &json!("kafka/lb"))
    );
    for path in ["/livez", "/readyz", "/lbz"] {
        assert_eq!(proxy.get(path).0, 200, "{path}");
    }
    // At each port, by the first byte of theirs.
    for port in [proxy.bootstrap("main"), proxy.node("main", 1)] {
        refused(port);
    }
    wait_until("the ends", || proxy.ends("main", "address_unknown") == 2.0);
    let ends = |level: &str| {
        let log = proxy.log();
        let is_it = |line: &&serde_json::Value| {
            line["reason"] == "address_unknown" && line["level"] == level
        };
        log.iter().filter(is_it).count()
    };
    assert_eq!(ends("WARN"), 1, "one fault for all ports");
    let service = place.service();
    assert_eq!(
        (&service["state"], &service["address"]),
        (&json!("no_address"), &json!(null))
    );
    assert_eq!(service["told_to"], "all");
    assert!(!place.known());

    api.set(hostname("lb.example.com"));
    place.wait_until_told("lb.example.com");
    let line = proxy.wait_for_log("the Service has an address, which clients are told from now on");
    assert_eq!(line["host"], "lb.example.com");
    let service = place.service();
    assert_eq!(
        (&service["state"], &service["address"]),
        (&json!("known"), &json!("lb.example.com"))
    );
    let cluster = &crate::status(proxy)["clusters"][0];
    assert_eq!(cluster["advertised_host"], "lb.example.com");
    let advertised = cluster["routes"][1]["advertised"].as_str().unwrap();
    assert!(advertised.starts_with("lb.example.com:"), "{advertised}");
    // Watched, and not asked again.
    assert_eq!(api.seen().len(), 2, "{:?}", api.seen());
}

#[test]
fn a_new_address_is_told_on_connections_that_are_open_and_they_live_on() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("one.example.com");
    api.wait_for_watch();
    let mut client = place.client();
    assert_eq!(told(&mut client, &place.proxy, "main"), "one.example.com");
    let ends = place
        .proxy
        .metric("portolan_connections_total{cluster=\"main\",route=\"bootstrap\"}");
    api.set(hostname("two.example.com"));
    wait_until("the new name on the old connection", || {
        told(&mut client, &place.proxy, "main") == "two.example.com"
    });
    let now = place
        .proxy
        .metric("portolan_connections_total{cluster=\"main\",route=\"bootstrap\"}");
    assert_eq!(now, ends, "nobody connected again");
    assert_eq!(place.told(), "two.example.com");
    let line = place.proxy.wait_for_log("the Service has another address");
    assert_eq!(
        (&line["before"], &line["host"]),
        (&json!("one.example.com"), &json!("two.example.com"))
    );
    place.proxy.assert_calm();
}

#[test]
fn of_an_address_that_changes_all_the_time_few_changes_are_told_and_the_last_always() {
    let Some(api) = Api::start(hostname("start.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("start.example.com");
    api.wait_for_watch();
    // Two who fight over it.
    let begun = api.events();
    let mut sides = ["one.example.com", "two.example.com"].into_iter().cycle();
    while api.events() < begun + 200 {
        let before = api.events();
        api.set(hostname(sides.next().unwrap()));
        wait_until("the event", || api.events() > before);
    }
    api.set(hostname("last.example.com"));
    place.wait_until_told("last.example.com");
    let log = place.proxy.log();
    let changes = log.iter().filter(|line| {
        let message = line["message"].as_str();
        message.is_some_and(|text| text.starts_with("the Service has another address"))
    });
    let changes = changes.count();
    assert!((1..=20).contains(&changes), "{changes} lines");
    let line = place
        .proxy
        .wait_for_log("the address of the Service changes all the time");
    assert_eq!(line["level"], "WARN");
    assert!(line["skipped"].as_u64().unwrap() > 0, "{line}");
}

#[test]
fn an_address_that_is_replaced_in_a_few_steps_does_not_change_all_the_time() {
    let Some(api) = Api::start(hostname("start.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("start.example.com");
    api.wait_for_watch();
    for ingress in [
        json!([]),
        hostname("one.example.com"),
        json!([]),
        hostname("last.example.com"),
    ] {
        let before = api.events();
        api.set(ingress);
        wait_until("the event", || api.events() > before);
    }
    place.wait_until_told("last.example.com");
    let flaps = "the address of the Service changes all the time";
    assert!(!place.proxy.log_has(flaps));
}

#[test]
fn an_address_that_goes_is_still_told_and_its_return_is_said() {
    let Some(api) = Api::start(json!([{"ip": "192.0.2.7"}])) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("192.0.2.7");
    let mut client = place.client();
    api.wait_for_watch();
    api.set(json!([]));
    let line = place
        .proxy
        .wait_for_log("the Service has lost its address: clients are still told the last one");
    assert_eq!(
        (&line["level"], &line["host"]),
        (&json!("WARN"), &json!("192.0.2.7"))
    );
    assert_eq!(told(&mut client, &place.proxy, "main"), "192.0.2.7");
    assert_eq!(place.told(), "192.0.2.7");
    assert_eq!(place.service()["state"], "lost");
    assert!(place.known());
    api.set(json!([{"ip": "192.0.2.7"}]));
    place
        .proxy
        .wait_for_log("the Service has its address again");
    assert_eq!(place.service()["state"], "known");
}

#[test]
fn of_several_entries_the_first_name_is_told_and_else_the_first_ip_of_either_family() {
    let Some(api) = Api::start(json!([{"ip": "2001:db8::7"}, {"ip": "192.0.2.7"}])) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("2001:db8::7");
    let advertised = &crate::status(&place.proxy)["clusters"][0]["routes"][0]["advertised"];
    assert!(
        advertised.as_str().unwrap().starts_with("[2001:db8::7]:"),
        "{advertised}"
    );
    api.set(
        json!([{"ip": "192.0.2.7"}, {"hostname": "a.example.com"}, {"hostname": "b.example.com"}]),
    );
    place.wait_until_told("a.example.com");
}

#[test]
fn a_watch_that_drops_or_whose_version_is_gone_is_begun_anew_and_no_fault() {
    let Some(api) = Api::start(hostname("0.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("0.example.com");
    api.wait_for_watch();
    api.cut();
    api.set(hostname("1.example.com"));
    place.wait_until_told("1.example.com");
    for (n, manner) in [(2, Manner::Gone), (3, Manner::GoneEvent)] {
        api.behave(manner);
        api.set(hostname(&format!("{n}.example.com")));
        // By reading it alone.
        place.wait_until_told(&format!("{n}.example.com"));
        api.wait_for_more(1);
        api.behave(Manner::Right);
        api.wait_for_watch();
    }
    place.proxy.assert_calm();
    let (watches, reads): (Vec<_>, Vec<_>) =
        api.seen().into_iter().partition(|seen| seen.is_watch());
    assert!(
        watches.len() >= 4 && reads.len() >= 4,
        "{watches:?} {reads:?}"
    );
}
