//! How scripted brokers let users in.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use crate::cluster::{API_VERSIONS, Act, SASL_AUTHENTICATE, SASL_HANDSHAKE};
use crate::common::broker::Received;

/// A listener with SASL.
#[derive(Clone, Debug)]
pub struct Listener {
    pub mechanisms: &'static [&'static str],
    /// The first message of a user that is let in.
    pub token: Vec<u8>,
    /// What a user is told first that is not, where there is such a message (RFC 7628).
    pub challenge: &'static str,
}

/// How far a connection is.
#[derive(Debug, Default)]
pub struct Session {
    mechanism: Option<String>,
    is_in: bool,
    is_challenged: bool,
}

impl Session {
    /// What the listener says to a request, if it does not go on to the broker.
    pub fn act(&mut self, listener: Option<&Listener>, request: &Received) -> Option<Act> {
        if request.api_key == SASL_HANDSHAKE {
            return Some(Act::Send(self.handshake(listener, request)));
        }
        let listener = listener?;
        match request.api_key {
            API_VERSIONS => None,
            SASL_AUTHENTICATE => Some(Act::Send(self.authenticate(listener, request))),
            _ if self.is_in => None,
            _ => Some(Act::Close),
        }
    }

    fn handshake(&mut self, listener: Option<&Listener>, request: &Received) -> Vec<u8> {
        let wanted = request
            .decode::<SaslHandshakeRequest>()
            .mechanism
            .to_string();
        let answer = SaslHandshakeResponse::default();
        let Some(listener) = listener else {
            return request.answer(&answer.with_error_code(ResponseError::IllegalSaslState.code()));
        };
        let names = listener.mechanisms.iter();
        let answer =
            answer.with_mechanisms(names.map(|name| StrBytes::from_static_str(name)).collect());
        if listener.mechanisms.contains(&wanted.as_str()) {
            self.mechanism = Some(wanted);
            return request.answer(&answer);
        }
        let code = ResponseError::UnsupportedSaslMechanism.code();
        request.answer(&answer.with_error_code(code))
    }

    fn authenticate(&mut self, listener: &Listener, request: &Received) -> Vec<u8> {
        let token = request.decode::<SaslAuthenticateRequest>().auth_bytes;
        let answer = SaslAuthenticateResponse::default();
        if token == listener.token {
            self.is_in = true;
            return request.answer(&answer);
        }
        if self.mechanism.as_deref() == Some("SCRAM-SHA-256") {
            return request.answer(&answer.with_auth_bytes(self.scram(&token).into()));
        }
        if !listener.challenge.is_empty() && !self.is_challenged {
            self.is_challenged = true;
            return request.answer(&answer.with_auth_bytes(listener.challenge.into()));
        }
        let words = StrBytes::from_static_str("Invalid username or password");
        request.answer(
            &answer
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(words)),
        )
    }

    /// A server that does not know the password, and makes its proof up.
    fn scram(&mut self, token: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(token);
        match text.split_once(",r=").filter(|_| text.starts_with("n,,")) {
            Some((_, nonce)) => format!("r={nonce}server,s=c2FsdHNhbHQ=,i=4096"),
            None => "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        }
        .into_bytes()
    }
}
