//! The routes from client to broker: which there are, what each needs, and how it is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::configs::{self, Splice};
use crate::front::{Front, Pair};
use crate::options::Options;
use crate::process::{self, Plan, Process};
use crate::relay;
use crate::tls::Legs;

/// A way from the client to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteId {
    /// No proxy.
    Direct,
    Portolan,
    PortolanNoSplice,
    HaproxyForced,
    HaproxyAuto,
    HaproxyOff,
    Nginx,
    KafkaProxy,
    Relay,
}

impl RouteId {
    /// In the order in which they are shown.
    pub const ALL: [RouteId; 9] = [
        RouteId::Direct,
        RouteId::Portolan,
        RouteId::PortolanNoSplice,
        RouteId::HaproxyForced,
        RouteId::HaproxyAuto,
        RouteId::HaproxyOff,
        RouteId::Nginx,
        RouteId::KafkaProxy,
        RouteId::Relay,
    ];

    /// What `--routes` and the tables call it.
    pub fn name(self) -> &'static str {
        match self {
            RouteId::Direct => "direct",
            RouteId::Portolan => "portolan",
            RouteId::PortolanNoSplice => "portolan-nosplice",
            RouteId::HaproxyForced => "haproxy-forced",
            RouteId::HaproxyAuto => "haproxy-auto",
            RouteId::HaproxyOff => "haproxy-off",
            RouteId::Nginx => "nginx",
            RouteId::KafkaProxy => "kafka-proxy",
            RouteId::Relay => "relay",
        }
    }

    /// What ratios call it.
    pub fn letter(self) -> &'static str {
        match self {
            RouteId::HaproxyForced => "H",
            RouteId::HaproxyAuto => "A",
            RouteId::KafkaProxy => "G",
            RouteId::Relay => "R",
            other => other.name(),
        }
    }

    /// What it is, in words.
    pub fn about(self) -> &'static str {
        match self {
            RouteId::Direct => "no proxy",
            RouteId::Portolan => "this tree, one thread",
            RouteId::PortolanNoSplice => "this tree, `runtime.splice = false`",
            RouteId::HaproxyForced => {
                "H: mode tcp, forced splice, tune.pipesize 262144, nbthread 1"
            }
            RouteId::HaproxyAuto => "A: mode tcp, option splice-auto, nbthread 1",
            RouteId::HaproxyOff => "mode tcp as by default, without splice, nbthread 1",
            RouteId::Nginx => "stream, one worker",
            RouteId::KafkaProxy => "G: defaults, GOMAXPROCS=1",
            RouteId::Relay => {
                "R: a blind relay on tokio and tokio-rustls with 32 KiB buffers, one thread"
            }
        }
    }

    /// Whether it knows nothing of Kafka, so that brokers must advertise its ports.
    pub fn is_blind(self) -> bool {
        matches!(
            self,
            RouteId::HaproxyForced
                | RouteId::HaproxyAuto
                | RouteId::HaproxyOff
                | RouteId::Nginx
                | RouteId::Relay
        )
    }

    /// Whether it is measured with these legs encrypted. Through TLS HAProxy never splices, so one of its routes is enough.
    pub fn encrypts(self, legs: Legs) -> bool {
        let encrypts = matches!(
            self,
            RouteId::Direct
                | RouteId::Portolan
                | RouteId::HaproxyAuto
                | RouteId::Nginx
                | RouteId::Relay
        );
        legs == Legs::None || encrypts
    }

    /// Part of `--quick`, unless `--routes` says otherwise.
    pub fn is_quick(self) -> bool {
        !matches!(self, RouteId::PortolanNoSplice | RouteId::HaproxyOff)
    }

    /// Part of `--tls` alone, unless `--routes` says otherwise: what the relay tells in plaintext is not worth its time in every run.
    pub fn is_for_tls(self) -> bool {
        self == RouteId::Relay
    }
}

/// A route that can be used, or why it cannot.
#[derive(Clone, Debug)]
pub struct Route {
    pub id: RouteId,
    pub program: Result<PathBuf, String>,
    pub version: String,
}

impl Route {
    /// Looks at the command line and in PATH.
    pub fn find(id: RouteId, options: &Options) -> Self {
        let program = program(id, options);
        let version = match &program {
            Ok(path) if id != RouteId::Direct => version(id, path),
            _ => String::new(),
        };
        Route {
            id,
            program,
            version,
        }
    }

    pub fn is_present(&self) -> bool {
        self.program.is_ok()
    }

