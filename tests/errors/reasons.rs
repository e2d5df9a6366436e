//! Ends of sessions and failed dials: each has a row, whose words are those of the log, below the heading of who can mend it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use portolan::config::BrokerAddress;
use portolan::limits::Refused;
use portolan::port_map::NodeId;
use portolan::session::end::{EndReason, Side};
use portolan::upstream::ConnectError;

use crate::page::{Row, rows};
use crate::pattern::fits;

#[test]
fn each_end_of_a_session_has_a_row_with_its_words_below_whom_it_concerns() {
    let ends = ends();
    let words = ends.iter().map(|end| (end.label(), end.to_string()));
    let rows = assert_words("reason", &EndReason::LABELS, words.collect());
    for end in &ends {
        let row = &rows[end.label()];
        let heading = match end.side() {
            Side::Nobody => "Nobody has to act",
            Side::Client => "The client's",
            Side::Broker => "The broker's",
            Side::Operator => "This proxy's",
        };
        assert_eq!(row.heading, heading, "{}", end.label());
    }
}

#[test]
fn each_failed_dial_has_a_row_with_its_words() {
    let failures = failures();
    let words = failures
        .iter()
        .map(|fail| (fail.reason(), fail.to_string()));
    assert_words("connect failure", &ConnectError::REASONS, words.collect());
}

/// Fails unless the tables have a row for each label, and no other, and all words of a label, and no others. Returns the rows.
fn assert_words(
    header: &str,
    labels: &[&str],
    words: Vec<(&str, String)>,
) -> BTreeMap<String, Row> {
    let all = rows(header);
    let count = all.len();
    let rows: BTreeMap<String, Row> = all.into_iter().map(|row| (row.code(), row)).collect();
    assert_eq!(rows.len(), count, "a row stands there twice");
    for label in labels {
        assert!(rows.contains_key(*label), "no row for `{label}`");
        let is_shown = words.iter().any(|(shown, _)| shown == label);
        assert!(is_shown, "the test below has no sample of `{label}`");
    }
    for (label, row) in &rows {
        assert!(labels.contains(&label.as_str()), "there is no `{label}`");
        let of_label = || words.iter().filter(|(shown, _)| shown == label);
        for (_, text) in of_label() {
            let fits = row.words().iter().any(|pattern| fits(pattern, text));
            assert!(fits, "`{label}` says {text:?}");
        }
        for pattern in row.words() {
            let fits = of_label().any(|(_, text)| fits(pattern, text));
            assert!(fits, "`{label}` does not say {pattern:?} any more");
        }
    }
    rows
}

/// One of each kind.
fn ends() -> Vec<EndReason> {
    use EndReason::*;
    let what = || "what happened".to_owned();
    let (bytes, limit) = (2048, 1024);
    // A size that is text, and is told as that.
    let ssh = u32::from_be_bytes(*b"SSH-");
    vec![
        ClientClosed,
        BareConnect,
        BrokerClosed,
        ClientReset,
        BrokerReset,
        Idle,
        Drained,
        DrainTimeout,
        FirstBytesTimeout,
        ClientClosedMidFrame,
        ClientStalled,
        TlsOnPlaintextPort,
        HttpOnKafkaPort,
        ProxyProtocolOnKafkaPort,
        PlaintextOnTlsPort,
        TlsHandshakeTimeout,
        TlsHandshakeGaveWay,
        NoHandshakePlace,
        TlsHandshakeFailed(what()),
        CertificateNotTrusted(what()),
        ClientCertificateRefused(what()),
        UnknownServerName(Some("kafka.example.com".to_owned())),
        UnknownServerName(None),
        TlsBroken(what()),
        BadProxyHeader(what()),
        ProxyHeaderMissing(what()),
        NotAllowed,
        ClientLimit(Refused::Connections),
        ClientLimit(Refused::Rate),
        NoAdvertisedHost,
        AddressUnknown,
        MaxConnectionAge,
        RouteRemoved,
        BadRequestSize(what()),
        RequestTooLarge { bytes, limit },
        RequestTooLarge { bytes: ssh, limit },
        SaslTokenTooLarge { bytes, limit },
        MalformedRequest(what()),
        RefusedRequest(what()),
        ConnectFailed(what()),
        Loop,
        BrokerWantsTls,
        BrokerTlsBroken(what()),
        BrokerClosedMidFrame,
        BrokerStalled,
        BadResponseSize(what()),
        CorrelationMismatch {
            expected: 1,
            found: 9,
        },
        UnexpectedResponse,
        MalformedResponse(what()),
        ResponseTooLarge { bytes, limit },
        Socket(what()),
        Panicked,
    ]
}

/// One of each kind.
fn failures() -> Vec<ConnectError> {
    let address = || BrokerAddress {
        host: "kafka-0".into(),
        port: 9092,
    };
    let tried = |kind: io::ErrorKind| {
        let peer = SocketAddr::from(([192, 0, 2, 1], 9092));
        vec![(peer, kind.into())]
    };
    let (node, why) = (NodeId(7), || "what happened".to_owned());
    vec![
        ConnectError::Unresolved {
            address: address(),
            why: why(),
        },
        ConnectError::NoBootstrapServer,
        ConnectError::Refused {
            address: address(),
            tried: tried(io::ErrorKind::ConnectionRefused),
        },
        ConnectError::TimedOut {
            address: address(),
            tried: tried(io::ErrorKind::TimedOut),
        },
        ConnectError::Local {
            address: address(),
            error: io::ErrorKind::OutOfMemory.into(),
        },
        ConnectError::Tls {
            address: address(),
            why: why(),
            remedy: "see upstream_tls",
        },
        ConnectError::CannotLearn { node, why: why() },
        ConnectError::UnknownNode { node },
    ]
}
