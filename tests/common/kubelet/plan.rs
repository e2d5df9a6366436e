//! The configuration of a container, in the form of the OCI, and what must be on the node for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::directory::Directory;
use super::process::{User, process};
use super::spec::PodSpec;
use super::volumes;
use super::{MEMORY, Objects, Sandbox, THREADS, ndots, resolv_conf};
use crate::common::image::Image;

/// All that is made of a pod before a container is.
pub struct Plan {
    /// In the form of the OCI.
    pub config: Value,
    /// By their names.
    pub volumes: BTreeMap<String, Directory>,
    /// How much of it there is, in bytes.
    pub memory: u64,
    /// Where the files lie that are mounted into `/etc`.
    pub etc: TempDir,
}

impl Plan {
    /// What is not played is an error. `filter` is the profile of system calls.
    pub fn of(
        image: &Image,
        spec: &PodSpec,
        objects: &Objects,
        sandbox: &Sandbox,
        filter: Option<Value>,
    ) -> Result<Self, String> {
        let container = &spec.containers[0];
        let user = User::of(spec, container);
        let mut made = BTreeMap::new();
        for volume in &spec.volumes {
            let directory = Directory::new(user.fs_group);
            if let Some(files) = volumes::files(volume, objects, sandbox, &user)? {
                directory.write(&files);
            }
            made.insert(volume.name.clone(), directory);
        }
        let etc = tempfile::tempdir().expect("a temporary directory");
        let read_only = container.security_context.read_only_root_filesystem;
        let mut mounts = system_mounts();
        mounts.extend(etc_mounts(etc.path(), spec, sandbox, read_only)?);
        for mount in &container.volume_mounts {
            let volume = made.get(&mount.name);
            let volume = volume.ok_or(format!("no volume {}", mount.name))?;
            mounts.push(bind(volume.path(), &mount.mount_path, mount.read_only));
        }
        let limits = &container.resources.limits;
        let memory = limits.memory.as_ref().map(|limit| limit.thousandths());
        let memory = memory
            .transpose()?
            .map_or(MEMORY, |limit| MEMORY.min(limit / 1000));
        let mut linux = json!({
            "namespaces": namespaces(sandbox),
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "resources": {
                "devices": [{"allow": false, "access": "rwm"}],
                "memory": {"limit": memory, "swap": memory},
                "pids": {"limit": THREADS},
                "cpu": cpu(spec)?,
            },
        });
        if let Some(filter) = filter {
            linux["seccomp"] = filter;
        }
        let mut config = json!({
            "ociVersion": "1.0.2",
            "process": process(image, spec, container, objects, sandbox)?,
            "root": {"path": "rootfs", "readonly": read_only},
            "mounts": mounts,
            "linux": linux,
        });
        if sandbox.process.is_none() {
            config["hostname"] = sandbox.name.clone().into();
        }
        Ok(Plan {
            config,
            volumes: made,
            memory,
            etc,
        })
    }
}

/// The share by what is asked for, and no more than the limit.
fn cpu(spec: &PodSpec) -> Result<Value, String> {
    let resources = &spec.containers[0].resources;
    let mut cpu = json!({});
    if let Some(cpus) = &resources.requests.cpu {
        cpu["shares"] = (cpus.thousandths()? * 1024 / 1000).max(2).into();
    }
    if let Some(cpus) = &resources.limits.cpu {
        cpu["period"] = 100_000.into();
        cpu["quota"] = (cpus.thousandths()? * 100).into();
    }
    Ok(cpu)
}

/// Processes and mounts of its own; network, host name and shared memory are the pod's.
fn namespaces(sandbox: &Sandbox) -> Vec<Value> {
    let own = ["pid", "mount", "ipc"].map(|kind| json!({"type": kind}));
    let of_pod = [("network", "net"), ("uts", "uts")].map(|(kind, file)| match sandbox.process {
        Some(pid) => json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")}),
        None => json!({"type": kind}),
    });
    [own.to_vec(), of_pod.to_vec()].concat()
}

/// What containerd mounts into every container.
fn system_mounts() -> Vec<Value> {
    let mounts = [
        ("/proc", "proc", "nosuid,noexec,nodev"),
        ("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        (
            "/dev/shm",
            "tmpfs",
            "nosuid,noexec,nodev,mode=1777,size=65536k",
        ),
        ("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
        ("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
    ];
    let mounts = mounts.map(|(destination, kind, options)| {
        let options: Vec<&str> = options.split(',').collect();
        json!({"destination": destination, "type": kind, "source": kind, "options": options})
    });
    mounts.to_vec()
}

/// The files that the kubelet and containerd write, and mount.
fn etc_mounts(
    etc: &Path,
    spec: &PodSpec,
    sandbox: &Sandbox,
    read_only: bool,
) -> Result<Vec<Value>, String> {
    let unknown = spec.dns_config.options.iter().find(|it| it.name != "ndots");
    if let Some(option) = unknown {
        return Err(format!("what is the option {} of dnsConfig?", option.name));
    }
    let resolv_conf = resolv_conf(sandbox.name_server, &sandbox.namespace, ndots(spec));
    let files = [
        ("hosts", sandbox.hosts()),
        ("hostname", format!("{}\n", sandbox.name)),
        ("resolv.conf", resolv_conf),
    ];
    let mounts = files.map(|(name, text)| {
        let file: PathBuf = etc.join(name);
        fs::write(&file, text).expect("it is ours");
        bind(&file, &format!("/etc/{name}"), read_only)
    });
    Ok(mounts.to_vec())
}

fn bind(source: &Path, destination: &str, read_only: bool) -> Value {
    let access = if read_only { "ro" } else { "rw" };
    json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind", "rprivate", access]})
}
