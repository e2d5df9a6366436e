//! The fields of a pod that are understood here. Any other is an error: what the chart begins to say must not be lost on the way to
//! the container. Where the chart says nothing there is what an API server fills in.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Of a pod, or of the template of a Deployment's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSpec {
    pub containers: Vec<Container>,
    #[serde(default)]
    pub volumes: Vec<Volume>,
    #[serde(default)]
    pub security_context: PodSecurity,
    #[serde(default = "thirty")]
    pub termination_grace_period_seconds: u64,
    #[serde(default)]
    pub dns_config: DnsConfig,
    #[serde(default = "yes")]
    pub automount_service_account_token: bool,
    #[serde(default = "yes")]
    pub enable_service_links: bool,

    // What is said to others and leaves no trace in a container. To the API server, about who the pod is:
    #[serde(default)]
    service_account_name: IgnoredAny,
    // To whoever starts pods again:
    #[serde(default)]
    restart_policy: IgnoredAny,
    // To whoever pulls images:
    #[serde(default)]
    image_pull_secrets: IgnoredAny,
    // To the scheduler:
    #[serde(default)]
    priority_class_name: IgnoredAny,
    #[serde(default)]
    topology_spread_constraints: IgnoredAny,
    #[serde(default)]
    node_selector: IgnoredAny,
    #[serde(default)]
    tolerations: IgnoredAny,
    #[serde(default)]
    affinity: IgnoredAny,
}

/// A container of a pod.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    pub name: String,
    pub image: String,
    #[serde(default)]
    image_pull_policy: IgnoredAny,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: Vec<Variable>,
    #[serde(default)]
    pub ports: Vec<Port>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub security_context: ContainerSecurity,
    #[serde(default)]
    pub volume_mounts: Vec<VolumeMount>,
}

/// `securityContext` of a pod: for its volumes, and for all containers that say nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurity {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    #[serde(default)]
    pub supplemental_groups: Vec<u32>,
    pub fs_group: Option<u32>,
    // For volumes that outlive pods.
    #[serde(default)]
    fs_group_change_policy: IgnoredAny,
    pub seccomp_profile: Option<SeccompProfile>,
}

/// `securityContext` of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerSecurity {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    #[serde(default)]
    pub privileged: bool,
    #[serde(default = "yes")]
    pub allow_privilege_escalation: bool,
    #[serde(default)]
    pub read_only_root_filesystem: bool,
    #[serde(default)]
    pub capabilities: Capabilities,
    pub seccomp_profile: Option<SeccompProfile>,
}

/// Without `CAP_`, as Kubernetes has it; `ALL` is all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    #[serde(default)]
    pub add: Vec<String>,
    #[serde(default)]
    pub drop: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeccompProfile {
    #[serde(rename = "type")]
    pub kind: Seccomp,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Seccomp {
    RuntimeDefault,
    Unconfined,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    #[serde(default)]
    pub limits: Amounts,
    #[serde(default)]
    pub requests: Amounts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Amounts {
    pub cpu: Option<Quantity>,
    pub memory: Option<Quantity>,
}

/// Such as `250m` or `64Mi`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    Number(u64),
    Text(String),
}

impl Quantity {
    /// In thousandths.
    pub fn thousandths(&self) -> Result<u64, String> {
        const SUFFIXES: [(&str, u64); 8] = [
            ("m", 1),
            ("k", 1_000_000),
            ("M", 1_000_000_000),
            ("G", 1_000_000_000_000),
            ("Ki", 1000 << 10),
            ("Mi", 1000 << 20),
            ("Gi", 1000 << 30),
            ("", 1000),
        ];
        let text = match self {
            Quantity::Number(number) => number.to_string(),
            Quantity::Text(text) => text.clone(),
        };
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let suffix = SUFFIXES.iter().find(|(it, _)| *it == &text[digits.len()..]);
        let number = digits.parse::<u64>().ok().zip(suffix);
        let amount = number.and_then(|(number, (_, factor))| number.checked_mul(*factor));
        amount.ok_or(format!("what is the quantity {text:?}?"))
    }
}

/// A variable of the environment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    pub name: String,
    pub value: Option<String>,
    pub value_from: Option<ValueFrom>,
}

#[derive(Debug, Deserialize)]
pub enum ValueFrom {
    #[serde(rename = "fieldRef")]
    Field(FieldRef),
    #[serde(rename = "secretKeyRef")]
    Secret(KeyRef),
    #[serde(rename = "configMapKeyRef")]
    ConfigMap(KeyRef),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldRef {
    pub field_path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRef {
    pub name: String,
    pub key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    pub name: Option<String>,
    pub container_port: u16,
    #[serde(default)]
    pub protocol: Protocol,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
}

/// What the kubelet asks, and how patient it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    pub http_get: HttpGet,
    #[serde(default = "ten")]
    pub period_seconds: u32,
    #[serde(default = "one")]
    pub timeout_seconds: u32,
    #[serde(default = "three")]
    pub failure_threshold: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGet {
    pub path: String,
    pub port: PortRef,
}

/// A port by its number or by its name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum PortRef {
    Number(u16),
    Name(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeMount {
    pub name: String,
    pub mount_path: String,
    #[serde(default)]
    pub read_only: bool,
}

/// One of its sources is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    pub name: String,
    pub config_map: Option<ConfigMapVolume>,
    pub secret: Option<SecretVolume>,
    pub empty_dir: Option<EmptyDir>,
    pub projected: Option<Projected>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapVolume {
    pub name: String,
    #[serde(default = "rw_r_r")]
    pub default_mode: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretVolume {
    pub secret_name: String,
    #[serde(default = "rw_r_r")]
    pub default_mode: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyDir {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Projected {
    #[serde(default = "rw_r_r")]
    pub default_mode: u32,
    pub sources: Vec<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Source {
    #[serde(rename_all = "camelCase")]
    ServiceAccountToken {
        path: String,
        // For the API server.
        #[serde(default)]
        expiration_seconds: IgnoredAny,
    },
    ConfigMap {
        name: String,
        items: Vec<Item>,
    },
    #[serde(rename = "downwardAPI")]
    DownwardApi {
        items: Vec<DownwardItem>,
    },
}

/// One key of a ConfigMap, and the file that it becomes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub key: String,
    pub path: String,
}

/// One field of the pod, and the file that it becomes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DownwardItem {
    pub path: String,
    pub field_ref: FieldRef,
}

/// `dnsConfig`: options of the resolver.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DnsConfig {
    #[serde(default)]
    pub options: Vec<DnsOption>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsOption {
    pub name: String,
    pub value: Option<String>,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn three() -> u32 {
    3
}

fn ten() -> u32 {
    10
}

fn thirty() -> u64 {
    30
}

fn rw_r_r() -> u32 {
    0o644
}
