//! The whole life of a topic, by each Java client against each cluster.

use serde_json::json;

use crate::access::Access;
use crate::client::{Program, Sasl};
use crate::cluster::{self, Cluster, Listener, USER};
use crate::front::Front;
use crate::toolchain::{KAFKA_2, KAFKA_3, KAFKA_4};

/// SCRAM, as the user that every cluster knows.
pub const SCRAM: Sasl = Sasl {
    mechanism: "SCRAM-SHA-512",
    username: USER.0,
    password: USER.1,
};

/// Runs the scenario `round-trip` of a program and checks everything that it says.
pub fn round_trip(program: &Program, cluster: &Cluster, sasl: Option<Sasl>, topic: &str) {
    let listener = match sasl {
        None => Listener::Plaintext,
        Some(_) => Listener::Sasl,
    };
    let front = Front::start(cluster, listener);
    round_trip_through(&front, program, sasl, topic);
}

/// The same through a front that is there already.
pub fn round_trip_through(front: &Front, program: &Program, sasl: Option<Sasl>, topic: &str) {
    round_trip_by(&front.access(sasl), program, topic);
    assert!(
        front.count("requests_total", "InitProducerId") > 0.0,
        "{} did not produce idempotently",
        program.name()
    );
    front.assert_no_leak();
    front.assert_understood();
    front.proxy.assert_calm();
}

/// The same wherever the client finds its cluster; what the client itself says is checked.
pub fn round_trip_by(access: &Access, program: &Program, topic: &str) {
    let result = program.run_by("round-trip", access, topic, &[]);
    let mut brokers: Vec<&str> = access.brokers.split(',').collect();
    brokers.sort_unstable();
    let mut expected = json!({
        "created": true, "produced": 1000, "consumed": 1000, "distinct": 1000, "deleted": true,
    });
    expected["brokers"] = json!(brokers);
    assert_eq!(result, expected, "{}", program.name());
}

macro_rules! round_trips {
    ($($name:ident: $client:expr, $cluster:path, $sasl:expr;)*) => {$(
        #[test]
        fn $name() {
            let Some(cluster) = $cluster() else { return };
            round_trip(&Program::java($client), cluster, $sasl, stringify!($name));
        }
    )*};
}

round_trips! {
    java_2_round_trips_with_kafka_4: KAFKA_2, cluster::newest, None;
    java_3_round_trips_with_kafka_4: KAFKA_3, cluster::newest, None;
    java_4_round_trips_with_kafka_4: KAFKA_4, cluster::newest, None;
    java_2_round_trips_with_kafka_3: KAFKA_2, cluster::previous, None;
    java_3_round_trips_with_kafka_3: KAFKA_3, cluster::previous, None;
    java_4_round_trips_with_kafka_3: KAFKA_4, cluster::previous, None;
    java_2_round_trips_with_kafka_4_by_scram: KAFKA_2, cluster::newest, Some(SCRAM);
    java_3_round_trips_with_kafka_4_by_scram: KAFKA_3, cluster::newest, Some(SCRAM);
    java_4_round_trips_with_kafka_4_by_scram: KAFKA_4, cluster::newest, Some(SCRAM);
    java_2_round_trips_with_kafka_3_by_scram: KAFKA_2, cluster::previous, Some(SCRAM);
    java_3_round_trips_with_kafka_3_by_scram: KAFKA_3, cluster::previous, Some(SCRAM);
    java_4_round_trips_with_kafka_3_by_scram: KAFKA_4, cluster::previous, Some(SCRAM);
}
