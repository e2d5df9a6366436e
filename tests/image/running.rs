//! The image in the container that the chart's pod asks for: no capability, no way to gain one, nothing to write.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::common::certificates::Authority;
use crate::common::container::Container;
use crate::common::helm::Helm;
use crate::common::image::built;
use crate::common::kubelet::{Pod, Sandbox, THREADS, secret};
use crate::common::proxy::wait_until;
use crate::common::rendered::{Rendered, TWO};

/// A pod whose network leads nowhere.
fn sandbox() -> Sandbox {
    Sandbox {
        name: "portolan-0".to_owned(),
        namespace: "kafka".to_owned(),
        address: Ipv4Addr::LOCALHOST,
        process: None,
        name_server: Ipv4Addr::LOCALHOST,
        api_server: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 6443),
        token: "a token".to_owned(),
    }
}

/// What the log must be for the test to read it.
const JSON: &str = "{log: {format: json}}";

fn rendered(values: &str) -> Option<Rendered> {
    Rendered::new(Helm::Four, "kafka", &[TWO, JSON, values])
}

#[test]
fn the_program_runs_in_the_container_and_knows_what_it_is() {
    let less = "{resources: {limits: {memory: 48Mi}}}";
    let (Some(image), Some(rendered)) = (built(), rendered(less)) else {
        return;
    };
    let mut pod = rendered.pod().clone();
    pod["spec"]["containers"][0]["args"] = json!(["--version"]);
    let Some(pod) = Pod::new(image, &pod, rendered.objects(), &sandbox()) else {
        return;
    };
    assert_eq!(pod.memory, 48 << 20, "the chart's, which is less than ours");
    let output = pod.container().run();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        said.starts_with(&format!("portolan {version}\ncommit: tested\n")),
        "{said}"
    );
    assert!(said.contains("-unknown-linux-musl, release\n"), "{said}");
    // It is the one that the chart means.
    assert_eq!(
        pod.spec.containers[0].image,
        format!("portolan:{version}"),
        "and this is {}",
        image.digest
    );
}

#[test]
fn the_proxy_has_no_rights() {
    let (Some(image), Some(rendered)) = (built(), rendered("{}")) else {
        return;
    };
    let Some(pod) = Pod::new(image, rendered.pod(), rendered.objects(), &sandbox()) else {
        return;
    };
    let mut proxy = pod.start();
    assert_is_confined(pod.container());
    // The host of no broker answers, and it is alive and ready all the same.
    let container = &pod.spec.containers[0];
    for probe in [&container.liveness_probe, &container.readiness_probe] {
        let probe = probe.as_ref().expect("a probe");
        wait_until(&probe.http_get.path, || {
            pod.container().in_network(|| pod.likes(probe))
        });
    }
    let status = pod.end(&mut proxy);
    let code = status.and_then(|status| status.code());
    assert_eq!(code, Some(0), "{}", proxy.log_text());
}

#[test]
fn the_proxy_is_bound_to_its_memory_and_threads() {
    let (Some(image), Some(rendered)) = (built(), rendered("{}")) else {
        return;
    };
    let Some(pod) = Pod::new(image, rendered.pod(), rendered.objects(), &sandbox()) else {
        return;
    };
    if !pod.container().is_limited() {
        return;
    }
    let mut proxy = pod.start();
    let usage: Value = pod.container().usage();
    assert_eq!(
        usage["data"]["memory"]["usage"]["limit"], pod.memory,
        "{usage:#}"
    );
    assert_eq!(usage["data"]["pids"]["limit"], THREADS, "{usage:#}");
    pod.end(&mut proxy);
}

