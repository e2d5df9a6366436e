//! A cluster of one node with all its parts: the image runs in pods of the chart, by a kubelet and containerd, behind kube-proxy; what it
//! is told of its Service, and what `helm test` then says.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::common::cache::run_tool;
use crate::common::certificates::{Authority, write};
use crate::common::helm::{Helm, chart};
use crate::common::image::{self, Image};
use crate::common::proxy::wait_until;
use crate::common::toolbox;
use crate::common::tools::{available, lacks};
use crate::kubectl::Kubectl;
use crate::process::{containerd, machine};
use crate::rendered::set;
use crate::toolchain::{KAFKA_4, jars};

const NAMESPACE: &str = "edge";

/// Those of the node, for `unshare`.
const NAMESPACES: [&str; 7] = [
    "--net",
    "--mount",
    "--uts",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
];

/// The address that the balancer of the cluster gives the Service. kube-proxy leads to its pods whoever is on the node.
const BALANCED: &str = "192.0.2.20";

/// A node, in namespaces that end with its first process. It goes away when this is dropped.
struct Node {
    first: Child,
    /// What stands before a command that is to run there.
    words: Vec<String>,
    cgroup: String,
    dir: TempDir,
}

impl Node {
    /// Starts all of it. None where something is missing, as was then said.
    fn start() -> Option<Self> {
        let tools = [
            "unshare", "nsenter", "mount", "hostname", "ip", "iptables", "runc", "java", "mvn",
        ];
        if !available(&tools) || !toolbox::ready() {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            lacks("root, to run a node");
            return None;
        }
        if !Path::new("/usr/lib/cni/bridge").is_file() {
            lacks("/usr/lib/cni (Debian's containernetworking-plugins)");
            return None;
        }
        let tried = Command::new("unshare")
            .args(NAMESPACES)
            .arg("true")
            .output();
        if !tried.expect("it is there").status.success() {
            lacks("namespaces of networks, mounts and processes");
            return None;
        }
        let (machine, containerd) = (machine()?, containerd()?);
        let portolan = image::built()?;
        let dir = tempfile::tempdir().expect("a directory");
        build_images(portolan, dir.path());
        write_files(dir.path());
        let cgroup = format!("portolan-node-{}", std::process::id());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apiserver/node.sh");
        let mut first = Command::new("unshare")
            .args(NAMESPACES)
            .arg("sh")
            .arg(script)
            .args([dir.path(), &machine, &containerd])
            .arg(&cgroup)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let stdout = first.stdout.take().expect("it is piped");
        let mut node = Node {
            first,
            words: Vec::new(),
            cgroup,
            dir,
        };
        let line = BufReader::new(stdout).lines().next();
        let is_ready = line.is_some_and(|line| line.is_ok_and(|line| line == "ready"));
        assert!(is_ready, "the node does not start");
        // The shell is the child of unshare, and number 1 there.
        let unshare = node.first.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        let children = children.expect("it has a child");
        let shell = children.trim();
        let of = |kind: &str, file: &str| format!("--{kind}=/proc/{shell}/ns/{file}");
        let namespaces = [
            of("net", "net"),
            of("mount", "mnt"),
            of("uts", "uts"),
            of("pid", "pid"),
        ];
        node.words = [vec!["nsenter".to_owned()], namespaces.to_vec()].concat();
        Some(node)
    }

    fn kubectl(&self) -> Kubectl {
        Kubectl::elsewhere(&self.words, self.dir.path(), "admin.conf")
    }

    /// Runs a program there to its end.
    fn output(&self, program: &Path, arguments: &[String]) -> Output {
        let mut command = Command::new("timeout");
        command
            .arg("300")
            .args(&self.words)
            .arg(program)
            .args(arguments);
        command.env("KUBECONFIG", self.dir.path().join("admin.conf"));
        command.env("HOME", self.dir.path());
        command.stdin(Stdio::null()).output().expect("it runs")
    }

