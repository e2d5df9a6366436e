//! One request and its answer, over and over: produce with small answers, or fetches with large ones.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;

/// A request and its answer, with their size fields.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    request: Vec<u8>,
    answer: Vec<u8>,
    in_flight: usize,
}

impl Load {
    /// Produce in version 9 with acks, five requests in flight as producers have.
    pub(crate) fn produce(record_bytes: usize) -> Self {
        const VERSION: i16 = 9;
        let topic = TopicProduceResponse::default()
            .with_name(TopicName(StrBytes::from_static_str("records")))
            .with_partition_responses(vec![PartitionProduceResponse::default()]);
        let request = frames::produce(VERSION, -1, &vec![0x55; record_bytes]);
        let answer = ProduceResponse::default().with_responses(vec![topic]);
        Self::new::<ProduceRequest>(VERSION, &request, &answer, 5)
    }

    /// Fetch in version 16, whose answers are walked; one request at a time, as consumers do.
    pub(crate) fn fetch(partitions: usize, record_bytes: usize) -> Self {
        let records = Bytes::from(vec![0x55; record_bytes]);
        let partition = PartitionData::default().with_records(Some(records));
        let topic = FetchableTopicResponse::default().with_partitions(vec![partition; partitions]);
        let answer = FetchResponse::default().with_responses(vec![topic]);
        Self::new::<FetchRequest>(16, &FetchRequest::default(), &answer, 1)
    }

    fn new<R: Request>(version: i16, request: &R, answer: &R::Response, in_flight: usize) -> Self {
        Load {
            request: frames::request(0, version, request),
            answer: frames::response(0, version, answer),
            in_flight,
        }
    }

    /// What so many exchanges move in both directions.
    pub(crate) fn bytes(&self, exchanges: usize) -> usize {
        exchanges * (self.request.len() + self.answer.len())
    }

    /// A broker that answers so.
    pub(crate) fn broker(&self) -> Broker {
        let answer = self.answer.clone();
        Broker::answering(move |request| {
            let mut answer = answer.clone();
            answer[4..8].copy_from_slice(&request.correlation_id.to_be_bytes());
            Some(answer)
        })
    }

    /// So many exchanges on one connection.
    pub(crate) fn run(&self, client: &mut Client, exchanges: usize) {
        let mut request = self.request.clone();
        let mut answer = self.answer.clone();
        let mut sent = 0;
        for received in 0..exchanges {
            while sent < exchanges.min(received + self.in_flight) {
                request[8..12].copy_from_slice(&(sent as i32).to_be_bytes());
                client.send(&request);
                sent += 1;
            }
            answer[4..8].copy_from_slice(&(received as i32).to_be_bytes());
            assert!(client.frame() == answer[4..], "answer {received} differs");
        }
    }
}
