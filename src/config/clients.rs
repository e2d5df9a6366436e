//! Reads who may connect to a cluster, and whether a load balancer tells who it is.

use toml::de::DeValue;

use super::reader::{Item, Reader, Section, Unfit};
use super::{Access, Network, ProxyProtocol, ProxyProtocolMode, network, value};

const EXAMPLE: &str = "10.0.0.0/8";

/// Whether connections begin with a header of the PROXY protocol, and from whom.
pub(super) fn read_proxy_protocol(reader: &mut Reader<'_>, section: &Section<'_>) -> ProxyProtocol {
    const FROM: &str = "proxy_protocol_from";
    let mode = reader.get(section, "proxy_protocol", mode);
    let faults = reader.faults.len();
    let from = read_networks(reader, section, FROM);
    let is_fit = faults == reader.faults.len();
    match mode.unwrap_or_default() {
        ProxyProtocolMode::Off if from.is_empty() => {}
        // What the mode is to be is not known where it is unfit.
        ProxyProtocolMode::Off if mode.is_none() && section.value("proxy_protocol").is_some() => {}
        ProxyProtocolMode::Off => {
            let problem = "it has no effect: proxy_protocol is \"off\"";
            let remedy = "write proxy_protocol = \"required\" or \"optional\", or take it out";
            reader.fault_at(section, FROM, problem, remedy);
        }
        ProxyProtocolMode::Optional | ProxyProtocolMode::Required if from.is_empty() && is_fit => {
            let problem = "no network is named whose headers are believed";
            let remedy =
                format!("name those of the load balancers, such as: {FROM} = [\"{EXAMPLE}\"]");
            reader.fault_at(section, FROM, problem, remedy);
        }
        ProxyProtocolMode::Optional | ProxyProtocolMode::Required => {}
    }
    ProxyProtocol {
        mode: mode.unwrap_or_default(),
        from,
    }
}

/// Which clients may connect.
pub(super) fn read_access(reader: &mut Reader<'_>, section: &Section<'_>) -> Access {
    Access {
        allow: read_networks(reader, section, "allow"),
        deny: read_networks(reader, section, "deny"),
    }
}

fn read_networks(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Vec<Network> {
    let networks = reader.list(section, key, network::network, EXAMPLE);
    let networks: Vec<Item<Network>> = networks.unwrap_or_default();
    networks.into_iter().map(|network| network.value).collect()
}

fn mode(value: &DeValue<'_>) -> Result<ProxyProtocolMode, Unfit> {
    value::choice(value, &ProxyProtocolMode::WORDS)
}
