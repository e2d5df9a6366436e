//! The shape of the messages that are walked, as tables.
//!
//! They follow Kafka's message schemas (`clients/src/main/resources/common/message/*.json`). Tagged fields are listed
//! where clients know them: those read the content and ignore the size that is stated, so the two must agree, or they
//! would take for fields what was walked as data. Unknown ones are passed over by their size by everybody (KIP-482).

/// One field, or a run of fields, of a message.
#[derive(Debug)]
pub(super) enum Field {
    /// This many bytes.
    Fixed(u32),
    /// An int16 length (-1 is null) and bytes.
    String,
    /// A varint length + 1 (0 is null) and bytes: a compact string, compact bytes or compact records.
    Compact,
    /// An int32 count (-1 is null) of elements.
    Array(&'static [Field]),
    /// A varint count + 1 (0 is null) of elements.
    CompactArray(&'static [Field]),
    /// An int32 count of elements of this many bytes.
    FixedArray(u32),
    /// A varint count + 1 of elements of this many bytes.
    CompactFixedArray(u32),
    /// A section of tagged fields of which clients know none.
    Tags,
    /// A section of tagged fields of which clients know these.
    KnownTags(&'static [(u32, &'static [Field])]),
    /// This many bytes in one piece, shown to the caller.
    Look(u32),
    /// The walk stops here for the caller.
    Mark,
}

use Field::{
    Array, Compact, CompactArray, CompactFixedArray, Fixed, FixedArray, KnownTags, Look, Mark,
    String as Str, Tags,
};

const CORRELATION_ID: Field = Fixed(4);

/// Fetch 16-18 up to its top tag section (`NodeEndpoints` is tag 0 there).
pub(super) static FETCH: &[Field] = &[
    CORRELATION_ID,
    Tags,
    Fixed(4 + 2 + 4), // throttle time, error code, session id
    CompactArray(&[
        Fixed(16), // topic id
        CompactArray(&[
            Fixed(4 + 2 + 8 + 8 + 8), // index, error code, high watermark, last stable and log start offset
            CompactArray(&[Fixed(8 + 8), Tags]), // aborted transactions
            Fixed(4),                 // preferred read replica
            Compact,                  // records
            KnownTags(&[
                (0, &[Fixed(4 + 8), Tags]), // diverging epoch
                (1, CURRENT_LEADER),
                (2, &[Fixed(8 + 4), Tags]), // snapshot id
            ]),
        ]),
        Tags,
    ]),
    Mark,
];

/// Id and epoch.
const CURRENT_LEADER: &[Field] = &[Fixed(4 + 4), Tags];

/// ShareFetch 1-2 up to `NodeEndpoints`, a plain array.
pub(super) static SHARE_FETCH: &[Field] = &[
    CORRELATION_ID,
    Tags,
    Fixed(4 + 2), // throttle time, error code
    Compact,      // error message
    Fixed(4),     // acquisition lock timeout
    CompactArray(&[
        Fixed(16), // topic id
        CompactArray(&[
            Fixed(4 + 2), // index, error code
            Compact,      // error message
            Fixed(2),     // acknowledge error code
            Compact,      // acknowledge error message
            Fixed(4 + 4), // current leader: id, epoch
            Tags,
            Compact,                                 // records
            CompactArray(&[Fixed(8 + 8 + 2), Tags]), // acquired records
            Tags,
        ]),
        Tags,
    ]),
    Mark,
];

/// ShareAcknowledge 1 up to `NodeEndpoints`.
pub(super) static SHARE_ACKNOWLEDGE_1: &[Field] = &[
    CORRELATION_ID,
    Tags,
    Fixed(4 + 2), // throttle time, error code
    Compact,      // error message
    SHARE_ACKNOWLEDGE_RESPONSES,
    Mark,
];

/// ShareAcknowledge 2 up to `NodeEndpoints`.
pub(super) static SHARE_ACKNOWLEDGE_2: &[Field] = &[
    CORRELATION_ID,
    Tags,
    Fixed(4 + 2),
    Compact,
    Fixed(4), // acquisition lock timeout
    SHARE_ACKNOWLEDGE_RESPONSES,
    Mark,
];

const SHARE_ACKNOWLEDGE_RESPONSES: Field = CompactArray(&[
    Fixed(16), // topic id
    CompactArray(&[
        Fixed(4 + 2), // index, error code
        Compact,      // error message
        Fixed(4 + 4), // current leader
        Tags,
        Tags,
    ]),
    Tags,
]);

/// Produce 10-12 up to its top tag section (`NodeEndpoints` is tag 0 there).
pub(super) static PRODUCE_10: &[Field] = &[
    CORRELATION_ID,
    Tags,
    CompactArray(&[Compact, PRODUCE_PARTITIONS, Tags]),
    Fixed(4), // throttle time
    Mark,
];

