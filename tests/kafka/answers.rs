//! The answers that carry addresses, at every version, beside what the broker itself says: nothing but the addresses differs.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest,
    DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
    MetadataResponse, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::admin::patiently_until;
use crate::cluster::{self, Cluster, Listener};
use crate::front::Front;
use crate::toolchain::KAFKA_4;
use crate::wire::Wire;

#[test]
fn metadata_is_the_brokers_own_but_for_the_addresses_at_every_version() {
    for cluster in clusters() {
        let topic = "metadata-at-every-version";
        cluster.create_topic(topic, 20);
        let name = TopicName(StrBytes::from_static_str(topic));
        let asked = MetadataRequestTopic::default().with_name(Some(name));
        let request = |_| MetadataRequest::default().with_topics(Some(vec![asked.clone()]));
        compare(
            cluster,
            0,
            request,
            |front, mut answer: MetadataResponse| {
                assert_eq!(answer.topics[0].partitions.len(), 20);
                // Brokers say another one each time, since clients cannot reach the controller anyway.
                answer.controller_id = 0.into();
                answer.brokers.sort_by_key(|broker| broker.node_id);
                let partitions = &mut answer.topics[0].partitions;
                partitions.sort_by_key(|partition| partition.partition_index);
                for broker in &mut answer.brokers {
                    tell(
                        front,
                        cluster,
                        broker.node_id.0,
                        &mut broker.host,
                        &mut broker.port,
                    );
                }
                answer
            },
        );
    }
}

#[test]
fn coordinators_are_the_brokers_own_but_for_the_addresses_at_every_version() {
    for cluster in clusters() {
        let request = |version| {
            let key = StrBytes::from_static_str("a-group");
            let request = FindCoordinatorRequest::default();
            if version < 4 {
                request.with_key(key)
            } else {
                let keys = ["b-group", "c-group", "d-group"].map(StrBytes::from_static_str);
                request.with_coordinator_keys([vec![key], keys.to_vec()].concat())
            }
        };
        compare(
            cluster,
            0,
            request,
            |front, mut answer: FindCoordinatorResponse| {
                assert_eq!(answer.error_code, 0, "{answer:?}");
                if answer.coordinators.is_empty() {
                    tell(
                        front,
                        cluster,
                        answer.node_id.0,
                        &mut answer.host,
                        &mut answer.port,
                    );
                }
                for found in &mut answer.coordinators {
                    assert_eq!(found.error_code, 0, "{found:?}");
                    tell(
                        front,
                        cluster,
                        found.node_id.0,
                        &mut found.host,
                        &mut found.port,
                    );
                }
                answer
            },
        );
    }
}

#[test]
fn the_described_cluster_is_the_brokers_own_but_for_the_addresses_at_every_version() {
    for cluster in clusters() {
        let request = |_| DescribeClusterRequest::default();
        compare(
            cluster,
            0,
            request,
            |front, mut answer: DescribeClusterResponse| {
                assert_eq!(answer.brokers.len(), 3);
                answer.controller_id = 0.into();
                answer.brokers.sort_by_key(|broker| broker.broker_id);
                for broker in &mut answer.brokers {
                    tell(
                        front,
                        cluster,
                        broker.broker_id.0,
                        &mut broker.host,
                        &mut broker.port,
                    );
                }
                answer
            },
        );
    }
}

