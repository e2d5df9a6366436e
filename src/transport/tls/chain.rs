//! Whether a chain of certificates is one that peers accept.
//!
//! That a chain is incomplete cannot be told in general: an authority of one's own may sign servers directly, and is known
//! to its clients only. So:
//!
//! * A chain that ends in a certificate that signed itself, or was signed by an authority of the system or of a file that
//!   we were given, is complete.
//! * A certificate that stands alone and says that it is by a public authority is at fault: the roots of those must not
//!   sign servers (CA/Browser Forum, Baseline Requirements 6.1.7), so that an intermediate is missing for sure.
//! * Everything else is a warning.

use std::path::Path;

use rustls::RootCertStore;

use super::inspect::{Certificate, Side, date};
use super::pem::Wrong;

/// What is wrong with the chain, and what is odd.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Reasons not to use it.
    pub(super) wrong: Vec<Wrong>,
    /// Reasons to look at it.
    pub(super) warnings: Vec<String>,
    /// What is as it should be for some, and a mistake of others.
    pub(super) note: Option<String>,
}

/// Looks at a chain, the own certificate first, at `now` in seconds since 1970.
pub(super) fn check(
    file: &Path,
    chain: &[Certificate<'_>],
    side: Side,
    known: &[&RootCertStore],
    now: i64,
) -> Findings {
    let mut findings = Findings::default();
    dates(file, chain, now, &mut findings);
    if let Some(wrong) = order(file, chain) {
        findings.wrong.push(wrong);
    } else {
        end(file, chain, known, &mut findings);
    }
    if chain.first().is_some_and(|own| own.is_not_for(side)) {
        let (side, usage) = match side {
            Side::Server => ("servers", "serverAuth"),
            Side::Client => ("clients", "clientAuth"),
        };
        findings.warnings.push(format!(
            "{}: the certificate is not for {side} (its extended key usage has no {usage}): peers will refuse it",
            file.display()
        ));
    }
    findings
}

/// Until when the chain is good, in seconds since 1970. A root at its end is not looked at: peers have their own.
pub(super) fn not_after(chain: &[Certificate<'_>]) -> i64 {
    let sent = without_root(chain).iter().map(Certificate::not_after);
    sent.min().unwrap_or_default()
}

fn without_root<'a, 'b>(chain: &'a [Certificate<'b>]) -> &'a [Certificate<'b>] {
    match chain {
        [sent @ .., last] if !sent.is_empty() && last.is_self_issued() => sent,
        _ => chain,
    }
}

fn dates(file: &Path, chain: &[Certificate<'_>], now: i64, findings: &mut Findings) {
    for (n, certificate) in without_root(chain).iter().enumerate() {
        let which = which(chain, n);
        let (from, until) = (certificate.not_before(), certificate.not_after());
        if until < now {
            let problem = format!("{which} expired on {}", date(until));
            findings.wrong.push(Wrong::new(file, problem, "renew it"));
        } else if now < from {
            let problem = format!(
                "{which} is not valid before {}, and now it is {}",
                date(from),
                date(now)
            );
            let remedy = "wait, use one that is valid now, or set this machine's clock";
            findings.wrong.push(Wrong::new(file, problem, remedy));
        } else if until - now < SOON {
            let file = file.display();
            let until = date(until);
            findings
                .warnings
                .push(format!("{file}: {which} expires on {until}: renew it"));
        }
    }
}

/// The first certificate that the next one did not sign.
fn order(file: &Path, chain: &[Certificate<'_>]) -> Option<Wrong> {
    let broken = |pair: &[Certificate<'_>]| match pair {
        [one, next] => !(next.signed(one) && next.is_authority()),
        _ => false,
    };
    let n = chain.windows(2).position(broken)?;
    let (one, next) = (chain.get(n)?, chain.get(n + 1)?);
    let (this, that) = (which(chain, n), which(chain, n + 1));
    if next.signed(one) {
        let problem = format!("{that} signed {this}, but it is no authority");
        return Some(Wrong::new(file, problem, ORDER));
    }
    if let Some(signer) = chain.iter().position(|other| other.signed(one)) {
        let problem = match signer == n {
            true => format!("{this} signed itself, but more follow it"),
            false => format!(
                "{this} is signed by {}, which does not follow it",
                which(chain, signer)
            ),
        };
        return Some(Wrong::new(file, problem, ORDER));
    }
    let problem = format!(
        "{this} is signed by {}, but {that} follows it",
        one.issuer()
    );
    Some(Wrong::new(file, problem, ORDER))
}

/// Whether the last certificate is one that peers can be expected to know the signer of.
fn end(file: &Path, chain: &[Certificate<'_>], known: &[&RootCertStore], findings: &mut Findings) {
    let Some(last) = chain.last() else { return };
    let is_known = |store: &&RootCertStore| {
        let subjects = store.subjects();
        subjects
            .iter()
            .any(|subject| subject.as_ref() == last.issuer_der())
    };
    if last.is_self_issued() || known.iter().any(is_known) {
        return;
    }
    let issuer = last.issuer();
    if chain.len() == 1 && last.is_public() {
        let problem = format!("the chain is incomplete: the certificate of {issuer} is missing");
        let remedy = "give the full chain (fullchain.pem of certbot): the server's certificate, then those of the \
                      intermediate authorities";
        findings.wrong.push(Wrong::new(file, problem, remedy));
        return;
    }
    findings.note = Some(format!(
        "{}: the chain ends with a certificate that is signed by {issuer}, which is not known here: peers must have that \
         authority in their trust store; if it is an intermediate one, add its certificate to the file",
        file.display()
    ));
}

/// How a certificate is called: by its place where there are more.
fn which(chain: &[Certificate<'_>], n: usize) -> String {
    let subject = chain.get(n).map(Certificate::subject).unwrap_or_default();
    match chain.len() {
        1 => format!("the certificate ({subject})"),
        _ => format!("certificate {} ({subject})", n + 1),
    }
}

/// Two weeks, in seconds.
const SOON: i64 = 14 * 24 * 3600;

const ORDER: &str = "order the file: the own certificate first, after each one the authority that signed it, and nothing else";
