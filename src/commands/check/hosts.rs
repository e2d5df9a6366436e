//! What can be said of a host without asking anybody: is it internal, loopback, private?

use std::net::{IpAddr, Ipv6Addr};

/// Whether it is an address that means "all of this machine".
pub(super) fn is_wildcard(host: &str) -> bool {
    host.parse()
        .is_ok_and(|ip: IpAddr| ip.to_canonical().is_unspecified())
}

/// Whether it is this machine's name for itself, or an address of that kind.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // RFC 6761, section 6.3.
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(is_loopback_address)
}

/// Whether it is an address of this machine for itself.
pub(super) fn is_loopback_address(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether it is an address that means something inside a network only.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_private() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || is_site_local(ip),
    }
}

fn is_site_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfec0
}

/// Whether it is a name of the kind that exists inside a cluster or a site: `kafka-0`, `kafka-0.kafka.prod.svc`.
pub(super) fn is_internal(host: &str) -> bool {
    const ENDS: [&str; 7] = [
        ".svc",
        ".cluster.local",
        ".internal",
        ".local",
        ".lan",
        ".localdomain",
        ".pod",
    ];
    if host.parse::<IpAddr>().is_ok() {
        return false;
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    !name.contains('.') || name.contains(".svc.") || ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_clusters_and_pods_are_internal_and_those_of_the_internet_are_not() {
        for name in [
            "kafka-0",
            "kafka-0.kafka-headless.kafka.svc",
            "kafka-0.kafka-headless.kafka.svc.cluster.local",
            "KAFKA-0.kafka.prod.svc.k8s.example.com.",
            "ip-10-0-0-1.ec2.internal",
            "broker.local",
        ] {
            assert!(is_internal(name), "{name}");
        }
        for name in [
            "kafka.example.com",
            "svc.example.com",
            "10.0.0.1",
            "2001:db8::1",
        ] {
            assert!(!is_internal(name), "{name}");
        }
    }

    #[test]
    fn wildcards_loopback_and_private_addresses_are_known_in_both_families() {
        for host in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
            assert!(is_wildcard(host), "{host}");
        }
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for host in [
            "10.1.1.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(ip(host)), "{host}");
        }
        for host in [
            "8.8.8.8",
            "100.128.0.1",
            "172.32.0.1",
            "2001:4860::1",
            "127.0.0.1",
        ] {
            assert!(!is_private(ip(host)), "{host}");
        }
        assert!(!is_wildcard("example.com") && !is_loopback("localhost.example.com"));
    }
}