    /// Helm for the release "portolan": what it printed.
    fn helm(&self, arguments: &[String]) -> String {
        let namespace = ["--namespace", NAMESPACE].map(str::to_owned);
        let program = Helm::Four.program().expect("there is Helm");
        let output = self.output(&program, &[arguments, &namespace].concat());
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    /// A broker of Kafka on the node, which other pods could as well be. It ends with the node.
    fn start_kafka(&self) {
        let jars = jars(KAFKA_4);
        let dir = self.dir.path().join("kafka");
        fs::create_dir(&dir).expect("the directory is ours");
        let properties = format!(
            "process.roles=broker,controller\nnode.id=0\ncontroller.quorum.voters=0@192.0.2.10:19093\n\
             listeners=PLAINTEXT://192.0.2.10:19092,CONTROLLER://192.0.2.10:19093\n\
             advertised.listeners=PLAINTEXT://192.0.2.10:19092\ncontroller.listener.names=CONTROLLER\n\
             log.dirs={}\noffsets.topic.replication.factor=1\n",
            dir.join("logs").display()
        );
        let file = write(&dir, "server.properties", &properties);
        let (file, dir) = (file.display(), dir.display());
        let line = format!(
            "exec < /dev/null > '{dir}/log' 2>&1\n\
             java -cp '{jars}' kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qk -c '{file}'\n\
             java -Xmx256m -cp '{jars}' kafka.Kafka '{file}' &"
        );
        let shell = ["-ec".to_owned(), line];
        let output = self.output(Path::new("sh"), &shell);
        assert!(output.status.success(), "{output:?}");
        let log = self.dir.path().join("kafka/log");
        wait_until("Kafka", || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("Kafka Server started"))
        });
    }

    /// Waits until each pod knows the address, as it says by its admin port.
    fn wait_until_known(&self) {
        let kubectl = self.kubectl();
        let pods = kubectl.get(NAMESPACE, "pods");
        let pods = pods["items"].as_array().expect("a list");
        assert_eq!(pods.len(), 2);
        for pod in pods {
            let name = pod["metadata"]["name"].as_str().expect("a name");
            let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}:9644/proxy/metrics");
            wait_until(name, || {
                let metrics = kubectl.run(&["get", "--raw", &path]);
                metrics.contains("portolan_service_address_known{cluster=\"main\"} 1")
            });
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = fs::read_dir(self.dir.path().join("log"));
            for log in logs.into_iter().flatten().flatten() {
                let text = fs::read(log.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                let lines: Vec<&str> = text.lines().collect();
                let last = lines[lines.len().saturating_sub(15)..].join("\n");
                eprintln!("--- end of {} ---\n{last}", log.path().display());
            }
        }
        // With the number 1 there all others end.
        let _ = self.first.kill();
        let _ = self.first.wait();
        let script = "for n in 1 2 3 4 5 6 7 8 9; do
            find /sys/fs/cgroup -depth -type d -path \"*/$1*\" -exec rmdir {} + 2> /dev/null
            [ -n \"$(find /sys/fs/cgroup -type d -name \"$1\")\" ] || exit 0
            sleep 0.2
        done";
        let _ = Command::new("sh")
            .args(["-c", script, "sh", &self.cgroup])
            .status();
    }
}

/// Puts two images into the directory, under names that a kubelet takes: Portolan's, and that of the process which holds a pod.
fn build_images(portolan: &Image, dir: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apiserver/pause");
    let context = dir.join("pause");
    fs::create_dir(&context).expect("the directory is ours");
    let mut compiler = Command::new("musl-gcc");
    compiler.args(["-static", "-Os", "-s", "-o"]);
    run_tool(
        compiler
            .arg(context.join("pause"))
            .arg(source.join("pause.c")),
    );
    let buildah = |command: &str| {
        let mut buildah = Command::new("buildah");
        buildah
            .args(["--storage-driver", "vfs", "--root"])
            .arg(dir.join("storage"));
        buildah
            .arg("--runroot")
            .arg(dir.join("running"))
            .args([command, "--quiet"]);
        buildah
    };
    let mut build = buildah("build");
    build.args([
        "--isolation",
        "chroot",
        "--tag",
        "registry.test/pause:1",
        "--file",
    ]);
    run_tool(build.arg(source.join("Dockerfile")).arg(context));
    let archive = format!("oci-archive:{}", portolan.archive().display());
    let pulled = buildah("pull").arg(archive).output().expect("buildah runs");
    assert!(pulled.status.success(), "{pulled:?}");
    let id = String::from_utf8(pulled.stdout).expect("text");
    for (image, name, file) in [
        (
            "registry.test/pause:1",
            "registry.test/pause:1",
            "pause.tar",
        ),
        (id.trim(), "registry.test/portolan:tested", "portolan.tar"),
    ] {
        let archive = format!("oci-archive:{}:{name}", dir.join(file).display());
        run_tool(buildah("push").args([image, &archive]));
    }
}

