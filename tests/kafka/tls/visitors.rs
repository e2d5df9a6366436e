//! Clients that come for one record each, over a connection of its own, and that try nothing a second time: what real clients
//! get over unseen fails here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::access::Tls;
use crate::admin::{patiently_until, topic_name};
use crate::cluster::Cluster;
use crate::common::client::Client;
use crate::common::proxy::wait_until;
use crate::front::Front;
use crate::records::one_record;

const PARTITIONS: i32 = 6;

/// Before this version topics have names in this request, from it on ids.
const VERSION: i16 = 9;

/// Visitors to one topic by the ports of a front.
pub struct Visitors<'c> {
    cluster: &'c Cluster,
    topic: &'static str,
    tls: Tls,
    /// Where clients are told that the leader of each partition is.
    leaders: Vec<SocketAddr>,
    came: AtomicUsize,
}

impl<'c> Visitors<'c> {
    /// Makes the topic.
    pub fn new(cluster: &'c Cluster, front: &Front, topic: &'static str) -> Self {
        cluster.create_topic(topic, PARTITIONS);
        let mut partitions = cluster.partitions(topic);
        partitions.sort_by_key(|partition| partition.partition_index);
        for partition in &partitions {
            let mut leader = cluster.wire(partition.leader_id.0);
            let request = write(topic, partition.partition_index, "before all visitors");
            // A node is named as the leader a moment before it acts as one.
            patiently_until("the leader takes a record", || {
                let answer = leader.ask(&request, VERSION).expect("an answer");
                match answer.responses[0].partition_responses[0].error_code {
                    0 => Ok(()),
                    _ => Err(format!("{answer:?}")),
                }
            });
        }
        let leaders = partitions
            .iter()
            .map(|partition| front.node(partition.leader_id.0));
        Visitors {
            cluster,
            topic,
            tls: front.access(None).tls.expect("TLS"),
            leaders: leaders
                .map(|leader| leader.parse().expect("an address"))
                .collect(),
            came: AtomicUsize::new(0),
        }
    }

    /// Comes again and again, until it is over; every second time by a session that it has already. Returns what was written.
    pub fn come(&self, name: &str, over: &AtomicBool) -> Vec<String> {
        let resuming = self.client();
        let mut written = Vec::new();
        while !over.load(Ordering::SeqCst) {
            let n = written.len();
            let record = format!("{name}-{n}");
            let fresh = (n % 2 == 0).then(|| self.client());
            self.write(fresh.as_ref().unwrap_or(&resuming), n, &record);
            written.push(record);
            self.came.fetch_add(1, Ordering::SeqCst);
        }
        written
    }

    /// Waits until some more came, at least to each partition.
    pub fn wait_for_more(&self) {
        let before = self.came.load(Ordering::SeqCst);
        wait_until("visitors", || {
            self.came.load(Ordering::SeqCst) >= before + 4 * self.leaders.len()
        });
    }

    /// What whoever comes now is shown.
    pub fn shown(&self) -> CertificateDer<'static> {
        let mut client = self.connect(&self.client(), 0);
        let certificates = client.tls().connection().peer_certificates();
        certificates.and_then(<[_]>::first).expect("one").clone()
    }

    /// Fails unless the topic holds each of these once.
    pub fn assert_stored(&self, written: &[String]) {
        let stored = self.cluster.stored(self.topic);
        for record in written {
            let copies = stored.get(record).map_or(0, Vec::len);
            assert_eq!(copies, 1, "{record}");
        }
    }

    /// Connects, writes a record into one of the partitions, and goes when it is acknowledged by all replicas.
    fn write(&self, config: &Arc<ClientConfig>, n: usize, record: &str) {
        let partition = n % self.leaders.len();
        let mut client = self.connect(config, partition);
        let request = write(self.topic, partition as i32, record);
        let answer = client.ask(VERSION, &request);
        let result = &answer.responses[0].partition_responses[0];
        assert_eq!(result.error_code, 0, "{answer:?}");
    }

    fn connect(&self, config: &Arc<ClientConfig>, partition: usize) -> Client {
        let leader = self.leaders[partition];
        Client::connect(leader).secured(config, &leader.ip().to_string())
    }

    /// A client with no sessions to resume yet.
    fn client(&self) -> Arc<ClientConfig> {
        let certificates = |file| CertificateDer::pem_file_iter(file).expect("it can be read");
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.tls.ca) {
            roots.add(root.expect("PEM")).expect("a root");
        }
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match &self.tls.identity {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain: Result<Vec<_>, _> = certificates(&own.certificate).collect();
                let key = PrivateKeyDer::from_pem_file(&own.key).expect("PEM");
                let config = builder.with_client_auth_cert(chain.expect("PEM"), key);
                config.expect("a certificate and its key")
            }
        };
        config.resumption = Resumption::in_memory_sessions(8);
        Arc::new(config)
    }
}

fn write(topic: &str, partition: i32, record: &str) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(one_record(record)));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}