#[test]
fn versions_are_offered_as_the_broker_offers_them_where_they_are_understood() {
    for cluster in clusters() {
        let front = Front::start(cluster, Listener::Plaintext);
        let direct =
            offered(&mut Wire::connect(cluster.plaintext(cluster.ids()[0])).expect("it accepts"));
        let proxied =
            offered(&mut Wire::connect(front.node(cluster.ids()[0])).expect("it accepts"));
        for api in &proxied.api_keys {
            let truth = direct
                .api_keys
                .iter()
                .find(|truth| truth.api_key == api.api_key);
            let truth = truth.expect("no api that the broker does not have");
            assert_eq!(api.min_version, truth.min_version, "{api:?}");
            let carries_addresses = [0, 1, 3, 10, 55, 60, 78, 79].contains(&api.api_key);
            assert!(
                api.max_version == truth.max_version
                    || (carries_addresses && api.max_version < truth.max_version),
                "{api:?} {truth:?}"
            );
        }
        let hidden = direct.api_keys.iter().map(|api| api.api_key);
        let hidden = hidden.filter(|key| !proxied.api_keys.iter().any(|api| api.api_key == *key));
        let hidden: Vec<i16> = hidden.collect();
        // What share coordinators and brokers tell each other is not for clients; before 4.0 there is no such thing.
        let between_brokers = match cluster.version() {
            KAFKA_4 => vec![83, 84, 85, 86, 87],
            _ => vec![],
        };
        assert_eq!(hidden, between_brokers, "Kafka {}", cluster.version());
        assert_eq!(direct.finalized_features, proxied.finalized_features);
        assert_eq!(direct.supported_features, proxied.supported_features);
    }
}

pub fn clusters() -> impl Iterator<Item = &'static Cluster> {
    [cluster::newest(), cluster::previous()]
        .into_iter()
        .flatten()
}

/// Asks [`asked_node`] directly and through the proxy, at every version from `least` on that the proxy offers, and compares the answers
/// when `as_told` has put the proxy's addresses in the place of the broker's. It sees both answers.
pub fn compare<R: Request>(
    cluster: &Cluster,
    least: i16,
    request: impl Fn(i16) -> R,
    as_told: impl Fn(&Front, R::Response) -> R::Response,
) where
    R::Response: PartialEq + std::fmt::Debug,
{
    let id = asked_node(cluster);
    let front = Front::start(cluster, Listener::Plaintext);
    let mut direct = Wire::connect(cluster.plaintext(id)).expect("the broker accepts");
    let mut proxied = Wire::connect(front.node(id)).expect("the proxy accepts");
    let offered = offered(&mut proxied);
    let range = offered.api_keys.iter().find(|api| api.api_key == R::KEY);
    let range = range.expect("the api is offered");
    let api = ApiKey::try_from(R::KEY).expect("a known api");
    let known = api.valid_versions();
    assert!(
        range.max_version <= known.max,
        "{api:?} has versions that this test does not know"
    );
    assert!(range.max_version > least.max(range.min_version));
    for version in range.min_version.max(least)..=range.max_version {
        let what = format!("{api:?} v{version} of Kafka {}", cluster.version());
        // What a broker says may change between the two questions, so they are asked again where they differ.
        patiently_until(&format!("{what} is the same both ways"), || {
            let told = proxied.ask(&request(version), version).expect("an answer");
            let truth = direct.ask(&request(version), version).expect("an answer");
            assert_ne!(told, truth, "{what} is not rewritten");
            let (told, truth) = (as_told(&front, told), as_told(&front, truth));
            match told == truth {
                true => Ok(()),
                false => Err(format!("{told:?}\nand directly\n{truth:?}")),
            }
        });
    }
    front.assert_no_leak();
    front.proxy.assert_calm();
}

/// The one node that is asked both ways.
pub fn asked_node(cluster: &Cluster) -> i32 {
    cluster.ids()[1]
}

/// Replaces the address of a node that the broker says by what clients are told; that address itself stays.
pub fn tell(front: &Front, cluster: &Cluster, id: i32, host: &mut StrBytes, port: &mut i32) {
    let told = front.node(id);
    let address = format!("{}:{port}", host.as_str());
    if address == cluster.internal(id, Listener::Plaintext) {
        let (told_host, told_port) = told.split_once(':').expect("host and port");
        *host = StrBytes::from_string(told_host.to_owned());
        *port = told_port.parse().expect("a port");
    } else {
        assert_eq!(address, told);
    }
}

fn offered(wire: &mut Wire) -> ApiVersionsResponse {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("tests"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    let answer = wire.ask(&request, 3).expect("an answer");
    assert_eq!(answer.error_code, 0);
    assert!(answer.api_keys.len() > 50, "{answer:?}");
    answer
}
