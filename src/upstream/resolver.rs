//! Names to addresses, anew at each dial: pods move, and their addresses are reused within seconds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    ServerOrderingStrategy,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, Record};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver as Hickory, TokioResolver};
use tokio::time::{Instant, sleep};

use crate::config::Dns;

const SYSTEM_HOSTS: &str = "/etc/hosts";

/// What the second address family may take longer than the first (RFC 8305, section 3, calls it the resolution delay).
const OTHER_FAMILY: Duration = Duration::from_millis(50);

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
        // Not as the name of an internet host, which has no underscores: those of containers do.
        let name = Name::from_ascii(host).map_err(|error| ResolveError(error.to_string()))?;
        both_families(servers.ipv4_lookup(name.clone()), servers.ipv6_lookup(name)).await
    }
}

/// Asks for both families at once; IPv4 comes first. Some name servers answer for one family and leave the other without
/// an answer, so once there are addresses of one, the other has only a moment left.
async fn both_families(
    v4: impl Future<Output = Result<Lookup, NetError>>,
    v6: impl Future<Output = Result<Lookup, NetError>>,
) -> Result<Vec<IpAddr>, ResolveError> {
    let (mut v4, mut v6) = (pin!(v4), pin!(v6));
    let (mut first, mut second) = (None, None);
    let mut moment = pin!(sleep(Duration::MAX));
    while first.is_none() || second.is_none() {
        tokio::select! {
            answer = &mut v4, if first.is_none() => first = Some(addresses(answer)),
            answer = &mut v6, if second.is_none() => second = Some(addresses(answer)),
            () = &mut moment => break,
        }
        if matches!((&first, &second), (Some(Ok(_)), None) | (None, Some(Ok(_)))) {
            moment.as_mut().reset(Instant::now() + OTHER_FAMILY);
        }
    }
    match (first, second) {
        (Some(Ok(mut found)), other) => {
            found.extend(other.and_then(Result::ok).unwrap_or_default());
            Ok(found)
        }
        (_, Some(Ok(found))) => Ok(found),
        // The family that most names have says best what is wrong.
        (Some(Err(error)), _) | (None, Some(Err(error))) => Err(error),
        (None, None) => Err(ResolveError("no address records".into())),
    }
}

fn addresses(answer: Result<Lookup, NetError>) -> Result<Vec<IpAddr>, ResolveError> {
    let answer = answer.map_err(|error| {
        ResolveError(match error.is_nx_domain() || error.is_no_records_found() {
            true => "no such name (NXDOMAIN or no address records)".into(),
            false => error.to_string(),
        })
    })?;
    let ip = |record: &Record| record.data.ip_addr();
    let found: Vec<IpAddr> = answer.answers().iter().filter_map(ip).collect();
    match found.is_empty() {
        true => Err(ResolveError("no address records".into())),
        false => Ok(found),
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
        // A file that cannot be read for a moment (it is being replaced) keeps its last content.
        if let Ok(version) = self.version()
            && read.as_ref().is_none_or(|read| read.version != version)
            && let Ok(bytes) = fs::read(&self.path)
        {
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

    #[tokio::test]
    async fn a_hosts_file_that_is_gone_for_a_moment_keeps_its_content() {
        let (resolver, file) = resolver("127.0.0.7 kafka-0\n");
        resolver.resolve("kafka-0").await.unwrap();
        fs::remove_file(file.path()).unwrap();
        assert!(resolver.resolve("kafka-0").await.is_ok());
        fs::write(file.path(), "127.0.0.99 kafka-0 again\n").unwrap();
        let addresses = resolver.resolve("kafka-0").await.unwrap();
        assert_eq!(addresses, ["127.0.0.99".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_without_an_answer_does_not_hold_up_the_other() {
        let deaf = || std::future::pending::<Result<Lookup, NetError>>();
        let found = |text: &str| {
            let ip: IpAddr = text.parse().unwrap();
            let record = Record::from_rdata(Default::default(), 1, ip.into());
            let lookup = Lookup::new_with_max_ttl(Default::default(), [record]);
            std::future::ready(Ok(lookup))
        };
        let begin = Instant::now();
        let v4 = both_families(found("10.0.0.1"), deaf()).await.unwrap();
        assert_eq!(v4, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        let v6 = both_families(deaf(), found("fd00::1")).await.unwrap();
        assert_eq!(v6, ["fd00::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(begin.elapsed(), OTHER_FAMILY * 2);
        let both = both_families(found("10.0.0.1"), found("fd00::1"))
            .await
            .unwrap();
        assert_eq!(both.len(), 2);
        assert!(both[0].is_ipv4());
        assert_eq!(begin.elapsed(), OTHER_FAMILY * 2, "nothing was waited for");
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
