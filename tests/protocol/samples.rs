//! One rich answer of each walked or rewritten api and version, in which every address is [`LEAK`].

use bytes::Bytes;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterResponse, FetchResponse, FindCoordinatorResponse, MetadataResponse,
    ProduceResponse, ShareAcknowledgeResponse, ShareFetchResponse, TopicName, fetch_response,
    produce_response, share_acknowledge_response, share_fetch_response,
};
use kafka_protocol::protocol::StrBytes;
use portolan::port_map::PortMap;
use portolan::protocol::Malformed;
use portolan::protocol::api::{WalkedResponse, WholeResponse};

use crate::drive;
use crate::oracle::{Unknown, encode};

/// The name that no client may be told.
pub(crate) const LEAK: &str = "leak.internal";

/// How an answer is treated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Treatment {
    Head,
    Whole(WholeResponse),
    Walk(WalkedResponse),
}

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) treatment: Treatment,
    pub(crate) api_key: i16,
    pub(crate) version: i16,
    pub(crate) frame: Vec<u8>,
}

impl Sample {
    /// What our code makes of this frame.
    pub(crate) fn treat(&self, frame: &[u8], ports: &PortMap) -> Result<Vec<u8>, Malformed> {
        let version = self.version;
        match self.treatment {
            Treatment::Head => Ok(drive::metadata(version, frame, ports, &[50])?.frame),
            Treatment::Whole(kind) => Ok(drive::whole(kind, version, frame, ports)?.frame),
            Treatment::Walk(kind) => {
                let (walked, _) = drive::walked(kind, version, frame, ports, &[50], true)?;
                assert_eq!(walked.len(), frame.len());
                Ok(walked)
            }
        }
    }
}

pub(crate) fn all() -> Vec<Sample> {
    use Treatment::{Head, Walk, Whole};
    let mut samples = Vec::new();
    let mut add = |treatment, api_key, version, frame: Vec<u8>| {
        let leaks = frame
            .windows(LEAK.len())
            .filter(|bytes| *bytes == LEAK.as_bytes());
        assert!(leaks.count() > 0, "api {api_key} version {version}");
        samples.push(Sample {
            treatment,
            api_key,
            version,
            frame,
        });
    };
    for version in 0..=13 {
        add(Head, 3, version, frame(&metadata(version), version));
    }
    for version in 0..=6 {
        let answer = frame(&find_coordinator(version), version);
        add(Whole(WholeResponse::FindCoordinator), 10, version, answer);
    }
    for version in 0..=2 {
        let answer = frame(&describe_cluster(), version);
        add(Whole(WholeResponse::DescribeCluster), 60, version, answer);
    }
    for version in [10, 13] {
        let answer = frame(&produce(version), version);
        add(Whole(WholeResponse::Produce), 0, version, answer.clone());
        add(Walk(WalkedResponse::Produce), 0, version, answer);
    }
    add(Walk(WalkedResponse::Fetch), 1, 16, frame(&fetch(), 16));
    add(
        Walk(WalkedResponse::ShareFetch),
        78,
        2,
        frame(&share_fetch(), 1),
    );
    let acknowledge = frame(&share_acknowledge(), 1);
    add(
        Whole(WholeResponse::ShareAcknowledge),
        79,
        1,
        acknowledge.clone(),
    );
    add(
        Walk(WalkedResponse::ShareAcknowledge),
        79,
        1,
        acknowledge.clone(),
    );
    // Version 2 has the acquisition lock timeout before the responses: header, tags, throttle time, error, message.
    let at = 4 + 1 + 4 + 2 + 1;
    let acknowledge = [&acknowledge[..at], &[0, 0, 1, 0], &acknowledge[at..]].concat();
    add(Whole(WholeResponse::ShareAcknowledge), 79, 2, acknowledge);
    samples
}

fn frame<M>(message: &M, version: i16) -> Vec<u8>
where
    M: kafka_protocol::protocol::Encodable + kafka_protocol::protocol::HeaderVersion,
{
    let tags = match M::header_version(version) {
        1.. => tags(),
        _ => Unknown::new(),
    };
    // ShareAcknowledge 2 is built by a fixed offset.
    let tags = if tags.is_empty() || std::any::type_name::<M>().contains("ShareAcknowledge") {
        Unknown::new()
    } else {
        tags
    };
    encode(message, version, &tags)
}

fn tags() -> Unknown {
    Unknown::from([(9, Bytes::from_static(b"tag"))])
}

fn host() -> StrBytes {
    StrBytes::from_static_str(LEAK)
}

fn rack() -> Option<StrBytes> {
    Some(StrBytes::from_static_str("rack"))
}

