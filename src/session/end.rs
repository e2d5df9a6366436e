//! How a session ends: every way there is, who can do something about it, and what.

use std::fmt;

use crate::limits::Refused;
use crate::protocol::prefix;

/// Why a session ended. Each session has exactly one reason, counted in `portolan_connection_ends_total` and, where it is
/// abnormal, logged once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The client closed the connection between two requests.
    ClientClosed,
    /// A connection without a single byte: a load balancer's or a monitor's look at the port.
    BareConnect,
    /// The broker closed the connection.
    BrokerClosed,
    /// The client's connection was reset.
    ClientReset,
    /// The broker's connection was reset.
    BrokerReset,
    /// Nothing passed in either direction for `timeouts.idle`.
    Idle,
    /// This process is going away and the connection had nothing in flight.
    Drained,
    /// This process is going away and `drain.grace` ran out first.
    DrainTimeout,
    /// No complete request prefix within `timeouts.first_bytes`.
    FirstBytesTimeout,
    /// The client closed the connection in the middle of a request.
    ClientClosedMidFrame,
    /// The client took nothing for `timeouts.stalled_write`.
    ClientStalled,
    /// The client speaks TLS, this port does not.
    TlsOnPlaintextPort,
    /// The client speaks HTTP.
    HttpOnKafkaPort,
    /// Something in front of us sends PROXY protocol headers.
    ProxyProtocolOnKafkaPort,
    /// The client speaks plaintext, this port TLS.
    PlaintextOnTlsPort,
    /// No complete TLS handshake within `timeouts.tls_handshake`.
    TlsHandshakeTimeout,
    /// `limits.tls_handshakes` were under way, others waited, and this client was silent.
    TlsHandshakeGaveWay,
    /// Other TLS handshakes took all places for as long as this client might wait.
    NoHandshakePlace,
    /// A TLS handshake that failed in a way that has no reason of its own.
    TlsHandshakeFailed(String),
    /// The client did not accept our certificate.
    CertificateNotTrusted(String),
    /// We did not accept the client's certificate, or it showed none.
    ClientCertificateRefused(String),
    /// A TLS server name that leads to no route, or none at all where it is what picks the route.
    UnknownServerName(Option<String>),
    /// What came over an established TLS connection was no TLS, or an alert.
    TlsBroken(String),
    /// A PROXY protocol header that does not follow its specification.
    BadProxyHeader(String),
    /// No PROXY protocol header where one is required, or from a peer that is not trusted with one.
    ProxyHeaderMissing(String),
    /// `allow` and `deny` keep this client out.
    NotAllowed,
    /// This client has as many connections as it may have, or makes them too quickly.
    ClientLimit(Refused),
    /// Nothing says what this client dialled, so there is no host to tell it.
    NoAdvertisedHost,
    /// The Service whose address clients are to be told has none yet, or could not be read yet.
    AddressUnknown,
    /// The connection was as old as connections may become.
    MaxConnectionAge,
    /// The route is not in the configuration any more.
    RouteRemoved,
    /// A size field no request can have.
    BadRequestSize(String),
    /// A request larger than `limits.request_bytes`.
    RequestTooLarge {
        /// Its size in bytes.
        bytes: u32,
        /// The limit in bytes.
        limit: u32,
    },
    /// A SASL token larger than `limits.sasl_bytes`.
    SaslTokenTooLarge {
        /// Its size in bytes.
        bytes: u32,
        /// The limit in bytes.
        limit: u32,
    },
    /// A request that does not follow its schema.
    MalformedRequest(String),
    /// A request that is not let through: an api key or version that is not offered.
    RefusedRequest(String),
    /// No broker could be reached.
    ConnectFailed(String),
    /// The connection was made by this very process.
    Loop,
    /// The broker answered with a TLS alert: it wants TLS.
    BrokerWantsTls,
    /// What came from the broker over an established TLS connection was no TLS, or an alert.
    BrokerTlsBroken(String),
    /// The broker closed the connection in the middle of an answer.
    BrokerClosedMidFrame,
    /// The broker took nothing for `timeouts.stalled_write`.
    BrokerStalled,
    /// A size field no answer can have.
    BadResponseSize(String),
    /// An answer whose correlation id is not the one of the oldest request in flight.
    CorrelationMismatch {
        /// The oldest request's.
        expected: i32,
        /// The answer's.
        found: i32,
    },
    /// An answer that nobody asked for.
    UnexpectedResponse,
    /// An answer that carries addresses and does not follow its schema.
    MalformedResponse(String),
    /// An answer that carries addresses and is larger than `limits.response_rewrite_bytes`.
    ResponseTooLarge {
        /// What had to be held, in bytes.
        bytes: u32,
        /// The limit in bytes.
        limit: u32,
    },
    /// An error of the operating system on one of the sockets.
    Socket(String),
    /// A fault of this program.
    Panicked,
}

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nobody needs to: connections end.
    Nobody,
    /// Whoever runs the client.
    Client,
    /// Whoever runs the brokers.
    Broker,
    /// Whoever configures this proxy.
    Operator,
}

