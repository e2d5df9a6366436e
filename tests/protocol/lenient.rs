//! Reads an answer as carelessly as real clients do, and collects the addresses that they would dial.
//!
//! Kafka's Java client (its generated `*ResponseData` classes) ignores the declared size of tagged fields that it knows,
//! takes any negative length for null, cuts over-long varints down to 32 bits, and does not mind bytes behind a message. It
//! gives up a message that it cannot read to its end; this reader reports what it saw until then, which is more than any
//! client uses. The tables are written from Kafka 4.3's message schemas, apart from those in `src/protocol/schema.rs`.

use Field::{Address, Array, Bytes, Fixed, String, Tags};

/// A field, or several of fixed size.
enum Field {
    Fixed(usize),
    String,
    /// Compact records.
    Bytes,
    Array(&'static [Field]),
    /// Node id, host, port.
    Address,
    /// The tagged fields that the schema knows.
    Tags(&'static [(u32, &'static [Field])]),
}

/// The hosts that a client would dial after this answer, `frame` being from its correlation id on.
pub(crate) fn hosts(api_key: i16, version: i16, frame: &[u8]) -> Vec<Vec<u8>> {
    let (flexible, fields) = schema(api_key, version);
    let mut reader = Reader {
        rest: frame,
        flexible,
        hosts: Vec::new(),
        budget: 2 * frame.len() + 64,
    };
    // `None` is a message that cannot be read to its end.
    let _ = reader.fields(fields);
    reader.hosts
}

struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
    hosts: Vec<Vec<u8>>,
    /// Elements may have no bytes at all; this ends arrays of those.
    budget: usize,
}

impl<'a> Reader<'a> {
    fn fields(&mut self, fields: &'static [Field]) -> Option<()> {
        for field in fields {
            match *field {
                Fixed(size) => self.take(size).map(drop)?,
                String => self.string().map(drop)?,
                Bytes => {
                    let size = self.varint()?.wrapping_sub(1);
                    self.take(size.max(0) as usize)?;
                }
                Array(element) => {
                    for _ in 0..self.count()? {
                        self.budget = self.budget.checked_sub(1)?;
                        self.fields(element)?;
                    }
                }
                Address => {
                    self.take(4)?;
                    let host = self.string()?;
                    self.hosts.push(host.to_vec());
                    self.take(4)?;
                }
                Tags(known) => {
                    if !self.flexible {
                        continue;
                    }
                    for _ in 0..self.varint()?.max(0) {
                        let tag = self.varint()? as u32;
                        let size = self.varint()?;
                        match known.iter().find(|(number, _)| *number == tag) {
                            Some((_, fields)) => self.fields(fields)?,
                            None => self.take(usize::try_from(size).ok()?).map(drop)?,
                        }
                    }
                }
            }
        }
        Some(())
    }

    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<i32> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?[0];
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value as i32);
            }
        }
        None
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let size = match self.flexible {
            true => self.varint()?.wrapping_sub(1),
            false => i16::from_be_bytes(self.take(2)?.try_into().ok()?).into(),
        };
        self.take(size.max(0) as usize)
    }

    fn count(&mut self) -> Option<i32> {
        let count = match self.flexible {
            true => self.varint()?.wrapping_sub(1),
            false => i32::from_be_bytes(self.take(4)?.try_into().ok()?),
        };
        Some(count.max(0))
    }
}

const NO_TAGS: Field = Tags(&[]);
const HEADER: Field = Fixed(4);
const ENDPOINT: &[Field] = &[Address, String, NO_TAGS];

fn schema(api_key: i16, version: i16) -> (bool, &'static [Field]) {
    match (api_key, version) {
        (0, 10..=12) => (true, PRODUCE_10),
        (0, 13) => (true, PRODUCE_13),
        (1, 16..=18) => (true, FETCH_16),
        (3, 0) => (false, METADATA_0),
        (3, 1) => (false, METADATA_1),
        (3, 2) => (false, METADATA_2),
        (3, 3..=8) => (false, METADATA_3),
        (3, 9..=13) => (true, METADATA_9),
        (10, 0) => (false, FIND_COORDINATOR_0),
        (10, 1..=3) => (version == 3, FIND_COORDINATOR_1),
        (10, 4..=6) => (true, FIND_COORDINATOR_4),
        (60, 0) => (true, DESCRIBE_CLUSTER_0),
        (60, 1) => (true, DESCRIBE_CLUSTER_1),
        (60, 2) => (true, DESCRIBE_CLUSTER_2),
        (78, 1..=2) => (true, SHARE_FETCH),
        (79, 1) => (true, SHARE_ACKNOWLEDGE_1),
        (79, 2) => (true, SHARE_ACKNOWLEDGE_2),
        _ => panic!("no schema for api {api_key} version {version}"),
    }
}

