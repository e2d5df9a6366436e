//! Networks in CIDR notation, and who may connect by them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, ip_mask_to_prefix};

use super::reader::Unfit;

/// A range of IPv4 or of IPv6 addresses.
///
/// IPv4 addresses that are mapped into IPv6 (`::ffff:192.0.2.1`) count as IPv4, here and in the addresses that are looked
/// up, since that is how a socket of both families reports IPv4 peers. No network holds addresses of both families:
/// everybody is `0.0.0.0/0` and `::/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }

    /// Whether it holds every address of its family.
    pub fn is_everybody(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl fmt::Display for Network {
    /// As it may be written in the configuration; one address without a prefix length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => self.0.addr().fmt(f),
            false => self.0.fmt(f),
        }
    }
}

impl FromStr for Network {
    type Err = String;

    /// `ADDRESS/LENGTH` or `ADDRESS`, or what is wrong with it and what to write instead.
    fn from_str(text: &str) -> Result<Self, String> {
        network(text).map_err(|(problem, remedy)| format!("{problem}: {remedy}"))
    }
}

/// Which clients may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who may; empty means everybody.
    pub allow: Vec<Network>,
    /// Who may not, even if `allow` has them.
    pub deny: Vec<Network>,
}

impl Access {
    /// Whether a client of this address may connect.
    pub fn admits(&self, ip: IpAddr) -> bool {
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(ip));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}

/// A network as written.
pub(super) fn network(text: &str) -> Result<Network, Unfit> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(no_address(text, address));
    };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(length) => prefix_length(length)
            .filter(|&length| length <= most)
            .ok_or_else(|| no_length(text, ip, length, most))?,
    };
    // The length was compared with the greatest that there may be, which is all that can be wrong.
    let net = IpNet::new(ip, length)
        .map(canonical)
        .map_err(|error| (format!("\"{text}\": {error}"), REMEDY.to_owned()))?;
    if net.addr() != net.network() {
        return Err((
            format!("\"{text}\" has bits set beyond the first {length}"),
            format!(
                "write \"{}\" for the whole network, or \"{}\" for the one address",
                Network(net.trunc()),
                net.addr()
            ),
        ));
    }
    Ok(Network(net))
}