/// What the parts of the cluster know each other by.
fn write_files(dir: &Path) -> PathBuf {
    let authority = Authority::new("Kubernetes");
    write(dir, "ca.crt", authority.root_pem());
    let names = [
        "192.0.2.10",
        "10.96.0.1",
        "127.0.0.1",
        "kubernetes.default.svc",
    ];
    authority.server(&names).write(dir, "server");
    authority.client("tokens").write(dir, "accounts");
    authority
        .client("kube-apiserver")
        .write(dir, "kubelet-client");
    write(dir, "tokens.csv", "admin,admin,1,system:masters\n");
    let of = |name: &str| dir.join(name).display().to_string();
    let (clients, peers) = (
        format!("unix://{}", of("etcd.sock")),
        format!("unix://{}", of("peer.sock")),
    );
    let etcd = json!({
        "name": "test", "data-dir": of("data"),
        "listen-client-urls": clients, "advertise-client-urls": clients,
        "listen-peer-urls": peers, "initial-advertise-peer-urls": peers,
        "initial-cluster": format!("test={peers}"), "unsafe-no-fsync": true, "log-level": "warn",
    });
    write(dir, "etcd.json", &etcd.to_string());
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {
            "server": "https://192.0.2.10:6443", "certificate-authority": of("ca.crt"),
        }}],
        "users": [{"name": "test", "user": {"token": "admin"}}],
    });
    write(dir, "admin.conf", &kubeconfig.to_string())
}

#[test]
fn pods_of_the_chart_run_know_their_address_and_pass_helm_test() {
    if Helm::Four.program().is_none() {
        return;
    }
    let Some(node) = Node::start() else { return };
    let kubectl = node.kubectl();
    kubectl.run(&["wait", "--for=create", "node/node-1", "--timeout=120s"]);
    kubectl.run(&[
        "wait",
        "--for=condition=Ready",
        "node/node-1",
        "--timeout=120s",
    ]);
    kubectl.strict_namespace(NAMESPACE);
    node.start_kafka();
    // No name servers are there: the broker, and the Service for `helm test`, go by their addresses.
    let test = format!("test.address={BALANCED}:9092");
    let values = [
        "kafka.bootstrapServers=192.0.2.10:19092",
        "advertised.fromService=true",
        "image.repository=registry.test/portolan",
        "image.tag=tested",
        "image.pullPolicy=Never",
        "drain.lameDuck=1s",
        &test,
    ];
    let with_chart = |command: &str, more: &[&str]| {
        let words = [command, "portolan", &chart().display().to_string()].map(str::to_owned);
        node.helm(&[&words[..], &set(&values), &set(more)].concat())
    };
    with_chart("install", &[]);
    let namespace = format!("--namespace={NAMESPACE}");
    let wait_for_pods = || {
        let words = ["rollout", "status", "deployment/portolan", "--timeout=240s"];
        kubectl.run(&[&words[..], &[&namespace]].concat())
    };
    // Ready, though there is no address: some balancers give one only to who has pods.
    wait_for_pods();
    kubectl.balance(NAMESPACE, &json!([{"ip": BALANCED}]));
    node.wait_until_known();
    let helm_test = || {
        let said = node.helm(&["test", "portolan", "--logs"].map(str::to_owned));
        assert!(said.contains("no faults"), "{said}");
        said
    };
    let said = helm_test();
    // The one broker, by the address that each pod has read, at the port that is its own.
    assert!(
        said.contains(&format!("{BALANCED}:9093")) && said.contains("proven"),
        "{said}"
    );

    // What the kubelet and containerd made of the chart's security context.
    let line = "for file in /proc/[0-9]*/status; do grep -q '^Name:.portolan$' $file && cat $file; done; true";
    let output = node.output(Path::new("sh"), &["-c", line].map(str::to_owned));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        let found = said.lines().filter(|found| *found == line).count();
        assert_eq!(found, 2, "{line}: {said}");
    }

    // Pods are replaced, which know the address at once.
    with_chart("upgrade", &["ports.brokers.count=20"]);
    wait_for_pods();
    helm_test();
}
