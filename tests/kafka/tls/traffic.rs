//! Traffic without a pause over TLS on both legs.

use crate::cluster::{self, Listener};
use crate::disturbed::leaders_move;
use crate::front::{Clients, Front, Options};
use crate::go::franz_go;
use crate::librdkafka::librdkafka;
use crate::tls::java;
use crate::traffic::under_traffic_through;

#[test]
fn nothing_is_lost_over_tls_while_leaders_move() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let programs = [java(), librdkafka(), franz_go()];
    let programs: Vec<_> = programs.into_iter().flatten().collect();
    let options = Options {
        clients: Clients::MutualTls,
        ..Options::default()
    };
    let front = Front::with(cluster, Listener::Mtls, cluster.ids(), options);
    under_traffic_through(&front, cluster, "over-tls", &programs, leaders_move);
    front.proxy.assert_calm();
}
