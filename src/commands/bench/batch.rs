//! A record batch of magic 2, uncompressed. Source: "Record Batch" in Kafka's protocol documentation (KIP-98).

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// The bytes before the records.
const HEADER: usize = 61;
/// Where the length field ends, from which on it counts.
const LENGTH_END: usize = 12;
/// Where the checksum ends, from which on it is made.
const CRC_END: usize = 21;

/// As many records as fit into this many bytes, at least one, with values that do not compress.
pub(super) fn batch(batch_size: usize, record_size: usize) -> Bytes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_millis() as i64);
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15 ^ now as u64);
    let mut batch = vec![0; HEADER];
    let mut count = 0i32;
    let mut record = Vec::with_capacity(record_size + 32);
    loop {
        record.clear();
        put_record(&mut record, count, record_size, &mut noise);
        if count > 0 && batch.len() + record.len() > batch_size {
            break;
        }
        batch.extend_from_slice(&record);
        count += 1;
    }
    put_header(&mut batch, count, now);
    batch.into()
}

fn put_header(batch: &mut [u8], count: i32, now: i64) {
    let length = (batch.len() - LENGTH_END) as i32;
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&0i64.to_be_bytes()); // base offset
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&(-1i32).to_be_bytes()); // partition leader epoch
    header.push(2); // magic
    header.extend_from_slice(&[0; 4]); // checksum
    header.extend_from_slice(&0i16.to_be_bytes()); // attributes: no compression
    header.extend_from_slice(&(count - 1).to_be_bytes()); // last offset delta
    header.extend_from_slice(&now.to_be_bytes()); // base timestamp
    header.extend_from_slice(&now.to_be_bytes()); // greatest timestamp
    header.extend_from_slice(&(-1i64).to_be_bytes()); // producer id: not idempotent
    header.extend_from_slice(&(-1i16).to_be_bytes()); // producer epoch
    header.extend_from_slice(&(-1i32).to_be_bytes()); // base sequence
    header.extend_from_slice(&count.to_be_bytes());
    batch[..HEADER].copy_from_slice(&header);
    let crc = crc32c::crc32c(&batch[CRC_END..]);
    batch[CRC_END - 4..CRC_END].copy_from_slice(&crc.to_be_bytes());
}

fn put_record(out: &mut Vec<u8>, offset_delta: i32, value_size: usize, noise: &mut Noise) {
    let mut body = Vec::with_capacity(value_size + 16);
    body.push(0); // attributes
    put_varint(&mut body, 0); // timestamp delta
    put_varint(&mut body, i64::from(offset_delta));
    put_varint(&mut body, -1); // no key
    put_varint(&mut body, value_size as i64);
    noise.fill(&mut body, value_size);
    put_varint(&mut body, 0); // headers
    put_varint(out, body.len() as i64);
    out.extend_from_slice(&body);
}

/// A zigzag varint.
fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes without a pattern that a disk, a link or a file system could compress (xorshift64*).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, out: &mut Vec<u8>, n: usize) {
        let end = out.len() + n;
        while out.len() < end {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes();
            out.extend_from_slice(&word[..word.len().min(end - out.len())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::RecordBatchDecoder;

    use super::*;

    #[test]
    fn a_real_decoder_reads_it_and_finds_its_checksum_right() {
        for (batch_size, record_size, count) in [
            (16_384, 1_000, 16),
            (1, 1, 1),
            (1_000, 100, 8),
            (100, 5_000, 1),
        ] {
            let mut bytes = batch(batch_size, record_size);
            assert!(bytes.len() <= batch_size || count == 1);
            let set = RecordBatchDecoder::decode(&mut bytes).expect("a batch");
            assert!(bytes.is_empty());
            assert_eq!(set.records.len(), count, "{batch_size}");
            for (n, record) in set.records.iter().enumerate() {
                assert_eq!(record.offset, n as i64);
                let value = record.value.as_ref().expect("a value");
                assert_eq!(value.len(), record_size);
            }
            let values: Vec<_> = set.records.iter().map(|record| &record.value).collect();
            assert!(values.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
