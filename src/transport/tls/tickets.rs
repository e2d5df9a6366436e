//! Session tickets: what lets a client resume a TLS session without a full handshake (RFC 5077; RFC 8446, section 2.2).
//!
//! A resumed session brings its client's certificate along, unverified. Tickets are therefore only good where the same
//! client would be let in by a full handshake: keys depend on a [`Context`] of everything that decides about that.
//!
//! Keys are either this process's own, made and rotated by rustls, or derived from a file that all replicas have, so that
//! a client may come back to another one. In a file, the first key is the one that new tickets are made with, and all
//! open. To rotate: add the new key as the *second* line everywhere; then move it first everywhere; 12 hours later remove
//! the old one. (A new key that is put first at once is not known to the other replicas yet: no harm but full handshakes.)

use std::path::Path;
use std::sync::Arc;
use std::{fmt, str};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{self, SHA256, SHA256_OUTPUT_LEN};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::server::ProducesTickets;

use super::identity::now;
use super::pem::{Wrong, read_file, unreadable};

/// A digest of all that decides which clients are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context([u8; SHA256_OUTPUT_LEN]);

impl Context {
    /// Of these parts, in their order.
    pub(super) fn new<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut digest = digest::Context::new(&SHA256);
        for part in parts {
            // The length makes two short parts another thing than a long one.
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut context = [0; SHA256_OUTPUT_LEN];
        context.copy_from_slice(digest.finish().as_ref());
        Context(context)
    }
}

/// What makes and opens tickets.
#[derive(Clone, Debug)]
pub(super) struct Tickets {
    context: Context,
    shared: bool,
    /// For rustls.
    pub(super) ticketer: Arc<dyn ProducesTickets>,
}

impl Tickets {
    /// With the keys of the file, or else with own ones: those of `previous` where they are for the same context.
    pub(super) fn load(
        file: Option<&Path>,
        context: Context,
        previous: Option<&Tickets>,
    ) -> Result<Self, Wrong> {
        if let Some(file) = file {
            let ticketer = Arc::new(Shared::load(file, context)?);
            return Ok(Tickets {
                context,
                shared: true,
                ticketer,
            });
        }
        if let Some(previous) = previous
            && !previous.shared
            && previous.context == context
        {
            return Ok(previous.clone());
        }
        let ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| Wrong {
            problem: format!("no keys for session tickets: {error}"),
            remedy: "start again".to_owned(),
        })?;
        Ok(Tickets {
            context,
            shared: false,
            ticketer: Arc::new(Own(ticketer)),
        })
    }
}

/// Own keys.
#[derive(Debug)]
struct Own(Arc<dyn ProducesTickets>);

impl ProducesTickets for Own {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        (plain.len() <= LARGEST_SESSION).then(|| self.0.encrypt(plain))?
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        (ticket.len() <= LARGEST_TICKET).then(|| self.0.decrypt(ticket))?
    }
}

/// Keys of a file.
///
/// A ticket is the key's name, a random seed, and the sealed time and session. Each is sealed under a key of its own, made
/// from that seed: there is no number of tickets after which nonces of AES-GCM would repeat.
struct Shared(Vec<Key>);

struct Key {
    name: [u8; NAME_LEN],
    secret: Prk,
}

impl Shared {
    fn load(file: &Path, context: Context) -> Result<Self, Wrong> {
        let wrong = |problem: String| Wrong::new(file, problem, REMEDY);
        let bytes = read_file(file).map_err(|error| unreadable(file, &error, REMEDY))?;
        let text = str::from_utf8(&bytes).map_err(|_| wrong("it is not text".into()))?;
        let mut keys = Vec::new();
        for (n, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let n = n + 1;
            // The line itself is secret, even where it is wrong.
            let secret = BASE64_STANDARD
                .decode(line.trim())
                .map_err(|_| wrong(format!("line {n} is not base64")))?;
            if secret.len() < SHORTEST_KEY {
                return Err(wrong(format!(
                    "the key in line {n} has {} bytes, fewer than {SHORTEST_KEY}",
                    secret.len()
                )));
            }
            let Some(key) = Key::new(&secret, context) else {
                return Err(wrong(format!("the key in line {n} cannot be used")));
            };
            if keys.len() == MOST_KEYS {
                return Err(wrong(format!("it has more than {MOST_KEYS} keys")));
            }
            keys.push(key);
        }
        match keys.is_empty() {
            true => Err(wrong("there is no key in it".into())),
            false => Ok(Shared(keys)),
        }
    }
}

impl Key {
    fn new(secret: &[u8], context: Context) -> Option<Self> {
        let secret = Salt::new(HKDF_SHA256, b"portolan session tickets").extract(secret);
        let mut derived = [0; SHA256_OUTPUT_LEN];
        let info: [&[u8]; 2] = [b"key", &context.0];
        secret
            .expand(&info, HKDF_SHA256)
            .ok()?
            .fill(&mut derived)
            .ok()?;
        let secret = Prk::new_less_safe(HKDF_SHA256, &derived);
        let mut name = [0; SHA256_OUTPUT_LEN];
        secret
            .expand(&[b"name"], HKDF_SHA256)
            .ok()?
            .fill(&mut name)
            .ok()?;
        Some(Key {
            name: *name.first_chunk()?,
            secret,
        })
    }

