//! What only the newest Java client can do, with nothing but `bootstrap.servers`, against the newest brokers.

use serde_json::{Value, json};

use crate::client::Program;
use crate::cluster::{self, Listener};
use crate::front::Front;
use crate::toolchain::KAFKA_4;

#[test]
fn transactions_are_committed_and_aborted() {
    expect(
        "transactions",
        &json!({"committed": 200, "uncommitted": 300, "offset": 7}),
    );
}

#[test]
fn a_classic_group_shares_partitions_and_takes_over() {
    expect(
        "classic-group",
        &json!({"members": 2, "type": "Classic", "before": 500, "after": 500}),
    );
}

#[test]
fn a_kip_848_group_shares_partitions_and_takes_over() {
    let front = expect(
        "consumer-group",
        &json!({"members": 2, "type": "Consumer", "before": 500, "after": 500}),
    );
    let Some(front) = front else { return };
    assert!(front.count("requests_total", "ConsumerGroupHeartbeat") > 0.0);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    expect(
        "static-members",
        &json!({"generations": 0, "partitions": 2}),
    );
}

#[test]
fn a_share_group_takes_every_record() {
    let front = expect("share-group", &json!({"accepted": 1000, "released": 100}));
    let Some(front) = front else { return };
    assert!(front.count("requests_total", "ShareFetch") > 0.0);
}

#[test]
fn a_share_group_follows_its_leaders() {
    let Some((result, front)) = run("share-group-moves") else {
        return;
    };
    assert_eq!(result["accepted"], json!(2000));
    let neutralised = front.count("endpoints_neutralised_total", "ShareFetch");
    assert!(
        neutralised > 0.0,
        "no address of a new leader in a ShareFetch answer"
    );
}

#[test]
fn a_consumer_reads_from_the_follower_in_its_rack() {
    let Some((result, front)) = run("follower-fetching") else {
        return;
    };
    assert_eq!(result["preferred"], result["follower"], "{result}");
    assert_eq!(
        (&result["first"], &result["read"]),
        (&json!(100), &json!(300))
    );
    let follower = result["follower"].as_i64().expect("a node id");
    let follower = i32::try_from(follower).expect("a node id");
    assert!(front.connections_to(follower) > 0.0);
}

#[test]
fn topics_are_administered() {
    let steps = [
        "create",
        "configs",
        "partitions",
        "offsets",
        "reassign",
        "log dirs",
        "delete",
    ];
    expect("admin-topics", &json!({"done": steps}));
}

#[test]
fn the_cluster_its_groups_and_transactions_are_described() {
    let steps = [
        "cluster",
        "quorum",
        "features",
        "groups",
        "transactions",
        "quotas",
        "scram",
        "acls",
    ];
    expect("admin-cluster", &json!({"done": steps}));
}

#[test]
fn records_arrive_with_every_number_of_acks() {
    expect("acks", &json!({"0": 300, "1": 600, "all": 900}));
}

#[test]
fn records_arrive_with_every_compression() {
    expect(
        "compressions",
        &json!({"none": 200, "gzip": 200, "snappy": 200, "lz4": 200, "zstd": 200}),
    );
}

#[test]
fn a_record_of_10_megabytes_arrives() {
    let Some((result, _)) = run("big-record") else {
        return;
    };
    let characters = result["characters"].as_u64().expect("a number");
    assert!(characters >= 10_000_000, "{result}");
}

#[test]
fn a_topic_with_1000_partitions_is_used() {
    expect(
        "many-partitions",
        &json!({"written": 1000, "read": 1000, "described": 1000, "leaders": 3}),
    );
}

/// The one answer in which an internal name may stand: as text of a configuration, which no client dials.
#[test]
fn the_configuration_of_a_broker_is_told_as_it_is() {
    let Some((result, front)) = run_only("broker-configs") else {
        return;
    };
    let advertised = result["advertised"].as_str().expect("a text");
    assert!(advertised.contains("svc.cluster.local"), "{result}");
    assert!(!front.leaks().is_empty(), "the tap did not see it");
}

/// Runs a scenario, expects this result and no leak. `None`: tools are missing.
fn expect(scenario: &str, expected: &Value) -> Option<Front> {
    let (result, front) = run(scenario)?;
    assert_eq!(&result, expected);
    Some(front)
}

fn run(scenario: &str) -> Option<(Value, Front)> {
    let (result, front) = run_only(scenario)?;
    front.assert_no_leak();
    front.assert_understood();
    front.proxy.assert_calm();
    Some((result, front))
}

fn run_only(scenario: &str) -> Option<(Value, Front)> {
    let cluster = cluster::newest()?;
    let front = Front::start(cluster, Listener::Plaintext);
    let result = Program::java(KAFKA_4).run(scenario, &front, scenario, None);
    Some((result, front))
}
