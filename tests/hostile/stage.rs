//! One case: a proxy in front of a broker, an attack, and the line of the table that it leaves.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::common::broker::Broker;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tls_client::Certificate;
use crate::setup::Setup;
use crate::watch::{Watched, p99, resident_bytes, watch};

/// What the broker answers to a heartbeat.
pub(crate) const ANSWER: &[u8] = b"alive";

/// The api whose answers are large, and how large.
pub(crate) const LARGE_API: i16 = 13;
const LARGE_BYTES: usize = 256 * 1024;

/// What the proxy may grow by in any case: pools of buffers and pipes, tables, what the allocator keeps.
const SLACK_BYTES: u64 = 8 * 1024 * 1024;

/// A proxy under attack. While it is there no other case runs.
pub(crate) struct Stage {
    name: &'static str,
    proxy: Proxy,
    certificate: Option<Certificate>,
    _broker: Broker,
    _alone: MutexGuard<'static, ()>,
}

/// Whether the cases are to be as large as they are meant.
pub(crate) fn is_full() -> bool {
    std::env::var_os("PORTOLAN_HOSTILE").is_some_and(|value| value == "full")
}

/// So many peers, or fewer by default.
pub(crate) fn peers(full: usize) -> usize {
    if is_full() { full } else { full / 5 }
}

/// How long floods last.
pub(crate) fn flood_time() -> Duration {
    Duration::from_secs(if is_full() { 5 } else { 1 })
}

/// Does this on four threads, over and over, for the time of a flood; returns how often it was done.
pub(crate) fn flood(act: impl Fn() + Sync) -> usize {
    let end = Instant::now() + flood_time();
    let one_thread = || {
        let mut done = 0;
        while Instant::now() < end {
            act();
            done += 1;
        }
        done
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one_thread)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    })
}

impl Stage {
    /// A proxy with these sections in its configuration, and TLS or not.
    pub(crate) fn new(name: &'static str, tls: bool, sections: &str) -> Self {
        Self::with_lines(name, tls, "", sections)
    }

    /// The same with lines of the cluster's table.
    pub(crate) fn with_lines(name: &'static str, tls: bool, lines: &str, sections: &str) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        descriptors();
        let broker = Broker::answering(|request| {
            Some(match request.api_key {
                LARGE_API => request.answer_bytes(&vec![0; LARGE_BYTES]),
                _ => request.answer_bytes(ANSWER),
            })
        });
        let certificate = tls.then(|| Certificate::new().without_resumption());
        let mut setup = Setup::with(&broker)
            .line(lines)
            .section(sections)
            .section("[log]\nformat = \"json\"\nlevel = \"info\"");
        if let Some(certificate) = &certificate {
            setup = setup.section(&certificate.table());
        }
        Stage {
            name,
            proxy: setup.start(),
            certificate,
            _broker: broker,
            _alone: alone,
        }
    }

    pub(crate) fn port(&self) -> SocketAddr {
        self.proxy.bootstrap("main")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.proxy.pid()
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The certificate of a stage with TLS.
    pub(crate) fn tls(&self) -> &Certificate {
        self.certificate.as_ref().expect("it has TLS")
    }

    /// How many connections there are now.
    pub(crate) fn connections(&self) -> usize {
        let gauge = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
        self.proxy.metric(gauge) as usize
    }

    /// Waits until so many sessions have ended for a reason.
    pub(crate) fn wait_for_ends(&self, reason: &str, least: usize) {
        wait_until(reason, || self.proxy.ends("main", reason) >= least as f64);
    }

    /// Lets the attack happen while clients that behave go on, which must get every answer, and prints its line. The proxy
    /// may grow by `most_each` bytes for each of so many peers, beside what it may grow by anyway.
    pub(crate) fn attack(&self, peers: usize, most_each: u64, attack: impl FnOnce()) {
        let quiet = watch(self, || sleep(Duration::from_millis(500)));
        let before = resident_bytes(self.pid());
        let cpu = self.processor_seconds();
        let attacked = watch(self, attack);
        let cpu = self.processor_seconds() - cpu;
        wait_until("all connections to end", || self.connections() == 0);
        let after = resident_bytes(self.pid());
        self.print(peers, [before, attacked.peak, after], cpu, quiet, &attacked);
        assert!(!attacked.pings.is_empty() && !attacked.newcomers.is_empty());
        let grown = attacked.peak.saturating_sub(before);
        let most = peers as u64 * most_each + SLACK_BYTES;
        assert!(grown <= most, "it grew by {grown} bytes, more than {most}");
        let level = |line: &serde_json::Value| line["level"] == "ERROR";
        assert!(
            !self.proxy.log().iter().any(level),
            "{}",
            self.proxy.log_text()
        );
        assert!(
            self.proxy.log().len() < 100,
            "the log grows with the attack"
        );
    }

    fn print(&self, peers: usize, memory: [u64; 3], cpu: f64, quiet: Watched, attacked: &Watched) {
        static HEADER: Once = Once::new();
        HEADER.call_once(|| {
            println!(
                "\n| case | peers | RSS before / peak / after, MiB | bytes a peer | CPU, s | pings | p99 quiet / attacked, ms | \
                 newcomers | slowest, ms |\n|---|---|---|---|---|---|---|---|---|"
            );
        });
        let [before, peak, after] = memory.map(|bytes| bytes as f64 / 1_048_576.0);
        let grown = memory[1].saturating_sub(memory[0]);
        let each = grown.checked_div(peers as u64);
        let each = each.map_or("-".to_owned(), |each| each.to_string());
        let ms = |took: Duration| took.as_secs_f64() * 1000.0;
        let slowest = attacked.newcomers.iter().max().copied().unwrap_or_default();
        println!(
            "| {} | {peers} | {before:.1} / {peak:.1} / {after:.1} | {each} | {cpu:.2} | {} | {:.1} / {:.1} | {} | {:.0} |",
            self.name,
            attacked.pings.len(),
            ms(p99(quiet.pings)),
            ms(p99(attacked.pings.clone())),
            attacked.newcomers.len(),
            ms(slowest),
        );
    }

    fn processor_seconds(&self) -> f64 {
        self.proxy.metric("process_cpu_seconds_total")
    }
}

/// Raises the limit of open files as far as it may be, for this process and so for the proxy. Returns it.
pub(crate) fn descriptors() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}
