//! Which api keys and versions pass, which answers carry broker addresses, and what is to be done with each.
//!
//! Only the apis whose answers carry addresses have a ceiling; every other one passes at any version, so that a newer
//! Kafka works. Sources: the `listeners`, `validVersions` and fields of Kafka 4.3's message schemas.

use kafka_protocol::messages::ApiKey;

/// The label of api keys outside the table.
pub const UNKNOWN: &str = "unknown";

/// What a cluster's configuration says about requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Api keys outside the table pass and are shown.
    pub forward_unknown: bool,
    /// Fetch is offered up to version 15 and Produce up to 9, whose answers carry no addresses.
    pub cap_fetch: bool,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPlan {
    /// Stream it; its answer is treated so.
    Forward(ResponsePlan),
    /// Produce: `acks` must be read, for with 0 there will be no answer.
    Produce(ResponsePlan),
    /// SaslHandshake v0: raw tokens follow its answer.
    SaslHandshakeV0,
    /// SaslAuthenticate: its size is bounded by the token limit. Its answer streams.
    SaslAuthenticate,
    /// ApiVersions in a version newer than ours: answered by us, as a broker would.
    AnswerApiVersions,
    /// It is not let through; a broker would close the connection, too.
    Refuse(Refusal),
}

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The api key is outside the table: its answers might carry addresses.
    UnknownApi,
    /// The api is for brokers and controllers among themselves.
    InterBrokerApi,
    /// The answers of this version might carry addresses where we do not know them.
    VersionAboveCeiling {
        /// The highest version that is offered.
        ceiling: i16,
    },
}

/// What is to be done with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponsePlan {
    /// It passes byte for byte.
    Stream,
    /// The addresses stand before the bulk: the head is rewritten, the rest streams.
    MetadataHead,
    /// Small: held and rewritten.
    Whole(WholeResponse),
    /// Walked while it streams.
    Walk(WalkedResponse),
}

/// Small answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub enum WholeResponse {
    ApiVersions,
    FindCoordinator,
    DescribeCluster,
    Produce,
    ShareAcknowledge,
}

/// Answers that are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkedResponse {
    /// Addresses stand behind the record data, as a tagged field.
    Fetch,
    /// Addresses stand behind the record data, as an array.
    ShareFetch,
    /// Only where an answer is too large to be held.
    Produce,
    /// Only where an answer is too large to be held.
    ShareAcknowledge,
}

/// Decides about a request by its prefix.
pub fn plan(policy: &Policy, api_key: i16, api_version: i16) -> RequestPlan {
    use RequestPlan::{Forward, Refuse};
    use ResponsePlan::{MetadataHead, Stream, Walk, Whole};
    let Some(row) = row(api_key) else {
        return match policy.forward_unknown {
            true => Forward(Stream),
            false => Refuse(Refusal::UnknownApi),
        };
    };
    if row.rule == Rule::InterBroker {
        return Refuse(Refusal::InterBrokerApi);
    }
    if let Some(ceiling) = ceiling(policy, api_key)
        && !(row.lowest..=ceiling).contains(&api_version)
    {
        return match row.key {
            API_VERSIONS => RequestPlan::AnswerApiVersions,
            _ => Refuse(Refusal::VersionAboveCeiling { ceiling }),
        };
    }
    match (row.key, api_version) {
        (PRODUCE, 10..) => RequestPlan::Produce(Whole(WholeResponse::Produce)),
        (PRODUCE, _) => RequestPlan::Produce(Stream),
        (FETCH, 16..) => Forward(Walk(WalkedResponse::Fetch)),
        (METADATA, _) => Forward(MetadataHead),
        (FIND_COORDINATOR, _) => Forward(Whole(WholeResponse::FindCoordinator)),
        (SASL_HANDSHAKE, ..=0) => RequestPlan::SaslHandshakeV0,
        (API_VERSIONS, _) => Forward(Whole(WholeResponse::ApiVersions)),
        (SASL_AUTHENTICATE, _) => RequestPlan::SaslAuthenticate,
        (DESCRIBE_CLUSTER, _) => Forward(Whole(WholeResponse::DescribeCluster)),
        (SHARE_FETCH, _) => Forward(Walk(WalkedResponse::ShareFetch)),
        (SHARE_ACKNOWLEDGE, _) => Forward(Whole(WholeResponse::ShareAcknowledge)),
        _ => Forward(Stream),
    }
}

