//! Frames pass without an allocation. The proxy runs in this process, under an allocator that counts; client and broker are
//! this test's own thread, with frames that were made before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, HeartbeatRequest,
    HeartbeatResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};
use portolan::config::{Config, ParseOptions};
use portolan::server::Server;
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Exchanges before the count begins: by then pools and queues have the size that they keep.
const WARM_UP: usize = 100;

const EXCHANGES: usize = 1000;

/// A single test: others beside it would be counted, too.
#[test]
fn frames_pass_without_an_allocation() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap());
    let mut allocating = Vec::new();
    for (n, case) in cases().into_iter().enumerate() {
        let mut link = Link::open(&proxy, &listener, case);
        let blocks = link.allocations(dhat::Profiler::builder().testing());
        println!("{}: {blocks} allocations", link.case.name);
        if blocks > 0 {
            // Once more, to see where.
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("allocations-{n}.json"));
            link.allocations(dhat::Profiler::builder().file_name(&file));
            allocating.push(format!(
                "{}: {blocks}, see {}",
                link.case.name,
                file.display()
            ));
        }
    }
    // An answer that is rewritten takes memory: the count does see the proxy's threads.
    let (request, answer) = (
        ApiVersionsRequest::default(),
        ApiVersionsResponse::default(),
    );
    let rewritten = Case::new("api versions", 1, 0, &request, &answer);
    let mut link = Link::open(&proxy, &listener, rewritten);
    assert!(link.allocations(dhat::Profiler::builder().testing()) >= EXCHANGES as u64);
    drop(link);
    proxy.stop();
    assert!(
        allocating.is_empty(),
        "allocations in {EXCHANGES} exchanges: {allocating:#?}"
    );
}

/// A number of equal requests sent at once, and their answers.
struct Case {
    name: String,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Where what was sent is read into.
    received: Vec<u8>,
}

impl Case {
    fn new<R: Request>(
        name: &str,
        at_once: usize,
        version: i16,
        request: &R,
        answer: &R::Response,
    ) -> Self {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("client")));
        let request = frame(&header, R::header_version(version), request, version);
        let header = ResponseHeader::default();
        let answer = frame(
            &header,
            R::Response::header_version(version),
            answer,
            version,
        );
        Case {
            name: format!("{name}, version {version}, {at_once} at once"),
            received: vec![0; at_once * request.len().max(answer.len())],
            request: request.repeat(at_once),
            answer: answer.repeat(at_once),
        }
    }
}

/// A connection through the proxy: both its ends, and what goes over it.
struct Link {
    client: TcpStream,
    broker: TcpStream,
    case: Case,
}

impl Link {
    fn open(proxy: &Proxy, listener: &TcpListener, mut case: Case) -> Self {
        let mut client = connected(TcpStream::connect(proxy.address).unwrap());
        // The proxy dials when it has a first request.
        client.write_all(&case.request).unwrap();
        let mut broker = connected(listener.accept().unwrap().0);
        answer(&mut case, &mut broker, &mut client);
        Link {
            client,
            broker,
            case,
        }
    }

    /// How often memory was allocated in [`EXCHANGES`] exchanges after a warm-up.
    fn allocations(&mut self, profiler: dhat::ProfilerBuilder) -> u64 {
        for _ in 0..WARM_UP {
            self.exchange();
        }
        let _profiler = profiler.build();
        for _ in 0..EXCHANGES {
            self.exchange();
        }
        dhat::HeapStats::get().total_blocks
    }

    fn exchange(&mut self) {
        self.client.write_all(&self.case.request).unwrap();
        answer(&mut self.case, &mut self.broker, &mut self.client);
    }
}

fn answer(case: &mut Case, broker: &mut TcpStream, client: &mut TcpStream) {
    expect(broker, &case.request, &mut case.received);
    broker.write_all(&case.answer).unwrap();
    expect(client, &case.answer, &mut case.received);
}