    /// The key of one ticket. Its nonce may be constant, for it seals one message only.
    fn of(&self, seed: &[u8]) -> Option<LessSafeKey> {
        let info = [b"ticket", seed];
        let key = self.secret.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }

    fn seal(&self, session: &[u8], now: i64) -> Option<Vec<u8>> {
        let mut seed = [0; SEED_LEN];
        rand::fill(&mut seed).ok()?;
        let mut sealed = now.to_be_bytes().to_vec();
        sealed.extend_from_slice(session);
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let key = self.of(&seed)?;
        key.seal_in_place_append_tag(nonce, Aad::from(self.name), &mut sealed)
            .ok()?;
        Some([&self.name[..], &seed, &sealed].concat())
    }

    fn open(&self, ticket: &[u8], now: i64) -> Option<Vec<u8>> {
        let (seed, sealed) = ticket
            .strip_prefix(&self.name)?
            .split_first_chunk::<SEED_LEN>()?;
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let mut sealed = sealed.to_vec();
        let key = self.of(seed)?;
        let plain = key
            .open_in_place(nonce, Aad::from(self.name), &mut sealed)
            .ok()?;
        let (made, session) = plain.split_first_chunk()?;
        // Clocks of replicas differ: a ticket may seem to come from the future.
        let age = now.abs_diff(i64::from_be_bytes(*made));
        (age <= u64::from(LIFETIME)).then(|| session.to_vec())
    }
}

/// rustls leaves it to the keys how long a ticket is good; those of a file stay, so the ticket says when it was made.
impl ProducesTickets for Shared {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > LARGEST_SESSION {
            return None;
        }
        self.0.first()?.seal(plain, now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > LARGEST_TICKET {
            return None;
        }
        self.0.iter().find_map(|key| key.open(ticket, now()))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} shared keys", self.0.len())
    }
}

/// 12 hours in seconds, as rustls' own.
const LIFETIME: u32 = 12 * 3600;

/// A session in bytes: with the client's certificates, which may be many, it must still fit into the one record that a
/// client's first message mostly is. Larger ones are not resumed.
const LARGEST_SESSION: usize = 12 << 10;

/// A session, and what seals it.
const LARGEST_TICKET: usize = LARGEST_SESSION + 256;

const NAME_LEN: usize = 16;
const SEED_LEN: usize = 32;

/// Bytes of a key in the file.
const SHORTEST_KEY: usize = 32;

/// Each costs a comparison for every ticket; a rotation needs two.
const MOST_KEYS: usize = 8;

const REMEDY: &str = "write one key a line, each made by: openssl rand -base64 32";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key(secret: u8, context: u8) -> Key {
        let context = Context::new([[context].as_slice()].into_iter());
        Key::new(&[secret; 32], context).unwrap()
    }

    #[test]
    fn tickets_are_good_for_twelve_hours() {
        let key = key(1, 1);
        let ticket = key.seal(b"session", NOW).unwrap();
        for (later, expected) in [(0, true), (43_200, true), (43_201, false), (-43_201, false)] {
            let opened = key.open(&ticket, NOW + later);
            assert_eq!(opened, expected.then(|| b"session".to_vec()), "{later}");
        }
    }

    #[test]
    fn only_whole_tickets_of_the_same_key_and_context_are_opened() {
        let one = key(1, 1);
        let ticket = one.seal(b"session", NOW).unwrap();
        assert_eq!(ticket.len(), NAME_LEN + SEED_LEN + 8 + 7 + 16);
        for other in [key(2, 1), key(1, 2)] {
            assert_ne!(other.name, one.name);
            assert_eq!(other.open(&ticket, NOW), None);
            // Nor where the name is forged.
            let forged = [&other.name, &ticket[NAME_LEN..]].concat();
            assert_eq!(other.open(&forged, NOW), None);
        }
        for n in 0..ticket.len() {
            assert_eq!(one.open(&ticket[..n], NOW), None);
            let mut changed = ticket.clone();
            changed[n] ^= 1;
            assert_eq!(one.open(&changed, NOW), None);
        }
        assert_ne!(one.seal(b"session", NOW).unwrap(), ticket);
    }

    #[test]
    fn tickets_are_bounded() {
        let own = Own(rustls::crypto::aws_lc_rs::Ticketer::new().unwrap());
        let shared = Shared(vec![key(1, 1)]);
        for ticketer in [&own as &dyn ProducesTickets, &shared] {
            assert!(ticketer.enabled() && ticketer.lifetime() == LIFETIME);
            let largest = vec![7; LARGEST_SESSION];
            let ticket = ticketer.encrypt(&largest).unwrap();
            assert_eq!(ticketer.decrypt(&ticket), Some(largest));
            assert_eq!(ticketer.encrypt(&vec![7; LARGEST_SESSION + 1]), None);
            assert_eq!(ticketer.decrypt(&vec![7; LARGEST_TICKET + 1]), None);
        }
    }

    #[test]
    fn a_context_tells_parts_from_their_sum() {
        let of = |parts: &[&str]| Context::new(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
        assert_ne!(of(&["a", "b"]), of(&["b", "a"]));
    }
}