/// Produce 13: topics have ids instead of names.
pub(super) static PRODUCE_13: &[Field] = &[
    CORRELATION_ID,
    Tags,
    CompactArray(&[Fixed(16), PRODUCE_PARTITIONS, Tags]),
    Fixed(4),
    Mark,
];

const PRODUCE_PARTITIONS: Field = CompactArray(&[
    Fixed(4 + 2 + 8 + 8 + 8), // index, error code, base offset, log append time, log start offset
    CompactArray(&[Fixed(4), Compact, Tags]), // record errors
    Compact,                  // error message
    KnownTags(&[(0, CURRENT_LEADER)]),
]);

/// The head of a Metadata answer: everything up to and including the controller id.
pub(super) fn metadata_head(version: i16) -> &'static [Field] {
    static V0: &[Field] = &[CORRELATION_ID, Array(&[Fixed(4), Str, Fixed(4)]), Mark];
    const BROKERS: Field = Array(&[Fixed(4), Str, Fixed(4), Str]);
    static V1: &[Field] = &[CORRELATION_ID, BROKERS, Fixed(4), Mark];
    static V2: &[Field] = &[CORRELATION_ID, BROKERS, Str, Fixed(4), Mark];
    static V3: &[Field] = &[CORRELATION_ID, Fixed(4), BROKERS, Str, Fixed(4), Mark];
    static V9: &[Field] = &[
        CORRELATION_ID,
        Tags,
        Fixed(4), // throttle time
        CompactArray(&[Fixed(4), Compact, Fixed(4), Compact, Tags]),
        Compact,  // cluster id
        Fixed(4), // controller id
        Mark,
    ];
    match version {
        ..=0 => V0,
        1 => V1,
        2 => V2,
        3..=8 => V3,
        9.. => V9,
    }
}

/// The bytes that [`metadata_topics`] shows of each partition: error code, index, leader id.
pub(super) const PARTITION_LOOK: u32 = 2 + 4 + 4;

/// What follows the head of a Metadata answer: the topics.
pub(super) fn metadata_topics(version: i16) -> &'static [Field] {
    const HEAD: Field = Look(PARTITION_LOOK);
    const IDS: Field = FixedArray(4);
    const EPOCH: Field = Fixed(4);
    static V0: &[Field] = &[Array(&[Fixed(2), Str, Array(&[HEAD, IDS, IDS])])];
    static V1: &[Field] = &[Array(&[Fixed(2), Str, Fixed(1), Array(&[HEAD, IDS, IDS])])];
    static V5: &[Field] = &[Array(&[
        Fixed(2),
        Str,
        Fixed(1),
        Array(&[HEAD, IDS, IDS, IDS]),
    ])];
    const V7_PARTITIONS: Field = Array(&[HEAD, EPOCH, IDS, IDS, IDS]);
    static V7: &[Field] = &[Array(&[Fixed(2), Str, Fixed(1), V7_PARTITIONS])];
    static V8: &[Field] = &[Array(&[Fixed(2), Str, Fixed(1), V7_PARTITIONS, Fixed(4)])];
    const COMPACT_IDS: Field = CompactFixedArray(4);
    const PARTITIONS: Field =
        CompactArray(&[HEAD, EPOCH, COMPACT_IDS, COMPACT_IDS, COMPACT_IDS, Tags]);
    static V9: &[Field] = &[CompactArray(&[
        Fixed(2),
        Compact,
        Fixed(1),
        PARTITIONS,
        Fixed(4),
        Tags,
    ])];
    // From version 10 on with the topic id before `is_internal`.
    static V10: &[Field] = &[CompactArray(&[
        Fixed(2),
        Compact,
        Fixed(16 + 1),
        PARTITIONS,
        Fixed(4),
        Tags,
    ])];
    match version {
        ..=0 => V0,
        1..=4 => V1,
        5..=6 => V5,
        7 => V7,
        8 => V8,
        9 => V9,
        10.. => V10,
    }
}

/// A Produce request from its api key up to and including `acks`, which is shown.
pub(super) fn produce_acks(version: i16) -> &'static [Field] {
    const HEADER: Field = Fixed(2 + 2 + 4); // api key, api version, correlation id
    // Brokers before 4.0 still serve these; they have no transactional id.
    static V0: &[Field] = &[HEADER, Str, Look(2)];
    static V3: &[Field] = &[HEADER, Str, Str, Look(2)];
    static V9: &[Field] = &[HEADER, Str, Tags, Compact, Look(2)];
    match version {
        ..=2 => V0,
        3..=8 => V3,
        9.. => V9,
    }
}
