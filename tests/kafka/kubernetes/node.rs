//! The Kubernetes node that all pods are on. The test is run a second time, inside a user namespace, in which whoever runs it is root over
//! networks and mounts of its own, and over nothing else: no privilege is needed, nobody outside sees an address, a route or a mount,
//! and all of it goes when the last process in it does.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::tools;

/// Is set where the test runs for the second time.
const INSIDE: &str = "PORTOLAN_TEST_IS_THE_NODE";

/// The namespaces of the node. What is run there ends with whoever runs it.
const NAMESPACES: [&str; 8] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "setpriv",
    "--pdeathsig",
    "KILL",
];

/// The bridge that pods are connected to, as network plugins call it.
pub const BRIDGE: &str = "cni0";

/// The node's own address among the pods.
pub const GATEWAY: Ipv4Addr = pod_address(1);

/// Where pods find the DNS server: an address of a Service, which every node knows.
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The address of a pod with this number.
pub const fn pod_address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 0, n)
}

/// The `ndots` that pods have which do not ask for another.
pub const NDOTS: u8 = 5;

/// What kubelet writes into a pod of the namespace `kafka`.
pub fn resolv_conf(ndots: u8) -> String {
    format!(
        "nameserver {CLUSTER_DNS}\n\
         search kafka.svc.cluster.local svc.cluster.local cluster.local\n\
         options ndots:{ndots}\n"
    )
}

/// Whether this machine lets us make what we need. Where it does not the test must return: it was said loudly that it is skipped.
pub fn can_be_made() -> bool {
    let tools = [
        "ip", "unshare", "nsenter", "setpriv", "mount", "hostname", "bash", "getent",
    ];
    if !tools::available(&tools) {
        return false;
    }
    let script = "ip link add cni0 type bridge && ip link add veth0 type veth peer name veth1 && mount --bind /etc/hosts /etc/resolv.conf";
    let output = Command::new(NAMESPACES[0])
        .args(&NAMESPACES[1..])
        .args(["sh", "-c", script])
        .output()
        .expect("unshare runs");
    output.status.success()
        || tools::lacks(&format!(
            "namespaces of users, networks and mounts, bridges and veth:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ))
}

/// Whether we are inside.
pub fn is_here() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Runs the test of this name again inside, and fails if it fails.
pub fn run_inside(test: &str) {
    let output = Command::new(NAMESPACES[0])
        .args(&NAMESPACES[1..])
        .arg(env::current_exe().expect("our own path"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    // The harness shows it if the test fails, or if it is asked to.
    println!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} failed inside");
    let passed = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(passed, "there is no test {test}");
}

/// Makes the node's network. `dir` keeps what it needs. A bridge that is given no hardware address takes one of its ports', another
/// whenever pods come and go, and then nobody finds the DNS server for a while.
pub fn set_up(dir: &Path) {
    fs::write(dir.join("resolv.conf"), resolv_conf(NDOTS)).expect("it is ours");
    run(&format!(
        "mount --bind {}/resolv.conf /etc/resolv.conf\n\
         ip link set lo up\n\
         ip addr add {CLUSTER_DNS}/32 dev lo\n\
         ip link add {BRIDGE} address 0a:58:0a:f4:00:01 type bridge\n\
         ip addr add {GATEWAY}/24 dev {BRIDGE}\n\
         ip link set {BRIDGE} up",
        dir.display()
    ));
}

/// Runs the lines of a shell on the node, all of which must succeed.
pub fn run(script: &str) {
    let output = try_run(script);
    assert!(output.status.success(), "{script}\n{output:?}");
}

/// The same where it does not matter whether they do.
pub fn try_run(script: &str) -> Output {
    assert!(is_here(), "this is not the node");
    let output = Command::new("sh").args(["-ec", script]).output();
    output.expect("a shell runs")
}
