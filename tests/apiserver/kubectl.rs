//! kubectl, as one who has a kubeconfig uses it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::common::toolbox::program;

/// kubectl with the kubeconfig of somebody.
pub(crate) struct Kubectl {
    /// What stands before it, such as `nsenter`, to lead it elsewhere.
    words: Vec<String>,
    kubeconfig: PathBuf,
    dir: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(dir: &Path, kubeconfig: &str) -> Self {
        Self::elsewhere(&[], dir, kubeconfig)
    }

    /// The same behind these words, which lead it elsewhere.
    pub(crate) fn elsewhere(words: &[String], dir: &Path, kubeconfig: &str) -> Self {
        Kubectl {
            words: words.to_vec(),
            kubeconfig: dir.join(kubeconfig),
            dir: dir.to_owned(),
        }
    }

    /// Runs it to its end with this on its standard input.
    fn output(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = Command::new("timeout");
        command
            .arg("300")
            .args(&self.words)
            .arg(program("kubectl"))
            .args(arguments)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(self.dir.join("discovered"))
            .env("HOME", &self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl runs");
        let mut input = child.stdin.take().expect("it is piped");
        // One that reads nothing may be gone already.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        child.wait_with_output().expect("it ends")
    }

    /// What it printed, or what it says went wrong. Its warnings are those of the API server, and count as wrong.
    fn result(&self, arguments: &[&str], stdin: &str) -> Result<String, String> {
        let output = self.output(arguments, stdin);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() && !errors.contains("Warning:") {
            true => Ok(String::from_utf8(output.stdout).expect("UTF-8")),
            false => Err(errors),
        }
    }

    pub(crate) fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        self.result(arguments, "")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, "")
    }

    /// The same with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> String {
        let done = self.result(arguments, stdin);
        done.unwrap_or_else(|said| panic!("kubectl {arguments:?}: {said}"))
    }

    /// Has it make or change these objects in a namespace. Unknown fields are refused by the API server.
    pub(crate) fn try_apply(&self, namespace: &str, objects: &str) -> Result<String, String> {
        let arguments = [
            "apply",
            "--server-side",
            "--validate=strict",
            "--filename=-",
        ];
        let namespace = format!("--namespace={namespace}");
        self.result(&[&arguments[..], &[&namespace]].concat(), objects)
    }

    pub(crate) fn apply(&self, namespace: &str, objects: &str) {
        let done = self.try_apply(namespace, objects);
        done.unwrap_or_else(|said| panic!("{namespace}: {said}"));
    }

    /// Does to the Service "portolan" what the controller of a cloud does once its balancer has an address.
    pub(crate) fn balance(&self, namespace: &str, ingress: &Value) {
        let patch = json!({"status": {"loadBalancer": {"ingress": ingress}}});
        let (namespace, patch) = (
            format!("--namespace={namespace}"),
            format!("--patch={patch}"),
        );
        let words = [
            "patch",
            "service",
            "portolan",
            "--subresource=status",
            "--type=merge",
        ];
        self.run(&[&words[..], &[&namespace, &patch]].concat());
    }

    /// An object, such as `service/portolan`.
    pub(crate) fn get(&self, namespace: &str, object: &str) -> Value {
        let namespace = format!("--namespace={namespace}");
        let text = self.run(&["get", object, &namespace, "--output=json"]);
        serde_json::from_str(&text).expect("JSON")
    }

    /// A namespace that takes no pod but such as keep to the strictest of the Pod Security Standards, and warns of what would make
    /// others. The controllers of a whole cluster would make the account, too.
    pub(crate) fn strict_namespace(&self, name: &str) {
        let label = |what: &str| format!("pod-security.kubernetes.io/{what}: restricted");
        let (enforce, warn) = (label("enforce"), label("warn"));
        self.apply(
            name,
            &format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{enforce}, {warn}}}}}}}\n---\n\
                 {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {name}}}}}\n"
            ),
        );
    }
}
