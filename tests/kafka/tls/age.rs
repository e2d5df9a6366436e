//! Connections that end at their age: clients make new ones, and lose nothing by it.

use serde_json::json;

use crate::client::Program;
use crate::cluster::{self, Listener};
use crate::common::proxy::wait_until;
use crate::front::{Clients, Front, Mode, NAME, Options};
use crate::go::franz_go;
use crate::librdkafka::librdkafka;
use crate::python::confluent_kafka;
use crate::tls::java;
use crate::traffic::{HUNG_UP, under_traffic_through};

/// Through one port by names, where each new connection must be led to its node anew. Leaders stay where they are, so that no
/// client has a reason to write a record again under another epoch.
#[test]
fn nothing_is_lost_or_doubled_while_connections_end_at_their_age() {
    let programs = [java(), librdkafka(), franz_go(), confluent_kafka()];
    let programs: Vec<Program> = programs.into_iter().flatten().collect();
    let Some(cluster) = cluster::newest().filter(|_| programs.iter().all(Program::finds_names))
    else {
        return;
    };
    let options = Options {
        clients: Clients::Tls,
        mode: Mode::Names,
        sections: "[timeouts]\nmax_connection_age = \"2s\"\n",
        ..Options::default()
    };
    let front = Front::with(cluster, Listener::Ssl, cluster.ids(), options);
    let old = || front.proxy.ends(NAME, "max_connection_age");
    let results = under_traffic_through(&front, cluster, "aged", &programs, |_, load| {
        for _ in 0..5 {
            let before = old();
            wait_until("connections to grow old", || old() >= before + 20.0);
            load.goes_on();
        }
    });
    for (program, result) in programs.iter().zip(results) {
        assert_eq!(result["duplicates"], json!([]), "{}", program.name());
    }
    front.proxy.assert_calm_but_for(&[HUNG_UP]);
}
