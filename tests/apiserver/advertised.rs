//! Portolan as in a pod of the chart, with the account, the Role and the configuration that this makes: it tells clients the address that
//! the API server knows of its Service, whatever becomes of either.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::from_service::{broker, can_mount, cluster, in_pod, told};
use crate::common::objects::parsed;
use crate::common::proxy::{Proxy, wait_until};
use crate::control_plane::ControlPlane;
use crate::kubectl::Kubectl;
use crate::process::PATIENCE;
use crate::rendered::{set, templated};
use crate::roles::{FROM_SERVICE, released, token};

const NAMESPACE: &str = "edge";

/// A release, and Portolan as in a pod of it.
struct Pod {
    proxy: Proxy,
    kubectl: Kubectl,
    _broker: Broker,
    _account: TempDir,
}

impl Pod {
    fn start(cluster: &ControlPlane) -> Option<Self> {
        if !can_mount() {
            return None;
        }
        released(cluster, NAMESPACE)?;
        let kubectl = cluster.admin();
        let account = tempfile::tempdir().expect("a directory");
        let token = token(&kubectl, NAMESPACE);
        let files = [
            ("ca.crt", cluster.authority()),
            ("token", &token),
            ("namespace", NAMESPACE),
        ];
        for (name, text) in files {
            fs::write(account.path().join(name), text).expect("it is ours");
        }
        let broker = broker();
        let line = in_pod(account.path(), cluster.port());
        let proxy = Proxy::start_by(&line, &config(&kubectl, &broker));
        Some(Pod {
            proxy,
            kubectl,
            _broker: broker,
            _account: account,
        })
    }

    fn balance(&self, ingress: &Value) {
        self.kubectl.balance(NAMESPACE, ingress);
    }

    fn delete(&self, object: &str) {
        self.kubectl
            .run(&["delete", object, &format!("--namespace={NAMESPACE}")]);
    }

    /// Makes what the chart makes anew, where it is not as the chart makes it.
    fn repair(&self) {
        let text = templated(NAMESPACE, &set(&FROM_SERVICE)).expect("there was Helm");
        let objects = parsed(&text).into_iter();
        let ours = objects
            .filter(|(name, _)| ["Service/portolan", "Role/portolan"].contains(&name.as_str()));
        let all: Vec<String> = ours.map(|(_, object)| object.to_string()).collect();
        assert_eq!(all.len(), 2);
        let namespace = format!("--namespace={NAMESPACE}");
        let words = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename=-",
            &namespace,
        ];
        self.kubectl.run_with(&words, &all.join("\n---\n"));
    }

    fn told(&self) -> String {
        let mut client = Client::connect(self.proxy.bootstrap("main"));
        told(&mut client, &self.proxy, "main")
    }

    fn wait_until_told(&self, host: &str) {
        let known = "portolan_service_address_known{cluster=\"main\"}";
        patiently(host, || {
            self.proxy.metric(known) == 1.0 && self.told() == host
        });
    }

    fn failures(&self, reason: &str) -> f64 {
        let series = "portolan_service_read_failures_total";
        let series = format!("{series}{{cluster=\"main\",reason=\"{reason}\"}}");
        self.proxy.metric(&series)
    }

    /// Waits for another failure of this kind, and returns what is said of one.
    fn wait_for_failure(&self, reason: &str) -> Value {
        let before = self.failures(reason);
        patiently(reason, || self.failures(reason) > before);
        let mut said = None;
        // It is counted first.
        wait_until(reason, || {
            let log = self.proxy.log().into_iter();
            said = log.rev().find(|line| line["reason"] == reason);
            said.is_some()
        });
        said.expect("it was found")
    }

    fn wait_until_it_is_read_again(&self) {
        let text = "the Service can be read again";
        patiently(text, || self.proxy.log_has(text));
    }
}

