//! The Kubernetes node that all pods are on. The test is run a second time, with networks and mounts of its own: nobody outside sees an
//! address, a route or a mount, and all of it goes when the last process in it does. It needs no privilege, since it is in a user
//! namespace, in which whoever runs it is root and over nothing else; but for containers, which want other users, too.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::kubelet;
use crate::common::tools;

use super::chart::NAMESPACE;

/// Is set where the test runs for the second time.
const INSIDE: &str = "PORTOLAN_TEST_IS_THE_NODE";

/// Who may make a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Anybody, who is root there and nowhere else. There is no other user.
    Anybody,
    /// Root alone, who is so there, too, and may have containers with users of their own.
    Root,
}

impl Rights {
    /// A command in the namespaces of the node, without its words. What is run there ends with whoever runs it.
    fn command(self) -> Command {
        let mut command = Command::new("unshare");
        if self == Rights::Anybody {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--net", "--mount", "setpriv", "--pdeathsig", "KILL"]);
        command
    }
}

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
    kubelet::resolv_conf(CLUSTER_DNS, NAMESPACE, ndots)
}

/// Whether this machine lets us make what we need. Where it does not the test must return: it was said loudly that it is skipped.
pub fn can_be_made(rights: Rights) -> bool {
    let tools = [
        "ip", "unshare", "nsenter", "setpriv", "mount", "hostname", "bash", "getent",
    ];
    if !tools::available(&tools) {
        return false;
    }
    let script = "ip link add cni0 type bridge && ip link add veth0 type veth peer name veth1 && mount --bind /etc/hosts /etc/resolv.conf";
    let output = rights
        .command()
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

/// Runs the test of this name again inside, with more variables, and fails if it fails.
pub fn run_inside(rights: Rights, test: &str, environment: &[(&str, &OsStr)]) {
    let output = rights
        .command()
        .arg(env::current_exe().expect("our own path"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .envs(environment.iter().copied())
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
