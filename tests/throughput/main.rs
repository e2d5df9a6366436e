//! The parts of the throughput benchmark that can be wrong in silence: its frames, its reading of streams and of other programs'
//! words, its arithmetic, whether what it calls TLS is, and the route that it is itself.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "modules shared with the benchmark, of which the tests use a part"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; clippy knows a test by its attribute, but not the functions that it calls"
)]

#[path = "../common/mod.rs"]
mod common;
mod encrypted;
mod relayed;

#[path = "../../benches/throughput/broker.rs"]
mod broker;
#[path = "../../benches/throughput/cases.rs"]
mod cases;
#[path = "../../benches/throughput/client.rs"]
mod client;
#[path = "../../benches/throughput/configs.rs"]
mod configs;
#[path = "../../benches/throughput/connects.rs"]
mod connects;
#[path = "../../benches/throughput/frames.rs"]
mod frames;
#[path = "../../benches/throughput/front.rs"]
mod front;
#[path = "../../benches/throughput/goals.rs"]
mod goals;
#[path = "../../benches/throughput/options.rs"]
mod options;
#[path = "../../benches/throughput/parse.rs"]
mod parse;
#[path = "../../benches/throughput/process.rs"]
mod process;
#[path = "../../benches/throughput/relay.rs"]
mod relay;
#[path = "../../benches/throughput/routes.rs"]
mod routes;
#[path = "../../benches/throughput/statistics.rs"]
mod statistics;
#[path = "../../benches/throughput/stream.rs"]
mod stream;
#[path = "../../benches/throughput/tls.rs"]
mod tls;
#[path = "../../benches/throughput/wire.rs"]
mod wire;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use bytes::Bytes;
use kafka_protocol::messages::{
    FetchRequest, FindCoordinatorRequest, MetadataRequest, OffsetCommitRequest, ProduceRequest,
};
use kafka_protocol::protocol::Request;
use kafka_protocol::records::RecordBatchDecoder;

use common::frames::{decode_request, decode_response};
use frames::Exchange;
use wire::{IN_ANSWER, IN_REQUEST, Inbox, Outbox, Template};

const KB: usize = 1024;

#[test]
fn produced_frames_are_what_a_client_sends() {
    for size in [KB, 4 * KB, 16 * KB, 64 * KB, 1024 * KB] {
        let exchange = frames::produce_records(size);
        let (request, answer) = decoded::<ProduceRequest>(&exchange, frames::PRODUCE_VERSION);
        assert_eq!(request.acks, 1);
        let records = &request.topic_data[0].partition_data[0].records;
        assert_record_set(records.as_ref(), size);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        let length = exchange.answer.len();
        assert!((50..=70).contains(&length), "{length} bytes");
    }
}

#[test]
fn fetched_frames_are_what_a_broker_sends() {
    for (size, partitions) in [(KB, 1), (64 * KB, 6), (10 * KB, 6), (1024 * KB, 1)] {
        let exchange = frames::fetch_records(size, partitions);
        let (request, answer) = decoded::<FetchRequest>(&exchange, frames::FETCH_VERSION);
        assert_eq!(request.topics[0].partitions.len(), partitions);
        assert_eq!(request.topics[0].topic_id, answer.responses[0].topic_id);
        assert_eq!(answer.responses[0].partitions.len(), partitions);
        for partition in &answer.responses[0].partitions {
            assert_record_set(partition.records.as_ref(), size);
        }
    }
}

#[test]
fn a_ping_has_100_bytes_each_way() {
    let exchange = frames::ping();
    decoded::<OffsetCommitRequest>(&exchange, frames::OFFSET_COMMIT_VERSION);
    for length in [exchange.request.len(), exchange.answer.len()] {
        assert!((95..=105).contains(&length), "{length} bytes");
    }
}

#[test]
fn answers_with_addresses_name_known_nodes() {
    let exchange = frames::metadata(10_000);
    let (_, metadata) = decoded::<MetadataRequest>(&exchange, frames::METADATA_VERSION);
    let partitions = metadata.topics.iter().map(|topic| topic.partitions.len());
    assert_eq!(partitions.sum::<usize>(), 10_000);
    let brokers = metadata.brokers.iter().map(|broker| broker.node_id.0);
    assert!(brokers.eq(frames::NODES));
    let exchange = frames::find_coordinator();
    let version = frames::FIND_COORDINATOR_VERSION;
    let (request, answer) = decoded::<FindCoordinatorRequest>(&exchange, version);
    assert_eq!(request.coordinator_keys[0], answer.coordinators[0].key);
    assert!(frames::NODES.contains(&answer.coordinators[0].node_id.0));
}

