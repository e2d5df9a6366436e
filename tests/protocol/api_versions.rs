//! ApiVersions 0-4: what is offered is what the broker offers and we let through; and what is offered does pass.

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use portolan::protocol::api::{self, Policy, RequestPlan, WholeResponse};
use portolan::protocol::rewrite::{self, unsupported_api_versions};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{cases, port_map, tags, text};
use crate::drive::{context, whole};
use crate::oracle::{CORRELATION_ID, Unknown, decode, encode};

const UNSUPPORTED_VERSION: i16 = 35;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn what_is_offered_is_the_intersection_and_all_else_stays(
        message in response(),
        forward_unknown in any::<bool>(),
        cap_fetch in any::<bool>(),
    ) {
        let ports = port_map("proxy", Default::default());
        let policy = Policy { forward_unknown, cap_fetch };
        let cx = rewrite::Context { policy: &policy, ..context(&ports) };
        for version in 0..=4 {
            let frame = encode(&trim(&message, version), version, &Unknown::new());
            let (_, mut said) = decode::<ApiVersionsResponse>(&frame, version);
            let mut out = Vec::new();
            rewrite::whole(WholeResponse::ApiVersions, version, &frame, &cx, &mut out).unwrap();
            let (_, told) = decode::<ApiVersionsResponse>(&out[4..], version);
            said.api_keys = said.api_keys.iter().filter_map(|api| offered(&policy, api)).collect();
            prop_assert_eq!(told, said, "version {}", version);
        }
    }

    #[test]
    fn a_request_of_any_offered_version_passes_and_of_any_other_does_not(
        key in 0..120i16,
        version in -1..25i16,
        forward_unknown in any::<bool>(),
        cap_fetch in any::<bool>(),
    ) {
        let policy = Policy { forward_unknown, cap_fetch };
        let everything = ApiVersion::default()
            .with_api_key(key)
            .with_min_version(i16::MIN)
            .with_max_version(i16::MAX);
        let offered = offered(&policy, &everything)
            .is_some_and(|api| (api.min_version..=api.max_version).contains(&version));
        let passes = !matches!(
            api::plan(&policy, key, version),
            RequestPlan::Refuse(_) | RequestPlan::AnswerApiVersions
        );
        prop_assert_eq!(passes, offered);
    }
}

#[test]
fn an_old_brokers_answer_to_a_newer_version_passes_in_the_layout_of_version_0() {
    let ports = port_map("proxy", Default::default());
    // A broker before 2.4 names no api there, a later one names ApiVersions.
    let own = ApiVersion::default().with_api_key(18).with_max_version(9);
    for api_keys in [vec![], vec![own]] {
        let message = ApiVersionsResponse::default()
            .with_error_code(UNSUPPORTED_VERSION)
            .with_api_keys(api_keys.clone());
        let frame = encode(&message, 0, &Unknown::new());
        for asked in 0..=4 {
            let rewritten = whole(WholeResponse::ApiVersions, asked, &frame, &ports).unwrap();
            let (_, told) = decode::<ApiVersionsResponse>(&rewritten.frame, 0);
            assert_eq!(told.error_code, UNSUPPORTED_VERSION);
            let highest: Vec<_> = told.api_keys.iter().map(|api| api.max_version).collect();
            assert_eq!(highest, vec![4; api_keys.len()]);
        }
    }
}

#[test]
fn an_answer_of_librdkafkas_embedded_brokers_to_a_newer_version_passes_as_it_is() {
    let ports = port_map("proxy", Default::default());
    // Error 35, then a count that is neither that of version 0 nor that of version 3, and one api.
    let body = [0, 35, 1, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0];
    let mut frame = CORRELATION_ID.to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    for version in [3, 4] {
        let rewritten = whole(WholeResponse::ApiVersions, version, &frame, &ports).unwrap();
        assert_eq!(rewritten.frame, frame, "version {version}");
    }
    // Without the error it would be a promise, and one that the proxy cannot read.
    (frame[5], frame[6]) = (0, 9);
    assert!(whole(WholeResponse::ApiVersions, 3, &frame, &ports).is_err());
}

#[test]
fn other_errors_have_the_layout_of_the_asked_version() {
    let ports = port_map("proxy", Default::default());
    for version in 0..=4 {
        // INVALID_REQUEST: what a broker says to a client whose software name it does not like.
        let message = ApiVersionsResponse::default().with_error_code(42);
        let frame = encode(&message, version, &Unknown::new());
        let rewritten = whole(WholeResponse::ApiVersions, version, &frame, &ports).unwrap();
        assert_eq!(rewritten.frame, frame, "version {version}");
    }
}

