//! FindCoordinator 0-6: the coordinator's address is ours; one that clients cannot reach is not available for now.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;
use portolan::port_map::{NodeId, PortMap};
use portolan::protocol::api::WholeResponse::FindCoordinator;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{cases, maybe_text, node_id, ports, tags, text};
use crate::drive::whole;
use crate::oracle::{Unknown, decode, encode};

const COORDINATOR_NOT_AVAILABLE: i16 = 15;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn coordinators_are_told_with_our_addresses(
        coordinators in vec(coordinator(), 0..5),
        throttle in any::<i32>(),
        header in tags(0),
        top in tags(0),
        ports in ports(),
    ) {
        for version in 0..=6 {
            let frame = encode(
                &message(&coordinators, throttle, &top, version),
                version,
                if version >= 3 { &header } else { const { &Unknown::new() } },
            );
            let (header, mut said) = decode::<FindCoordinatorResponse>(&frame, version);
            let rewritten = whole(FindCoordinator, version, &frame, &ports).unwrap();
            expect(&mut said, version, &ports);
            let told = decode::<FindCoordinatorResponse>(&rewritten.frame, version);
            prop_assert_eq!(told, (header, said), "version {}", version);
        }
    }
}

#[test]
fn an_error_without_a_coordinator_passes_byte_for_byte() {
    let ports = crate::arbitrary::port_map("proxy", Default::default());
    let none = Coordinator::default()
        .with_node_id(BrokerId(-1))
        .with_port(-1)
        .with_error_code(COORDINATOR_NOT_AVAILABLE)
        .with_error_message(Some(StrBytes::from_static_str("not yet")));
    for version in 0..=6 {
        let frame = encode(
            &message(std::slice::from_ref(&none), 0, &Unknown::new(), version),
            version,
            &Unknown::new(),
        );
        let rewritten = whole(FindCoordinator, version, &frame, &ports).unwrap();
        assert_eq!(rewritten.frame, frame, "version {version}");
        assert_eq!(rewritten.findings, Default::default());
    }
}

/// Before version 4 there is exactly one, at the top level.
fn message(
    coordinators: &[Coordinator],
    throttle: i32,
    tags: &Unknown,
    version: i16,
) -> FindCoordinatorResponse {
    let message = FindCoordinatorResponse::default()
        .with_throttle_time_ms(throttle)
        .with_unknown_tagged_fields(tags.clone());
    if version >= 4 {
        return message.with_coordinators(coordinators.to_vec());
    }
    let one = coordinators.first().cloned().unwrap_or_default();
    message
        .with_error_code(one.error_code)
        .with_error_message(one.error_message)
        .with_node_id(one.node_id)
        .with_host(one.host)
        .with_port(one.port)
}

fn expect(message: &mut FindCoordinatorResponse, version: i16, ports: &PortMap) {
    for one in &mut message.coordinators {
        place(
            (&mut one.node_id, &mut one.host, &mut one.port),
            (&mut one.error_code, &mut one.error_message),
            true,
            ports,
        );
    }
    if version < 4 {
        place(
            (&mut message.node_id, &mut message.host, &mut message.port),
            (&mut message.error_code, &mut message.error_message),
            version >= 1,
            ports,
        );
    }
}

fn place(
    (id, host, port): (&mut BrokerId, &mut StrBytes, &mut i32),
    (error, error_message): (&mut i16, &mut Option<StrBytes>),
    has_message: bool,
    ports: &PortMap,
) {
    if host.is_empty() {
        return;
    }
    match ports.advertised(NodeId(id.0)) {
        Some(address) => {
            *host = StrBytes::from_string(address.host.to_owned());
            *port = address.port.into();
        }
        None => {
            (*id, *port) = (BrokerId(-1), -1);
            *host = StrBytes::new();
            // An error of the broker's own says more than ours.
            if *error == 0 {
                *error = COORDINATOR_NOT_AVAILABLE;
                if has_message {
                    *error_message = None;
                }
            }
        }
    }
}

fn coordinator() -> impl Strategy<Value = Coordinator> {
    let error = prop_oneof![2 => Just(0), 1 => any::<i16>()];
    let place = (node_id(), text(), any::<i32>());
    (text(), place, error, maybe_text(), tags(0)).prop_map(
        |(key, (id, host, port), error, message, tags)| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(BrokerId(id))
                .with_host(host)
                .with_port(port)
                .with_error_code(error)
                .with_error_message(message)
                .with_unknown_tagged_fields(tags)
        },
    )
}
