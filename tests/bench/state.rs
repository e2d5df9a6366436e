//! What the scripted brokers know, and what they answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use uuid::Uuid;

use crate::common::frames::{decode_request, response};
use crate::mock::{
    API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, FETCH, Fault, LIST_OFFSETS, METADATA, Options,
    PRODUCE, SASL_AUTHENTICATE, SASL_HANDSHAKE,
};

/// The versions offered; those before KIP-482 where the cluster is old.
const VERSIONS: [(i16, i16, i16, i16); 9] = [
    (PRODUCE, 3, 13, 3),
    (FETCH, 4, 18, 4),
    (LIST_OFFSETS, 1, 10, 1),
    (METADATA, 0, 13, 4),
    (SASL_HANDSHAKE, 0, 1, 1),
    (API_VERSIONS, 0, 4, 0),
    (CREATE_TOPICS, 2, 7, 4),
    (DELETE_TOPICS, 1, 6, 1),
    (SASL_AUTHENTICATE, 0, 2, 0),
];

/// Everything that all connections share.
pub struct State {
    addresses: Vec<SocketAddr>,
    options: Options,
    pub topics: BTreeMap<String, Topic>,
    /// The names of all topics that were ever made.
    pub created: Vec<String>,
    /// Requests so far: node, api key, version.
    pub seen: Vec<(usize, i16, i16)>,
    /// The client ids that were seen.
    pub client_ids: Vec<String>,
    /// Which node leads partition 0; the others follow in turns.
    pub first_leader: usize,
}

/// One topic.
pub struct Topic {
    pub id: Uuid,
    pub replication_factor: i16,
    pub partitions: Vec<Partition>,
}

/// Batches: offset of the first record, number of records, bytes.
#[derive(Default)]
pub struct Partition {
    pub batches: Vec<(i64, i64, Vec<u8>)>,
    pub next: i64,
}

/// One connection.
pub struct Session {
    node: usize,
    is_authenticated: bool,
    mechanism: String,
}

/// What goes back.
pub enum Reply {
    Frame(Vec<u8>),
    Nothing,
    Close,
}

impl Session {
    pub fn new(node: usize) -> Self {
        Session {
            node,
            is_authenticated: false,
            mechanism: String::new(),
        }
    }
}

/// What a request begins with.
struct Prefix {
    key: i16,
    version: i16,
    id: i32,
}

impl Prefix {
    fn frame<M: Encodable + HeaderVersion>(&self, message: &M) -> Reply {
        Reply::Frame(response(self.id, self.version, message))
    }
}

impl State {
    pub fn new(addresses: &[SocketAddr], options: Options) -> Self {
        let mut state = State {
            addresses: addresses.to_vec(),
            topics: BTreeMap::new(),
            created: Vec::new(),
            seen: Vec::new(),
            client_ids: Vec::new(),
            first_leader: 0,
            options,
        };
        if let Some(name) = state.options.topic {
            state.topics.insert(name.to_owned(), Topic::new(2, 1));
        }
        state
    }

    /// How many requests of an api came.
    pub fn count(&self, key: i16) -> usize {
        self.seen.iter().filter(|(_, k, _)| *k == key).count()
    }

