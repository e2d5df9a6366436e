//! By which names the admin listener may be called for what only its own people are to read.
//!
//! A page in a browser may read what comes from its own origin, and its origin is a name that its author owns. He can let
//! that name lead anywhere, in the middle of a visit too: to 127.0.0.1, or into the visitor's network. What answers there
//! is of the page's own origin then (DNS rebinding: Jackson et al., "Protecting Browsers from DNS Rebinding Attacks",
//! <https://crypto.stanford.edu/dns/>). No header of the browser tells it apart: it is no cross-site request, and
//! `Sec-Fetch-Site` is not sent to plain HTTP. But the page cannot change the name in `Host`. So names are answered that
//! no stranger can own: addresses, names of one label, and names below domains that are nobody's on the internet. All
//! others have to be in `admin.allowed_hosts`. Vite (`server.allowedHosts`) and geth (`--http.vhosts`) do it so.
//!
//! That leaves alone who is no browser: probes of kubelet and balancers ask /livez, /readyz and /lbz, whose answers are
//! nobody's secret, under whatever name; Prometheus asks /metrics, by addresses or by names that an operator gave to its
//! targets, and the numbers there have no addresses beside them.

use std::net::IpAddr;

use hyper::Request;
use hyper::header::HOST;
use hyper::http::uri::Authority;

/// Domains in which nobody on the internet can have a name: of each machine itself (RFC 6761), of Services in Kubernetes,
/// and the one that is kept free for private networks
/// (<https://www.icann.org/en/board-activities-and-meetings/materials/approved-resolutions-special-meeting-of-the-icann-board-29-07-2024-en>).
const NOBODYS: [&str; 4] = [".localhost", ".svc", ".cluster.local", ".internal"];

/// Whether a path's answer is for everybody who can send a packet.
pub(super) fn is_for_everybody(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/lbz" | "/metrics")
}

/// The name by which a request calls us, where it is none of ours.
pub(super) fn strange<B>(request: &Request<B>, allowed: &[String]) -> Option<String> {
    let of_header = request.headers().get_all(HOST).iter();
    let of_header = of_header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    // Where a request line has a whole URL, that is what counts (RFC 9112, section 3.2.2).
    let of_line = request.uri().authority().map(ToString::to_string);
    let mut names = of_header.chain(of_line);
    names.find(|name| !is_ours(name, allowed))
}

fn is_ours(name: &str, allowed: &[String]) -> bool {
    // No browser sends it empty, and one that sends none is no browser.
    if name.is_empty() {
        return true;
    }
    let Ok(authority) = name.parse::<Authority>() else {
        return false;
    };
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    literal.unwrap_or(host).parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || NOBODYS.iter().any(|domain| host.ends_with(domain))
        || allowed.iter().any(|name| is_of(host, name))
}

/// `.example.com` is that domain and all below it.
fn is_of(host: &str, name: &str) -> bool {
    match name.strip_prefix('.') {
        Some(domain) => host == domain || host.ends_with(name),
        None => host == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_strange(host: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let request = Request::builder().uri("/status").header(HOST, host);
        strange(&request.body(()).expect("a request"), &allowed).is_some()
    }

    #[test]
    fn names_that_a_stranger_cannot_own_are_ours() {
        for host in [
            "127.0.0.1:9644",
            "10.1.2.3",
            "[::1]:9644",
            "[2001:db8::7]",
            "localhost:9644",
            "LocalHost.",
            "portolan.localhost",
            "portolan:9644",
            "portolan-7d4f9c-x2x5p",
            "portolan-admin.kafka.svc:9644",
            "portolan-admin.kafka.svc.cluster.local:9644",
            "portolan-admin.kafka.svc.cluster.local.",
            "ip-10-0-0-1.eu-west-1.compute.internal:9644",
            "",
        ] {
            assert!(!is_strange(host, &[]), "{host}");
        }
    }

    #[test]
    fn names_that_anybody_can_buy_are_not() {
        for host in [
            "evil.example",
            "evil.example:9644",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "x.svc.evil.example",
            "svc.cluster.local.evil.example",
            "evilcluster.local",
            "portolan.dev",
            "127.1",
            "a b",
            "evil.example@localhost.evil.example",
            "\u{e9}vil.example",
        ] {
            assert!(is_strange(host, &[]), "{host}");
        }
    }

    #[test]
    fn names_of_the_configuration_are_ours_and_nothing_beside_them() {
        let allowed = ["portolan.example.com", ".corp.example"];
        for host in [
            "portolan.example.com:9644",
            "Portolan.Example.com.",
            "corp.example",
            "a.b.corp.example",
        ] {
            assert!(!is_strange(host, &allowed), "{host}");
        }
        for host in ["example.com", "x.portolan.example.com", "evilcorp.example"] {
            assert!(is_strange(host, &allowed), "{host}");
        }
    }

    #[test]
    fn every_name_of_a_request_counts() {
        let two = Request::builder().uri("/status");
        let two = two.header(HOST, "localhost").header(HOST, "evil.example");
        let two = two.body(()).expect("a request");
        assert_eq!(strange(&two, &[]).as_deref(), Some("evil.example"));
        let line = Request::builder().uri("http://evil.example/status");
        let line = line.header(HOST, "localhost").body(()).expect("a request");
        assert_eq!(strange(&line, &[]).as_deref(), Some("evil.example"));
        let none = Request::builder().uri("/status").body(());
        assert_eq!(strange(&none.expect("a request"), &[]), None);
    }
}
