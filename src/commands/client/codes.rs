//! Kafka's error codes in words. Source: `Errors.java` of Kafka 4.3.

/// What becomes of a request that was answered with an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The partition is led by another broker now, or this one does not know it yet: ask for metadata and try again.
    Moved,
    /// The next one may succeed.
    Passing,
    /// All others would fail, too.
    Lasting,
}

/// One error code.
#[derive(Debug)]
pub(crate) struct Code {
    number: i16,
    /// Its name in Kafka's words.
    pub(crate) name: &'static str,
    /// What becomes of the request.
    pub(crate) kind: Kind,
    /// What to change.
    pub(crate) remedy: &'static str,
}

/// No error.
pub(crate) const NONE: i16 = 0;
/// There is no such topic, or this broker does not know it yet.
pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// An election goes on.
pub(crate) const LEADER_NOT_AVAILABLE: i16 = 5;
/// The broker waited as long as the request allowed. What was asked for may happen yet.
pub(crate) const REQUEST_TIMED_OUT: i16 = 7;
/// The SASL mechanism is not enabled.
pub(crate) const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
/// The listener is without SASL, or it is not its turn.
pub(crate) const ILLEGAL_SASL_STATE: i16 = 34;
/// Wrong user or password.
pub(crate) const SASL_AUTHENTICATION_FAILED: i16 = 58;
/// The broker does not lead the partition.
pub(crate) const NOT_LEADER_OR_FOLLOWER: i16 = 6;
/// The request makes no sense to the broker.
pub(crate) const INVALID_REQUEST: i16 = 42;
/// The version of a request is not known to the broker.
pub(crate) const UNSUPPORTED_VERSION: i16 = 35;

/// The code of this number.
pub(crate) fn code(number: i16) -> Option<&'static Code> {
    CODES.iter().find(|code| code.number == number)
}

/// Its name, or its number where it is not in our table.
pub(crate) fn name(number: i16) -> String {
    match code(number) {
        Some(code) => code.name.to_owned(),
        None => format!("error code {number}"),
    }
}

/// What becomes of the request.
pub(crate) fn kind(number: i16) -> Kind {
    code(number).map_or(Kind::Lasting, |code| code.kind)
}

/// What to change; empty where nobody can tell.
pub(crate) fn remedy(number: i16) -> &'static str {
    code(number).map_or("", |code| code.remedy)
}

const fn row(number: i16, name: &'static str, kind: Kind, remedy: &'static str) -> Code {
    Code {
        number,
        name,
        kind,
        remedy,
    }
}

use Kind::{Lasting, Moved, Passing};

