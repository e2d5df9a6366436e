//! Plays kubelet and containerd: makes a container for runc out of a pod, as the chart renders it, so that what is tested has the
//! rights, the files and the limits that the chart asks for, and no others.
//!
//! | in the pod | becomes |
//! |---|---|
//! | `securityContext` of pod and container | user, groups, capabilities, `noNewPrivileges`, a read-only root, a filter of system calls ([`process`]) |
//! | `runAsNonRoot` | an error for who would be root |
//! | `fsGroup` | another group of the process, and the group of all that is in volumes ([`directory`]) |
//! | `command`, `args`, `env` | words after the image's entry point; variables of the pod, of Secrets and of ConfigMaps |
//! | `volumes`, `volumeMounts` | directories on the node, with links through `..data`, that can be replaced at once ([`volumes`]) |
//! | `resources` | limits of memory and shares of CPUs ([`plan`]) |
//! | `dnsConfig` | `/etc/resolv.conf`, which stands beside `/etc/hosts` and `/etc/hostname` |
//! | probes, `terminationGracePeriodSeconds` | what the test asks, and how long it waits before it kills |
//! | any other field | an error: see [`spec`] |
//!
//! Not played: init containers and sidecars, `oom_score_adj`, cgroups of the pod around those of its container, AppArmor, SELinux. Two
//! things are stricter than in a cluster: how much memory there is ([`MEMORY`]), and how many threads.

mod directory;
mod plan;
mod process;
mod spec;
mod volumes;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::container::Container;
use super::image::Image;
use super::proxy::{Proxy, http_get};
use super::seccomp;

pub use directory::{Directory, File};
use plan::Plan;
use process::User;
pub use spec::{PodSpec, Probe};
use spec::{PortRef, Seccomp};

/// How much memory a container has, unless its limit is less: a quarter of what the chart gives must do.
pub const MEMORY: u64 = 64 << 20;

/// How many threads. Kubernetes has no limit by itself.
pub const THREADS: u64 = 64;

/// Objects of the API server by "Kind/name".
pub type Objects = BTreeMap<String, Value>;

/// What is there before a container is: the pod's name, its address, its network.
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub name: String,
    pub namespace: String,
    pub address: Ipv4Addr,
    /// A process that has the pod's network and host name. `None`: a network of its own that leads nowhere.
    pub process: Option<u32>,
    /// Where the cluster's name server is.
    pub name_server: Ipv4Addr,
    /// Where the API server is.
    pub api_server: SocketAddrV4,
    /// What the API server would give as the token of the pod's account.
    pub token: String,
}

impl Sandbox {
    /// A field of the pod, by its path.
    fn field(&self, path: &str) -> Result<String, String> {
        match path {
            "metadata.name" => Ok(self.name.clone()),
            "metadata.namespace" => Ok(self.namespace.clone()),
            "status.podIP" => Ok(self.address.to_string()),
            _ => Err(format!("the field {path} of a pod is not known here")),
        }
    }

    /// What the kubelet writes into every pod.
    fn hosts(&self) -> String {
        format!(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             {}\t{}\n",
            self.address, self.name
        )
    }
}

/// A container of a pod that may be run once, and the pod's volumes.
pub struct Pod {
    pub spec: PodSpec,
    sandbox: Sandbox,
    volumes: BTreeMap<String, Directory>,
    container: Container,
    /// How much memory it has.
    pub memory: u64,
    _etc: TempDir,
}

impl Pod {
    /// Whether there can be any. Where not the test must return: it was said loudly that it is skipped.
    pub fn possible() -> bool {
        Container::possible() && seccomp::default_profile().is_some()
    }

