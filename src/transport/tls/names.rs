//! Whether the names of a certificate cover the one that was connected to.

use std::net::IpAddr;

/// By the rules of RFC 9525 (formerly RFC 6125), section 6: an IP address must be there as such; a DNS name too, without
/// regard to case, or but for its first label, where that is `*`.
pub(super) fn cover(names: &[String], host: &str) -> bool {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return names.iter().any(|name| name.parse() == Ok(ip));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    !host.is_empty() && names.iter().any(|name| covers(name, host))
}

fn covers(name: &str, host: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match (name.strip_prefix("*."), host.split_once('.')) {
        (None, _) => name.eq_ignore_ascii_case(host),
        (Some(parent), Some((label, rest))) => {
            !label.is_empty() && parent.eq_ignore_ascii_case(rest)
        }
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_one_whole_first_label() {
        let cases: [(&str, &str, bool); 16] = [
            ("kafka.example.com", "kafka.example.com", true),
            ("kafka.example.com", "KAFKA.example.COM.", true),
            ("kafka.example.com", "example.com", false),
            ("*.example.com", "b-1.example.com", true),
            ("*.Example.com", "b-1.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("b-*.example.com", "b-1.example.com", false),
            ("a.*.example.com", "a.b.example.com", false),
            ("*", "localhost", false),
            ("", "", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("*.0.0.1", "10.0.0.1", false),
            ("2001:db8::1", "2001:0db8:0::1", true),
        ];
        for (name, host, expected) in cases {
            let names = ["other.example.org".to_owned(), name.to_owned()];
            assert_eq!(cover(&names, host), expected, "{name} covers {host}");
        }
    }
}
