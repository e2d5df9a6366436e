//! What the chart makes of values, taken apart.

use std::collections::BTreeMap;

use serde_json::Value;

use super::helm::Helm;
use super::objects::{is_hook, parsed};

/// The two values that must be set.
pub const TWO: &str =
    "{kafka: {bootstrapServers: 'kafka.kafka.svc:9092'}, advertised: {host: kafka.example.com}}";

/// What the release "portolan" has with them and no others.
pub const SIX: [&str; 6] = [
    "ConfigMap/portolan",
    "Deployment/portolan",
    "PodDisruptionBudget/portolan",
    "Service/portolan",
    "Service/portolan-admin",
    "ServiceAccount/portolan",
];

/// The objects of a release.
pub struct Rendered {
    /// By "Kind/name".
    objects: BTreeMap<String, Value>,
}

impl Rendered {
    /// Renders a release "portolan" in a namespace with these texts of YAML as values, later ones before earlier ones: objects, or what
    /// Helm says against it. None where there is no Helm.
    pub fn try_new(helm: Helm, namespace: &str, values: &[&str]) -> Option<Result<Self, String>> {
        let output = helm.run(&["template"], namespace, values)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(match output.status.success() {
            true => Ok(Rendered {
                objects: parsed(&text(&output.stdout)),
            }),
            false => Err(text(&output.stderr)),
        })
    }

    /// The same with values that must be good.
    pub fn new(helm: Helm, namespace: &str, values: &[&str]) -> Option<Self> {
        let rendered = Self::try_new(helm, namespace, values)?;
        Some(rendered.unwrap_or_else(|said| panic!("{values:?}: {said}")))
    }

    /// The names of all objects, "Kind/name", but for that of `helm test`, which Helm does not keep.
    pub fn names(&self) -> Vec<&str> {
        let kept = self.objects.iter().filter(|(_, object)| {
            let hook = &object["metadata"]["annotations"]["helm.sh/hook"];
            assert!(hook.is_null() || hook == "test", "{hook}");
            !is_hook(object)
        });
        kept.map(|(name, _)| name.as_str()).collect()
    }

    /// All objects by "Kind/name".
    pub fn objects(&self) -> &BTreeMap<String, Value> {
        &self.objects
    }

    /// All objects.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        let objects = self.objects.iter();
        objects.map(|(name, object)| (name.as_str(), object))
    }

    /// The object with this name, or null.
    pub fn object(&self, name: &str) -> &Value {
        self.objects.get(name).unwrap_or(&Value::Null)
    }

    /// The only object of a kind whose name ends so.
    fn only(&self, kind: &str, is_admin: bool) -> &Value {
        let mut found = self.objects.values().filter(|object| {
            let name = object["metadata"]["name"].as_str().expect("a name");
            object["kind"] == kind
                && name.ends_with("-admin") == is_admin
                && !name.ends_with("-dashboard")
        });
        let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(found.next().is_none(), "two of {kind}");
        object
    }

    /// The Service with the load balancer.
    pub fn service(&self) -> &Value {
        self.only("Service", false)
    }

    /// The Service of the admin port.
    pub fn admin(&self) -> &Value {
        self.only("Service", true)
    }

    /// What the Deployment makes its pods of.
    pub fn pod(&self) -> &Value {
        &self.only("Deployment", false)["spec"]["template"]
    }

    /// Portolan's configuration.
    pub fn config(&self) -> &str {
        let config = &self.only("ConfigMap", false)["data"]["portolan.toml"];
        config.as_str().expect("a text")
    }
}
