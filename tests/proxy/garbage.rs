//! Garbage from either side: whatever the bytes, the process lives, no thread panics, nothing hangs, memory stays bounded.

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeClusterResponse, FetchResponse, FindCoordinatorResponse,
    ProduceResponse, ShareAcknowledgeResponse, ShareFetchResponse, fetch_response,
    produce_response, share_acknowledge_response, share_fetch_response,
};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames::{self, INTERNAL_PORT, internal_host};
use crate::common::proxy::{Proxy, wait_until};
use crate::setup::{Numbers, Setup, exchange, talking};

const MUCH: u64 = 32 * 1024 * 1024;

/// The process lives, serves, and no thread of it has panicked.
fn unharmed(proxy: &Proxy, broker: &Broker) {
    for route in ["bootstrap", "node-0"] {
        let gauge = format!("portolan_connections{{cluster=\"main\",route=\"{route}\"}}");
        wait_until("all sessions to end", || proxy.metric(&gauge) == 0.0);
    }
    wait_until("all buffers to be given back", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    let (mut client, mut link) = talking(proxy, broker);
    exchange(&mut client, &mut link, 2);
    for line in proxy.log() {
        assert!(line["message"].is_string(), "a panic? {line}");
        assert_ne!(line["level"], "ERROR", "{line}");
    }
}

// Trap 6
#[test]
fn garbage_from_clients_harms_nobody() {
    let broker = Broker::start();
    // Where the garbage leads, if it is forwarded.
    let bin = Broker::serving(drop);
    let proxy = Setup::bootstrap(broker.address())
        .node(0, bin.address())
        .start();
    let before = proxy.resident_bytes();
    let mut numbers = Numbers::new(1);
    for n in 0..300 {
        let mut bytes: Vec<u8> = (0..numbers.below(200))
            .map(|_| numbers.below(256) as u8)
            .collect();
        if n % 2 == 0 {
            // A believable size, key and version, so that it gets further.
            let head = [
                0,
                0,
                numbers.below(2) as u8,
                100,
                0,
                numbers.below(95) as u8,
                0,
            ];
            bytes.splice(0..0, head);
        }
        let mut client = Client::connect(proxy.node("main", 0));
        // It may be cut off before its last byte.
        let _ = client.try_send(&bytes);
        drop(client);
    }
    // Some of it looks like a request.
    bin.wait_for_connections(1);
    unharmed(&proxy, &broker);
    assert!(proxy.resident_bytes() < before + MUCH);
}

/// Good answers of every kind that is looked into: api key, version, and the frame without its size field.
fn answers() -> Vec<(i16, i16, Vec<u8>)> {
    let host = || internal_host(0).into();
    let mut all = Vec::new();
    let mut add = |key: i16, version: i16, frame: Vec<u8>| all.push((key, version, frame));
    for version in 0..=13 {
        let nodes = [0, 7, 8, 9];
        add(
            3,
            version,
            frames::response(1, version, &frames::metadata(version, &nodes)),
        );
    }
    for version in 0..=6 {
        let answer = match version {
            ..4 => FindCoordinatorResponse::default()
                .with_host(host())
                .with_port(INTERNAL_PORT),
            4.. => FindCoordinatorResponse::default().with_coordinators(vec![
                Coordinator::default()
                    .with_host(host())
                    .with_port(INTERNAL_PORT),
            ]),
        };
        add(10, version, frames::response(1, version, &answer));
    }
    for version in 0..=2 {
        let brokers = vec![DescribeClusterBroker::default().with_host(host())];
        let answer = DescribeClusterResponse::default().with_brokers(brokers);
        add(60, version, frames::response(1, version, &answer));
    }
    for version in 0..=4 {
        let keys = vec![ApiVersion::default().with_max_version(99); 5];
        let answer = ApiVersionsResponse::default().with_api_keys(keys);
        add(18, version, frames::response(1, version, &answer));
    }
    for version in 10..=13 {
        let endpoint = produce_response::NodeEndpoint::default().with_host(host());
        let answer = ProduceResponse::default().with_node_endpoints(vec![endpoint]);
        add(0, version, frames::response(1, version, &answer));
    }
    for version in 16..=18 {
        let endpoint = fetch_response::NodeEndpoint::default().with_host(host());
        let partition =
            fetch_response::PartitionData::default().with_records(Some(vec![7; 50].into()));
        let topic =
            fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition]);
        let answer = FetchResponse::default()
            .with_responses(vec![topic])
            .with_node_endpoints(vec![endpoint]);
        add(1, version, frames::response(1, version, &answer));
    }
    let endpoint = share_fetch_response::NodeEndpoint::default().with_host(host());
    let answer = ShareFetchResponse::default().with_node_endpoints(vec![endpoint]);
    add(78, 1, frames::response(1, 1, &answer));
    let endpoint = share_acknowledge_response::NodeEndpoint::default()
        .with_node_id(BrokerId(0))
        .with_host(host());
    let answer = ShareAcknowledgeResponse::default().with_node_endpoints(vec![endpoint]);
    add(79, 1, frames::response(1, 1, &answer));
    all
}