    /// The versions of an api that were used, each once.
    pub fn versions(&self, key: i16) -> Vec<i16> {
        let used = self.seen.iter().filter(|(_, k, _)| *k == key);
        let mut used: Vec<i16> = used.map(|(_, _, version)| *version).collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    fn leader(&self, partition: i32) -> usize {
        (partition as usize + self.first_leader) % self.addresses.len()
    }

    pub fn reply(&mut self, session: &mut Session, frame: &[u8]) -> Reply {
        let short = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
        let prefix = Prefix {
            key: short(0),
            version: short(2),
            id: i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]),
        };
        let client_id = &frame[10..10 + short(8) as usize];
        let client_id = String::from_utf8_lossy(client_id).into_owned();
        if !self.client_ids.contains(&client_id) {
            self.client_ids.push(client_id);
        }
        let before = self.count(prefix.key);
        self.seen.push((session.node, prefix.key, prefix.version));
        let script = self.options.script.as_ref();
        let error = match script.and_then(|script| script(prefix.key, before)) {
            None => 0,
            Some(Fault::Error(code)) => code,
            Some(Fault::Close) => return Reply::Close,
            Some(Fault::Silence) => return Reply::Nothing,
            Some(Fault::Huge) => return Reply::Frame(vec![0x7f; 8]),
        };
        let may = self.options.sasl.is_none() || session.is_authenticated;
        match prefix.key {
            API_VERSIONS => self.api_versions(&prefix),
            SASL_HANDSHAKE => self.handshake(&prefix, session, &decode_request(frame)),
            SASL_AUTHENTICATE => self.authenticate(&prefix, session, &decode_request(frame)),
            _ if !may => Reply::Close,
            METADATA => self.metadata(&prefix, &decode_request(frame), error),
            CREATE_TOPICS => self.create(&prefix, &decode_request(frame), error),
            DELETE_TOPICS => self.delete(&prefix, &decode_request(frame), error),
            PRODUCE => self.produce(&prefix, session, &decode_request(frame), error),
            FETCH => self.fetch(&prefix, session, &decode_request(frame), error),
            LIST_OFFSETS => self.list_offsets(&prefix, session, &decode_request(frame), error),
            key => panic!("nobody should send api key {key}"),
        }
    }

    fn api_versions(&self, prefix: &Prefix) -> Reply {
        let mut answer = ApiVersionsResponse::default();
        if self.options.is_old && prefix.version > 0 {
            answer.error_code = 35;
            return Reply::Frame(response(prefix.id, 0, &answer));
        }
        answer.api_keys = VERSIONS
            .iter()
            .filter(|(key, ..)| {
                self.options.sasl.is_some() || ![SASL_HANDSHAKE, SASL_AUTHENTICATE].contains(key)
            })
            .map(|&(key, lowest, highest, old)| {
                let highest = if self.options.is_old { old } else { highest };
                ApiVersion::default()
                    .with_api_key(key)
                    .with_min_version(lowest)
                    .with_max_version(highest)
            })
            .collect();
        prefix.frame(&answer)
    }

    fn handshake(
        &self,
        prefix: &Prefix,
        session: &mut Session,
        request: &SaslHandshakeRequest,
    ) -> Reply {
        session.mechanism = request.mechanism.to_string();
        let enabled = ["PLAIN", "SCRAM-SHA-256"];
        let is_enabled = enabled.contains(&session.mechanism.as_str());
        prefix.frame(
            &SaslHandshakeResponse::default()
                .with_error_code(if is_enabled { 0 } else { 33 })
                .with_mechanisms(enabled.map(StrBytes::from_static_str).into()),
        )
    }

    /// PLAIN for real. SCRAM by a server that does not know the password: its proof is made up.
    fn authenticate(
        &self,
        prefix: &Prefix,
        session: &mut Session,
        request: &SaslAuthenticateRequest,
    ) -> Reply {
        let token = String::from_utf8_lossy(&request.auth_bytes).into_owned();
        let answer = SaslAuthenticateResponse::default();
        if session.mechanism == "PLAIN" {
            let (user, password) = self.options.sasl.expect("it wants SASL");
            session.is_authenticated = token == format!("\0{user}\0{password}");
            let refused = || {
                let words = StrBytes::from_static_str("Invalid username or password");
                SaslAuthenticateResponse::default()
                    .with_error_code(58)
                    .with_error_message(Some(words))
            };
            return prefix.frame(&match session.is_authenticated {
                true => answer,
                false => refused(),
            });
        }
        let token = match token.split_once("r=") {
            Some((first, nonce)) if first.starts_with("n,,") => {
                format!("r={nonce}x,s=c2FsdA==,i=4096")
            }
            _ => format!("v={}=", "A".repeat(43)),
        };
        prefix.frame(&answer.with_auth_bytes(token.into_bytes().into()))
    }

    fn metadata(&self, prefix: &Prefix, request: &MetadataRequest, error: i16) -> Reply {
        let broker = |(n, address): (usize, &SocketAddr)| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(n as i32 + 1))
                .with_host("localhost".into())
                .with_port(address.port().into())
        };
        let topic = |asked: &metadata_request::MetadataRequestTopic| {
            let name = asked.name.clone().expect("asked by name");
            let mut answer = MetadataResponseTopic::default().with_name(Some(name.clone()));
            match self.topics.get(name.as_str()) {
                _ if error != 0 => answer.error_code = error,
                None => answer.error_code = 3,
                Some(topic) => {
                    if prefix.version >= 10 {
                        answer.topic_id = topic.id;
                    }
                    let partitions = (0..topic.partitions.len() as i32).map(|n| {
                        MetadataResponsePartition::default()
                            .with_partition_index(n)
                            .with_leader_id(BrokerId(self.leader(n) as i32 + 1))
                    });
                    answer.partitions = partitions.collect();
                }
            }
            answer
        };
        let asked = request.topics.iter().flatten();
        prefix.frame(
            &MetadataResponse::default()
                .with_brokers(self.addresses.iter().enumerate().map(broker).collect())
                .with_controller_id(BrokerId(2))
                .with_topics(asked.map(topic).collect()),
        )
    }

    fn create(&mut self, prefix: &Prefix, request: &CreateTopicsRequest, error: i16) -> Reply {
        let asked = &request.topics[0];
        let name = asked.name.as_str().to_owned();
        if error == 0 {
            let topic = Topic::new(asked.num_partitions as usize, asked.replication_factor);
            self.created.push(name.clone());
            self.topics.insert(name, topic);
        }
        let mut result = CreatableTopicResult::default()
            .with_name(asked.name.clone())
            .with_error_code(error);
        if error != 0 {
            result.error_message = Some("said the broker".into());
        }
        prefix.frame(&CreateTopicsResponse::default().with_topics(vec![result]))
    }

    fn delete(&mut self, prefix: &Prefix, request: &DeleteTopicsRequest, error: i16) -> Reply {
        let name = request.topic_names[0].clone();
        if error == 0 {
            self.topics.remove(name.as_str());
        }
        let result = DeletableTopicResult::default()
            .with_name(Some(name))
            .with_error_code(error);
        prefix.frame(&DeleteTopicsResponse::default().with_responses(vec![result]))
    }

    /// The error of a request for a partition that this node does not lead.
    fn misled(&self, session: &Session, partition: i32, error: i16) -> i16 {
        match self.leader(partition) == session.node {
            _ if error != 0 => error,
            true => 0,
            false => 6,
        }
    }

    fn produce(
        &mut self,
        prefix: &Prefix,
        session: &Session,
        request: &ProduceRequest,
        error: i16,
    ) -> Reply {
        let topic = &request.topic_data[0];
        let data = &topic.partition_data[0];
        let error = self.misled(session, data.index, error);
        if error == 0 {
            let records = data.records.as_ref().expect("records");
            let stored = self.topics.get_mut(topic.name.as_str());
            stored.expect("a topic").partitions[data.index as usize].append(records);
        }
        if request.acks == 0 {
            return Reply::Nothing;
        }
        let partition = PartitionProduceResponse::default()
            .with_index(data.index)
            .with_error_code(error);
        let topic = TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_partition_responses(vec![partition]);
        prefix.frame(&ProduceResponse::default().with_responses(vec![topic]))
    }

    fn fetch(
        &self,
        prefix: &Prefix,
        session: &Session,
        request: &FetchRequest,
        error: i16,
    ) -> Reply {
        let topic = &request.topics[0];
        let asked = &topic.partitions[0];
        let mut stored = self.topics.iter();
        let (_, stored) = stored
            .find(|(name, known)| match prefix.version >= 13 {
                true => known.id == topic.topic_id,
                false => *name == topic.topic.as_str(),
            })
            .expect("a topic");
        let error = self.misled(session, asked.partition, error);
        let mut partition = PartitionData::default()
            .with_partition_index(asked.partition)
            .with_error_code(error);
        if error == 0 {
            let stored = &stored.partitions[asked.partition as usize];
            let records = stored.read(asked.fetch_offset, asked.partition_max_bytes as usize);
            partition.records = Some(records);
        }
        let mut answer = FetchableTopicResponse::default().with_partitions(vec![partition]);
        match prefix.version >= 13 {
            true => answer.topic_id = topic.topic_id,
            false => answer.topic = topic.topic.clone(),
        }
        prefix.frame(&FetchResponse::default().with_responses(vec![answer]))
    }

    fn list_offsets(
        &self,
        prefix: &Prefix,
        session: &Session,
        request: &ListOffsetsRequest,
        error: i16,
    ) -> Reply {
        let topic = &request.topics[0];
        let asked = &topic.partitions[0];
        let error = self.misled(session, asked.partition_index, error);
        let stored = &self
            .topics
            .get(topic.name.as_str())
            .expect("a topic")
            .partitions;
        let offset = match asked.timestamp {
            -2 => 0,
            _ => stored[asked.partition_index as usize].next,
        };
        let partition = ListOffsetsPartitionResponse::default()
            .with_partition_index(asked.partition_index)
            .with_error_code(error)
            .with_offset(offset);
        let topic = ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(vec![partition]);
        prefix.frame(&ListOffsetsResponse::default().with_topics(vec![topic]))
    }
}

