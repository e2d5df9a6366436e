//! HAProxy, the PROXY protocol peer that most installations have.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::broker::Broker;
use super::proxy::wait_until;

/// A running HAProxy. It is killed when this is dropped.
pub struct Haproxy {
    child: Child,
    /// Where it takes clients for each server line.
    pub fronts: Vec<SocketAddr>,
}

impl Haproxy {
    /// One front for each of these server lines.
    pub fn start(servers: &[String]) -> Self {
        let section = |server: &String| format!("server portolan {server}");
        let sections: Vec<String> = servers.iter().map(section).collect();
        Self::with_sections(&sections)
    }

    /// One front for each of these, which are the lines of a `listen` section but for where it listens. It chooses no ports
    /// itself, so ones that are free now are taken.
    pub fn with_sections(sections: &[String]) -> Self {
        let mut config = String::from(
            "global\n    nbthread 1\n    maxconn 200\ndefaults\n    mode tcp\n    timeout connect 5s\n    \
             timeout client 1m\n    timeout server 1m\n    timeout check 5s\n",
        );
        let free: Vec<Broker> = sections.iter().map(|_| Broker::start()).collect();
        let fronts: Vec<SocketAddr> = free.iter().map(Broker::address).collect();
        drop(free);
        for (n, (section, front)) in sections.iter().zip(&fronts).enumerate() {
            config += &format!("listen front-{n}\n    bind {front}\n{section}\n");
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, config).expect("the directory is ours");
        let child = Command::new("haproxy")
            .args(["-db", "-q", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("haproxy starts");
        let mut haproxy = Haproxy { child, fronts };
        wait_until("haproxy to listen", || {
            let status = haproxy.child.try_wait().expect("a child can be asked");
            assert!(status.is_none(), "haproxy ended: {status:?}");
            let up = |front: &SocketAddr| std::net::TcpStream::connect(front).is_ok();
            haproxy.fronts.iter().all(up)
        });
        haproxy
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
