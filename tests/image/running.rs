//! The image in a container that has no rights: no capability, no way to gain one, nothing to write.

use serde_json::Value;

use crate::common::container::{Container, MEMORY};
use crate::common::image::built;
use crate::common::proxy::{Proxy, wait_until};

const CONFIG: &str = "[clusters.main]\nbootstrap_servers = [\"127.0.0.1:1\"]\nadvertised_host = \"127.0.0.1\"\nbootstrap_port = 0\nlisten_address = \"127.0.0.1\"\n\
                      [[clusters.main.nodes]]\nids = \"0\"\nport = 0\naddress = \"127.0.0.1:1\"\n";

#[test]
fn the_program_runs_in_the_container_and_knows_what_it_is() {
    let Some(image) = built() else { return };
    let Some(container) = Container::new(image, &["--version"], &[]) else {
        return;
    };
    let output = container.run();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(
        said.starts_with(&format!(
            "portolan {}\ncommit: tested\n",
            env!("CARGO_PKG_VERSION")
        )),
        "{said}"
    );
    assert!(said.contains("-unknown-linux-musl, release\n"), "{said}");
}

#[test]
fn the_proxy_has_no_rights_and_is_bound_to_its_memory() {
    let Some(image) = built() else { return };
    let Some(container) = Container::new(image, &["run", "--config", "-"], &[]) else {
        return;
    };
    let mut proxy = Proxy::start_by(&container.line(), CONFIG);
    let status = container.proc_file("status");
    let field = |name: &str| -> Vec<&str> {
        let mut found = status
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        found
            .next()
            .expect("a field of the kernel's")
            .split_whitespace()
            .collect()
    };
    assert_eq!(field("Uid"), ["65532"; 4]);
    assert_eq!(field("Gid"), ["65532"; 4]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("NoNewPrivs"), ["1"]);
    // A filter is in force.
    assert_eq!(field("Seccomp"), ["2"]);
    let mounts = container.proc_file("mounts");
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some("/"));
    let options = root
        .and_then(|line| line.split(' ').nth(3))
        .expect("a root");
    assert!(options.split(',').any(|option| option == "ro"), "{mounts}");
    if container.limited {
        let usage: Value = container.usage();
        assert_eq!(
            usage["data"]["memory"]["usage"]["limit"], MEMORY,
            "{usage:#}"
        );
        assert_eq!(usage["data"]["pids"]["limit"], 64, "{usage:#}");
    }
    // The host of no broker answers, and it is alive and ready all the same.
    assert_eq!(proxy.get("/livez").0, 200);
    wait_until("ready", || proxy.get("/readyz").0 == 200);
    proxy.terminate();
    assert_eq!(proxy.wait().code(), Some(0), "{}", proxy.log_text());
}