#[test]
fn a_client_newer_than_us_is_told_our_range_in_the_layout_of_version_0() {
    let frame = unsupported_api_versions(CORRELATION_ID);
    let (size, frame) = frame.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*size) as usize, frame.len());
    let (_, told) = decode::<ApiVersionsResponse>(frame, 0);
    let own = ApiVersion::default().with_api_key(18).with_max_version(4);
    let expected = ApiVersionsResponse::default()
        .with_error_code(UNSUPPORTED_VERSION)
        .with_api_keys(vec![own]);
    assert_eq!(told, expected);
}

#[test]
fn share_apis_of_an_early_access_broker_are_hidden() {
    // Kafka 4.0 had version 0 only, whose layout we do not know.
    let ports = port_map("proxy", Default::default());
    let early = |key| ApiVersion::default().with_api_key(key);
    let message = ApiVersionsResponse::default().with_api_keys(vec![early(78), early(79)]);
    let frame = encode(&message, 3, &Unknown::new());
    let rewritten = whole(WholeResponse::ApiVersions, 3, &frame, &ports).unwrap();
    let (_, told) = decode::<ApiVersionsResponse>(&rewritten.frame, 3);
    assert_eq!(told.api_keys, vec![]);
}

/// The rule in words of its own, as ranges.
fn offered(policy: &Policy, api: &ApiVersion) -> Option<ApiVersion> {
    let (least, most) = match api.api_key {
        0 if policy.cap_fetch => (0, 9),
        0 => (0, 13),
        1 if policy.cap_fetch => (0, 15),
        1 => (0, 18),
        3 => (0, 13),
        10 => (0, 6),
        18 => (0, 4),
        55 => (0, 1),
        60 => (0, 2),
        78 | 79 => (1, 2),
        // Kafka's schemas give these no "broker" listener, or no version at all since 4.0.
        4..=7 | 52..=54 | 56 | 58 | 59 | 62 | 63 | 67 | 70 | 73 | 82 => return None,
        // Between brokers, though on their listeners: the share coordinator's state.
        83..=87 => return None,
        2..=92 => (i16::MIN, i16::MAX),
        _ if policy.forward_unknown => (i16::MIN, i16::MAX),
        _ => return None,
    };
    let (min, max) = (api.min_version.max(least), api.max_version.min(most));
    let empty = api.min_version > most || api.max_version < least;
    (!empty).then(|| api.clone().with_min_version(min).with_max_version(max))
}

fn trim(message: &ApiVersionsResponse, version: i16) -> ApiVersionsResponse {
    let mut message = message.clone();
    if version < 3 {
        message.supported_features.clear();
        message.finalized_features.clear();
        message.finalized_features_epoch = -1;
        message.zk_migration_ready = false;
    }
    message
}

fn response() -> impl Strategy<Value = ApiVersionsResponse> {
    let key = prop_oneof![8 => 0..96i16, 1 => any::<i16>()];
    let version = || prop_oneof![8 => 0..20i16, 1 => any::<i16>()];
    let api = (key, version(), version(), tags(0)).prop_map(|(key, min, max, tags)| {
        ApiVersion::default()
            .with_api_key(key)
            .with_min_version(min)
            .with_max_version(max)
            .with_unknown_tagged_fields(tags)
    });
    let supported = (text(), any::<i16>(), tags(0)).prop_map(|(name, max, tags)| {
        SupportedFeatureKey::default()
            .with_name(name)
            .with_max_version(max)
            .with_unknown_tagged_fields(tags)
    });
    let finalized = (text(), any::<i16>()).prop_map(|(name, max)| {
        FinalizedFeatureKey::default()
            .with_name(name)
            .with_max_version_level(max)
    });
    let error = any::<i16>().prop_filter("another layout", |code| *code != UNSUPPORTED_VERSION);
    let numbers = (error, any::<i32>(), any::<i64>(), any::<bool>());
    let features = (vec(supported, 0..3), vec(finalized, 0..3));
    (numbers, vec(api, 0..12), features, tags(4)).prop_map(
        |((error, throttle, epoch, ready), apis, (supported, finalized), tags)| {
            ApiVersionsResponse::default()
                .with_error_code(error)
                .with_throttle_time_ms(throttle)
                .with_finalized_features_epoch(epoch)
                .with_zk_migration_ready(ready)
                .with_api_keys(apis)
                .with_supported_features(supported)
                .with_finalized_features(finalized)
                .with_unknown_tagged_fields(tags)
        },
    )
}
