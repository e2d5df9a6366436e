//! Which clients may connect, and who says which client it is.

use portolan::config::{Config, ProxyProtocolMode};

use crate::{config, least_with, refused};

fn main(config: &Config) -> &portolan::config::VirtualCluster {
    &config.clusters["main"]
}

#[test]
fn everyone_may_connect_and_is_taken_at_face_value() {
    let config = config(crate::LEAST);
    let main = main(&config);
    assert_eq!(main.proxy_protocol.mode, ProxyProtocolMode::Off);
    assert!(main.proxy_protocol.from.is_empty());
    assert!(main.access.admits("192.0.2.7".parse().expect("an address")));
}

#[test]
fn networks_are_read_for_each_list() {
    let config = config(&least_with(
        "allow = [\"192.0.2.0/24\", \"2001:db8::/32\"]\ndeny = [\"192.0.2.7\"]\n\
         proxy_protocol = \"optional\"\nproxy_protocol_from = [\"10.0.0.0/8\"]",
    ));
    let main = main(&config);
    let admits = |ip: &str| main.access.admits(ip.parse().expect("an address"));
    assert!(admits("192.0.2.8") && admits("2001:db8::1"));
    assert!(!admits("192.0.2.7") && !admits("198.51.100.1"));
    let from = &main.proxy_protocol.from;
    assert_eq!(main.proxy_protocol.mode, ProxyProtocolMode::Optional);
    assert_eq!(from.len(), 1);
    assert!(from[0].contains("10.1.2.3".parse().expect("an address")));
}

#[test]
fn each_bad_network_is_reported_with_its_place() {
    for key in ["allow", "deny"] {
        let networks = format!("{key} = [\"10.0.0.0/8\", \"10.0.0.0/33\", \"x\", 7]");
        let words = refused(&least_with(&networks));
        assert_eq!(words.matches("line 2: ").count(), 3, "{words}");
        for n in 1..4 {
            let place = format!("line 2: clusters.main.{key}[{n}]: ");
            assert!(words.contains(&place), "{words}");
        }
    }
    let header = "proxy_protocol = \"required\"\nproxy_protocol_from = [\"10.0.0.0/33\"]";
    let words = refused(&least_with(header));
    assert!(
        words.starts_with("line 3: clusters.main.proxy_protocol_from[0]: "),
        "{words}"
    );
    assert_eq!(words.matches("line ").count(), 1, "{words}");
    assert_eq!(
        refused(&least_with("allow = \"10.0.0.0/8\"")),
        "line 2: clusters.main.allow: a string where a list of strings is wanted\n    write it like [\"10.0.0.0/8\"]"
    );
}

#[test]
fn a_header_is_believed_from_networks_that_are_named() {
    for mode in ["optional", "required"] {
        for (from, line) in [("", 1), ("\nproxy_protocol_from = []", 3)] {
            assert_eq!(
                refused(&least_with(&format!("proxy_protocol = \"{mode}\"{from}"))),
                format!(
                    "line {line}: clusters.main.proxy_protocol_from: no network is named whose headers are believed\n    \
                     name those of the load balancers, such as: proxy_protocol_from = [\"10.0.0.0/8\"]"
                )
            );
        }
    }
}

#[test]
fn networks_of_balancers_without_the_protocol_are_a_mistake() {
    for off in ["", "\nproxy_protocol = \"off\""] {
        assert_eq!(
            refused(&least_with(&format!(
                "proxy_protocol_from = [\"10.0.0.0/8\"]{off}"
            ))),
            "line 2: clusters.main.proxy_protocol_from: it has no effect: proxy_protocol is \"off\"\n    \
             write proxy_protocol = \"required\" or \"optional\", or take it out"
        );
    }
    // A mode that is none is one fault.
    assert_eq!(
        refused(&least_with(
            "proxy_protocol = \"on\"\nproxy_protocol_from = [\"10.0.0.0/8\"]"
        )),
        "line 2: clusters.main.proxy_protocol: \"on\" is not a choice here\n    \
         write one of \"off\", \"optional\", \"required\""
    );
}