const CODES: [Code; 32] = [
    row(
        -1,
        "UNKNOWN_SERVER_ERROR",
        Lasting,
        "the broker's log says more",
    ),
    row(
        1,
        "OFFSET_OUT_OF_RANGE",
        Moved,
        "records were deleted while they were read: use a topic whose retention is longer",
    ),
    row(
        2,
        "CORRUPT_MESSAGE",
        Lasting,
        "something on the way changes bytes",
    ),
    row(
        3,
        "UNKNOWN_TOPIC_OR_PARTITION",
        Moved,
        "create the topic, or check its name",
    ),
    row(
        5,
        "LEADER_NOT_AVAILABLE",
        Moved,
        "the partition has no leader: look whether its brokers are up",
    ),
    row(
        6,
        "NOT_LEADER_OR_FOLLOWER",
        Moved,
        "the port leads to another broker than the metadata says: compare the proxy's port map with the brokers' ids",
    ),
    row(
        7,
        "REQUEST_TIMED_OUT",
        Passing,
        "replicas do not keep up: try --acks 1, or a lower --rate",
    ),
    row(
        10,
        "MESSAGE_TOO_LARGE",
        Lasting,
        "choose a --batch-size below the broker's message.max.bytes (by default 1 MiB)",
    ),
    row(
        17,
        "INVALID_TOPIC_EXCEPTION",
        Lasting,
        "a topic's name has letters, digits, '.', '_' and '-'",
    ),
    row(
        18,
        "RECORD_LIST_TOO_LARGE",
        Lasting,
        "choose a smaller --batch-size",
    ),
    row(
        19,
        "NOT_ENOUGH_REPLICAS",
        Passing,
        "fewer replicas are in sync than min.insync.replicas: give --replication-factor, or --acks 1",
    ),
    row(
        20,
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        Passing,
        "replicas were lost: look whether all brokers are up",
    ),
    row(
        21,
        "INVALID_REQUIRED_ACKS",
        Lasting,
        "this broker wants other --acks",
    ),
    row(
        29,
        "TOPIC_AUTHORIZATION_FAILED",
        Lasting,
        "allow this user the topic (create, describe, write, read, delete), or give --topic one that it may use",
    ),
    row(
        31,
        "CLUSTER_AUTHORIZATION_FAILED",
        Lasting,
        "allow this user to create topics, or give --topic one that is there",
    ),
    row(
        33,
        "UNSUPPORTED_SASL_MECHANISM",
        Lasting,
        "give --sasl-mechanism one that the listener has",
    ),
    row(
        34,
        "ILLEGAL_SASL_STATE",
        Lasting,
        "the listener is without SASL: leave --sasl-mechanism out",
    ),
    row(
        35,
        "UNSUPPORTED_VERSION",
        Lasting,
        "the broker is too old or too new",
    ),
    row(
        36,
        "TOPIC_ALREADY_EXISTS",
        Lasting,
        "give --topic another name",
    ),
    row(
        37,
        "INVALID_PARTITIONS",
        Lasting,
        "give --partitions another number",
    ),
    row(
        38,
        "INVALID_REPLICATION_FACTOR",
        Lasting,
        "give a --replication-factor of at most the number of brokers",
    ),
    row(
        41,
        "NOT_CONTROLLER",
        Moved,
        "the controller changes: try again",
    ),
    row(42, "INVALID_REQUEST", Lasting, "the broker's log says more"),
    row(
        44,
        "POLICY_VIOLATION",
        Lasting,
        "the cluster's policy forbids such a topic: give --partitions or --replication-factor, or --topic one that is there",
    ),
    row(
        56,
        "KAFKA_STORAGE_ERROR",
        Moved,
        "a disk of the broker failed",
    ),
    row(
        58,
        "SASL_AUTHENTICATION_FAILED",
        Lasting,
        "check --sasl-username, the password and --sasl-mechanism",
    ),
    row(
        73,
        "TOPIC_DELETION_DISABLED",
        Lasting,
        "delete it by hand, or set delete.topic.enable at the brokers",
    ),
    row(
        74,
        "FENCED_LEADER_EPOCH",
        Moved,
        "the leader changes: try again",
    ),
    row(
        76,
        "UNSUPPORTED_COMPRESSION_TYPE",
        Lasting,
        "the topic wants compressed records: give --topic another",
    ),
    row(
        87,
        "INVALID_RECORD",
        Lasting,
        "the topic takes no such records: is it compacted, or validated by a schema?",
    ),
    row(
        89,
        "THROTTLING_QUOTA_EXCEEDED",
        Passing,
        "a quota of the cluster allows no more now: try again later",
    ),
    row(
        100,
        "UNKNOWN_TOPIC_ID",
        Moved,
        "the topic was deleted or made anew",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_kafka_protocol() {
        for known in &CODES {
            let theirs = kafka_protocol::ResponseError::try_from_code(known.number)
                .map(|error| format!("{error:?}").to_lowercase())
                .unwrap_or_default();
            let ours = known.name.replace('_', "").to_lowercase();
            let ours = ours.trim_end_matches("exception");
            assert_eq!(
                ours,
                theirs.trim_end_matches("exception"),
                "{}",
                known.number
            );
        }
    }

    #[test]
    fn a_number_outside_the_table_is_told_as_such_and_ends_the_work() {
        assert_eq!(name(4711), "error code 4711");
        assert_eq!((kind(4711), remedy(4711)), (Kind::Lasting, ""));
    }
}
