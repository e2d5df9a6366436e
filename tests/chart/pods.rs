//! Every field of every pod is understood by who makes containers of pods in the tests: nothing that the chart says is lost there.

use serde_json::{Value, json};

use crate::common::helm::Helm;
use crate::common::kubelet::parsed;
use crate::render::{ci, good, render};

#[test]
fn no_field_of_any_pod_is_unknown() {
    let mut pods = 0;
    for (name, values) in ci() {
        let Some(rendered) = render(Helm::Three, &[&values]) else {
            return;
        };
        let rendered = rendered.unwrap_or_else(|said| panic!("{name}: {said}"));
        let test = rendered.all().filter(|(id, _)| id.starts_with("Pod/"));
        for pod in test.map(|(_, pod)| pod).chain([rendered.pod()]) {
            parsed(pod).unwrap_or_else(|error| panic!("{name}: {error}\n{pod:#}"));
            pods += 1;
        }
    }
    assert!(pods > 10, "only {pods}");
}

#[test]
fn a_field_that_is_not_understood_is_an_error() {
    let values = "{tls: {client: {existingSecret: a}}, advertised: {host: '', fromService: true}}";
    let Some(rendered) = good(&[values]) else {
        return;
    };
    parsed(rendered.pod()).expect("it is good as it is");
    for place in [
        "/spec",
        "/spec/securityContext",
        "/spec/securityContext/seccompProfile",
        "/spec/dnsConfig",
        "/spec/containers/0",
        "/spec/containers/0/securityContext",
        "/spec/containers/0/securityContext/capabilities",
        "/spec/containers/0/resources/limits",
        "/spec/containers/0/ports/0",
        "/spec/containers/0/livenessProbe",
        "/spec/containers/0/livenessProbe/httpGet",
        "/spec/containers/0/volumeMounts/0",
        "/spec/volumes/0",
        "/spec/volumes/0/configMap",
        "/spec/volumes/1/secret",
        "/spec/volumes/2/projected",
        "/spec/volumes/2/projected/sources/0/serviceAccountToken",
        "/spec/volumes/2/projected/sources/1/configMap",
        "/spec/volumes/2/projected/sources/2/downwardAPI/items/0",
    ] {
        let mut pod = rendered.pod().clone();
        let table = pod.pointer_mut(place).and_then(Value::as_object_mut);
        let table = table.unwrap_or_else(|| panic!("no {place}"));
        table.insert("subPath".to_owned(), json!("a"));
        let error = parsed(&pod).expect_err(place);
        assert!(error.contains("subPath"), "{place}: {error}");
    }
}
