//! What keeps the Service from being read, what is said of it, and that it ends.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::{Api, Manner, NAME, NAMESPACE};
use crate::common::proxy::wait_until;
use crate::{Place, UNREAD, account, broker, cluster, hostname, start, told};

#[test]
fn a_role_that_is_missing_is_named_once_and_tried_again() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    api.behave(Manner::Forbids);
    let place = Place::start(&api);
    let line = place.wait_for_failure("forbidden");
    assert_eq!(line["level"], "WARN");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.contains("the API server answered 403: services \"lb\" is forbidden"),
        "{message}"
    );
    assert_eq!(
        line["remedy"],
        "bind the pod's service account to a Role in the namespace kafka with apiGroups: [\"\"], resources: [\"services\"], \
         resourceNames: [\"lb\"], verbs: [\"get\", \"watch\"]"
    );
    assert_eq!(place.service()["last_error"]["reason"], "forbidden");
    assert_eq!(place.service()["state"], "unread");
    // It is not to take the place of a process that knows the address.
    let (status, body) = place.proxy.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("was not read yet"), "{body}");
    assert_eq!(place.proxy.get("/lbz").0, 200);
    wait_until("another try", || place.failures("forbidden") >= 3.0);
    assert_eq!(lines(&place, UNREAD), 1, "however often it is tried");
    api.behave(Manner::Right);
    place.wait_until_told("lb.example.com");
    assert_eq!(place.proxy.get("/readyz").0, 200);
    place.proxy.wait_for_log("the Service can be read again");
    assert_eq!(place.service()["last_error"], json!(null));
}

fn lines(place: &Place, message: &str) -> usize {
    let log = place.proxy.log();
    let has = |line: &&serde_json::Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.starts_with(message))
    };
    log.iter().filter(has).count()
}

#[test]
fn a_role_that_lacks_watch_still_lets_the_address_be_read() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    api.behave(Manner::ForbidsWatch);
    let place = Place::start(&api);
    let line = place.wait_for_failure("forbidden");
    assert!(
        line["message"]
            .as_str()
            .unwrap()
            .contains("cannot watch it"),
        "{line}"
    );
    place.wait_until_told("one.example.com");
    api.set(hostname("two.example.com"));
    place.wait_until_told("two.example.com");
}

#[test]
fn a_service_that_is_not_there_is_a_fault_until_it_is() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    api.behave(Manner::KnowsNone);
    let place = Place::start(&api);
    let line = place.wait_for_failure("not_found");
    let remedy = line["remedy"].as_str().unwrap();
    assert!(
        remedy.starts_with("create the Service kafka/lb"),
        "{remedy}"
    );
    api.behave(Manner::Right);
    place.wait_until_told("lb.example.com");
}

#[test]
fn an_api_server_that_is_away_changes_nothing_for_clients() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("one.example.com");
    let mut client = place.client();
    assert_eq!(told(&mut client, &place.proxy, "main"), "one.example.com");
    api.wait_for_watch();
    api.behave(Manner::Away);
    place.wait_for_failure("unreachable");
    assert_eq!(told(&mut client, &place.proxy, "main"), "one.example.com");
    assert_eq!(place.told(), "one.example.com");
    api.set(hostname("two.example.com"));
    api.behave(Manner::Right);
    wait_until("the new name on the old connection", || {
        told(&mut client, &place.proxy, "main") == "two.example.com"
    });
    place.proxy.wait_for_log("the Service can be read again");
}

#[test]
fn an_api_server_that_does_not_answer_is_not_waited_for() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    api.behave(Manner::Silent);
    let place = Place::start(&api);
    let line = place.wait_for_failure("unreachable");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.ends_with("the API server did not answer within 15 s"),
        "{message}"
    );
    api.behave(Manner::Right);
    place.wait_until_told("lb.example.com");
}

#[test]
fn a_service_that_goes_between_the_read_and_the_watch_is_missed_nonetheless() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("one.example.com");
    api.wait_for_watch();
    api.behave(Manner::GoneBetween);
    place.wait_for_failure("not_found");
    assert_eq!(place.told(), "one.example.com");
    api.behave(Manner::Right);
    api.set(hostname("two.example.com"));
    place.wait_until_told("two.example.com");
}

#[test]
fn answers_that_are_no_service_change_nothing() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    api.behave(Manner::Says(
        200,
        "{\"kind\":\"Service\",\"status\":[]} <html>",
    ));
    let place = Place::start(&api);
    place.wait_for_failure("bad_answer");
    assert!(!place.known());
    api.behave(Manner::Right);
    place.wait_until_told("one.example.com");
    let before = place.failures("bad_answer");
    api.wait_for_watch();
    api.behave(Manner::SaysWatches(200, "<html>no event</html>\n"));
    wait_until("more of it", || place.failures("bad_answer") > before);
    // Nor what is an event of a Service whose address nobody can dial.
    api.set(hostname("0.0.0.0"));
    api.behave(Manner::Right);
    wait_until("an address that is none", || {
        let error = place.service()["last_error"]["message"].clone();
        error.as_str().is_some_and(|text| text.contains("0.0.0.0"))
    });
    assert_eq!(place.told(), "one.example.com");
    api.set(hostname("two.example.com"));
    place.wait_until_told("two.example.com");
}

