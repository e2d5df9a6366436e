//! Drives the protocol room as a session does: heads, whole frames and walks, in pieces.

use portolan::port_map::PortMap;
use portolan::protocol::Malformed;
use portolan::protocol::api::{Policy, WalkedResponse, WholeResponse};
use portolan::protocol::rewrite::{self, Context, Findings, MetadataHead};
use portolan::protocol::walker::{LOOKAHEAD, ResponseWalker};

/// What became of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rewritten {
    /// From its correlation id on.
    pub(crate) frame: Vec<u8>,
    pub(crate) findings: Findings,
}

pub(crate) const POLICY: Policy = Policy {
    forward_unknown: false,
    cap_fetch: false,
};

pub(crate) fn context(ports: &PortMap) -> Context<'_> {
    Context {
        ports,
        policy: &POLICY,
        learn: true,
    }
}

pub(crate) fn whole(
    kind: WholeResponse,
    version: i16,
    frame: &[u8],
    ports: &PortMap,
) -> Result<Rewritten, Malformed> {
    let mut out = Vec::new();
    let outcome = rewrite::whole(kind, version, frame, &context(ports), &mut out);
    let passes = passes(kind, version, frame, &outcome);
    let findings = outcome?;
    assert_bounded(&out, &findings, frame.len());
    if passes {
        let frame = frame.to_vec();
        return Ok(Rewritten { frame, findings });
    }
    let (size, frame) = out.split_first_chunk().unwrap();
    assert_eq!(u32::from_be_bytes(*size) as usize, frame.len());
    Ok(Rewritten {
        frame: frame.to_vec(),
        findings,
    })
}

/// Whether the frame need not be rewritten and passes as it is. The rewrite must then find nothing in it, and refuse what
/// is refused unseen.
fn passes(
    kind: WholeResponse,
    version: i16,
    frame: &[u8],
    outcome: &Result<Findings, Malformed>,
) -> bool {
    let always = !matches!(
        kind,
        WholeResponse::Produce | WholeResponse::ShareAcknowledge
    );
    let needed = rewrite::needs_rewrite(kind, version, frame);
    match (&needed, outcome) {
        (Ok(true), Ok(findings)) => assert!(always || *findings != Findings::default()),
        (Ok(false), Ok(findings)) => assert_eq!(*findings, Findings::default()),
        (Ok(true) | Err(_), Err(_)) => {}
        _ => panic!("{needed:?}, but the rewrite of {frame:02x?} says {outcome:?}"),
    }
    needed == Ok(false)
}

pub(crate) fn metadata(
    version: i16,
    frame: &[u8],
    ports: &PortMap,
    pieces: &[usize],
) -> Result<Rewritten, Malformed> {
    let mut head = MetadataHead::new(version, frame.len() as u32);
    let mut fed = 0;
    let mut sizes = pieces.iter().cycle();
    let head_bytes = loop {
        let n = (*sizes.next().unwrap()).min(frame.len() - fed);
        let found = head.feed(&frame[fed..fed + n])?;
        fed += n;
        if let Some(found) = found {
            break found;
        }
        assert!(
            fed < frame.len(),
            "the whole frame was fed and no head found"
        );
    };
    assert!(head_bytes <= fed);
    let mut out = Vec::new();
    let (head, rest) = frame.split_at(head_bytes);
    let (findings, walker) =
        rewrite::metadata_head(version, head, frame.len() as u32, &context(ports), &mut out)?;
    assert_bounded(&out, &findings, head.len());
    let (size, head) = out.split_first_chunk().unwrap();
    let rest = match walker {
        Some(mut walker) => walk(&mut walker, rest, ports, pieces, false)?,
        None => rest.to_vec(),
    };
    assert_eq!(u32::from_be_bytes(*size) as usize, head.len() + rest.len());
    Ok(Rewritten {
        frame: [head, &rest].concat(),
        findings,
    })
}

/// A new walker over a whole frame.
pub(crate) fn walked(
    kind: WalkedResponse,
    version: i16,
    frame: &[u8],
    ports: &PortMap,
    pieces: &[usize],
    skip: bool,
) -> Result<(Vec<u8>, u32), Malformed> {
    let mut walker = ResponseWalker::new(kind, version, frame.len() as u32);
    let walked = walk(&mut walker, frame, ports, pieces, skip)?;
    Ok((walked, walker.neutralised()))
}

/// Bytes come in pieces; what the walker leaves is kept and shown again with more behind it. With `skip`, opaque bytes
/// pass unseen.
pub(crate) fn walk(
    walker: &mut ResponseWalker,
    frame: &[u8],
    ports: &PortMap,
    pieces: &[usize],
    skip: bool,
) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    let mut held = Vec::new();
    let mut rest = frame;
    let mut sizes = pieces.iter().cycle();
    while !rest.is_empty() {
        let n = (*sizes.next().unwrap()).min(rest.len());
        let opaque = walker.opaque_bytes() as usize;
        if skip && held.is_empty() && opaque > 0 {
            let (passed, left) = rest.split_at(n.min(opaque));
            walker.skip(passed.len() as u32);
            out.extend_from_slice(passed);
            rest = left;
            if rest.is_empty() {
                walker.walk(&mut [], ports)?;
            }
            continue;
        }
        let (new, left) = rest.split_at(n);
        held.extend_from_slice(new);
        rest = left;
        let done = walker.walk(&mut held, ports)?;
        assert!(
            done > 0 || (held.len() < LOOKAHEAD && !rest.is_empty()),
            "no progress with {} bytes",
            held.len()
        );
        out.extend(held.drain(..done));
    }
    assert!(held.is_empty(), "{} bytes were not walked", held.len());
    Ok(out)
}

/// What was allocated follows the bytes that are there, not the lengths that they state.
fn assert_bounded(out: &Vec<u8>, findings: &Findings, input: usize) {
    // The shortest broker has 11 bytes and gets an advertised host instead of its own; a Vec doubles.
    let most = 2 * (input + input / 11 * 255) + 64;
    assert!(out.capacity() <= most, "{} for {input}", out.capacity());
    for found in [&findings.unmapped, &findings.seen] {
        assert!(found.capacity() <= 2 * (input / 11) + 4);
        let text: usize = found.iter().map(|broker| broker.host.capacity()).sum();
        // Each byte that is no text becomes three.
        assert!(text <= 6 * input + 64, "{text} for {input}");
    }
}
