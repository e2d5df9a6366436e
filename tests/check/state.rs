//! What a scripted cluster answers.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use crate::cluster::{
    API_VERSIONS, Act, DESCRIBE_CLUSTER, DESCRIBE_CONFIGS, FIND_COORDINATOR, LIST_OFFSETS,
    METADATA, Partition, SASL_AUTHENTICATE, SASL_HANDSHAKE, State, Told,
};
use crate::common::broker::Received;
use crate::sasl::Session;

impl State {
    /// Everything in good order; nobody is told where yet.
    pub fn new(ids: &[i32]) -> Self {
        let partition = |(index, id): (usize, &i32)| Partition {
            topic: "orders",
            index: index as i32,
            leader: *id,
            replicas: ids.to_vec(),
            in_sync: ids.to_vec(),
        };
        State {
            cluster_id: "test-cluster",
            brokers: Told::new(),
            brokers_at: BTreeMap::new(),
            described: None,
            coordinator: (-1, (String::new(), 0)),
            behind: BTreeMap::new(),
            partitions: ids.iter().enumerate().map(partition).collect(),
            partitions_at: BTreeMap::new(),
            versions: vec![
                (LIST_OFFSETS, 1, 10),
                (METADATA, 0, 13),
                (FIND_COORDINATOR, 0, 6),
                (SASL_HANDSHAKE, 0, 1),
                (API_VERSIONS, 0, 4),
                (DESCRIBE_CONFIGS, 1, 4),
                (SASL_AUTHENTICATE, 0, 2),
                (DESCRIBE_CLUSTER, 0, 2),
            ],
            describes: false,
            sasl: None,
            script: None,
            requests: Vec::new(),
        }
    }

    /// What is to be done about a request at the port of this node.
    pub fn act(&mut self, node: i32, session: &mut Session, request: &Received) -> Act {
        self.requests.push((node, request.api_key));
        if let Some(act) = self.script.clone().and_then(|script| script(node, request)) {
            return act;
        }
        if let Some(act) = session.act(self.sasl.as_ref(), request) {
            return act;
        }
        let who = self.behind.get(&node).copied().unwrap_or(node);
        Act::Send(match request.api_key {
            API_VERSIONS => self.api_versions(request),
            METADATA => request.answer(&self.metadata(node, request)),
            LIST_OFFSETS => request.answer(&self.offsets(who, request)),
            DESCRIBE_CONFIGS => request.answer(&self.configs(who, request)),
            FIND_COORDINATOR => request.answer(&self.find_coordinator()),
            DESCRIBE_CLUSTER => request.answer(&self.describe_cluster()),
            _ => return Act::Close,
        })
    }

    fn api_versions(&self, request: &Received) -> Vec<u8> {
        let key = |(key, lowest, highest): &(i16, i16, i16)| {
            ApiVersion::default()
                .with_api_key(*key)
                .with_min_version(*lowest)
                .with_max_version(*highest)
        };
        let keys = self.versions.iter().map(key).collect();
        request.answer(&ApiVersionsResponse::default().with_api_keys(keys))
    }

    fn metadata(&self, node: i32, request: &Received) -> MetadataResponse {
        let brokers = self.brokers_at.get(&node).unwrap_or(&self.brokers);
        let broker = |(id, (host, port)): (&i32, &(String, u16))| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(*id))
                .with_host(StrBytes::from_string(host.clone()))
                .with_port((*port).into())
        };
        let wanted = request.decode::<MetadataRequest>().topics;
        let mut topics: BTreeMap<&'static str, Vec<MetadataResponsePartition>> = BTreeMap::new();
        for partition in self.partitions_at.get(&node).unwrap_or(&self.partitions) {
            let is_wanted = wanted.as_ref().is_none_or(|wanted| {
                let mut names = wanted.iter().filter_map(|topic| topic.name.as_ref());
                names.any(|name| name.0.as_str() == partition.topic)
            });
            if is_wanted {
                topics
                    .entry(partition.topic)
                    .or_default()
                    .push(partition.answer());
            }
        }
        let topic = |(name, partitions): (&'static str, _)| {
            MetadataResponseTopic::default()
                .with_name(Some(TopicName(StrBytes::from_static_str(name))))
                .with_partitions(partitions)
        };
        MetadataResponse::default()
            .with_cluster_id(Some(StrBytes::from_static_str(self.cluster_id)))
            .with_brokers(brokers.iter().map(broker).collect())
            .with_topics(topics.into_iter().map(topic).collect())
    }

    fn offsets(&self, who: i32, request: &Received) -> ListOffsetsResponse {
        let request: ListOffsetsRequest = request.decode();
        let topics = request.topics.into_iter().map(|topic| {
            let partition = |index: i32| {
                let mut known = self.partitions.iter();
                let known = known.find(|p| p.topic == topic.name.0.as_str() && p.index == index);
                let error = match known {
                    Some(partition) if partition.leader == who => 0,
                    Some(_) => ResponseError::NotLeaderOrFollower.code(),
                    None => ResponseError::UnknownTopicOrPartition.code(),
                };
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(index)
                    .with_error_code(error)
            };
            let partitions = topic.partitions.iter();
            ListOffsetsTopicResponse::default()
                .with_partitions(partitions.map(|p| partition(p.partition_index)).collect())
                .with_name(topic.name.clone())
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    fn configs(&self, who: i32, request: &Received) -> DescribeConfigsResponse {
        let request: DescribeConfigsRequest = request.decode();
        let resource = &request.resources[0];
        let asked = resource.resource_name.to_string();
        let (error, words) = match self.describes {
            false => (
                ResponseError::ClusterAuthorizationFailed.code(),
                "Cluster authorization failed.".to_owned(),
            ),
            true if asked == who.to_string() => (0, String::new()),
            // As Kafka's ConfigHelper says it.
            true => (
                ResponseError::InvalidRequest.code(),
                format!(
                    "Unexpected broker id, expected {who} or empty string, but received {asked}"
                ),
            ),
        };
        let result = DescribeConfigsResult::default()
            .with_error_code(error)
            .with_error_message(Some(StrBytes::from_string(words)))
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        DescribeConfigsResponse::default().with_results(vec![result])
    }

    fn find_coordinator(&self) -> FindCoordinatorResponse {
        let (id, (host, port)) = &self.coordinator;
        FindCoordinatorResponse::default()
            .with_node_id(BrokerId(*id))
            .with_host(StrBytes::from_string(host.clone()))
            .with_port((*port).into())
    }

    fn describe_cluster(&self) -> DescribeClusterResponse {
        let brokers = self.described.as_ref().unwrap_or(&self.brokers);
        let broker = |(id, (host, port)): (&i32, &(String, u16))| {
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(*id))
                .with_host(StrBytes::from_string(host.clone()))
                .with_port((*port).into())
        };
        DescribeClusterResponse::default()
            .with_cluster_id(StrBytes::from_static_str(self.cluster_id))
            .with_brokers(brokers.iter().map(broker).collect())
    }
}

impl Partition {
    fn answer(&self) -> MetadataResponsePartition {
        let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect();
        MetadataResponsePartition::default()
            .with_partition_index(self.index)
            .with_leader_id(BrokerId(self.leader))
            .with_replica_nodes(ids(&self.replicas))
            .with_isr_nodes(ids(&self.in_sync))
    }
}
