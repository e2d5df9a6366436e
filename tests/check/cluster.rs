//! A scripted cluster: a bootstrap port and one for each node, which say what the test wants them to say.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
use rustls::ServerConfig;

use crate::common::broker::{Broker, Link, Received};
use crate::sasl::{Listener, Session};

/// The node id of the bootstrap port in scripts.
pub const BOOTSTRAP: i32 = -1;

pub const LIST_OFFSETS: i16 = 2;
pub const METADATA: i16 = 3;
pub const FIND_COORDINATOR: i16 = 10;
pub const SASL_HANDSHAKE: i16 = 17;
pub const API_VERSIONS: i16 = 18;
pub const DESCRIBE_CONFIGS: i16 = 32;
pub const SASL_AUTHENTICATE: i16 = 36;
pub const DESCRIBE_CLUSTER: i16 = 60;

/// Host and port as told.
pub type Told = BTreeMap<i32, (String, u16)>;

/// What happens instead of the usual answer.
pub enum Act {
    /// These bytes.
    Send(Vec<u8>),
    /// The connection is closed.
    Close,
    /// Nothing, for as long as the client waits.
    Silence,
}

/// Decides by the port's node and the request.
pub type Script = dyn Fn(i32, &Received) -> Option<Act> + Send + Sync;

/// A partition.
#[derive(Clone, Debug)]
pub struct Partition {
    pub topic: &'static str,
    pub index: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

/// What the cluster says. A test changes it at any time.
pub struct State {
    pub cluster_id: &'static str,
    /// What Metadata tells.
    pub brokers: Told,
    /// What the Metadata of one port tells instead.
    pub brokers_at: BTreeMap<i32, Told>,
    /// What DescribeCluster tells instead.
    pub described: Option<Told>,
    /// The coordinator of all groups.
    pub coordinator: (i32, (String, u16)),
    /// Which broker is behind the port of a node, where it is not that node.
    pub behind: BTreeMap<i32, i32>,
    pub partitions: Vec<Partition>,
    /// What the Metadata of one port tells of partitions instead.
    pub partitions_at: BTreeMap<i32, Vec<Partition>>,
    /// Api keys with their lowest and highest version.
    pub versions: Vec<(i16, i16, i16)>,
    /// Whether brokers tell their configuration.
    pub describes: bool,
    /// How users are let in.
    pub sasl: Option<Listener>,
    pub script: Option<Arc<Script>>,
    /// Api keys of all requests, with the node of the port.
    pub requests: Vec<(i32, i16)>,
}

/// The running cluster.
pub struct Cluster {
    state: Arc<Mutex<State>>,
    bootstrap: Broker,
    nodes: BTreeMap<i32, Broker>,
    host: &'static str,
}

impl Cluster {
    /// Well-behaved brokers with these ids, each the leader of a partition.
    pub fn start(ids: &[i32]) -> Self {
        Self::start_at("127.0.0.1", "127.0.0.1", ids)
    }

    /// The same by TLS, by the name localhost: the bootstrap with the first configuration, the nodes with the second.
    pub fn by_tls(bootstrap: Arc<ServerConfig>, nodes: Arc<ServerConfig>, ids: &[i32]) -> Self {
        Self::start_on(
            "localhost",
            Ipv4Addr::LOCALHOST.into(),
            ids,
            Some((bootstrap, nodes)),
        )
    }

    /// The same under this host, listening at an address.
    pub fn start_at(host: &'static str, ip: &str, ids: &[i32]) -> Self {
        Self::start_on(host, ip.parse().expect("an address"), ids, None)
    }

    fn start_on(
        host: &'static str,
        ip: IpAddr,
        ids: &[i32],
        tls: Option<(Arc<ServerConfig>, Arc<ServerConfig>)>,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::new(ids)));
        let broker = |node: i32, tls: Option<&Arc<ServerConfig>>| {
            let state = state.clone();
            match tls {
                None => Broker::serving_at((ip, 0).into(), move |link| serve(link, node, &state)),
                Some(config) => {
                    Broker::answering_by_tls(config.clone(), move |request| {
                        match lock(&state).act(node, &mut Session::default(), request) {
                            Act::Send(bytes) => Some(bytes),
                            Act::Close | Act::Silence => None,
                        }
                    })
                }
            }
        };
        let tls = tls.as_ref();
        let bootstrap = broker(BOOTSTRAP, tls.map(|(bootstrap, _)| bootstrap));
        let nodes = ids
            .iter()
            .map(|id| (*id, broker(*id, tls.map(|(_, nodes)| nodes))));
        let nodes: BTreeMap<i32, Broker> = nodes.collect();
        let cluster = Cluster {
            state,
            bootstrap,
            nodes,
            host,
        };
        let told: Told = ids.iter().map(|id| (*id, cluster.told(*id))).collect();
        let mut state = cluster.state();
        state.coordinator = (ids[0], told[&ids[0]].clone());
        state.brokers = told;
        drop(state);
        cluster
    }

    /// Host and port of a node.
    pub fn told(&self, id: i32) -> (String, u16) {
        (self.host.to_owned(), self.address(id).port())
    }

    /// Where a node listens.
    pub fn address(&self, id: i32) -> SocketAddr {
        self.nodes[&id].address()
    }

    /// What `check` is given.
    pub fn target(&self) -> String {
        format!("{}:{}", self.host, self.bootstrap.address().port())
    }

    /// What it says.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The port of a node refuses connections from here on.
    pub fn stop(&mut self, id: i32) {
        self.nodes.get_mut(&id).expect("a node").stop();
    }

    /// What happens instead of usual answers.
    pub fn script(&self, script: impl Fn(i32, &Received) -> Option<Act> + Send + Sync + 'static) {
        self.state().script = Some(Arc::new(script));
    }

    /// The connections that a node has accepted.
    pub fn connections(&self, id: i32) -> usize {
        self.nodes[&id].connections()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut link: Link, node: i32, state: &Mutex<State>) {
    let mut session = Session::default();
    while let Some(request) = link.try_request() {
        let act = lock(state).act(node, &mut session, &request);
        match act {
            Act::Send(bytes) if link.try_send(&bytes).is_ok() => {}
            Act::Send(_) | Act::Close => return,
            // Until the client goes away.
            Act::Silence => drop(link.try_request()),
        }
    }
}

impl State {
    fn new(ids: &[i32]) -> Self {
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

    fn act(&mut self, node: i32, session: &mut Session, request: &Received) -> Act {
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
