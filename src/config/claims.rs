//! Who has which port: what is bound on this machine and what is advertised to clients, over all clusters, and which
//! brokers' addresses would lead back to it.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::file::ParseOptions;
use super::reader::{Reader, Section};
use super::{BrokerAddress, ServiceName};

/// Collects ports and addresses while clusters are read.
#[derive(Debug, Default)]
pub(super) struct Claims {
    options: ParseOptions,
    bound: HashMap<u16, Vec<(IpAddr, String)>>,
    advertised: HashMap<(String, u16), String>,
    brokers: Vec<Broker>,
}

#[derive(Debug)]
struct Broker {
    key: String,
    line: Option<usize>,
    address: BrokerAddress,
}

/// Where clients are told to go, as far as that is known before there is any.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    Host(&'a str),
    /// The address of a Service, of which it is only known that it is the same for all who call the Service the same. One
    /// without a namespace is in the pod's own, which may be any: whether it is the same as one with a namespace is seen when
    /// both have an address.
    Service(&'a ServiceName),
    /// What they dialled, at this cluster. Others may have the same ports at other hosts, which is for the load balancer to
    /// know.
    Dialled(&'a str),
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Told::Host(host) => write!(f, " at {host}"),
            Told::Service(service) => write!(f, " at the Service {service}"),
            Told::Dialled(_) => Ok(()),
        }
    }
}

impl Claims {
    pub(super) fn new(options: ParseOptions) -> Self {
        Claims {
            options,
            ..Claims::default()
        }
    }

    /// The admin listener, which comes first.
    pub(super) fn admin(
        &mut self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        address: SocketAddr,
    ) {
        self.refuse_zero(reader, section, "listen", address.port());
        self.bind(address.ip(), address.port(), "admin.listen");
    }

    /// A fault where a port is 0.
    pub(super) fn refuse_zero(
        &self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        key: &str,
        port: u16,
    ) {
        if port == 0 && !self.options.allow_port_zero {
            let problem = "port 0 would be another port after each start";
            reader.fault_at(section, key, problem, "write a port from 1 to 65535");
        }
    }

    /// Takes a port of this machine; `Some`: the key that has it already.
    pub(super) fn bind(&mut self, ip: IpAddr, port: u16, key: &str) -> Option<String> {
        if port == 0 {
            return None;
        }
        let owners = self.bound.entry(port).or_default();
        let found = owners.iter().find(|(other, _)| overlap(*other, ip));
        let found = found.map(|(_, owner)| owner.clone());
        owners.push((ip, key.to_owned()));
        found
    }

    /// Takes a port that clients are told; `Some`: the key that has it already.
    pub(super) fn advertise(&mut self, told: Told<'_>, port: u16, key: &str) -> Option<String> {
        if port == 0 {
            return None;
        }
        // No host has such characters as the others.
        let host = match told {
            Told::Host(host) => host.to_ascii_lowercase(),
            Told::Dialled(cluster) => format!("({cluster})"),
            Told::Service(service) => format!("Service {service}"),
        };
        self.advertised.insert((host, port), key.to_owned())
    }

    /// Notes where a broker is said to be, for [`refuse_loops`](Self::refuse_loops).
    pub(super) fn broker(&mut self, key: &str, line: Option<usize>, address: &BrokerAddress) {
        self.brokers.push(Broker {
            key: key.to_owned(),
            line,
            address: address.clone(),
        });
    }

    /// A fault for each broker's address on this machine that has one of our own ports.
    pub(super) fn refuse_loops(&self, reader: &mut Reader<'_>) {
        for Broker { key, line, address } in &self.brokers {
            let Some(owner) = self.own(address) else {
                continue;
            };
            let problem =
                format!("{address} leads back to this proxy, which listens there ({owner})");
            let remedy = "write the broker's address, or let the proxy listen on another port";
            reader.fault(key, *line, problem, remedy);
        }
    }

    fn own(&self, address: &BrokerAddress) -> Option<&str> {
        let owners = self.bound.get(&address.port)?;
        let host = address.host.trim_end_matches('.');
        let is_localhost = host.eq_ignore_ascii_case("localhost");
        let literal = host.parse::<IpAddr>().ok();
        let covered = |&&(listen, _): &&(IpAddr, String)| match literal {
            Some(ip) if ip.is_loopback() => overlap(listen, ip),
            Some(ip) => listen == ip,
            None if is_localhost => {
                overlap(listen, Ipv4Addr::LOCALHOST.into())
                    || overlap(listen, Ipv6Addr::LOCALHOST.into())
            }
            None => false,
        };
        owners.iter().find(covered).map(|(_, owner)| owner.as_str())
    }
}

/// Whether two listening addresses want the same connections. `::` is bound for both families.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let (one, other) = (one.to_canonical(), other.to_canonical());
    let covers = |wide: IpAddr, narrow: IpAddr| match wide {
        IpAddr::V6(wide) => wide.is_unspecified(),
        IpAddr::V4(wide) => wide.is_unspecified() && narrow.is_ipv4(),
    };
    one == other || covers(one, other) || covers(other, one)
}