#[test]
fn a_prepared_frame_is_sent_under_each_correlation_id() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    let exchange = frames::produce_records(64 * KB);
    let mut outbox = Outbox::new(Template::request(exchange.request.clone()));
    // More than a socket takes at once.
    let ids: Vec<i32> = (1000..1200).collect();
    ids.iter().for_each(|id| outbox.push(*id));
    let sending = std::thread::spawn(move || while !outbox.flush(&mut client).unwrap() {});
    for id in ids {
        let mut frame = vec![0; exchange.request.len()];
        server.read_exact(&mut frame).unwrap();
        let mut expected = exchange.request.clone();
        expected[IN_REQUEST..IN_REQUEST + 4].copy_from_slice(&id.to_be_bytes());
        assert_eq!(frame, expected);
    }
    sending.join().unwrap();
}

#[test]
fn ends_of_frames_are_found_however_the_bytes_arrive() {
    let frame = |id: i32, body: usize| {
        let size = u32::try_from(4 + body).unwrap();
        [&size.to_be_bytes()[..], &id.to_be_bytes(), &vec![7; body]].concat()
    };
    let stream = [
        frame(1, 0),
        frame(-2, 1),
        frame(3, 300),
        frame(i32::MAX, 40),
    ]
    .concat();
    for piece in 1..=stream.len() {
        let mut inbox = Inbox::new(IN_ANSWER);
        let mut ids = Vec::new();
        for bytes in stream.chunks(piece) {
            inbox.feed(bytes, |id| ids.push(id));
        }
        assert_eq!(ids, [1, -2, 3, i32::MAX], "in pieces of {piece}");
    }
}

#[test]
fn medians_and_ratios() {
    assert_eq!(statistics::median(&[]), None);
    assert_eq!(statistics::median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(
        statistics::median(&[4.0, 1.0, 2.0, f64::NAN, 3.0]),
        Some(2.5)
    );
    let spread = statistics::ratios([(1.0, 2.0), (3.0, 2.0), (5.0, 0.0), (1.0, -1.0), (2.0, 2.0)]);
    let spread = spread.expect("three of them tell something");
    assert_eq!((spread.least, spread.median, spread.most), (0.5, 1.0, 1.5));
    assert_eq!(spread.count, 3);
    assert_eq!(statistics::ratios([(1.0, 0.0)]), None);
}

#[test]
fn calls_are_counted_in_the_table_of_strace() {
    let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.23    0.012345          12       400           splice
 38.77    0.001234           3       101         7 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.013579           8       501         7 total
";
    let calls = parse::strace_calls(table);
    let calls: Vec<(&str, u64)> = calls.iter().map(|(name, n)| (&**name, *n)).collect();
    assert_eq!(calls, [("recvfrom", 101), ("splice", 400)]);
}

#[test]
fn rates_are_read_from_the_words_of_the_perf_test_tools() {
    let producer = "24001 records sent, 4800.2 records/sec (46.88 MB/sec), 501.0 ms avg latency, 800.0 ms max latency.\n\
                    50000 records sent, 5123.4 records/sec (50.03 MB/sec), 480.1 ms avg latency, 801.00 ms max latency, 400 ms 50th, 700 ms 95th, 790 ms 99th, 800 ms 99.9th.\n";
    assert_eq!(parse::producer_rate(producer), Some(50.03));
    assert_eq!(parse::producer_rate("no records"), None);
    let consumer = "2026-11-25 22:39:20:123, 2026-11-25 22:39:22:456, 95.3674, 40.8777, 97656, 41858.5512, 333, 2000, 47.6837, 48828.0000\n";
    assert_eq!(parse::consumer_rate(consumer), Some(47.6837));
    assert_eq!(parse::consumer_rate("one, two"), None);
}

#[test]
fn a_counter_is_the_sum_of_its_series() {
    let metrics = "# HELP portolan_spliced_bytes_total Bytes.\n\
                   portolan_spliced_bytes_total{direction=\"request\"} 5\n\
                   portolan_spliced_bytes_total{direction=\"response\"} 37\n\
                   portolan_spliced_bytes_total_other 1000\n\
                   portolan_open_fds 12\n";
    assert_eq!(
        parse::counter(metrics, "portolan_spliced_bytes_total"),
        Some(42.0)
    );
    assert_eq!(parse::counter(metrics, "portolan_open_fds"), Some(12.0));
    assert_eq!(parse::counter(metrics, "portolan_copied_bytes_total"), None);
}

fn decoded<R: Request>(exchange: &Exchange, version: i16) -> (R, R::Response) {
    for frame in [&exchange.request, &exchange.answer] {
        let size = u32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(size as usize, frame.len() - 4);
    }
    let (id, answer) = decode_response::<R>(&exchange.answer[4..], version);
    assert_eq!(id, 0);
    (decode_request(&exchange.request[4..]), answer)
}

/// One batch of one record, and no byte more or less than was asked for.
fn assert_record_set(records: Option<&Bytes>, size: usize) {
    let mut records = records.expect("there are records").clone();
    assert_eq!(records.len(), size);
    let set = RecordBatchDecoder::decode(&mut records).expect("a batch");
    assert_eq!((set.version, set.records.len()), (2, 1));
    assert!(records.is_empty(), "bytes behind the batch");
}