fn expect(stream: &mut TcpStream, sent: &[u8], received: &mut [u8]) {
    let received = &mut received[..sent.len()];
    stream.read_exact(received).unwrap();
    assert!(received == sent, "not what was sent");
}

fn connected(stream: TcpStream) -> TcpStream {
    let patience = Some(Duration::from_secs(30));
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    stream
}

fn cases() -> Vec<Case> {
    const KIB: usize = 1024;
    let mut cases = Vec::new();
    for at_once in [1, 16] {
        let (request, answer) = (HeartbeatRequest::default(), HeartbeatResponse::default());
        cases.push(Case::new("heartbeat", at_once, 4, &request, &answer));
        for version in [9, 11] {
            let (request, answer) = produce(KIB);
            let name = "produce 1 KiB";
            cases.push(Case::new(name, at_once, version, &request, &answer));
        }
    }
    for version in [9, 11] {
        let (request, answer) = produce(64 * KIB);
        cases.push(Case::new("produce 64 KiB", 1, version, &request, &answer));
    }
    for version in [12, 17] {
        for (partitions, records) in [(1, KIB), (6, KIB), (1, 64 * KIB), (6, 64 * KIB)] {
            let name = format!("fetch {partitions} x {} KiB", records / KIB);
            let (request, answer) = (FetchRequest::default(), fetched(partitions, records));
            cases.push(Case::new(&name, 1, version, &request, &answer));
        }
    }
    cases
}

fn produce(record_bytes: usize) -> (ProduceRequest, ProduceResponse) {
    let name = || TopicName(StrBytes::from_static_str("records"));
    let records = Bytes::from(vec![0x55; record_bytes]);
    let partition = PartitionProduceData::default().with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(name())
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(1)
        .with_topic_data(vec![topic]);
    let topic = TopicProduceResponse::default()
        .with_name(name())
        .with_partition_responses(vec![PartitionProduceResponse::default()]);
    (
        request,
        ProduceResponse::default().with_responses(vec![topic]),
    )
}

fn fetched(partitions: usize, record_bytes: usize) -> FetchResponse {
    let records = Bytes::from(vec![0x55; record_bytes]);
    let partition = PartitionData::default().with_records(Some(records));
    let topic = FetchableTopicResponse::default().with_partitions(vec![partition; partitions]);
    FetchResponse::default().with_responses(vec![topic])
}

fn frame(
    header: &impl Encodable,
    header_version: i16,
    message: &impl Encodable,
    version: i16,
) -> Vec<u8> {
    let mut frame = vec![0; 4];
    header.encode(&mut frame, header_version).unwrap();
    message.encode(&mut frame, version).unwrap();
    let size = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame
}

/// The proxy in threads of this process.
struct Proxy {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Proxy {
    fn start(broker: SocketAddr) -> Self {
        let splice = std::env::var_os("PORTOLAN_TEST_SPLICE").is_none_or(|value| value != "off");
        let config = format!(
            "[clusters.main]\nbootstrap_servers = [\"{broker}\"]\nadvertised_host = \"localhost\"\n\
             listen_address = \"127.0.0.1\"\nbootstrap_port = 0\n\
             [[clusters.main.nodes]]\nids = \"0\"\nport = 0\naddress = \"{broker}\"\n\
             [admin]\nlisten = \"\"\n[health]\ninterval = \"off\"\n\
             [runtime]\nthreads = 1\nsplice = {splice}\n"
        );
        let options = ParseOptions {
            allow_port_zero: true,
        };
        let config = Config::from_toml(&config, &options).unwrap();
        let (tell_port, port) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::bind(config).await.unwrap();
                let (_, ports) = server.ports().next().unwrap();
                tell_port.send(ports.bootstrap().bound).unwrap();
                server
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await
                    .unwrap();
            });
        });
        let port = port.recv().unwrap();
        Proxy {
            address: ([127, 0, 0, 1], port).into(),
            stop,
            thread,
        }
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}
