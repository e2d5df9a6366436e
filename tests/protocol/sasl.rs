//! SASL: which frames behind SaslHandshake v0 are raw tokens, by what real mechanisms send.

use kafka_protocol::messages::{
    ApiKey, RequestHeader, SaslAuthenticateRequest, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;
use portolan::protocol::api::{self, Policy, RequestPlan, ResponsePlan};
use portolan::protocol::sasl::{Mechanism, RawTokens, handshake_error_code, handshake_mechanism};
use proptest::prelude::*;

use crate::arbitrary::{cases, maybe_text, text};
use crate::oracle::{Unknown, encode, encode_request};

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn the_mechanism_of_any_handshake_is_read(client_id in maybe_text(), other in text()) {
        for (name, expected) in [
            ("PLAIN", Mechanism::Plain),
            ("SCRAM-SHA-256", Mechanism::Other),
            ("SCRAM-SHA-512", Mechanism::Other),
            ("OAUTHBEARER", Mechanism::Other),
            ("GSSAPI", Mechanism::Other),
            (other.as_str(), Mechanism::Other),
        ] {
            prop_assume!(!other.eq_ignore_ascii_case("plain"));
            for version in 0..=1 {
                let header = RequestHeader::default()
                    .with_request_api_key(17)
                    .with_request_api_version(version)
                    .with_client_id(client_id.clone());
                let request = SaslHandshakeRequest::default()
                    .with_mechanism(StrBytes::from_string(name.to_owned()));
                let frame = encode_request(&request, version, &header);
                prop_assert_eq!(handshake_mechanism(&frame), Ok(expected));
                for cut in 8..frame.len().min(200) {
                    prop_assert!(handshake_mechanism(&frame[..cut]).is_err());
                }
            }
        }
    }

    #[test]
    fn the_error_code_of_any_handshake_answer_is_read(error in any::<i16>(), name in text()) {
        let answer = SaslHandshakeResponse::default()
            .with_error_code(error)
            .with_mechanisms(vec![name]);
        let frame = encode(&answer, 0, &Unknown::new());
        prop_assert_eq!(handshake_error_code(&frame), Ok(error));
        prop_assert!(handshake_error_code(&frame[..5]).is_err());
    }
}

#[test]
fn after_version_0_raw_tokens_follow_and_after_version_1_ordinary_requests() {
    let policy = Policy::default();
    assert_eq!(api::plan(&policy, 17, 0), RequestPlan::SaslHandshakeV0);
    assert_eq!(
        api::plan(&policy, 17, 1),
        RequestPlan::Forward(ResponsePlan::Stream)
    );
    for version in 0..=2 {
        assert_eq!(
            api::plan(&policy, 36, version),
            RequestPlan::SaslAuthenticate
        );
    }
}

#[test]
fn the_tokens_of_each_mechanism_are_tokens_and_the_request_behind_them_is_none() {
    let exchanges: [(Mechanism, &[&[u8]]); 5] = [
        (Mechanism::Plain, &[b"\0user\0password"]),
        // With an authorisation id; and one that looks like a Metadata request.
        (Mechanism::Plain, &[b"\0\x03\0\x01\0\0\0\x01"]),
        (
            Mechanism::Other,
            &[b"n,,n=user,r=nonce", b"c=biws,r=nonce,p=proof"],
        ),
        (
            Mechanism::Other,
            &[b"n,,\x01auth=Bearer token\x01\x01", b"\x01"],
        ),
        // GSSAPI: the context's tokens, an empty one, a wrap token.
        (
            Mechanism::Other,
            &[b"\x60\x82\x02\x00", b"", b"\x05\x04\x04\xff\0\0\0\0"],
        ),
    ];
    for (mechanism, tokens) in exchanges {
        let mut phase = RawTokens::new(mechanism);
        for token in tokens {
            let first_two = token.first_chunk().copied();
            assert!(
                phase.next_is_token(token.len() as u32, first_two),
                "{token:?}"
            );
        }
        let header = RequestHeader::default().with_request_api_key(18);
        let request = encode_request(&SaslAuthenticateRequest::default(), 0, &header);
        let first_two = request.first_chunk().copied();
        assert!(
            !phase.next_is_token(request.len() as u32, first_two),
            "{mechanism:?}"
        );
    }
}

#[test]
fn a_request_of_every_api_ends_the_phase_of_tokens() {
    let mut seen = 0;
    for key in (0..=i16::MAX).filter(|key| ApiKey::try_from(*key).is_ok()) {
        let mut phase = RawTokens::new(Mechanism::Other);
        assert!(
            !phase.next_is_token(8, Some(key.to_be_bytes())),
            "api {key}"
        );
        seen += 1;
    }
    assert!(seen > 80, "{seen} apis");
}