#[test]
fn what_is_between_may_answer_in_its_own_way() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    for (manner, reason, says) in [
        (
            Manner::Says(429, "Too many requests\n"),
            "api_error",
            "the API server answered 429: Too many requests",
        ),
        (
            Manner::SaysWatches(429, "Too many requests\n"),
            "api_error",
            "the API server answered 429: Too many requests",
        ),
        (
            Manner::SaysWatches(503, ""),
            "api_error",
            "the API server answered 503: Service Unavailable",
        ),
        (
            Manner::Says(401, "{\"message\":\"who?\"}"),
            "unauthorized",
            "the API server answered 401: who?",
        ),
        (
            Manner::SaysWatches(401, "{\"message\":\"who?\"}"),
            "unauthorized",
            "the API server answered 401: who?",
        ),
        (
            Manner::Says(200, "{}"),
            "bad_answer",
            "the answer is no Service: it has another name, or none",
        ),
        (
            Manner::SaysWatches(200, ""),
            "unreachable",
            "its watch ended before it told anything, so",
        ),
        (Manner::Dumb, "unreachable", "its watch told nothing, so"),
        (
            Manner::Endless,
            "bad_answer",
            "the answer is no Service: it is too long",
        ),
        (
            Manner::EndlessWatches,
            "bad_answer",
            "the answer is no Service: it is too long",
        ),
    ] {
        // A new one, which is not tired of trying.
        let place = Place::start(&api);
        place.wait_until_told("one.example.com");
        api.behave(manner);
        wait_until(says, || {
            let error = &place.service()["last_error"];
            let text = error["message"].as_str().unwrap_or_default();
            error["reason"] == reason && text.contains(says)
        });
        assert_eq!(place.told(), "one.example.com", "{manner:?}");
        // Nothing of it is left.
        api.behave(Manner::Right);
        wait_until("it can be read", || place.service()["last_error"].is_null());
    }
}

#[test]
fn a_token_is_shown_to_nobody_who_is_not_the_api_server() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    let other = Api::start(hostname("other.example.com")).expect("there was one");
    let named = Api::start_as(&["127.0.0.2"], hostname("other.example.com")).expect("a third");
    for (there, trusted) in [(&other, &api), (&named, &named)] {
        let (broker, files) = (broker(), account(trusted));
        let config = cluster("main", &broker, &format!("{NAMESPACE}/{NAME}"));
        let place = Place {
            proxy: start(there, &files, &config),
            _broker: broker,
            files,
        };
        let failure = place.wait_for_failure("unreachable");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("certificate"), "{message}");
        assert!(!place.known());
        assert_eq!(there.seen(), []);
    }
}

#[test]
fn a_token_that_was_replaced_is_used_for_the_next_request() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("one.example.com");
    api.wait_for_watch();
    fs::write(place.token(), "second").unwrap();
    api.want("second");
    api.set(hostname("two.example.com"));
    place.wait_until_told("two.example.com");
    api.cut();
    api.set(hostname("three.example.com"));
    place.wait_until_told("three.example.com");
    assert_eq!(api.seen().last().unwrap().token, "second");
    place.proxy.assert_calm();
}

#[test]
fn a_token_that_is_good_no_more_is_a_fault_until_there_is_another() {
    let Some(api) = Api::start(hostname("one.example.com")) else {
        return;
    };
    let place = Place::start(&api);
    place.wait_until_told("one.example.com");
    api.wait_for_watch();
    api.want("second");
    api.cut();
    place.wait_for_failure("unauthorized");
    fs::write(place.token(), "second").unwrap();
    api.set(hostname("two.example.com"));
    place.wait_until_told("two.example.com");
}

#[test]
fn the_api_server_is_not_hammered() {
    let Some(api) = Api::start(hostname("lb.example.com")) else {
        return;
    };
    api.behave(Manner::Gone);
    let begin = Instant::now();
    let place = Place::start(&api);
    place.wait_until_told("lb.example.com");
    // Each round is a read that succeeds and a watch that ends at once, and each pause is longer than the one before.
    while begin.elapsed() < Duration::from_secs(6) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let rounds = api.seen().iter().filter(|seen| !seen.is_watch()).count();
    assert!((3..=9).contains(&rounds), "{rounds} rounds");
}