/// The highest version that may be offered; `None` where there is no ceiling.
pub fn ceiling(policy: &Policy, api_key: i16) -> Option<i16> {
    match (row(api_key)?.rule, api_key) {
        (Rule::Addresses(_), PRODUCE) if policy.cap_fetch => Some(9),
        (Rule::Addresses(_), FETCH) if policy.cap_fetch => Some(15),
        (Rule::Addresses(ceiling), _) => Some(ceiling),
        (Rule::Pass | Rule::InterBroker, _) => None,
    }
}

/// The lowest version that may be offered; `None` where every one passes.
pub fn floor(api_key: i16) -> Option<i16> {
    let row = row(api_key)?;
    matches!(row.rule, Rule::Addresses(_)).then_some(row.lowest)
}

/// Whether ApiVersions answers may name this key.
pub fn visible(policy: &Policy, api_key: i16) -> bool {
    match row(api_key) {
        Some(row) => row.rule != Rule::InterBroker,
        None => policy.forward_unknown,
    }
}

/// The api's name in Kafka's words, or [`UNKNOWN`].
pub fn name(api_key: i16) -> &'static str {
    row(api_key).map_or(UNKNOWN, |row| row.name)
}

/// Whether the api's answers carry broker addresses in any version.
pub fn carries_addresses(api_key: i16) -> bool {
    row(api_key).is_some_and(|row| matches!(row.rule, Rule::Addresses(_)))
}

/// Every api of the table: key and name.
pub fn all() -> impl Iterator<Item = (i16, &'static str)> {
    TABLE.iter().map(|row| (row.key, row.name))
}

const PRODUCE: i16 = ApiKey::Produce as i16;
const FETCH: i16 = ApiKey::Fetch as i16;
/// The key of Metadata.
pub const METADATA: i16 = ApiKey::Metadata as i16;
const FIND_COORDINATOR: i16 = ApiKey::FindCoordinator as i16;
/// The key of SaslHandshake.
pub const SASL_HANDSHAKE: i16 = ApiKey::SaslHandshake as i16;
/// The key of ApiVersions.
pub(super) const API_VERSIONS: i16 = ApiKey::ApiVersions as i16;
const SASL_AUTHENTICATE: i16 = ApiKey::SaslAuthenticate as i16;
const DESCRIBE_CLUSTER: i16 = ApiKey::DescribeCluster as i16;
const SHARE_FETCH: i16 = ApiKey::ShareFetch as i16;
const SHARE_ACKNOWLEDGE: i16 = ApiKey::ShareAcknowledge as i16;

/// Why an api is treated as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// No answer of any version carries a broker's address.
    Pass,
    /// Answers carry broker addresses; up to this version we know where.
    Addresses(i16),
    /// `"listeners": ["controller"]`, retired in Kafka 4, or broker to broker: no client has use for it, and some of
    /// its answers (Vote, FetchSnapshot, ...) carry controller addresses.
    InterBroker,
}

struct Row {
    key: i16,
    name: &'static str,
    /// The lowest version whose schema we know; matters only below a ceiling.
    lowest: i16,
    /// The highest version whose schema was looked at when the rule was written.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the backlog test"))]
    looked_at: i16,
    rule: Rule,
}

fn row(api_key: i16) -> Option<&'static Row> {
    // The table is dense, so that a key is its index.
    TABLE.get(usize::try_from(api_key).ok()?)
}

const fn pass(key: i16, name: &'static str, looked_at: i16) -> Row {
    Row {
        key,
        name,
        lowest: 0,
        looked_at,
        rule: Rule::Pass,
    }
}

const fn addresses(key: i16, name: &'static str, lowest: i16, ceiling: i16) -> Row {
    Row {
        key,
        name,
        lowest,
        looked_at: ceiling,
        rule: Rule::Addresses(ceiling),
    }
}

const fn inter_broker(key: i16, name: &'static str) -> Row {
    Row {
        key,
        name,
        lowest: 0,
        looked_at: i16::MAX,
        rule: Rule::InterBroker,
    }
}