const LEADER_TAG: &[Field] = &[Fixed(4 + 4), NO_TAGS];

static PRODUCE_10: &[Field] = &[
    HEADER,
    NO_TAGS,
    Array(&[String, PRODUCE_PARTITIONS, NO_TAGS]),
    Fixed(4),
    Tags(&[(0, &[Array(ENDPOINT)])]),
];

static PRODUCE_13: &[Field] = &[
    HEADER,
    NO_TAGS,
    Array(&[Fixed(16), PRODUCE_PARTITIONS, NO_TAGS]),
    Fixed(4),
    Tags(&[(0, &[Array(ENDPOINT)])]),
];

const PRODUCE_PARTITIONS: Field = Array(&[
    Fixed(4 + 2 + 8 + 8 + 8),
    Array(&[Fixed(4), String, NO_TAGS]),
    String,
    Tags(&[(0, LEADER_TAG)]),
]);

static FETCH_16: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4 + 2 + 4),
    Array(&[
        Fixed(16),
        Array(&[
            Fixed(4 + 2 + 8 + 8 + 8),
            Array(&[Fixed(8 + 8), NO_TAGS]),
            Fixed(4),
            Bytes,
            Tags(&[
                (0, &[Fixed(4 + 8), NO_TAGS]),
                (1, LEADER_TAG),
                (2, &[Fixed(8 + 4), NO_TAGS]),
            ]),
        ]),
        NO_TAGS,
    ]),
    Tags(&[(0, &[Array(ENDPOINT)])]),
];

// Of Metadata, only the brokers carry addresses; what follows the controller id is left out.
static METADATA_0: &[Field] = &[HEADER, Array(&[Address])];
static METADATA_1: &[Field] = &[HEADER, Array(ENDPOINT), Fixed(4)];
static METADATA_2: &[Field] = &[HEADER, Array(ENDPOINT), String, Fixed(4)];
static METADATA_3: &[Field] = &[HEADER, Fixed(4), Array(ENDPOINT), String, Fixed(4)];
static METADATA_9: &[Field] = &[HEADER, NO_TAGS, Fixed(4), Array(ENDPOINT), String, Fixed(4)];

static FIND_COORDINATOR_0: &[Field] = &[HEADER, Fixed(2), Address];
static FIND_COORDINATOR_1: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4),
    Fixed(2),
    String,
    Address,
    NO_TAGS,
];
static FIND_COORDINATOR_4: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4),
    Array(&[String, Address, Fixed(2), String, NO_TAGS]),
    NO_TAGS,
];

static DESCRIBE_CLUSTER_0: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4 + 2),
    String,
    String,
    Fixed(4),
    Array(ENDPOINT),
    Fixed(4),
    NO_TAGS,
];
static DESCRIBE_CLUSTER_1: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4 + 2),
    String,
    Fixed(1),
    String,
    Fixed(4),
    Array(ENDPOINT),
    Fixed(4),
    NO_TAGS,
];
static DESCRIBE_CLUSTER_2: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4 + 2),
    String,
    Fixed(1),
    String,
    Fixed(4),
    Array(&[Address, String, Fixed(1), NO_TAGS]),
    Fixed(4),
    NO_TAGS,
];

static SHARE_FETCH: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4 + 2),
    String,
    Fixed(4),
    Array(&[
        Fixed(16),
        Array(&[
            Fixed(4 + 2),
            String,
            Fixed(2),
            String,
            Fixed(4 + 4),
            NO_TAGS,
            Bytes,
            Array(&[Fixed(8 + 8 + 2), NO_TAGS]),
            NO_TAGS,
        ]),
        NO_TAGS,
    ]),
    Array(ENDPOINT),
    NO_TAGS,
];

const ACKNOWLEDGED: Field = Array(&[
    Fixed(16),
    Array(&[Fixed(4 + 2), String, Fixed(4 + 4), NO_TAGS, NO_TAGS]),
    NO_TAGS,
]);
static SHARE_ACKNOWLEDGE_1: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4 + 2),
    String,
    ACKNOWLEDGED,
    Array(ENDPOINT),
    NO_TAGS,
];
static SHARE_ACKNOWLEDGE_2: &[Field] = &[
    HEADER,
    NO_TAGS,
    Fixed(4 + 2),
    String,
    Fixed(4),
    ACKNOWLEDGED,
    Array(ENDPOINT),
    NO_TAGS,
];