/// The request for an answer of this kind.
fn request(api_key: i16, version: i16) -> Vec<u8> {
    match api_key {
        0 => frames::request(1, version, &frames::produce(version, 1, b"x")),
        _ => frames::raw_request(api_key, version, 1, b"\0body"),
    }
}

/// A client asks, the broker answers so and goes away, the client reads to the end.
fn once(proxy: &Proxy, broker: &Broker, api_key: i16, version: i16, answer: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&request(api_key, version));
    let mut link = broker.accept();
    link.request();
    // The proxy may have seen enough before the last byte.
    let _ = link.try_send(answer);
    drop(link);
    client.rest().0
}

// Trap 6
#[test]
fn damaged_answers_harm_nobody() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let before = proxy.resident_bytes();
    let answers = answers();
    assert_eq!(answers.len(), 14 + 7 + 3 + 5 + 4 + 3 + 2);
    let mut numbers = Numbers::new(2);
    for (api_key, version, answer) in &answers {
        for _ in 0..25 {
            let mut damaged = answer.clone();
            for _ in 0..=numbers.below(3) {
                // Behind the size and the correlation id.
                let at = 8 + numbers.below(damaged.len() as u64 - 8) as usize;
                damaged[at] = match numbers.below(4) {
                    0 => 0xff,
                    1 => 0x7f,
                    2 => 0,
                    _ => numbers.below(256) as u8,
                };
            }
            once(&proxy, &broker, *api_key, *version, &damaged);
        }
    }
    unharmed(&proxy, &broker);
    assert!(proxy.resident_bytes() < before + MUCH);
}

// Trap 6
#[test]
fn an_answer_that_ends_early_lets_no_internal_name_pass() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut numbers = Numbers::new(3);
    for (api_key, version, answer) in answers() {
        for _ in 0..6 {
            let end = 8 + numbers.below(answer.len() as u64 - 8) as usize;
            // Cut off by a close, and cut off by its own size field.
            frames::assert_no_leak(&once(&proxy, &broker, api_key, version, &answer[..end]));
            let short = frames::framed(&answer[4..end]);
            frames::assert_no_leak(&once(&proxy, &broker, api_key, version, &short));
        }
    }
    unharmed(&proxy, &broker);
}

/// As rdkafka's MockCluster sends it behind its Metadata answers.
#[test]
fn a_trailing_byte_that_no_schema_knows_passes() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for (api_key, version, answer) in answers() {
        let plain = once(&proxy, &broker, api_key, version, &answer);
        let longer = [&answer[4..], b"\0"].concat();
        let longer = once(&proxy, &broker, api_key, version, &frames::framed(&longer));
        frames::assert_no_leak(&longer);
        if api_key == 78 {
            // What covers the blanked array reaches to the end of the frame, and so over the extra byte.
            assert_eq!(longer.len(), plain.len() + 1);
            continue;
        }
        let expected = frames::framed(&[&plain[4..], b"\0"].concat());
        assert_eq!(longer, expected, "key {api_key} version {version}");
    }
    unharmed(&proxy, &broker);
}

#[test]
fn answers_of_every_kind_may_come_in_any_pieces() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for (api_key, version, answer) in answers() {
        let whole = once(&proxy, &broker, api_key, version, &answer);
        assert_eq!(whole[4..8], [0, 0, 0, 1]);
        for piece in [1, 2, 5, 11] {
            let mut client = Client::connect(proxy.bootstrap("main"));
            client.send(&request(api_key, version));
            let mut link = broker.accept();
            link.request();
            link.send_in_pieces(&answer, piece);
            let found = client.frame();
            assert_eq!(
                found,
                whole[4..],
                "key {api_key} version {version} by {piece}"
            );
        }
    }
    proxy.wait_for_log("is not in the port map");
    // One address in each answer, each of which came five times.
    for (api, versions) in [
        ("Metadata", 14),
        ("FindCoordinator", 7),
        ("DescribeCluster", 3),
        ("Produce", 4),
        ("ShareAcknowledge", 1),
    ] {
        let rewritten =
            format!("portolan_addresses_rewritten_total{{api=\"{api}\",cluster=\"main\"}}");
        assert_eq!(proxy.metric(&rewritten) as usize, versions * 5, "{api}");
    }
}
