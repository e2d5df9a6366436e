//! Names to addresses, anew at each dial: pods move, and their addresses are reused within seconds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver as Hickory, TokioResolver};

use crate::config::Dns;

const SYSTEM_HOSTS: &str = "/etc/hosts";

/// Resolves names for one thread: hosts files first, then name servers. Nothing is cached but the hosts files, which are
/// read again when they change.
pub struct Resolver {
    hosts: Vec<HostsFile>,
    servers: Option<TokioResolver>,
}

/// Why a resolver cannot be made.
#[derive(Debug)]
pub struct ResolverError(String);

/// Why a name has no address.
#[derive(Debug)]
pub struct ResolveError(pub(super) String);

impl Resolver {
    /// From the configuration; where it names no servers, from the system's.
    pub fn new(dns: &Dns) -> Result<Self, ResolverError> {
        let mut hosts = Vec::new();
        if let Some(path) = &dns.hosts_file {
            fs::File::open(path).map_err(|error| {
                ResolverError(format!(
                    "dns.hosts_file: cannot read {}: {error}",
                    path.display()
                ))
            })?;
            hosts.push(HostsFile::new(path));
        }
        hosts.push(HostsFile::new(Path::new(SYSTEM_HOSTS)));
        let (config, options) = if dns.servers.is_empty() {
            match read_system_conf() {
                Ok(system) => system,
                // Hosts files and literals still work.
                Err(_) => {
                    return Ok(Resolver {
                        hosts,
                        servers: None,
                    });
                }
            }
        } else {
            let servers = dns.servers.iter().map(name_server).collect();
            let search = read_system_conf()
                .map(|(system, options)| (system.into_parts().1, options))
                .unwrap_or_default();
            let config = ResolverConfig::from_parts(None, search.0, servers);
            (config, search.1)
        };
        let mut builder = Hickory::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options);
        tune(builder.options_mut());
        let servers = builder
            .build()
            .map_err(|error| ResolverError(format!("name servers: {error}")))?;
        Ok(Resolver {
            hosts,
            servers: Some(servers),
        })
    }

    /// All addresses of a name, in the order in which they are to be tried; never empty.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        // With ndots above 4, as Kubernetes sets it, a literal would be asked for as a name first.
        if let Ok(literal) = host.parse() {
            return Ok(vec![literal]);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        for file in &self.hosts {
            if let Some(addresses) = file.lookup(&name) {
                return Ok(addresses);
            }
        }
        if name == "localhost" || name.ends_with(".localhost") {
            // RFC 6761, section 6.3.
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let Some(servers) = &self.servers else {
            return Err(ResolveError(
                "it is in no hosts file, and the system names no name server (dns.servers can)"
                    .into(),
            ));
        };
        let answer = servers.lookup_ip(host).await;
        let addresses: Vec<IpAddr> = answer
            .map_err(|error| {
                ResolveError(if error.is_nx_domain() || error.is_no_records_found() {
                    "no such name (NXDOMAIN or no address records)".into()
                } else {
                    error.to_string()
                })
            })?
            .iter()
            .collect();
        match addresses.is_empty() {
            true => Err(ResolveError("no address records".into())),
            false => Ok(addresses),
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

fn tune(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ResolverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ResolverError {}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ResolveError {}

/// A file in the format of hosts(5).
#[derive(Debug)]
struct HostsFile {
    path: PathBuf,
    read: RefCell<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    version: (SystemTime, u64),
    names: HashMap<String, Vec<IpAddr>>,
}

impl HostsFile {
    fn new(path: &Path) -> Self {
        HostsFile {
            path: path.to_owned(),
            read: RefCell::new(None),
        }
    }

    fn lookup(&self, name: &str) -> Option<Vec<IpAddr>> {
        let mut read = self.read.borrow_mut();
        // A file that went away keeps its last content no longer than that.
        let Ok(version) = self.version() else {
            *read = None;
            return None;
        };
        if read.as_ref().is_none_or(|read| read.version != version) {
            let bytes = fs::read(&self.path).unwrap_or_default();
            let names = parse_hosts(&String::from_utf8_lossy(&bytes));
            *read = Some(Read { version, names });
        }
        read.as_ref()?.names.get(name).cloned()
    }

    fn version(&self) -> io::Result<(SystemTime, u64)> {
        let metadata = fs::metadata(&self.path)?;
        Ok((metadata.modified()?, metadata.len()))
    }
}

fn parse_hosts(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
            continue;
        };
        for name in words {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            names.entry(name).or_default().push(address);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(hosts: &str) -> (Resolver, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), hosts).unwrap();
        let dns = Dns {
            servers: Vec::new(),
            hosts_file: Some(file.path().into()),
        };
        (Resolver::new(&dns).unwrap(), file)
    }

    #[tokio::test]
    async fn a_hosts_file_gives_all_addresses_of_a_name_and_is_read_again_when_it_changes() {
        let (resolver, file) = resolver("127.0.0.7 kafka-0 other # comment\n127.0.0.8\tKAFKA-0.\n");
        let addresses = resolver.resolve("Kafka-0.").await.unwrap();
        assert_eq!(
            addresses,
            ["127.0.0.7", "127.0.0.8"].map(|a| a.parse::<IpAddr>().unwrap())
        );
        fs::write(file.path(), "127.0.0.99 kafka-0\n").unwrap();
        let addresses = resolver.resolve("kafka-0").await.unwrap();
        assert_eq!(addresses, ["127.0.0.99".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn literals_and_localhost_need_no_server() {
        let (resolver, _file) = resolver("");
        for literal in ["10.1.2.3", "::1"] {
            let literal: IpAddr = literal.parse().unwrap();
            assert_eq!(
                resolver.resolve(&literal.to_string()).await.unwrap(),
                [literal]
            );
        }
        let localhost = resolver.resolve("localhost").await.unwrap();
        assert!(localhost.contains(&Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_hosts_file_that_cannot_be_read_is_named() {
        let dns = Dns {
            servers: Vec::new(),
            hosts_file: Some("/nonexistent/hosts".into()),
        };
        let error = Resolver::new(&dns).unwrap_err().to_string();
        assert!(
            error.starts_with("dns.hosts_file: cannot read /nonexistent/hosts"),
            "{error}"
        );
    }
}
