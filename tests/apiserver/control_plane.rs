//! etcd and the API server of a cluster that has nothing else: no controllers, no nodes.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::cache::fingerprint;
use crate::common::certificates::{Authority, write};
use crate::common::toolbox;
use crate::custom_resources;
use crate::kubectl::Kubectl;
use crate::process::{PATIENCE, Process, machine};

/// The ports that the API servers of this test binary may have: it wants a number, and these are given to no client.
const PORTS: Range<u16> = 18_400..18_900;

/// The token of somebody who may do everything.
const ADMIN: &str = "admin";

/// A cluster. It goes away, with all that it keeps, when this is dropped.
pub(crate) struct ControlPlane {
    // In this order they are dropped.
    server: Mutex<Option<Process>>,
    _etcd: Process,
    program: PathBuf,
    port: u16,
    authority: Authority,
    dir: TempDir,
}

/// The cluster that tests share, each in namespaces of its own: started by the first, gone with the last that holds it. None where
/// tools are missing, as was then said.
pub(crate) fn shared() -> Option<Arc<ControlPlane>> {
    static SHARED: Mutex<Weak<ControlPlane>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return Some(running);
    }
    let started = Arc::new(ControlPlane::start()?);
    custom_resources::install(&started);
    *shared = Arc::downgrade(&started);
    Some(started)
}

impl ControlPlane {
    /// One of one's own, to do to it what one likes.
    pub(crate) fn start() -> Option<Self> {
        if !toolbox::ready() {
            return None;
        }
        let program = machine()?;
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::new("Kubernetes");
        write(dir.path(), "ca.crt", authority.root_pem());
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
        authority.server(&names).write(dir.path(), "server");
        // Any pair of keys: this is whom the tokens of service accounts are by.
        authority.client("tokens").write(dir.path(), "accounts");
        let admin = format!("{ADMIN},admin,1,system:masters\n");
        write(dir.path(), "tokens.csv", &admin);
        let etcd = start_etcd(&program, dir.path());
        let mut this = ControlPlane {
            server: Mutex::new(None),
            _etcd: etcd,
            program,
            port: 0,
            authority,
            dir,
        };
        // Somebody else may take the port between our look at it and the API server's.
        while !this.try_port(free_port()) {}
        Some(this)
    }

    /// Whether an API server came up at this port. It did not if the port was taken.
    fn try_port(&mut self, port: u16) -> bool {
        self.port = port;
        write(self.dir.path(), "admin.conf", &self.kubeconfig(ADMIN));
        match self.launch() {
            Ok(server) => {
                *self.server() = Some(server);
                true
            }
            Err(said) if said.contains("address already in use") => false,
            Err(said) => panic!("the API server does not come up:\n{said}"),
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Process>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the API server and waits until it serves, or returns the end of its log.
    fn launch(&self) -> Result<Process, String> {
        let mut server = Process::start(&self.program, &self.flags(), self.dir.path(), "apiserver");
        let begin = Instant::now();
        loop {
            if !server.runs() {
                return Err(server.last_words());
            }
            if self.admin().try_run(&["get", "--raw=/readyz"]).is_ok() {
                return Ok(server);
            }
            assert!(begin.elapsed() < PATIENCE, "{}", server.last_words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn flags(&self) -> Vec<String> {
        let file = |name: &str| self.dir.path().join(name).display().to_string();
        let flags = [
            ("etcd-servers", etcd_url(self.dir.path())),
            // What is older than two of these is forgotten, as after two times five minutes by default.
            ("etcd-compaction-interval", "2s".to_owned()),
            // One that ends waits so long for those who watch.
            ("request-timeout", "10s".to_owned()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", self.port.to_string()),
            // Nobody is told of it: there are no nodes.
            ("advertise-address", "192.0.2.1".to_owned()),
            ("endpoint-reconciler-type", "none".to_owned()),
            ("cert-dir", file("generated")),
            ("tls-cert-file", file("server.crt")),
            ("tls-private-key-file", file("server.key")),
            ("client-ca-file", file("ca.crt")),
            ("token-auth-file", file("tokens.csv")),
            ("authorization-mode", "RBAC".to_owned()),
            (
                "service-account-issuer",
                "https://kubernetes.default.svc".to_owned(),
            ),
            ("service-account-key-file", file("accounts.crt")),
            ("service-account-signing-key-file", file("accounts.key")),
            ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
        ];
        let flags = flags.map(|(flag, value)| format!("--{flag}={value}"));
        [vec!["apiserver".to_owned()], flags.to_vec()].concat()
    }

    /// Ends the API server as a node does, by SIGTERM. etcd goes on.
    pub(crate) fn stop_server(&self) {
        let server = self.server().take();
        server.expect("it runs").end();
    }

    /// Ends it as a node does that loses its power.
    pub(crate) fn crash_server(&self) {
        let server = self.server().take();
        drop(server.expect("it runs"));
    }

    /// Starts it again, at the same port.
    pub(crate) fn start_server(&self) {
        let server = self.launch();
        *self.server() = Some(server.unwrap_or_else(|said| panic!("{said}")));
    }

    /// Where it serves on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Who signed its certificate, in PEM.
    pub(crate) fn authority(&self) -> &str {
        self.authority.root_pem()
    }

    /// A kubeconfig for whom this token is of.
    fn kubeconfig(&self, token: &str) -> String {
        // YAML reads JSON.
        let authority = self.dir.path().join("ca.crt");
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port), "certificate-authority": authority,
            }}],
            "users": [{"name": "test", "user": {"token": token}}],
        })
        .to_string()
    }

    /// kubectl of somebody who may do everything.
    pub(crate) fn admin(&self) -> Kubectl {
        Kubectl::new(self.dir.path(), "admin.conf")
    }

    /// kubectl of whom this token is of.
    pub(crate) fn with_token(&self, token: &str) -> Kubectl {
        let name = format!("{}.conf", fingerprint(&[token]));
        write(self.dir.path(), &name, &self.kubeconfig(token));
        Kubectl::new(self.dir.path(), &name)
    }

    /// The kubeconfig of somebody who may do everything.
    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.dir.path().join("admin.conf")
    }
}

fn etcd_url(dir: &Path) -> String {
    format!("unix://{}/etcd.sock", dir.display())
}

/// By sockets in the directory alone, and with nothing that lasts.
fn start_etcd(program: &Path, dir: &Path) -> Process {
    let (clients, peers) = (etcd_url(dir), format!("unix://{}/peer.sock", dir.display()));
    let config = serde_json::json!({
        "name": "test", "data-dir": dir.join("data"),
        "listen-client-urls": clients, "advertise-client-urls": clients,
        "listen-peer-urls": peers, "initial-advertise-peer-urls": peers,
        "initial-cluster": format!("test={peers}"),
        "unsafe-no-fsync": true, "log-level": "warn",
    });
    let path = dir.join("etcd.json");
    fs::write(&path, config.to_string()).expect("the directory is ours");
    let arguments = ["etcd".to_owned(), path.display().to_string()];
    let mut etcd = Process::start(program, &arguments, dir, "etcd");
    let begin = Instant::now();
    while !dir.join("etcd.sock").exists() {
        let lives = etcd.runs() && begin.elapsed() < PATIENCE;
        assert!(lives, "etcd does not come up:\n{}", etcd.last_words());
        std::thread::sleep(Duration::from_millis(10));
    }
    etcd
}

fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
