//! Addresses that lead back to the proxy's own TLS port.

use std::sync::{Arc, OnceLock};

use rustls::version::{TLS12, TLS13};

use super::{NAME, Pki, server};
use crate::common::broker::{Broker, Received};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Setup, heartbeat, told_end, wait_for_ends};

/// A proxy whose node 0 is, as the bootstrap server tells it, the proxy itself. Towards clients and towards brokers it
/// speaks TLS or does not.
fn start(pki: &Pki, tls: bool, upstream_tls: bool) -> (Proxy, Broker) {
    let own = Arc::new(OnceLock::new());
    let answer = {
        let own = own.clone();
        move |request: &Received| {
            let mut metadata = frames::metadata(request.api_version, &[0]);
            metadata.brokers[0].host = "127.0.0.1".into();
            metadata.brokers[0].port = *own.get()?;
            Some(request.answer(&metadata))
        }
    };
    let bootstrap = match upstream_tls {
        true => {
            let identity = pki.authority.server(&["127.0.0.1"]);
            let config = server(&identity, &[&TLS12, &TLS13]);
            Broker::answering_by_tls(Arc::new(config), answer)
        }
        false => Broker::answering(answer),
    };
    let mut setup = Setup::bootstrap(bootstrap.address()).nodes("0", None);
    if tls {
        setup = setup.section(&pki.tls(&[NAME, "127.0.0.1"], ""));
    }
    if upstream_tls {
        setup = setup.section(&pki.upstream_tls(""));
    }
    let proxy = setup.start();
    own.set(i32::from(proxy.node("main", 0).port())).unwrap();
    (proxy, bootstrap)
}

#[test]
fn a_loop_ends_after_one_hop_and_is_told_as_one_whatever_each_leg_speaks() {
    for (tls, upstream_tls) in [(true, true), (true, false), (false, true)] {
        let pki = Pki::new();
        let (proxy, _bootstrap) = start(&pki, tls, upstream_tls);
        let mut client = Client::connect(proxy.node("main", 0));
        if tls {
            client = client.secured(&pki.client(), NAME);
        }
        client.send(&heartbeat(1));
        client.end();
        let (message, remedy) = told_end(&proxy, "loop");
        assert!(message.contains("made by this proxy itself"), "{message}");
        assert!(remedy.contains("not back to this proxy"), "{remedy}");
        let open = "portolan_connections{cluster=\"main\",route=\"node-0\"}";
        wait_until("both ends", || proxy.metric(open) == 0.0);
        let all = "portolan_connections_total{cluster=\"main\",route=\"node-0\"}";
        let opened = proxy.metric(all) as usize;
        // A learned address that fails is asked for once more.
        assert!(
            (2..=3).contains(&opened),
            "{opened}: the client's and its own"
        );
        wait_for_ends(&proxy, "loop", opened - 1);
    }
}