/// Waits for what Portolan may try again only after half a minute, and an API server that may be as long about its start.
fn patiently(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The chart's own configuration names the Service. The rest is of other tests: a broker of ours, and ports that are free.
fn config(kubectl: &Kubectl, broker: &Broker) -> String {
    let map = kubectl.get(NAMESPACE, "configmap/portolan");
    let text = map["data"]["portolan.toml"].as_str().expect("text");
    let read: toml::Table = toml::from_str(text).expect("TOML");
    let service = &read["clusters"]["main"]["advertised_from_service"];
    cluster("main", broker, service.as_str().expect("text"))
}

#[test]
fn clients_are_told_what_the_api_server_knows() {
    let Some(cluster) = ControlPlane::start() else {
        return;
    };
    let Some(pod) = Pod::start(&cluster) else {
        return;
    };
    pod.proxy.wait_for_log("the Service has no address yet");
    assert_eq!(pod.proxy.get("/readyz").0, 200);
    Client::connect(pod.proxy.bootstrap("main")).end();

    pod.balance(&json!([{"ip": "192.0.2.7"}]));
    pod.wait_until_told("192.0.2.7");
    let mut client = Client::connect(pod.proxy.bootstrap("main"));
    pod.balance(&json!([{"ip": "192.0.2.7"}, {"hostname": "lb.example.com", "ports": [{"port": 9092, "protocol": "TCP"}]}]));
    wait_until("the name on an open connection", || {
        told(&mut client, &pod.proxy, "main") == "lb.example.com"
    });
    assert!(!pod.proxy.log_text().contains("cannot read the Service"));

    // What has nothing to do with the address.
    let namespace = format!("--namespace={NAMESPACE}");
    pod.kubectl.run(&[
        "annotate",
        "service",
        "portolan",
        &namespace,
        "example.com/note=a",
    ]);
    pod.balance(&json!([]));
    pod.proxy
        .wait_for_log("the Service has lost its address: clients are still told the last one");
    assert_eq!(pod.told(), "lb.example.com");

    // A Service that is made anew is another one, of the same name.
    pod.delete("service/portolan");
    let said = pod.wait_for_failure("not_found");
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .contains("services \"portolan\" not found"),
        "{said}"
    );
    assert_eq!(pod.told(), "lb.example.com");
    pod.repair();
    pod.balance(&json!([{"hostname": "again.example.com"}]));
    pod.wait_until_told("again.example.com");
    pod.wait_until_it_is_read_again();
}

#[test]
fn an_api_server_that_comes_back_is_asked_again_and_so_is_one_that_forbade_it() {
    let Some(cluster) = ControlPlane::start() else {
        return;
    };
    let Some(pod) = Pod::start(&cluster) else {
        return;
    };
    pod.balance(&json!([{"hostname": "one.example.com"}]));
    pod.wait_until_told("one.example.com");
    let first = pod.kubectl.get(NAMESPACE, "service/portolan");
    let first = first["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();

    cluster.stop_server();
    let said = pod.wait_for_failure("unreachable");
    assert_eq!(said["level"], "WARN", "{said}");
    assert_eq!(pod.told(), "one.example.com");
    assert_eq!(pod.proxy.get("/readyz").0, 200);
    cluster.start_server();
    pod.wait_until_it_is_read_again();
    pod.balance(&json!([{"hostname": "two.example.com"}]));
    pod.wait_until_told("two.example.com");

    // What it knew before, an API server that began since does not know: as the stub of the other tests has it.
    wait_until("410", || gone(&pod.kubectl, &first));

    // A watch that is allowed goes on; the next read is none.
    pod.delete("role/portolan");
    pod.balance(&json!([{"hostname": "three.example.com"}]));
    pod.wait_until_told("three.example.com");
    cluster.crash_server();
    cluster.start_server();
    let said = pod.wait_for_failure("forbidden");
    let message = said["message"].as_str().unwrap();
    let account = format!(
        "User \"system:serviceaccount:{NAMESPACE}:portolan\" cannot get resource \"services\""
    );
    assert!(
        message.contains("answered 403") && message.contains(&account),
        "{message}"
    );
    assert_eq!(pod.told(), "three.example.com");
    pod.repair();
    pod.balance(&json!([{"hostname": "four.example.com"}]));
    pod.wait_until_told("four.example.com");

    // Without the account its token is nobody's.
    pod.delete("serviceaccount/portolan");
    cluster.crash_server();
    cluster.start_server();
    let said = pod.wait_for_failure("unauthorized");
    assert!(
        said["message"].as_str().unwrap().contains("answered 401"),
        "{said}"
    );
    assert_eq!(pod.told(), "four.example.com");
}

/// Whether a watch from this version on is refused as too old, by its status or by its first event.
fn gone(kubectl: &Kubectl, version: &str) -> bool {
    let path = format!(
        "/api/v1/namespaces/{NAMESPACE}/services?watch=true&timeoutSeconds=1&resourceVersion={version}\
         &fieldSelector=metadata.name%3Dportolan"
    );
    let said = kubectl.try_run(&["get", "--raw", &path]);
    said.is_ok_and(|events| {
        events.contains("\"type\":\"ERROR\"") && events.contains("\"code\":410")
    })
}
