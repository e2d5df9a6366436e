//! A machine of its own, as far as programs can tell: a pod, or the computer of a client. It is a process that waits, in
//! namespaces of its own, and that other processes are put beside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use tempfile::TempDir;

use super::node;

/// Has its own network, its own name, and its own files that say where names lead; says when all of that is done. Ends when whoever
/// holds its stdin does, and clears away what that may not have come to.
const KEEPER: &str = r#"
hostname "$1"
mount --bind "$2/hosts" /etc/hosts
mount --bind "$2/resolv.conf" /etc/resolv.conf
ip link set lo up
echo ready
cat > /dev/null
rm -rf "$2" 2> /dev/null"#;

/// A machine without a cable. It is gone, with its addresses, when this is dropped and its last process has ended.
pub struct Machine {
    keeper: Child,
    leash: Option<ChildStdin>,
    /// The other end of its cable to a bridge.
    port: Option<String>,
    _etc: TempDir,
}

impl Machine {
    /// Starts it with these lines in its `/etc/hosts` and this `/etc/resolv.conf`.
    pub fn start(name: &str, hosts: &str, resolv_conf: &str) -> Self {
        let etc = tempfile::Builder::new()
            .prefix("portolan-machine-")
            .tempdir()
            .expect("a temporary directory");
        let hosts = format!("127.0.0.1 localhost\n{hosts}\n");
        fs::write(etc.path().join("hosts"), hosts).expect("it is ours");
        fs::write(etc.path().join("resolv.conf"), resolv_conf).expect("it is ours");
        let mut keeper = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "sh", "-ec", KEEPER, "sh", name])
            .arg(etc.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let stdout = keeper.stdout.take().expect("stdout is piped");
        let first = BufReader::new(stdout).lines().next();
        let is_ready = first.is_some_and(|line| line.is_ok_and(|line| line == "ready"));
        assert!(is_ready, "the machine {name} does not start");
        Machine {
            leash: keeper.stdin.take(),
            keeper,
            port: None,
            _etc: etc,
        }
    }

    /// Lays a cable from here to a bridge of ours, and gives this end an address. As with real pods the hardware address follows from
    /// the IP address, so that nobody who talked to the last owner of that has to find out.
    pub fn connect_to_bridge(&mut self, bridge: &str, address: Ipv4Addr, gateway: Ipv4Addr) {
        let [a, b, c, d] = address.octets();
        let port = format!("pod{d}");
        node::run(&format!(
            "ip link add {port} type veth peer name eth0 netns {} address 0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x}\n\
             ip link set {port} master {bridge} up",
            self.pid()
        ));
        self.port = Some(port);
        self.run(&format!(
            "ip addr add {address}/24 dev eth0\nip link set eth0 up\nip route add default via {gateway}"
        ));
    }

    /// Lays a cable from here to another machine: the name and the address of each end.
    pub fn connect_to(&self, other: &Machine, here: (&str, Ipv4Addr), there: (&str, Ipv4Addr)) {
        node::run(&format!(
            "ip link add {} netns {} type veth peer name {} netns {}",
            here.0,
            self.pid(),
            there.0,
            other.pid()
        ));
        for (machine, (name, address)) in [(self, here), (other, there)] {
            machine.run(&format!(
                "ip addr add {address}/24 dev {name}\nip link set {name} up"
            ));
        }
    }

    /// What stands before a command that is to run here.
    pub fn words(&self) -> Vec<String> {
        let of = |kind: &str, file: &str| format!("--{kind}=/proc/{}/ns/{file}", self.pid());
        let namespaces = [of("net", "net"), of("mount", "mnt"), of("uts", "uts")];
        [vec!["nsenter".to_owned()], namespaces.to_vec()].concat()
    }

    /// Runs a command here to its end.
    pub fn output(&self, command: &[&str]) -> Output {
        let words = self.words();
        Command::new(&words[0])
            .args(&words[1..])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .expect("nsenter runs")
    }

    /// Runs the lines of a shell here, all of which must succeed.
    pub fn run(&self, script: &str) {
        let output = self.output(&["sh", "-ec", script]);
        assert!(output.status.success(), "{script}\n{output:?}");
    }

    /// The process that keeps its namespaces.
    pub fn pid(&self) -> u32 {
        self.keeper.id()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The kernel would do it, but later: another machine may want the name at once.
        if let Some(port) = self.port.take() {
            node::try_run(&format!("ip link del {port}"));
        }
        drop(self.leash.take());
        let _ = self.keeper.wait();
    }
}
