//! `/lbz`: whether a load balancer had better send nobody here. It answers for all clusters, or with `?cluster=NAME` for that
//! one: where each has a balancer of its own, one without brokers must not take the others out of service.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use super::{AdminState, TEXT, ok_unless, text};
use crate::lifecycle::State;
use crate::text::tamed;

/// Characters of what was asked for that are told again.
const LONGEST: usize = 100;

/// Answers by the query of a request.
pub(super) fn answer(query: Option<&str>, state: &AdminState) -> Response<Full<Bytes>> {
    let cluster = match wanted(query.unwrap_or_default()) {
        Ok(cluster) => cluster,
        Err(why) => return text(StatusCode::BAD_REQUEST, TEXT, why + "\n"),
    };
    if let Some(name) = &cluster
        && let Some(why) = is_none(name, state)
    {
        return text(StatusCode::NOT_FOUND, TEXT, why + "\n");
    }
    ok_unless(unwelcome(cluster.as_deref(), state))
}

/// Why a load balancer had better send nobody here: clients of this cluster, or of any.
fn unwelcome(cluster: Option<&str>, state: &AdminState) -> Option<String> {
    match state.life.state() {
        State::Starting => return Some("starting".to_owned()),
        State::LameDuck | State::Draining => return Some("draining".to_owned()),
        State::Serving => {}
    }
    let mut clusters = state.board.unreachable();
    clusters.retain(|name| cluster.is_none_or(|cluster| name == cluster));
    (!clusters.is_empty()).then(|| format!("no broker can be reached of {}", clusters.join(", ")))
}

/// Says so where no cluster is called so.
fn is_none(name: &str, state: &AdminState) -> Option<String> {
    let in_force = state.board.in_force();
    let clusters = &in_force.config.clusters;
    if clusters.contains_key(name) {
        return None;
    }
    let names: Vec<&str> = clusters.keys().map(String::as_str).collect();
    Some(format!(
        "no cluster is called \"{}\"; there are: {}",
        tamed(name, LONGEST),
        names.join(", ")
    ))
}

/// The cluster that a query names, if any; or what is wrong with it. What nobody knows is refused: a slip in the name of the
/// parameter would else ask for all clusters, and nobody would notice.
fn wanted(query: &str) -> Result<Option<String>, String> {
    let mut cluster = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(key).as_deref() != Some("cluster") {
            let key = tamed(key, LONGEST);
            return Err(format!(
                "\"{key}\" is not known here: write /lbz or /lbz?cluster=NAME"
            ));
        }
        let Some(name) = decoded(value) else {
            let value = tamed(value, LONGEST);
            return Err(format!(
                "\"{value}\" is no name: a % stands before two hexadecimal digits"
            ));
        };
        if cluster.replace(name).is_some() {
            return Err(
                "one cluster at a time: write /lbz?cluster=NAME, or /lbz for all".to_owned(),
            );
        }
    }
    Ok(cluster)
}

/// A part of a query (RFC 3986, section 2.1); `None` if it is malformed.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_one_cluster_or_none() {
        let one = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(wanted(""), Ok(None));
        assert_eq!(wanted("&"), Ok(None));
        assert_eq!(wanted("cluster=main"), one("main"));
        assert_eq!(wanted("cluster=&"), one(""));
        assert_eq!(wanted("cluster"), one(""));
        assert_eq!(wanted("cluster=eu%2dwest%2D1"), one("eu-west-1"));
        assert_eq!(wanted("%63luster=a%3D=b"), one("a==b"));
    }

    #[test]
    fn what_is_no_such_query_is_refused_with_what_to_write() {
        let refused = |query: &str| wanted(query).unwrap_err();
        assert_eq!(
            refused("clutser=main"),
            "\"clutser\" is not known here: write /lbz or /lbz?cluster=NAME"
        );
        for query in ["cluster=%", "cluster=%4", "cluster=%zz", "cluster=%ff"] {
            assert!(refused(query).contains("is no name"), "{query}");
        }
        assert!(refused("cluster=a&cluster=a").starts_with("one cluster at a time"));
        assert!(refused("a%0d%0a\u{202e}=b").contains("\\u{202e}"));
    }
}
