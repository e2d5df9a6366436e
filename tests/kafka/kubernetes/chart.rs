//! What the chart makes of the two values that everybody has to set.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::helm::{self, Helm};

use super::node::NDOTS;
use super::outside::NAME;

/// What is read of the chart's objects.
pub struct Chart {
    /// The file in the ConfigMap.
    pub config: String,
    /// The ports of the Service by their names: `bootstrap`, `node-0` and so on.
    ports: BTreeMap<String, u16>,
    /// The pod in the Deployment.
    pod: Value,
}

impl Chart {
    /// Renders it as `helm install` would. `None`: Helm is missing.
    pub fn render() -> Option<Self> {
        let values = [
            "kafka.bootstrapServers=kafka-headless.kafka.svc:9092".to_owned(),
            format!("advertised.host={NAME}"),
            // For the eyes of the test.
            "log.format=json".to_owned(),
        ];
        let mut helm = Helm::Four.command()?;
        helm.args(["template", "portolan"]).arg(helm::chart());
        helm.args(["--namespace", "kafka"]);
        for value in values {
            helm.arg("--set").arg(value);
        }
        let output = helm.output().expect("helm runs");
        assert!(output.status.success(), "{output:?}");
        let objects = String::from_utf8(output.stdout).expect("text");
        let objects = serde_norway::Deserializer::from_str(&objects);
        let objects = objects.map(|object| Value::deserialize(object).expect("YAML"));
        let objects: Vec<Value> = objects.collect();
        let find = |kind: &str| {
            let is_it = |object: &&Value| {
                object["kind"] == kind && object["metadata"]["name"] == "portolan"
            };
            objects.iter().find(is_it).expect(kind)
        };
        let config = &find("ConfigMap")["data"]["portolan.toml"];
        let service = &find("Service")["spec"];
        assert_eq!(service["type"], "LoadBalancer");
        let ports = service["ports"].as_array().expect("a list").iter();
        let ports = ports.map(|port| {
            // We are the balancer, and open the ports where the pod has them.
            assert_eq!(port["port"], port["targetPort"]);
            let number = port["port"].as_u64().expect("a number");
            let name = port["name"].as_str().expect("a name").to_owned();
            (name, u16::try_from(number).expect("a port"))
        });
        Some(Chart {
            config: config.as_str().expect("a text").to_owned(),
            ports: ports.collect(),
            pod: find("Deployment")["spec"]["template"]["spec"].clone(),
        })
    }

    /// The port of the Service with this name.
    pub fn port(&self, name: &str) -> u16 {
        let port = self.ports.get(name);
        *port.unwrap_or_else(|| panic!("the Service has no port {name}"))
    }

    /// How many dots a name needs to be looked for as it is: what the pod says, or Kubernetes.
    pub fn ndots(&self) -> u8 {
        let mut options = self.pod["dnsConfig"]["options"]
            .as_array()
            .into_iter()
            .flatten();
        let ndots = options.find(|option| option["name"] == "ndots");
        let number = |option: &Value| option["value"].as_str().expect("a text").parse();
        ndots.map_or(NDOTS, |option| number(option).expect("a number"))
    }

    /// The arguments of the container, where its file is this one.
    pub fn arguments(&self, config: &str) -> Vec<String> {
        let arguments = self.container()["args"].as_array().expect("a list").iter();
        let arguments = arguments.map(|argument| argument.as_str().expect("a text").to_owned());
        let arguments: Vec<String> = arguments.collect();
        assert_eq!(
            arguments,
            ["run", "--config", "/etc/portolan/config/portolan.toml"]
        );
        vec![
            arguments[0].clone(),
            arguments[1].clone(),
            config.to_owned(),
        ]
    }

    /// The user that the container runs as.
    pub fn user(&self) -> u64 {
        let context = &self.pod["securityContext"];
        assert_eq!(context["runAsUser"], context["runAsGroup"]);
        assert_eq!(context["runAsNonRoot"], true);
        context["runAsUser"].as_u64().expect("a user")
    }

    /// What the container may do, as words before a command that give everything else away by the calls that a container runtime
    /// makes. Of a profile for seccomp nothing is played.
    pub fn security_context(&self) -> Vec<String> {
        let context = &self.container()["securityContext"];
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        let user = self.user();
        let words = format!(
            "unshare --user --map-user={user} --map-group={user} --keep-caps \
             setpriv --pdeathsig KILL --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs"
        );
        words.split_whitespace().map(str::to_owned).collect()
    }

    fn container(&self) -> &Value {
        &self.pod["containers"][0]
    }
}