impl EndReason {
    /// The value of the metric label `reason`.
    pub fn label(&self) -> &'static str {
        self.row().0
    }

    /// Who can do something about it; [`Side::Nobody`] for an expected end.
    pub fn side(&self) -> Side {
        self.row().1
    }

    /// What to do about it; empty for an expected end.
    pub fn remedy(&self) -> &'static str {
        self.row().2
    }

    /// A loop, if the client is to blame and `is_loop` says that it is this process: who speaks something else than its port
    /// does would be told to mend a client that nobody knows.
    pub(super) fn unless(self, is_loop: impl FnOnce() -> bool) -> Self {
        match self.side() == Side::Client && is_loop() {
            true => Self::Loop,
            false => self,
        }
    }

    /// The limit that was met, in the words of the configuration.
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::ClientLimit(refused) => Some(refused.label()),
            Self::RequestTooLarge { .. } => Some("request_bytes"),
            Self::SaslTokenTooLarge { .. } => Some("sasl_bytes"),
            Self::ResponseTooLarge { .. } => Some("response_rewrite_bytes"),
            _ => None,
        }
    }

    /// Every label, so that each series exists from the start.
    pub const LABELS: [&'static str; 50] = [
        "client_closed",
        "bare_connect",
        "broker_closed",
        "client_reset",
        "broker_reset",
        "idle",
        "drained",
        "drain_timeout",
        "first_bytes_timeout",
        "client_closed_mid_frame",
        "client_stalled",
        "tls_on_plaintext_port",
        "http_on_kafka_port",
        "proxy_protocol_on_kafka_port",
        "plaintext_on_tls_port",
        "tls_handshake_timeout",
        "tls_handshake_gave_way",
        "tls_handshakes",
        "tls_handshake_failed",
        "certificate_not_trusted",
        "client_certificate_refused",
        "unknown_server_name",
        "tls_broken",
        "bad_proxy_header",
        "proxy_header_missing",
        "not_allowed",
        "connections_per_client",
        "connection_rate_per_client",
        "no_advertised_host",
        "address_unknown",
        "max_connection_age",
        "route_removed",
        "bad_request_size",
        "request_too_large",
        "sasl_token_too_large",
        "malformed_request",
        "refused_request",
        "connect_failed",
        "loop",
        "broker_wants_tls",
        "broker_tls_broken",
        "broker_closed_mid_frame",
        "broker_stalled",
        "bad_response_size",
        "correlation_mismatch",
        "unexpected_response",
        "malformed_response",
        "response_too_large",
        "socket",
        "panicked",
    ];

    #[rustfmt::skip]
    fn row(&self) -> (&'static str, Side, &'static str) {
        use Side::{Broker, Client, Nobody, Operator};
        match self {
            Self::ClientClosed => ("client_closed", Nobody, ""),
            Self::BareConnect => ("bare_connect", Nobody, ""),
            Self::BrokerClosed => ("broker_closed", Nobody, ""),
            Self::ClientReset => ("client_reset", Nobody, ""),
            Self::BrokerReset => ("broker_reset", Nobody, ""),
            Self::Idle => ("idle", Nobody, ""),
            Self::Drained => ("drained", Nobody, ""),
            Self::ClientClosedMidFrame => ("client_closed_mid_frame", Nobody, ""),
            Self::BrokerClosedMidFrame => ("broker_closed_mid_frame", Nobody, ""),
            Self::DrainTimeout => ("drain_timeout", Operator,
                "raise drain.grace if brokers need longer; clients send again what was not answered, but records with acks=0 that had not reached the broker are lost"),
            Self::FirstBytesTimeout => ("first_bytes_timeout", Client,
                "the client connected and sent no complete request; raise timeouts.first_bytes for very slow links"),
            Self::ClientStalled => ("client_stalled", Client,
                "the client stopped reading; look for a hung client or a broken network path"),
            Self::TlsOnPlaintextPort => ("tls_on_plaintext_port", Client,
                "set security.protocol=PLAINTEXT (or SASL_PLAINTEXT) in the client: this port does not speak TLS"),
            Self::HttpOnKafkaPort => ("http_on_kafka_port", Client,
                "this port speaks the Kafka protocol; point HTTP health checks at the admin listener (admin.listen)"),
            Self::ProxyProtocolOnKafkaPort => ("proxy_protocol_on_kafka_port", Operator,
                "turn PROXY protocol off in the load balancer in front of this port, or else set proxy_protocol here and put the load balancer's address into proxy_protocol_from"),
            Self::PlaintextOnTlsPort => ("plaintext_on_tls_port", Client,
                "set security.protocol=SSL (or SASL_SSL) in the client: this port speaks TLS"),
            Self::TlsHandshakeTimeout => ("tls_handshake_timeout", Client,
                "the client began a TLS handshake and did not go on; raise timeouts.tls_handshake for very slow links"),
            Self::TlsHandshakeGaveWay => ("tls_handshake_gave_way", Client,
                "if these are genuine clients raise limits.tls_handshakes, else set limits.connection_rate_per_client"),
            Self::NoHandshakePlace => ("tls_handshakes", Operator,
                "raise limits.tls_handshakes; or bound what each client may open, by limits.connections_per_client and connection_rate_per_client"),
            Self::TlsHandshakeFailed(_) => ("tls_handshake_failed", Client,
                "see the error; a version of TLS or a cipher suite that both sides have may be missing (tls.min_version)"),
            Self::CertificateNotTrusted(_) => ("certificate_not_trusted", Client,
                "give the client the authority that signed tls.certificate (Java: ssl.truststore.location, librdkafka: ssl.ca.location), and let it connect by a name in that certificate"),
            Self::ClientCertificateRefused(_) => ("client_certificate_refused", Client,
                "give the client a certificate that is valid now and signed by an authority in tls.client_ca (Java: ssl.keystore.location, librdkafka: ssl.certificate.location)"),
            Self::UnknownServerName(_) => ("unknown_server_name", Client,
                "let the client connect to sni.bootstrap_host, by name; `portolan map` shows all names"),
            Self::TlsBroken(_) => ("tls_broken", Client,
                "the client, or something on the way, sent what is no TLS record of this connection"),
            Self::BadProxyHeader(_) => ("bad_proxy_header", Operator,
                "see that what is in front of this port sends PROXY protocol version 1 or 2"),
            Self::ProxyHeaderMissing(_) => ("proxy_header_missing", Operator,
                "turn PROXY protocol on in the load balancer and put its network into proxy_protocol_from, or set proxy_protocol = \"optional\""),
            Self::NotAllowed => ("not_allowed", Client,
                "put the client's network into allow, or take it out of deny, if it should connect"),
            Self::ClientLimit(refused) => (refused.label(), Client,
                "see why the client connects so often; raise the limit if it is as it should be, or set proxy_protocol if this is the address of a load balancer"),
            Self::NoAdvertisedHost => ("no_advertised_host", Operator,
                "set advertised_host, for clients that send no TLS server name and come without PROXY protocol"),
            Self::AddressUnknown => ("address_unknown", Operator,
                "see what the log and /status say of that Service: its load balancer has no address yet, or the Service cannot be read"),
            Self::MaxConnectionAge => ("max_connection_age", Nobody, ""),
            Self::RouteRemoved => ("route_removed", Nobody, ""),
            Self::BadRequestSize(_) => ("bad_request_size", Client,
                "the peer does not speak the Kafka protocol"),
            Self::RequestTooLarge { .. } => ("request_too_large", Client,
                "lower max.request.size in the client, or raise limits.request_bytes to the brokers' socket.request.max.bytes"),
            Self::SaslTokenTooLarge { .. } => ("sasl_token_too_large", Client,
                "raise limits.sasl_bytes to the brokers' sasl.server.max.receive.size if the token is genuine"),
            Self::MalformedRequest(_) => ("malformed_request", Client,
                "the client sent a request that does not follow its schema"),
            Self::RefusedRequest(_) => ("refused_request", Client,
                "the client used an api that ApiVersions did not offer; unknown_apis = \"forward\" lets unknown ones pass"),
            Self::ConnectFailed(_) => ("connect_failed", Broker,
                "see that the broker runs and that its address in the configuration is right"),
            Self::Loop => ("loop", Operator,
                "correct bootstrap_servers or the address of a node: it must lead to the brokers and not back to this proxy"),
            Self::BrokerWantsTls => ("broker_wants_tls", Operator,
                "add [clusters.<name>.upstream_tls], or point this cluster's addresses at a listener of the brokers without TLS"),
            Self::BrokerTlsBroken(_) => ("broker_tls_broken", Broker,
                "if the error is an alert about a certificate, the broker wants one of ours, or does not accept it: see upstream_tls.certificate and the broker's ssl.truststore"),
            Self::BrokerStalled => ("broker_stalled", Broker,
                "the broker stopped reading; look at its request queue and its network"),
            Self::BadResponseSize(_) => ("bad_response_size", Broker,
                "what answers there does not speak the Kafka protocol; check the broker's address and listener"),
            Self::CorrelationMismatch { .. } => ("correlation_mismatch", Broker,
                "the broker answered out of order; check that the address is a Kafka broker's"),
            Self::UnexpectedResponse => ("unexpected_response", Broker,
                "the broker sent an answer without a request; check that the address is a Kafka broker's"),
            Self::MalformedResponse(_) => ("malformed_response", Broker,
                "the broker's answer does not follow its schema; report it with the broker's version"),
            Self::ResponseTooLarge { .. } => ("response_too_large", Operator,
                "raise limits.response_rewrite_bytes"),
            Self::Socket(_) => ("socket", Operator, "see the error; file descriptors or memory may be short"),
            Self::Panicked => ("panicked", Operator, "this is a fault of Portolan: report it with the message of the panic"),
        }
    }
}