impl Topic {
    /// Without records.
    pub fn with_partitions(partitions: usize) -> Self {
        Self::new(partitions, 1)
    }

    fn new(partitions: usize, replication_factor: i16) -> Self {
        Topic {
            id: Uuid::from_u128(7),
            replication_factor,
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
        }
    }
}

impl Partition {
    /// As a broker does: the batch gets its offset. Its checksum does not cover that. What is kept is bounded.
    fn append(&mut self, records: &Bytes) {
        let mut batch = records.to_vec();
        batch[..8].copy_from_slice(&self.next.to_be_bytes());
        let count = i32::from_be_bytes([batch[57], batch[58], batch[59], batch[60]]);
        let crc = u32::from_be_bytes([batch[17], batch[18], batch[19], batch[20]]);
        assert_eq!(crc, crc32c::crc32c(&batch[21..]), "the checksum");
        if self.batches.len() < 100 {
            self.batches.push((self.next, count.into(), batch));
            self.next += i64::from(count);
        }
    }

    /// Whole batches, at least one.
    fn read(&self, offset: i64, most: usize) -> Bytes {
        let mut out = Vec::new();
        for (first, count, bytes) in &self.batches {
            if first + count <= offset {
                continue;
            }
            if !out.is_empty() && out.len() + bytes.len() > most {
                break;
            }
            out.extend_from_slice(bytes);
        }
        out.into()
    }
}
