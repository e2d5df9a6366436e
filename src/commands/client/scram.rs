//! The client's side of SCRAM (RFC 5802, RFC 7677), without channel binding. No sockets: text in, text out.
//!
//! Kafka takes user and password as UTF-8, without SASLprep (its `ScramFormatter`), and so does this.

use std::num::NonZeroU32;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Fewer are refused, as Kafka's own client does: whoever offers them wants to guess the password.
const FEWEST_ITERATIONS: u32 = 4_096;
/// More are refused: they would keep this machine busy for a stranger. Kafka allows up to 16,384.
const MOST_ITERATIONS: u32 = 1_000_000;

/// The header that says "no channel binding".
const GS2: &str = "n,,";

/// The hash of the mechanism.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hash {
    /// SCRAM-SHA-256
    Sha256,
    /// SCRAM-SHA-512
    Sha512,
}

/// One authentication.
pub(super) struct Scram {
    hash: Hash,
    user: String,
    password: String,
    nonce: String,
}

/// What the server must prove to know.
#[derive(Debug)]
pub(super) struct ServerSignature(Vec<u8>);

impl Scram {
    /// With a fresh nonce.
    pub(super) fn new(hash: Hash, user: &str, password: &str) -> Result<Self, String> {
        let mut nonce = [0; 24];
        rand::fill(&mut nonce).map_err(|_| "this system has no random numbers".to_owned())?;
        Ok(Self::with_nonce(
            hash,
            user,
            password,
            STANDARD.encode(nonce),
        ))
    }

    fn with_nonce(hash: Hash, user: &str, password: &str, nonce: String) -> Self {
        Scram {
            hash,
            user: user.replace('=', "=3D").replace(',', "=2C"),
            password: password.to_owned(),
            nonce,
        }
    }

    /// The client's first message.
    pub(super) fn first(&self) -> String {
        format!("{GS2}{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// The client's last message, from the server's first, and what the server must answer.
    pub(super) fn last(&self, server_first: &[u8]) -> Result<(String, ServerSignature), String> {
        let first = text(server_first)?;
        let nonce = attribute(first, 'r')?;
        let is_ours = nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce);
        if !is_ours {
            return Err("the server's nonce does not continue ours".into());
        }
        let salt = STANDARD
            .decode(attribute(first, 's')?)
            .map_err(|_| "the salt is not base64".to_owned())?;
        let iterations: u32 = attribute(first, 'i')?.parse().unwrap_or(0);
        if !(FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(&iterations) {
            return Err(format!(
                "the server wants {iterations} iterations, and from {FEWEST_ITERATIONS} to {MOST_ITERATIONS} are sound"
            ));
        }
        let salted = self.salted_password(&salt, iterations);
        let bound = format!("c={},r={nonce}", STANDARD.encode(GS2));
        let signed = format!("{},{first},{bound}", self.first_bare());
        let client_key = self.sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.digest(), &client_key);
        let signature = self.sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let server_key = self.sign(&salted, b"Server Key");
        let expected = self.sign(&server_key, signed.as_bytes());
        let last = format!("{bound},p={}", STANDARD.encode(proof));
        Ok((last, ServerSignature(expected)))
    }

    fn salted_password(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        let algorithm = match self.hash {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.digest().output_len()];
        let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let password = self.password.as_bytes();
        pbkdf2::derive(algorithm, iterations, salt, password, &mut salted);
        salted
    }

    fn sign(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self.hash {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message)
            .as_ref()
            .to_vec()
    }

    fn digest(&self) -> &'static digest::Algorithm {
        match self.hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        }
    }
}

impl ServerSignature {
    /// Whether the server's last message proves that it knows this user.
    pub(super) fn verify(&self, server_last: &[u8]) -> Result<(), String> {
        let last = text(server_last)?;
        if let Ok(error) = attribute(last, 'e') {
            return Err(format!("the server says: {error}"));
        }
        let signature = STANDARD
            .decode(attribute(last, 'v')?)
            .map_err(|_| "the signature is not base64".to_owned())?;
        verify_slices_are_equal(&signature, &self.0).map_err(|_| {
            "the server's signature is wrong: it does not know this user's password".into()
        })
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "the server's message is no text".into())
}

fn attribute(message: &str, name: char) -> Result<&str, String> {
    let mut parts = message.split(',');
    let found = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.ok_or_else(|| format!("the server's message has no \"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    fn example() -> Scram {
        Scram::with_nonce(
            Hash::Sha256,
            "user",
            "pencil",
            "rOprNGfwEbeRWgbNEkqO".into(),
        )
    }

    const SERVER_FIRST: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn it_says_what_the_rfc_says() {
        let scram = example();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, expected) = scram.last(SERVER_FIRST).expect("a good message");
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let good = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(expected.verify(good), Ok(()));
        let wrong = b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert!(expected.verify(wrong).is_err());
        let error = expected.verify(b"e=other-error").expect_err("an error");
        assert_eq!(error, "the server says: other-error");
    }

    #[test]
    fn a_name_is_escaped() {
        let scram = Scram::with_nonce(Hash::Sha512, "a=b,c", "x", "n".into());
        assert_eq!(scram.first(), "n,,n=a=3Db=2Cc,r=n");
    }

    #[test]
    fn a_message_that_is_not_sound_is_refused() {
        let refused = |message: &str| example().last(message.as_bytes()).expect_err("refused");
        let ours = "r=rOprNGfwEbeRWgbNEkqOx";
        assert!(refused("r=another,s=AA==,i=4096").contains("nonce"));
        assert!(refused("r=rOprNGfwEbeRWgbNEkqO,s=AA==,i=4096").contains("nonce"));
        assert!(refused(&format!("{ours},s=!,i=4096")).contains("base64"));
        assert!(refused(&format!("{ours},s=AA==,i=1")).contains("1 iterations"));
        assert!(refused(&format!("{ours},s=AA==,i=2000000000")).contains("iterations"));
        assert!(refused(&format!("{ours},s=AA==")).contains("no \"i\""));
        assert!(example().last(&[0xff]).is_err());
    }
}
