//! What becomes of an answer that is held until it is whole.

use super::end::EndReason;
use super::shared::Shared;
use crate::protocol::Malformed;
use crate::protocol::api::{self, WholeResponse};
use crate::protocol::rewrite::{self, Findings};
use crate::protocol::sasl::{self, Mechanism, RawTokens};

/// What a whole frame is held for.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeldFor {
    Rewrite {
        kind: WholeResponse,
        api_key: i16,
        api_version: i16,
    },
    Handshake(Mechanism),
}

impl HeldFor {
    /// What goes out instead of this frame (which begins with its correlation id); `None`: the frame as it is.
    pub(super) fn replace(
        self,
        shared: &Shared,
        frame: &[u8],
    ) -> Result<Option<(Vec<u8>, Findings)>, EndReason> {
        let HeldFor::Rewrite {
            kind,
            api_key,
            api_version,
        } = self
        else {
            return self.handshake_done(shared, frame);
        };
        let refused = |e| malformed(api_key, e);
        if !rewrite::needs_rewrite(kind, api_version, frame).map_err(refused)? {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let cx = shared.rewrite_context();
        let findings =
            rewrite::whole(kind, api_version, frame, &cx, &mut bytes).map_err(refused)?;
        Ok(Some((bytes, findings)))
    }

    fn handshake_done(
        self,
        shared: &Shared,
        frame: &[u8],
    ) -> Result<Option<(Vec<u8>, Findings)>, EndReason> {
        if let HeldFor::Handshake(mechanism) = self {
            let code = sasl::handshake_error_code(frame)
                .map_err(|e| EndReason::MalformedResponse(format!("SaslHandshake {e}")))?;
            shared.handshake_over((code == 0).then(|| RawTokens::new(mechanism)));
        }
        Ok(None)
    }

    /// Counts and tells what was found.
    pub(super) fn note(self, shared: &Shared, findings: &Findings) {
        if let HeldFor::Rewrite { api_key, .. } = self {
            shared.cluster.note(api_key, findings);
        }
    }
}

/// The end of a session whose broker's answer does not follow its schema.
pub(super) fn malformed(api_key: i16, error: Malformed) -> EndReason {
    EndReason::MalformedResponse(format!("{} {error}", api::name(api_key)))
}
