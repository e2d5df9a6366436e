//! Lists of revoked certificates of clients.
//!
//! What is decided here, for an operator who must not be locked out by a file:
//!
//! * All certificates of a client's chain are looked up, not only its own.
//! * A certificate whose authority has no list in the file is not revoked. Lists of *all* authorities would otherwise be
//!   needed, those of intermediate ones included. That an authority has none is a warning.
//! * A list stays in force after its date of the next update: what it revokes is revoked for ever, and a job that fetches
//!   lists and fails must not cut off every client. That it is stale is a warning.

use std::path::Path;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::authorities::some;
use super::identity::now;
use super::inspect::{Certificate, RevocationList, date};
use super::pem::{self, Wrong};

/// The lists of a file.
#[derive(Debug)]
pub(super) struct Revocation {
    /// In the order of the file.
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// When the first of them should be renewed, in seconds since 1970.
    pub(super) next_update: Option<i64>,
    /// What is odd about them.
    pub(super) warnings: Vec<String>,
}

impl Revocation {
    /// Reads them. Each must be by one of these authorities: one by another would never be looked at.
    pub(super) fn load(
        file: &Path,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Self, Vec<Wrong>> {
        let lists = pem::revocation_lists(file).map_err(|wrong| vec![wrong])?;
        let authorities = authorities.iter().map(Certificate::parse);
        let authorities: Vec<_> = authorities.filter_map(Result::ok).collect();
        let mut has_list = vec![false; authorities.len()];
        let (mut wrong, mut stale, mut next_update) = (Vec::new(), Vec::new(), None);
        for (n, der) in lists.iter().enumerate() {
            let list = match RevocationList::parse(der) {
                Ok(list) => list,
                Err(error) => {
                    let problem = format!("list {}: {error}", n + 1);
                    wrong.push(Wrong::new(file, problem, "fetch it again"));
                    continue;
                }
            };
            let mut by_one = false;
            for (authority, has) in authorities.iter().zip(&mut has_list) {
                if authority.signed_list(&list) {
                    (*has, by_one) = (true, true);
                }
            }
            if !by_one {
                let problem = format!(
                    "list {} is by {}, and client_ca has no such authority (or one with another key)",
                    n + 1,
                    list.issuer()
                );
                let remedy = "add that authority's certificate to client_ca, or take the list out";
                wrong.push(Wrong::new(file, problem, remedy));
            }
            if let Some(next) = list.next_update() {
                next_update = Some(next_update.map_or(next, |first: i64| first.min(next)));
                if next < now() {
                    stale.push(format!("{} (on {})", list.issuer(), date(next)));
                }
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let without = authorities.iter().zip(&has_list);
        let without = without.filter(|(_, has)| !**has);
        let without: Vec<_> = without.map(|(one, _)| one.subject()).collect();
        Ok(Revocation {
            lists,
            next_update,
            warnings: warnings(file, &stale, &without),
        })
    }
}

fn warnings(file: &Path, stale: &[String], without: &[String]) -> Vec<String> {
    let file = file.display();
    let mut warnings = Vec::new();
    if !stale.is_empty() {
        warnings.push(format!(
            "{file}: lists that should have been renewed (what they revoke stays revoked, later revocations are not \
             known): {}: fetch them again",
            some(stale)
        ));
    }
    if !without.is_empty() {
        warnings.push(format!(
            "{file}: no list by these authorities of client_ca, so that nothing they signed is revoked: {}",
            some(without)
        ));
    }
    warnings
}