/// Fails if the kernel does not say of the process what the chart's security context asks for.
fn assert_is_confined(container: &Container) {
    let status = container.proc_file("status");
    let field = |name: &str| -> Vec<&str> {
        let mut found = status
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        let found = found.next().expect("a field of the kernel's");
        found.split_whitespace().collect()
    };
    assert_eq!(field("Uid"), ["65532"; 4]);
    assert_eq!(field("Gid"), ["65532"; 4]);
    assert_eq!(field("Groups"), ["65532"]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("NoNewPrivs"), ["1"]);
    // A filter is in force.
    assert_eq!(field("Seccomp"), ["2"]);
    let mounts = container.proc_file("mounts");
    let options = |place: &str| {
        let mut lines = mounts.lines().map(|line| line.split(' '));
        let line = lines.find(|words| words.clone().nth(1) == Some(place));
        let options = line.and_then(|mut words| words.nth(3));
        options.unwrap_or_else(|| panic!("{place} in {mounts}"))
    };
    for place in ["/", "/etc/portolan/config", "/etc/hosts", "/sys"] {
        let options: Vec<&str> = options(place).split(',').collect();
        assert!(options.contains(&"ro"), "{place}: {options:?}");
    }
}

#[test]
fn on_openshift_any_user_will_do_and_can_read_the_key() {
    let values = "{openshift: true, tls: {client: {existingSecret: portolan-tls}}}";
    let (Some(image), Some(rendered)) = (built(), rendered(values)) else {
        return;
    };
    // What its admission adds by restricted-v2: a user of the namespace's range, and a group of volumes. The group stays root's.
    const USER: u32 = 1_000_660_000;
    let mut pod = rendered.pod().clone();
    pod["spec"]["containers"][0]["securityContext"]["runAsUser"] = USER.into();
    pod["spec"]["securityContext"]["fsGroup"] = USER.into();
    let identity = Authority::new("Root").server(&["kafka.example.com"]);
    let key = identity.key_pem();
    let pair = [("tls.crt", identity.chain_pem()), ("tls.key", &key)];
    let mut objects = rendered.objects().clone();
    let secret = secret("portolan-tls", &pair);
    objects.insert("Secret/portolan-tls".to_owned(), secret);
    let Some(pod) = Pod::new(image, &pod, &objects, &sandbox()) else {
        return;
    };
    // Without the key it would not be ready.
    let mut proxy = pod.start();
    let status = pod.container().proc_file("status");
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let words = line.expect("a field of the kernel's").split_whitespace();
        words.skip(1).map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(line("Uid:"), ["1000660000"; 4]);
    assert_eq!(line("Gid:"), ["0"; 4]);
    assert_eq!(line("Groups:"), ["0", "1000660000"]);
    assert_eq!(line("CapEff:"), ["0000000000000000"]);
    let status = pod.end(&mut proxy);
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn the_token_of_the_account_is_its_own_and_nobody_else_may_read_it() {
    let from_service = "{advertised: {host: '', fromService: true}}";
    let (Some(image), Some(rendered)) = (built(), rendered(from_service)) else {
        return;
    };
    let mut objects = rendered.objects().clone();
    // Every namespace has one.
    let authority = Authority::new("Kubernetes");
    let authority = json!({"data": {"ca.crt": authority.root_pem()}});
    objects.insert("ConfigMap/kube-root-ca.crt".to_owned(), authority);
    let Some(pod) = Pod::new(image, rendered.pod(), &objects, &sandbox()) else {
        return;
    };
    let look = |file: &str| {
        let stat = fs::metadata(pod.volume("token").join(file)).expect("a file");
        (stat.mode() & 0o777, stat.uid(), stat.gid())
    };
    assert_eq!(look("token"), (0o640, 65532, 65532));
    assert_eq!(look("ca.crt"), (0o440, 0, 65532));
    assert_eq!(look("namespace"), (0o440, 0, 65532));
    let mut proxy = pod.start();
    // The account could be read, and it is the server that is not there.
    let line = proxy.wait_for_log("cannot read the Service whose address clients are told");
    assert_eq!(line["reason"], "unreachable", "{line}");
    let status = pod.end(&mut proxy);
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}