/// IPv4 networks that are mapped into IPv6 become IPv4 again.
fn canonical(net: IpNet) -> IpNet {
    let length = net.prefix_len().checked_sub(96);
    match (net.addr().to_canonical(), length) {
        (IpAddr::V4(ip), Some(length)) if net.addr().is_ipv6() => {
            Ipv4Net::new(ip, length).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

/// A number as people write it: `u8::from_str` would take "+8" and "08".
fn prefix_length(text: &str) -> Option<u8> {
    let length: u8 = text.parse().ok()?;
    (length.to_string() == text).then_some(length)
}

fn no_address(text: &str, address: &str) -> Unfit {
    let of_socket = |socket: SocketAddr| {
        (
            format!("\"{text}\" has a port"),
            format!(
                "write \"{}\"; networks are of clients, whose ports change",
                socket.ip()
            ),
        )
    };
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split_once('%').map_or(bare, |(ip, _)| ip);
    match (text.parse(), bare.parse::<IpAddr>()) {
        (Ok(socket), _) => of_socket(socket),
        (_, Ok(ip)) => (
            format!("\"{text}\" has more than an address and a prefix length"),
            format!("write it without brackets and zone, such as \"{ip}\""),
        ),
        _ if text.is_empty() => ("it is empty".to_owned(), REMEDY.to_owned()),
        _ => (format!("\"{address}\" is no IP address"), REMEDY.to_owned()),
    }
}

fn no_length(text: &str, ip: IpAddr, length: &str, most: u8) -> Unfit {
    let of_mask = length
        .parse()
        .ok()
        .and_then(|mask| ip_mask_to_prefix(mask).ok());
    let remedy = match of_mask {
        Some(length) if length <= most => format!("write \"{ip}/{length}\""),
        _ => format!("write how many of the address's bits all of the network share, 0 to {most}"),
    };
    (
        format!("\"{length}\" in \"{text}\" is no prefix length"),
        remedy,
    )
}

const REMEDY: &str = "write a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or one address such as \"10.1.2.3\"; everybody \
                      is \"0.0.0.0/0\" and \"::/0\"";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Network {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn holds(network: &str, ip: &str) -> bool {
        read(network).contains(ip.parse().unwrap())
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.1.2.3",
            "10.1.2.2/31",
            "2001:db8::/32",
            "::/0",
            "::1",
            "fe80::/10",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        for (text, canonical) in [
            ("10.1.2.3/32", "10.1.2.3"),
            ("::1/128", "::1"),
            ("2001:DB8:0::/48", "2001:db8::/48"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(read(text).to_string(), canonical);
        }
    }

    #[test]
    fn a_network_has_the_addresses_between_its_ends() {
        assert!(holds("10.0.0.0/8", "10.0.0.0") && holds("10.0.0.0/8", "10.255.255.255"));
        assert!(!holds("10.0.0.0/8", "9.255.255.255") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("10.1.2.3", "10.1.2.3") && !holds("10.1.2.3", "10.1.2.2"));
        assert!(
            holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::")
        );
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(holds("0.0.0.0/0", "::ffff:10.1.2.3"));
        assert!(!holds("::/0", "::ffff:10.1.2.3"), "as little as 10.1.2.3");
        assert!(!holds("::/0", "10.1.2.3") && !holds("0.0.0.0/0", "::1"));
    }

    #[test]
    fn denied_goes_before_allowed() {
        let access = |allow: &[&str], deny: &[&str]| Access {
            allow: allow.iter().map(|text| read(text)).collect(),
            deny: deny.iter().map(|text| read(text)).collect(),
        };
        let admits = |access: &Access, ip: &str| access.admits(ip.parse().unwrap());
        assert!(admits(&Access::default(), "192.0.2.1"));
        let some = access(&["10.0.0.0/8", "2001:db8::/32"], &["10.1.0.0/16"]);
        assert!(admits(&some, "10.2.0.1") && admits(&some, "2001:db8::1"));
        assert!(!admits(&some, "10.1.0.1") && !admits(&some, "192.0.2.1") && !admits(&some, "::1"));
        let all_but = access(&[], &["10.1.2.3"]);
        assert!(admits(&all_but, "10.1.2.4") && !admits(&all_but, "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_told_with_a_remedy() {
        for (text, problem, remedy) in [
            ("", "it is empty", "10.0.0.0/8"),
            ("*", "\"*\" is no IP address", "\"0.0.0.0/0\" and \"::/0\""),
            ("localhost", "\"localhost\" is no IP address", "10.0.0.0/8"),
            ("10.0.0/8", "\"10.0.0\" is no IP address", "10.0.0.0/8"),
            (
                "10.0.0.1/8",
                "bits set beyond the first 8",
                "\"10.0.0.0/8\" for the whole network, or \"10.0.0.1\"",
            ),
            ("2001:db8::1/32", "beyond the first 32", "\"2001:db8::/32\""),
            ("10.0.0.0/33", "\"33\" in \"10.0.0.0/33\"", "0 to 32"),
            ("::/129", "\"129\"", "0 to 128"),
            ("10.0.0.0/", "\"\" in", "0 to 32"),
            ("10.0.0.0/-1", "\"-1\"", "0 to 32"),
            ("10.0.0.0/+8", "\"+8\"", "0 to 32"),
            ("10.0.0.0/08", "\"08\"", "0 to 32"),
            ("10.0.0.0/8/8", "\"8/8\"", "0 to 32"),
            (
                "10.0.0.0/255.0.0.0",
                "\"255.0.0.0\"",
                "write \"10.0.0.0/8\"",
            ),
            ("10.0.0.0/255.0.0.1", "\"255.0.0.1\"", "0 to 32"),
            ("10.0.0.1:9092", "has a port", "write \"10.0.0.1\""),
            ("[::1]:9092", "has a port", "write \"::1\""),
            ("[::1]", "more than an address", "\"::1\""),
            ("fe80::1%eth0", "more than an address", "\"fe80::1\""),
            (
                " 10.0.0.0/8",
                "\" 10.0.0.0\" is no IP address",
                "10.0.0.0/8",
            ),
        ] {
            let (what, instead) = network(text).expect_err(text);
            assert!(what.contains(problem), "{text}: {what}");
            assert!(instead.contains(remedy), "{text}: {instead}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_and_what_is_suggested_fits(
            text in "[0-9a-f:.\\[\\]%/]{0,30}",
            ip in any::<u128>(),
            is_v4 in any::<bool>(),
            length in 0u8..=32,
        ) {
            let _ = network(&text);
            let ip = match is_v4 {
                true => IpAddr::from((ip as u32).to_be_bytes()),
                false => IpAddr::from(ip.to_be_bytes()),
            };
            let suggested = match network(&format!("{ip}/{length}")) {
                Ok(fits) => fits.to_string(),
                Err((_, remedy)) => remedy.split('"').nth(1).unwrap_or_default().to_owned(),
            };
            prop_assert!(read(&suggested).contains(ip));
        }
    }
}