    /// What to run so that it does this; its files go into the directory.
    pub fn plan(&self, front: &Front, directory: &Path) -> Plan {
        let program = self.program.clone().expect("an absent route is not run");
        let name = self.id.name();
        let file = |suffix: &str, text: &str| {
            process::file(
                directory,
                &format!("{name}-{}{suffix}", front.bootstrap),
                text,
            )
        };
        let (arguments, environment) = match self.id {
            RouteId::Direct => unreachable!("there is nothing to run"),
            RouteId::Portolan => {
                let config = file(".toml", &configs::portolan(front, true));
                (vec!["run".into(), "--config".into(), config], Vec::new())
            }
            RouteId::PortolanNoSplice => {
                let config = file(".toml", &configs::portolan(front, false));
                (vec!["run".into(), "--config".into(), config], Vec::new())
            }
            RouteId::HaproxyForced | RouteId::HaproxyAuto | RouteId::HaproxyOff => {
                let splice = match self.id {
                    RouteId::HaproxyForced => Splice::Forced,
                    RouteId::HaproxyAuto => Splice::Auto,
                    _ => Splice::Off,
                };
                let config = file(".cfg", &configs::haproxy(front, splice));
                (vec!["-db".into(), "-f".into(), config], Vec::new())
            }
            RouteId::Nginx => {
                let pid = directory.join(format!("{name}-{}.pid", front.bootstrap));
                let config = file(".conf", &configs::nginx(front, &pid));
                let prefix = directory.display().to_string();
                let arguments = ["-p", &prefix, "-e", "stderr", "-c", &config];
                (arguments.map(String::from).to_vec(), Vec::new())
            }
            RouteId::KafkaProxy => (
                configs::kafka_proxy(front),
                vec![("GOMAXPROCS", "1".to_owned())],
            ),
            RouteId::Relay => {
                let config = file(".relay", &relay::config(front));
                (vec!["--relay".into(), config], Vec::new())
            }
        };
        Plan {
            program,
            arguments,
            environment,
            log: directory.join(format!("{name}-{}.log", front.bootstrap)),
            address: front.address(),
        }
    }

    /// Starts it.
    pub fn start(
        &self,
        front: &Front,
        directory: &Path,
        cpu: Option<usize>,
    ) -> Result<Process, String> {
        Process::start(&self.plan(front, directory), cpu)
    }
}

fn program(id: RouteId, options: &Options) -> Result<PathBuf, String> {
    let named = |named: &Option<PathBuf>, name: &str, flag: &str| match named {
        Some(path) if path.is_file() => Ok(path.clone()),
        Some(path) => Err(format!("{flag}: there is no {}", path.display())),
        None => process::find(name).ok_or_else(|| format!("not in PATH; name it by {flag} PATH")),
    };
    match id {
        RouteId::Direct => Ok(PathBuf::new()),
        RouteId::Portolan => Ok(options.portolan()),
        RouteId::PortolanNoSplice => {
            let program = options.portolan();
            match knows_splice_key(&program) {
                true => Ok(program),
                false => Err("this build does not know runtime.splice".to_owned()),
            }
        }
        RouteId::HaproxyForced | RouteId::HaproxyAuto | RouteId::HaproxyOff => {
            named(&options.haproxy, "haproxy", "--haproxy")
        }
        RouteId::Nginx => named(&options.nginx, "nginx", "--nginx"),
        RouteId::KafkaProxy => named(&options.kafka_proxy, "kafka-proxy", "--kafka-proxy"),
        RouteId::Relay => std::env::current_exe().map_err(|error| error.to_string()),
    }
}

fn knows_splice_key(portolan: &Path) -> bool {
    let front = Front {
        pairs: vec![Pair {
            node: 0,
            port: 9093,
            target: "127.0.0.1:19092".to_owned(),
        }],
        bootstrap: 9092,
        admin: 9644,
        hosts_file: None,
        client_tls: None,
        broker_tls: None,
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = configs::portolan(&front, false);
    let config = process::file(directory.path(), "portolan.toml", &config);
    let output = Command::new(portolan)
        .args(["config", "check", &config])
        .output();
    output.is_ok_and(|output| output.status.success())
}

fn version(id: RouteId, program: &Path) -> String {
    if id == RouteId::Relay {
        return relay::version();
    }
    let flag = match id {
        RouteId::Portolan | RouteId::PortolanNoSplice | RouteId::KafkaProxy => "--version",
        _ => "-v",
    };
    let Ok(output) = Command::new(program).arg(flag).output() else {
        return "unknown".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| !line.trim().is_empty());
    // HAProxy adds its home page.
    let line = line.unwrap_or("unknown").split(" - ").next();
    line.unwrap_or_default().trim().to_owned()
}
