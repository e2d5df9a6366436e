//! Who comes while the address is not known and is no client that could be told it: health checks, and those who may not
//! connect anyway.

use serde_json::json;

use crate::api::{Api, NAME};
use crate::clusters::trusting;
use crate::common::certificates::{Authority, Files};
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::wire::End;
use crate::{Place, account, broker, cluster, hostname, refused, start, told};

/// What a PROXY protocol header says is believed of the clients here.
const BELIEVED: &str = "proxy_protocol = \"optional\"\nproxy_protocol_from = [\"127.0.0.1\"]";

/// A proxy whose address is not known, with these lines in its cluster.
fn without_address(api: &Api, lines: &str) -> Place {
    let (broker, files) = (broker(), account(api));
    let config = cluster("main", &broker, NAME);
    let config = config.replace("listen_address", &format!("{lines}\nlisten_address"));
    let proxy = start(api, &files, &config);
    proxy.wait_for_log("the Service has no address yet");
    Place {
        proxy,
        _broker: broker,
        files,
    }
}

#[test]
fn a_connection_without_a_byte_is_a_bare_connect_and_no_fault() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    // Whatever they would be told: before TLS and PROXY protocol, too.
    for lines in [
        "",
        BELIEVED,
        &format!("advertise = \"dialled\"\n{BELIEVED}"),
    ] {
        let place = without_address(&api, lines);
        let proxy = &place.proxy;
        for port in [proxy.bootstrap("main"), proxy.node("main", 1)] {
            drop(Client::connect(port));
            let mut client = Client::connect(port);
            client.half_close();
            assert_eq!(client.end(), End::Closed);
        }
        wait_until("the ends", || proxy.ends("main", "bare_connect") == 4.0);
        if !lines.is_empty() {
            let mut check = Client::connect(proxy.bootstrap("main"));
            check.send(b"PROXY UNKNOWN\r\n");
            drop(check);
            wait_until("the end", || proxy.ends("main", "bare_connect") == 5.0);
        }
        assert_eq!(proxy.ends("main", "address_unknown"), 0.0, "{lines}");
        assert!(!proxy.log_has("session ended: "), "{lines}");
        refused(proxy.bootstrap("main"));
        proxy.wait_for_end("main", "address_unknown");
    }
}

#[test]
fn who_may_not_connect_is_refused_for_that_and_at_once() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let place = without_address(&api, "deny = [\"127.0.0.1\"]");
    let proxy = &place.proxy;
    for port in [proxy.bootstrap("main"), proxy.node("main", 1)] {
        // Without a byte, as ever.
        Client::connect(port).end();
    }
    wait_until("the ends", || proxy.ends("main", "not_allowed") == 2.0);
    assert_eq!(proxy.ends("main", "address_unknown"), 0.0);
}

#[test]
fn who_has_come_before_the_address_and_speaks_after_it_is_served() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let place = without_address(&api, "");
    let proxy = &place.proxy;
    let mut client = Client::connect(proxy.bootstrap("main"));
    let series = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
    proxy.wait_for_metric(series, 1.0);
    gets_its_address(&api, proxy);
    assert_eq!(told(&mut client, proxy, "main"), ADDRESS);
}

#[test]
fn so_is_who_has_said_nothing_but_a_header_before() {
    for lines in [
        BELIEVED.to_owned(),
        BELIEVED.replace("optional", "required"),
        format!("advertise = \"dialled\"\n{BELIEVED}"),
    ] {
        let Some(api) = Api::start(json!([])) else {
            return;
        };
        let place = without_address(&api, &lines);
        let proxy = &place.proxy;
        let mut client = behind_a_balancer(proxy);
        gets_its_address(&api, proxy);
        assert_eq!(told(&mut client, proxy, "main"), ADDRESS, "{lines}");
        assert!(!proxy.log_has("session ended: "), "{lines}");
    }
}

#[test]
fn so_is_who_does_not_say_even_by_tls_what_it_dialled() {
    let Some(api) = Api::start(json!([])) else {
        return;
    };
    let authority = Authority::new("Root of the proxy");
    let directory = tempfile::tempdir().expect("a directory");
    let identity = authority.server(&["127.0.0.1"]);
    let Files { certificate, key } = identity.write(directory.path(), "proxy");
    let tls = format!("tls = {{certificate = {certificate:?}, key = {key:?}}}");
    let place = without_address(&api, &format!("advertise = \"dialled\"\n{BELIEVED}\n{tls}"));
    let proxy = &place.proxy;
    let client = behind_a_balancer(proxy);
    gets_its_address(&api, proxy);
    let mut client = client.secured(&trusting(&authority), "127.0.0.1");
    assert_eq!(told(&mut client, proxy, "main"), ADDRESS);
    assert!(!proxy.log_has("session ended: "));
}

const ADDRESS: &str = "lb.example.com";

fn gets_its_address(api: &Api, proxy: &Proxy) {
    api.set(hostname(ADDRESS));
    proxy.wait_for_metric("portolan_service_address_known{cluster=\"main\"}", 1.0);
}

/// A client whose balancer has sent its header, which the proxy has read, and that is silent itself.
fn behind_a_balancer(proxy: &Proxy) -> Client {
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(b"PROXY UNKNOWN\r\n");
    client.wait_until_taken();
    client
}
