//! Networks, as they are written.

use std::net::IpAddr;

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(ipnet::IpNet);

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Empty is everyone.
    pub allow: Vec<Network>,
    /// Comes before `allow`.
    pub deny: Vec<Network>,
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }
}

impl Access {
    /// Whether a client may connect.
    pub fn admits(&self, ip: IpAddr) -> bool {
        let among = |networks: &[Network]| networks.iter().any(|network| network.contains(ip));
        !among(&self.deny) && (self.allow.is_empty() || among(&self.allow))
    }
}
