//! Records as clients send them.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

/// A batch with one record of this value and no key, which asks for no idempotence.
pub fn one_record(value: &str) -> Bytes {
    let now = UNIX_EPOCH.elapsed().expect("a clock that goes right");
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        // One of 1970 would be deleted for its age at once.
        timestamp: now.as_millis() as i64,
        key: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Default::default(),
    };
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut batch = Vec::new();
    RecordBatchEncoder::encode(&mut batch, [&record], &options).expect("a record can be encoded");
    batch.into()
}