fn metadata(version: i16) -> MetadataResponse {
    let broker = |id| {
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(host())
            .with_port(9092)
            .with_rack(rack());
        match version {
            9.. => broker.with_unknown_tagged_fields(tags()),
            _ => broker,
        }
    };
    let partition = |leader| {
        MetadataResponsePartition::default()
            .with_leader_id(BrokerId(leader))
            .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
            .with_isr_nodes(vec![BrokerId(1)])
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("topic"))))
        .with_partitions(vec![partition(0), partition(1), partition(7)]);
    MetadataResponse::default()
        .with_brokers(vec![broker(0), broker(1), broker(7)])
        .with_cluster_id(Some(StrBytes::from_static_str("cluster")))
        .with_controller_id(BrokerId(1))
        .with_topics(vec![topic])
}

fn find_coordinator(version: i16) -> FindCoordinatorResponse {
    if version < 4 {
        return FindCoordinatorResponse::default()
            .with_node_id(BrokerId(1))
            .with_host(host())
            .with_port(9092);
    }
    let one = |id| {
        Coordinator::default()
            .with_key(StrBytes::from_static_str("group"))
            .with_node_id(BrokerId(id))
            .with_host(host())
            .with_port(9092)
            .with_unknown_tagged_fields(tags())
    };
    FindCoordinatorResponse::default().with_coordinators(vec![one(0), one(7)])
}

fn describe_cluster() -> DescribeClusterResponse {
    let broker = |id| {
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(id))
            .with_host(host())
            .with_port(9092)
            .with_rack(rack())
            .with_unknown_tagged_fields(tags())
    };
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_static_str("cluster"))
        .with_controller_id(BrokerId(1))
        .with_brokers(vec![broker(0), broker(1), broker(7)])
}

fn produce(version: i16) -> ProduceResponse {
    let leader = produce_response::LeaderIdAndEpoch::default().with_leader_id(BrokerId(1));
    let error = produce_response::BatchIndexAndErrorMessage::default()
        .with_batch_index_error_message(Some(StrBytes::from_static_str("record")));
    let partition = produce_response::PartitionProduceResponse::default()
        .with_record_errors(vec![error])
        .with_current_leader(leader)
        .with_unknown_tagged_fields(tags());
    let mut topic = produce_response::TopicProduceResponse::default()
        .with_partition_responses(vec![partition.clone(), partition]);
    if version < 13 {
        topic.name = TopicName(StrBytes::from_static_str("topic"));
    }
    let endpoint = |id| {
        produce_response::NodeEndpoint::default()
            .with_node_id(BrokerId(id))
            .with_host(host())
            .with_port(9092)
            .with_rack(rack())
    };
    ProduceResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(vec![endpoint(1), endpoint(7)])
        .with_unknown_tagged_fields(tags())
}

fn fetch() -> FetchResponse {
    let partition = fetch_response::PartitionData::default()
        .with_diverging_epoch(fetch_response::EpochEndOffset::default().with_epoch(3))
        .with_current_leader(fetch_response::LeaderIdAndEpoch::default().with_leader_epoch(3))
        .with_snapshot_id(fetch_response::SnapshotId::default().with_epoch(3))
        .with_aborted_transactions(Some(vec![Default::default(); 2]))
        .with_records(Some(Bytes::from_static(&[0x55; 40])))
        .with_unknown_tagged_fields(tags());
    let topic = fetch_response::FetchableTopicResponse::default()
        .with_partitions(vec![partition.clone(), partition]);
    let endpoint = fetch_response::NodeEndpoint::default()
        .with_node_id(BrokerId(1))
        .with_host(host())
        .with_rack(rack());
    FetchResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(vec![endpoint.clone(), endpoint])
        .with_unknown_tagged_fields(tags())
}

fn share_fetch() -> ShareFetchResponse {
    let partition = share_fetch_response::PartitionData::default()
        .with_error_message(Some(StrBytes::from_static_str("error")))
        .with_records(Some(Bytes::from_static(&[0x55; 40])))
        .with_acquired_records(vec![Default::default(); 2])
        .with_unknown_tagged_fields(tags());
    let topic = share_fetch_response::ShareFetchableTopicResponse::default()
        .with_partitions(vec![partition.clone(), partition]);
    let endpoint = share_fetch_response::NodeEndpoint::default()
        .with_node_id(BrokerId(1))
        .with_host(host())
        .with_rack(rack());
    ShareFetchResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(vec![endpoint.clone(), endpoint])
        .with_unknown_tagged_fields(tags())
}

fn share_acknowledge() -> ShareAcknowledgeResponse {
    let partition =
        share_acknowledge_response::PartitionData::default().with_unknown_tagged_fields(tags());
    let topic = share_acknowledge_response::ShareAcknowledgeTopicResponse::default()
        .with_partitions(vec![partition]);
    let endpoint = share_acknowledge_response::NodeEndpoint::default()
        .with_node_id(BrokerId(1))
        .with_host(host())
        .with_rack(rack());
    ShareAcknowledgeResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(vec![endpoint.clone(), endpoint])
        .with_unknown_tagged_fields(tags())
}
