//! The process of a container: whose it is, what it may do, what it is told.

use serde_json::{Value, json};

use super::spec::{Capabilities, Container, KeyRef, PodSpec, Seccomp, ValueFrom};
use super::volumes::data_of;
use super::{Objects, Sandbox};
use crate::common::image::Image;

/// Who runs a container.
pub struct User {
    /// What the pod says; `None` leaves it to the image.
    pub uid: Option<u32>,
    /// The same.
    pub gid: Option<u32>,
    /// The group of the volumes.
    pub fs_group: Option<u32>,
    others: Vec<u32>,
}

impl User {
    /// What the container says, else what its pod says.
    pub fn of(pod: &PodSpec, container: &Container) -> Self {
        let (all, own) = (&pod.security_context, &container.security_context);
        User {
            uid: own.run_as_user.or(all.run_as_user),
            gid: own.run_as_group.or(all.run_as_group),
            fs_group: all.fs_group,
            others: all.supplemental_groups.clone(),
        }
    }

    /// As runc takes it.
    fn resolved(&self, image: &Image, must_not_be_root: bool) -> Result<Value, String> {
        let told = image.config["config"]["User"].as_str().unwrap_or("0");
        let (uid, gid) = told.split_once(':').unwrap_or((told, "0"));
        let number = |text: &str| text.parse::<u32>().ok();
        let uid = self.uid.or(number(uid));
        let uid = uid.ok_or(format!(
            "the image's user is {told}, and runAsNonRoot wants a number"
        ))?;
        if must_not_be_root && uid == 0 {
            return Err("it would be root, which runAsNonRoot forbids".to_owned());
        }
        // A pod that says the user and not the group has that of /etc/passwd, and the image has no such file: root's.
        let gid = self
            .gid
            .or(self.uid.is_none().then(|| number(gid)).flatten());
        let gid = gid.unwrap_or(0);
        let mut groups = vec![gid];
        groups.extend(self.fs_group.iter().chain(&self.others));
        groups.dedup();
        Ok(json!({"uid": uid, "gid": gid, "additionalGids": groups}))
    }
}

/// `process` of runc's configuration.
pub fn process(
    image: &Image,
    pod: &PodSpec,
    container: &Container,
    objects: &Objects,
    sandbox: &Sandbox,
) -> Result<Value, String> {
    let security = &container.security_context;
    if security.privileged {
        return Err("privileged containers are not played".to_owned());
    }
    let must_not_be_root = security
        .run_as_non_root
        .or(pod.security_context.run_as_non_root)
        .unwrap_or(false);
    let user = User::of(pod, container).resolved(image, must_not_be_root)?;
    // Those of a user that is not root are lost with exec, but for the ambient ones, which nobody is given.
    let capabilities = capabilities(&security.capabilities);
    Ok(json!({
        "terminal": false,
        "user": user,
        "args": words(image, container)?,
        "env": environment(image, container, objects, sandbox)?,
        "cwd": image.config["config"]["WorkingDir"].as_str().filter(|it| !it.is_empty()).unwrap_or("/"),
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities,
            "permitted": capabilities,
            "inheritable": [],
            "ambient": [],
        },
        "noNewPrivileges": !security.allow_privilege_escalation,
    }))
}

/// The profile of a container, which Kubernetes has at `Unconfined` where nobody says anything.
pub fn seccomp(pod: &PodSpec, container: &Container) -> Seccomp {
    let own = container.security_context.seccomp_profile;
    let profile = own.or(pod.security_context.seccomp_profile);
    profile.map_or(Seccomp::Unconfined, |profile| profile.kind)
}

/// What containerd gives to containers that say nothing else.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

fn capabilities(wanted: &Capabilities) -> Vec<String> {
    let all = wanted.drop.iter().any(|name| name == "ALL");
    let kept = DEFAULT_CAPABILITIES.into_iter().filter(|name| {
        let dropped = wanted.drop.iter().any(|it| it == name);
        !all && !dropped
    });
    let all = kept.chain(wanted.add.iter().map(String::as_str));
    all.map(|name| format!("CAP_{name}")).collect()
}

/// `command` stands for the image's entry point, `args` for its own arguments.
fn words(image: &Image, container: &Container) -> Result<Vec<String>, String> {
    let of_image = |key: &str| {
        let words = image.config["config"][key].as_array().into_iter().flatten();
        let words = words.filter_map(Value::as_str).map(str::to_owned);
        words.collect::<Vec<String>>()
    };
    let (command, args) = (container.command.clone(), container.args.clone());
    let words = match (command.is_empty(), args.is_empty()) {
        (true, true) => [of_image("Entrypoint"), of_image("Cmd")].concat(),
        (true, false) => [of_image("Entrypoint"), args].concat(),
        (false, _) => [command, args].concat(),
    };
    match words.iter().find(|word| word.contains("$(")) {
        Some(word) => Err(format!("variables in arguments are not played: {word}")),
        None => Ok(words),
    }
}

/// The image's variables, those that lead to the API server, which every pod has, and the container's own.
fn environment(
    image: &Image,
    container: &Container,
    objects: &Objects,
    sandbox: &Sandbox,
) -> Result<Vec<String>, String> {
    let told = image.config["config"]["Env"]
        .as_array()
        .into_iter()
        .flatten();
    let mut environment: Vec<String> = told.filter_map(Value::as_str).map(str::to_owned).collect();
    environment.push(format!("HOSTNAME={}", sandbox.name));
    let (host, port) = (sandbox.api_server.ip(), sandbox.api_server.port());
    environment.push(format!("KUBERNETES_SERVICE_HOST={host}"));
    environment.push(format!("KUBERNETES_SERVICE_PORT={port}"));
    for variable in &container.env {
        let name = &variable.name;
        let key_of = |kind: &str, of: &KeyRef| {
            let id = format!("{kind}/{}", of.name);
            let bytes = data_of(&id, objects)?.remove(&of.key);
            let bytes = bytes.ok_or(format!("{id} has no {}", of.key))?;
            String::from_utf8(bytes).map_err(|_| format!("{} of {id} is no text", of.key))
        };
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), None) if value.contains("$(") => {
                return Err(format!("variables in {name} are not played: {value}"));
            }
            (Some(value), None) => value.clone(),
            (None, None) => String::new(),
            (None, Some(ValueFrom::Field(field))) => sandbox.field(&field.field_path)?,
            (None, Some(ValueFrom::Secret(of))) => key_of("Secret", of)?,
            (None, Some(ValueFrom::ConfigMap(of))) => key_of("ConfigMap", of)?,
            (Some(_), Some(_)) => return Err(format!("{name} has two values")),
        };
        environment.push(format!("{name}={value}"));
    }
    Ok(environment)
}