impl fmt::Display for EndReason {
    #[rustfmt::skip]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientClosed => f.write_str("the client closed the connection"),
            Self::BareConnect => f.write_str("the client connected and sent nothing"),
            Self::BrokerClosed => f.write_str("the broker closed the connection"),
            Self::ClientReset => f.write_str("the client reset the connection"),
            Self::BrokerReset => f.write_str("the broker reset the connection"),
            Self::Idle => f.write_str("the connection was idle"),
            Self::Drained => f.write_str("drained"),
            Self::DrainTimeout => {
                f.write_str("drain.grace ran out before all was delivered and answered")
            },
            Self::FirstBytesTimeout => f.write_str("no complete request within timeouts.first_bytes"),
            Self::ClientClosedMidFrame => f.write_str("the client closed the connection in the middle of a request"),
            Self::ClientStalled => f.write_str("the client took no bytes within timeouts.stalled_write"),
            Self::TlsOnPlaintextPort => f.write_str("the client sent a TLS handshake to a plaintext port"),
            Self::HttpOnKafkaPort => f.write_str("the client sent an HTTP request to a Kafka port"),
            Self::ProxyProtocolOnKafkaPort => f.write_str("a PROXY protocol header came before the first request"),
            Self::PlaintextOnTlsPort => f.write_str("the client sent plaintext to a TLS port"),
            Self::TlsHandshakeTimeout => f.write_str("no complete TLS handshake within timeouts.tls_handshake"),
            Self::TlsHandshakeGaveWay => f.write_str("the client said nothing more in its TLS handshake, and others waited for its place among limits.tls_handshakes"),
            Self::NoHandshakePlace => f.write_str("limits.tls_handshakes others were under way all the time"),
            Self::TlsHandshakeFailed(what) => write!(f, "TLS handshake: {what}"),
            Self::CertificateNotTrusted(what) => write!(f, "the client did not accept tls.certificate: {what}"),
            Self::ClientCertificateRefused(what) => write!(f, "the client's certificate was not accepted: {what}"),
            Self::UnknownServerName(Some(name)) => write!(f, "the TLS server name {name:?} leads to no node"),
            Self::UnknownServerName(None) => f.write_str("the client sent no TLS server name"),
            Self::TlsBroken(what) => write!(f, "TLS from the client: {what}"),
            Self::BadProxyHeader(what) => write!(f, "PROXY protocol header: {what}"),
            Self::ProxyHeaderMissing(what) => write!(f, "no PROXY protocol header: {what}"),
            Self::NotAllowed => f.write_str("allow and deny keep this client out"),
            Self::ClientLimit(refused) => write!(f, "this client met limits.{}", refused.label()),
            Self::NoAdvertisedHost => f.write_str("advertise is \"dialled\", and nothing says what this client dialled"),
            Self::AddressUnknown => f.write_str("the address of the Service in advertised_from_service is not known yet"),
            Self::MaxConnectionAge => f.write_str("the connection was as old as timeouts.max_connection_age"),
            Self::RouteRemoved => f.write_str("the route was taken out of the configuration"),
            Self::BadRequestSize(what) => write!(f, "request size: {what}"),
            Self::RequestTooLarge { bytes, limit } => {
                write!(f, "a request of {bytes} bytes, limits.request_bytes is {limit}")?;
                match prefix::text(*bytes) {
                    Some(text) => write!(f, "; more likely no Kafka client, for that size is the text {text:?}"),
                    None => Ok(()),
                }
            }
            Self::SaslTokenTooLarge { bytes, limit } => write!(f, "a SASL token of {bytes} bytes, limits.sasl_bytes is {limit}"),
            Self::MalformedRequest(what) => write!(f, "malformed request: {what}"),
            Self::RefusedRequest(what) => write!(f, "refused request: {what}"),
            Self::ConnectFailed(what) => f.write_str(what),
            Self::Panicked => f.write_str("this program failed at this connection"),
            Self::Loop => f.write_str("the connection was made by this proxy itself"),
            Self::BrokerWantsTls => f.write_str("the broker answered with a TLS alert"),
            Self::BrokerTlsBroken(what) => write!(f, "TLS from the broker: {what}"),
            Self::BrokerClosedMidFrame => f.write_str("the broker closed the connection in the middle of an answer"),
            Self::BrokerStalled => f.write_str("the broker took no bytes within timeouts.stalled_write"),
            Self::BadResponseSize(what) => write!(f, "answer size: {what}"),
            Self::CorrelationMismatch { expected, found } => write!(f, "correlation id {found} where {expected} was due"),
            Self::UnexpectedResponse => f.write_str("an answer that nobody asked for"),
            Self::MalformedResponse(what) => write!(f, "malformed answer: {what}"),
            Self::ResponseTooLarge { bytes, limit } => write!(f, "an answer that carries addresses needs {bytes} bytes to be held, limits.response_rewrite_bytes is {limit}"),
            Self::Socket(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_text_is_told_as_text() {
        let told = |bytes: &[u8; 4]| {
            let bytes = u32::from_be_bytes(*bytes);
            EndReason::RequestTooLarge { bytes, limit: 1024 }.to_string()
        };
        assert_eq!(
            told(b"SSH-"),
            "a request of 1397966893 bytes, limits.request_bytes is 1024; more likely no Kafka client, for that size is \
             the text \"SSH-\""
        );
        assert_eq!(
            told(&[0, 0, 8, 0]),
            "a request of 2048 bytes, limits.request_bytes is 1024"
        );
    }
}
