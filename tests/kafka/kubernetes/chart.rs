//! What the chart makes of the two values that everybody has to set.

use std::collections::BTreeMap;

use crate::common::helm::Helm;
use crate::common::kubelet::{self, PodSpec};
use crate::common::rendered::Rendered;

use super::outside::NAME;

/// The namespace of the release, and of Kafka.
pub const NAMESPACE: &str = "kafka";

/// The chart's objects, and what is read of them.
pub struct Chart {
    rendered: Rendered,
    /// The ports of the Service by their names: `bootstrap`, `node-0` and so on.
    ports: BTreeMap<String, u16>,
    /// The pod in the Deployment.
    pod: PodSpec,
}

impl Chart {
    /// Renders it as `helm install` would. `None`: Helm is missing.
    pub fn render() -> Option<Self> {
        Self::with("{}")
    }

    /// The same with more values, as a text of YAML.
    pub fn with(more: &str) -> Option<Self> {
        let two = format!(
            "{{kafka: {{bootstrapServers: 'kafka-headless.{NAMESPACE}.svc:9092'}}, advertised: {{host: {NAME}}}}}"
        );
        // For the eyes of the test.
        let log = "{log: {format: json}}";
        let rendered = Rendered::new(Helm::Four, NAMESPACE, &[&two, log, more])?;
        let service = &rendered.service()["spec"];
        assert_eq!(service["type"], "LoadBalancer");
        let ports = service["ports"].as_array().expect("a list").iter();
        let ports = ports.map(|port| {
            // We are the balancer, and open the ports where the pod has them.
            assert_eq!(port["port"], port["targetPort"]);
            let number = port["port"].as_u64().expect("a number");
            let name = port["name"].as_str().expect("a name").to_owned();
            (name, u16::try_from(number).expect("a port"))
        });
        let pod = kubelet::parsed(rendered.pod());
        Some(Chart {
            ports: ports.collect(),
            pod: pod.unwrap_or_else(|error| panic!("{error}\n{:#}", rendered.pod())),
            rendered,
        })
    }

    /// All objects.
    pub fn rendered(&self) -> &Rendered {
        &self.rendered
    }

    /// The file in the ConfigMap.
    pub fn config(&self) -> &str {
        self.rendered.config()
    }

    /// The port of the Service with this name.
    pub fn port(&self, name: &str) -> u16 {
        let port = self.ports.get(name);
        *port.unwrap_or_else(|| panic!("the Service has no port {name}"))
    }

    /// The port of the Service for a node.
    pub fn node_port(&self, id: i32) -> u16 {
        self.port(&format!("node-{id}"))
    }

    /// How many dots a name needs to be looked for as it is: what the pod says, or Kubernetes.
    pub fn ndots(&self) -> u8 {
        kubelet::ndots(&self.pod)
    }

    /// The arguments of the container, where its file is this one.
    pub fn arguments(&self, config: &str) -> Vec<String> {
        let arguments = &self.pod.containers[0].args;
        let file = "/etc/portolan/config/portolan.toml";
        assert_eq!(*arguments, ["run", "--config", file]);
        vec![
            arguments[0].clone(),
            arguments[1].clone(),
            config.to_owned(),
        ]
    }

    /// The user that the container runs as.
    pub fn user(&self) -> u32 {
        let context = &self.pod.security_context;
        assert_eq!(context.run_as_user, context.run_as_group);
        assert_eq!(context.run_as_non_root, Some(true));
        context.run_as_user.expect("a user")
    }

    /// What the container may do, as words before a command that give everything else away by the calls that a container runtime
    /// makes. Of a profile for seccomp nothing is played.
    pub fn security_context(&self) -> Vec<String> {
        let context = &self.pod.containers[0].security_context;
        assert_eq!(context.capabilities.drop, ["ALL"]);
        assert!(context.capabilities.add.is_empty());
        assert!(!context.allow_privilege_escalation);
        assert!(context.read_only_root_filesystem);
        let user = self.user();
        let words = format!(
            "unshare --user --map-user={user} --map-group={user} --keep-caps \
             setpriv --pdeathsig KILL --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs"
        );
        words.split_whitespace().map(str::to_owned).collect()
    }
}