    /// Of an object with `spec`: a Pod, or what a Deployment makes them of. Fails where anything in it is not understood. `None`: tools or
    /// rights are missing.
    pub fn new(image: &Image, pod: &Value, objects: &Objects, sandbox: &Sandbox) -> Option<Self> {
        if !Self::possible() {
            return None;
        }
        let spec = parsed(pod).unwrap_or_else(|error| panic!("{error}\n{pod:#}"));
        let filter = match process::seccomp(&spec, &spec.containers[0]) {
            Seccomp::RuntimeDefault => Some(seccomp::default_profile()?),
            Seccomp::Unconfined => None,
        };
        let plan = Plan::of(image, &spec, objects, sandbox, filter);
        let plan = plan.unwrap_or_else(|error| panic!("{error}\n{pod:#}"));
        Some(Pod {
            container: Container::new(image, plan.config),
            volumes: plan.volumes,
            memory: plan.memory,
            _etc: plan.etc,
            sandbox: sandbox.clone(),
            spec,
        })
    }

    /// The container.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Where a volume is on the node.
    pub fn volume(&self, name: &str) -> &Path {
        self.volumes.get(name).expect("a volume").path()
    }

    /// Replaces what is in the volumes by what these objects say, as the kubelet does when they have changed.
    pub fn update(&self, objects: &Objects) {
        let user = User::of(&self.spec, &self.spec.containers[0]);
        for volume in &self.spec.volumes {
            let files = volumes::files(volume, objects, &self.sandbox, &user);
            if let Some(files) = files.expect("they are as before") {
                self.volumes[&volume.name].write(&files);
            }
        }
    }

    /// Whether a probe is answered as the kubelet likes it.
    pub fn likes(&self, probe: &Probe) -> bool {
        let port = match &probe.http_get.port {
            PortRef::Number(number) => *number,
            PortRef::Name(name) => self.port(name),
        };
        let address = (self.sandbox.address, port).into();
        let (status, _) = http_get(address, &probe.http_get.path);
        (200..400).contains(&status)
    }

    /// The port of the container with this name.
    pub fn port(&self, name: &str) -> u16 {
        let mut ports = self.spec.containers[0].ports.iter();
        let port = ports.find(|port| port.name.as_deref() == Some(name));
        port.unwrap_or_else(|| panic!("no port {name}"))
            .container_port
    }

    /// All ports of the container.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        let ports = self.spec.containers[0].ports.iter();
        ports.map(|port| port.container_port)
    }

    /// Starts the proxy that is in it.
    pub fn start(&self) -> Proxy {
        Proxy::start_command(self.container.command(), self.sandbox.address.into())
    }

    /// Ends it as the kubelet does: asks it to, and kills it when its time is over, which leaves no exit status of its own.
    pub fn end(&self, proxy: &mut Proxy) -> Option<ExitStatus> {
        let grace = Duration::from_secs(self.spec.termination_grace_period_seconds);
        proxy.terminate();
        proxy.wait_at_most(grace)
    }
}

/// The `spec` of a pod. What is not understood is an error.
pub fn parsed(pod: &Value) -> Result<PodSpec, String> {
    let spec = PodSpec::deserialize(&pod["spec"]).map_err(|error| error.to_string())?;
    if spec.containers.len() != 1 {
        return Err("a pod has one container here".to_owned());
    }
    if spec.automount_service_account_token {
        return Err("a token that nobody asked for is not played: automountServiceAccountToken is not false".to_owned());
    }
    if spec.enable_service_links {
        return Err(
            "variables for each Service are not played: enableServiceLinks is not false".to_owned(),
        );
    }
    Ok(spec)
}

/// How many dots a name needs to be looked for as it is first: what the pod says, or Kubernetes.
pub fn ndots(spec: &PodSpec) -> u8 {
    let options = &spec.dns_config.options;
    let ndots = options.iter().find(|option| option.name == "ndots");
    let value = ndots.map_or("5", |option| option.value.as_deref().expect("a value"));
    value.parse().expect("a number")
}

/// A Secret as the API server has it.
pub fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    let data = data
        .iter()
        .map(|(key, text)| ((*key).to_owned(), STANDARD.encode(text).into()));
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": data.collect::<serde_json::Map<String, Value>>(),
    })
}

/// What a cluster's pods find in `/etc/resolv.conf`.
pub fn resolv_conf(name_server: Ipv4Addr, namespace: &str, ndots: u8) -> String {
    format!(
        "nameserver {name_server}\n\
         search {namespace}.svc.cluster.local svc.cluster.local cluster.local\n\
         options ndots:{ndots}\n"
    )
}
