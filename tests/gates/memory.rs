//! What a connection costs that does nothing.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::common::tools;
use crate::setup::{Setup, answer_heartbeat, heartbeat};

const CONNECTIONS: usize = 2000;
const MOST_BYTES_EACH: u64 = 6 * 1024;

/// Each connection has two ends in this process, and two in the proxy.
const DESCRIPTORS: u64 = 2 * CONNECTIONS as u64 + 200;

#[test]
fn an_idle_connection_costs_little_memory_and_holds_no_buffer() {
    if !may_open(DESCRIPTORS) {
        return;
    }
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[log]\nformat = \"json\"\nlevel = \"info\"")
        .start();
    let before = resident_bytes(&proxy);
    let mut open = Vec::new();
    for id in 0..CONNECTIONS as i32 {
        let mut client = Client::connect(proxy.node("main", 0));
        client.send(&heartbeat(id));
        let mut link = broker.accept();
        answer_heartbeat(&mut client, &mut link, id);
        open.push((client, link));
    }
    wait_until("all buffers to be given back", || {
        proxy.metric("portolan_buffers") == 0.0
    });
    assert_eq!(
        proxy.metric("portolan_connections{cluster=\"main\",route=\"node-0\"}"),
        CONNECTIONS as f64
    );
    let each = (resident_bytes(&proxy) - before) / CONNECTIONS as u64;
    println!("{each} bytes for each idle connection, of {before} before the first");
    assert!(each <= MOST_BYTES_EACH, "{each} bytes each");
    proxy.assert_calm();
}

/// Resident memory as the kernel says, which asks nothing of the proxy.
fn resident_bytes(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// Raises this process's limit of open files, and by that the proxy's, as far as it is needed and allowed.
fn may_open(descriptors: u64) -> bool {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= descriptors) {
        return true;
    }
    if limit.maximum.is_some_and(|maximum| maximum < descriptors) {
        return tools::lacks(&format!("a limit of {descriptors} open files (ulimit -n)"));
    }
    limit.current = Some(descriptors);
    setrlimit(Resource::Nofile, limit).unwrap();
    true
}