#[rustfmt::skip]
static TABLE: [Row; 93] = [
    addresses(0, "Produce", 0, 13),
    addresses(1, "Fetch", 0, 18),
    pass(2, "ListOffsets", 11),
    addresses(3, "Metadata", 0, 13),
    inter_broker(4, "LeaderAndIsr"),
    inter_broker(5, "StopReplica"),
    inter_broker(6, "UpdateMetadata"),
    inter_broker(7, "ControlledShutdown"),
    pass(8, "OffsetCommit", 10),
    pass(9, "OffsetFetch", 10),
    addresses(10, "FindCoordinator", 0, 6),
    pass(11, "JoinGroup", 9),
    pass(12, "Heartbeat", 4),
    pass(13, "LeaveGroup", 5),
    pass(14, "SyncGroup", 5),
    pass(15, "DescribeGroups", 6), // its client_host is the member's
    pass(16, "ListGroups", 5),
    pass(17, "SaslHandshake", 1),
    addresses(18, "ApiVersions", 0, 4), // it carries none, but what it offers decides about all others
    pass(19, "CreateTopics", 7),
    pass(20, "DeleteTopics", 6),
    pass(21, "DeleteRecords", 2),
    pass(22, "InitProducerId", 6),
    pass(23, "OffsetForLeaderEpoch", 4),
    pass(24, "AddPartitionsToTxn", 5),
    pass(25, "AddOffsetsToTxn", 4),
    pass(26, "EndTxn", 5),
    pass(27, "WriteTxnMarkers", 2), // between brokers, and what an admin aborts a hanging transaction with
    pass(28, "TxnOffsetCommit", 5),
    pass(29, "DescribeAcls", 3), // the hosts are those of ACLs
    pass(30, "CreateAcls", 3),
    pass(31, "DeleteAcls", 3),
    pass(32, "DescribeConfigs", 4), // quotes advertised.listeners as text that no client dials
    pass(33, "AlterConfigs", 2),
    pass(34, "AlterReplicaLogDirs", 2),
    pass(35, "DescribeLogDirs", 5),
    pass(36, "SaslAuthenticate", 2),
    pass(37, "CreatePartitions", 3),
    pass(38, "CreateDelegationToken", 3),
    pass(39, "RenewDelegationToken", 2),
    pass(40, "ExpireDelegationToken", 2),
    pass(41, "DescribeDelegationToken", 3),
    pass(42, "DeleteGroups", 2),
    pass(43, "ElectLeaders", 2),
    pass(44, "IncrementalAlterConfigs", 1),
    pass(45, "AlterPartitionReassignments", 1),
    pass(46, "ListPartitionReassignments", 0),
    pass(47, "OffsetDelete", 0),
    pass(48, "DescribeClientQuotas", 1),
    pass(49, "AlterClientQuotas", 1),
    pass(50, "DescribeUserScramCredentials", 0),
    pass(51, "AlterUserScramCredentials", 0),
    inter_broker(52, "Vote"),
    inter_broker(53, "BeginQuorumEpoch"),
    inter_broker(54, "EndQuorumEpoch"),
    Row { key: 55, name: "DescribeQuorum", lowest: 0, looked_at: 2, rule: Rule::Addresses(1) }, // v2 names the controllers' listeners
    inter_broker(56, "AlterPartition"),
    pass(57, "UpdateFeatures", 2),
    inter_broker(58, "Envelope"),
    inter_broker(59, "FetchSnapshot"),
    addresses(60, "DescribeCluster", 0, 2),
    pass(61, "DescribeProducers", 0),
    inter_broker(62, "BrokerRegistration"),
    inter_broker(63, "BrokerHeartbeat"),
    pass(64, "UnregisterBroker", 0),
    pass(65, "DescribeTransactions", 0),
    pass(66, "ListTransactions", 2),
    inter_broker(67, "AllocateProducerIds"),
    pass(68, "ConsumerGroupHeartbeat", 1),
    pass(69, "ConsumerGroupDescribe", 1),
    inter_broker(70, "ControllerRegistration"),
    pass(71, "GetTelemetrySubscriptions", 0),
    pass(72, "PushTelemetry", 0),
    inter_broker(73, "AssignReplicasToDirs"),
    pass(74, "ListConfigResources", 1),
    pass(75, "DescribeTopicPartitions", 0),
    pass(76, "ShareGroupHeartbeat", 1),
    pass(77, "ShareGroupDescribe", 1),
    addresses(78, "ShareFetch", 1, 2),
    addresses(79, "ShareAcknowledge", 1, 2),
    pass(80, "AddRaftVoter", 1), // an admin's request; it carries addresses, its answer none
    pass(81, "RemoveRaftVoter", 0),
    inter_broker(82, "UpdateRaftVoter"),
    inter_broker(83, "InitializeShareGroupState"),
    inter_broker(84, "ReadShareGroupState"),
    inter_broker(85, "WriteShareGroupState"),
    inter_broker(86, "DeleteShareGroupState"),
    inter_broker(87, "ReadShareGroupStateSummary"),
    pass(88, "StreamsGroupHeartbeat", 0), // its endpoints are those of the group's members
    pass(89, "StreamsGroupDescribe", 0),
    pass(90, "DescribeShareGroupOffsets", 1),
    pass(91, "AlterShareGroupOffsets", 0),
    pass(92, "DeleteShareGroupOffsets", 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Policy = Policy {
        forward_unknown: false,
        cap_fetch: false,
    };

    #[test]
    fn each_key_is_its_index_in_the_table() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.key as usize, index, "{}", row.name);
        }
    }

    /// The backlog: when kafka-protocol learns an api or a version, somebody must look at its schema for addresses.
    #[test]
    fn every_api_and_version_that_kafka_protocol_knows_has_a_rule() {
        let mut looked = 0;
        for key in 0..=i16::MAX {
            let Ok(api) = ApiKey::try_from(key) else {
                continue;
            };
            let row = row(key)
                .unwrap_or_else(|| panic!("{api:?} ({key}) has no row: look at its schema"));
            assert_eq!(row.name, format!("{api:?}"), "key {key}");
            let newest = api.valid_versions().max;
            assert!(
                newest <= row.looked_at,
                "{api:?} version {newest} is new: look at its schema, then raise looked_at"
            );
            looked += 1;
        }
        assert!(looked > 80, "only {looked} apis were looked at");
    }

    #[test]
    fn a_version_above_the_ceiling_of_an_address_carrying_api_is_refused() {
        let above = [
            (0, 14),
            (1, 19),
            (3, 14),
            (10, 7),
            (55, 2),
            (60, 3),
            (78, 3),
            (79, 3),
            (78, 0),
            (3, -1),
        ];
        for (key, version) in above {
            let plan = plan(&DEFAULT, key, version);
            assert!(
                matches!(
                    plan,
                    RequestPlan::Refuse(Refusal::VersionAboveCeiling { .. })
                ),
                "{} version {version}: {plan:?}",
                name(key)
            );
        }
    }

    #[test]
    fn other_apis_pass_at_any_version() {
        for version in [0, 5, 99, i16::MAX] {
            assert_eq!(
                plan(&DEFAULT, 11, version),
                RequestPlan::Forward(ResponsePlan::Stream)
            );
        }
    }

    #[test]
    fn api_versions_beyond_ours_is_answered_by_us() {
        assert_eq!(plan(&DEFAULT, 18, 5), RequestPlan::AnswerApiVersions);
        assert_eq!(plan(&DEFAULT, 18, i16::MAX), RequestPlan::AnswerApiVersions);
    }

    #[test]
    fn unknown_keys_are_hidden_unless_the_policy_forwards_them() {
        let forward = Policy {
            forward_unknown: true,
            ..DEFAULT
        };
        for key in [93, 10_000, i16::MAX, -1] {
            assert_eq!(
                plan(&DEFAULT, key, 0),
                RequestPlan::Refuse(Refusal::UnknownApi)
            );
            assert!(!visible(&DEFAULT, key));
            assert_eq!(
                plan(&forward, key, 0),
                RequestPlan::Forward(ResponsePlan::Stream)
            );
            assert!(visible(&forward, key));
        }
    }

    #[test]
    fn the_policy_can_cap_fetch_and_produce_below_their_endpoints() {
        let cap = Policy {
            cap_fetch: true,
            ..DEFAULT
        };
        assert_eq!((ceiling(&cap, 0), ceiling(&cap, 1)), (Some(9), Some(15)));
        assert_eq!(
            (ceiling(&DEFAULT, 0), ceiling(&DEFAULT, 1)),
            (Some(13), Some(18))
        );
    }
}
