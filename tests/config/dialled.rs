//! `advertise = "dialled"`: clients are told the host that they came by.

use portolan::config::{Advertise, VirtualCluster};
use portolan::port_map::NodeId;

use crate::{config, least_with, refused};

fn main(text: &str) -> VirtualCluster {
    let mut config = config(text);
    config.clusters.remove("main").expect("it is there")
}

#[test]
fn the_host_that_clients_dialled_needs_something_that_tells_it() {
    let dialled = least_with("advertise = \"dialled\"");
    let read = main(&dialled);
    assert_eq!(read.advertise, Advertise::Dialled);
    assert_eq!(read.advertised_host.as_deref(), Some("kafka.example.com"));
    let dialled = dialled.replace("advertised_host = \"kafka.example.com\"\n", "");
    let words = "line 2: clusters.main.advertise: nothing tells what a client dialled\n    \
         add [clusters.main.tls], for the TLS server name, or proxy_protocol, for the destination in its header; or else \
         advertised_host";
    assert_eq!(refused(&dialled), words);
    let off = dialled.replace("\"dialled\"\n", "\"dialled\"\nproxy_protocol = \"off\"\n");
    assert_eq!(refused(&off), words);
    let header =
        "\"dialled\"\nproxy_protocol = \"required\"\nproxy_protocol_from = [\"10.0.0.0/8\"]\n";
    let tls = "[clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n";
    for text in [
        dialled.replace("\"dialled\"\n", header),
        format!("{dialled}{tls}"),
    ] {
        let read = main(&text);
        assert_eq!(
            (read.advertise, &read.advertised_host),
            (Advertise::Dialled, &None)
        );
        let ports = read.ports.as_ref().expect("port mode is on");
        assert_eq!(ports.advertised(NodeId(0)), None);
        let told = ports.with_host("private.example.com");
        let told = told.advertised(NodeId(0)).expect("it is in the map");
        assert_eq!((told.host, told.port), ("private.example.com", 9093));
    }
}

#[test]
fn ports_at_hosts_that_nobody_knows_are_the_balancers_business() {
    let tls = "[clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n";
    let first = least_with("advertise = \"dialled\"")
        .replace("advertised_host = \"kafka.example.com\"\n", "")
        + tls;
    let second = first
        .replace("clusters.main", "clusters.other")
        .replace("9093", "19093\nadvertised_port = 9093")
        .replace(
            "\"dialled\"\n",
            "\"dialled\"\nbootstrap_port = 19092\nbootstrap_advertised_port = 9092\n",
        );
    config(&format!("{first}{second}"));
    // In one cluster they are told with the same host.
    let twice = "[[clusters.main.nodes]]\nids = \"7\"\nport = 9200\nadvertised_port = 9094\n";
    assert_eq!(
        refused(&format!("{first}{twice}")),
        "line 13: clusters.main.nodes[1].advertised_port: port 9094 is advertised by clusters.main.nodes[0].port already\n    \
         choose another port"
    );
}

#[test]
fn an_unfit_choice_of_the_host_is_one_fault() {
    let text = least_with("advertise = \"dialed\"")
        .replace("advertised_host = \"kafka.example.com\"\n", "");
    assert_eq!(
        refused(&text),
        "line 2: clusters.main.advertise: \"dialed\" is not a choice here\n    write one of \"configured\", \"dialled\""
    );
}
