//! A proxy that reads the address which clients are told from a Service: its configuration, what a client is told, and the surroundings
//! of a pod.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use kafka_protocol::messages::MetadataRequest;

use super::broker::Broker;
use super::client::Client;
use super::frames;
use super::proxy::Proxy;
use super::tools::{available, lacks};

/// A version of Metadata in which every node has an address.
pub const VERSION: i16 = 9;

/// A broker that answers Metadata with two nodes.
pub fn broker() -> Broker {
    Broker::answering(|request| Some(request.answer(&frames::metadata(VERSION, &[0, 1]))))
}

/// A cluster whose address is read from this Service.
pub fn cluster(name: &str, broker: &Broker, service: &str) -> String {
    let address = broker.address();
    let nodes = [0, 1].map(|id| {
        format!("[[clusters.{name}.nodes]]\nids = {id}\nport = 0\naddress = \"{address}\"\n")
    });
    format!(
        "[clusters.{name}]\nbootstrap_servers = [\"{address}\"]\nadvertised_from_service = \"{service}\"\n\
         listen_address = \"127.0.0.1\"\nbootstrap_port = 0\n{}",
        nodes.concat()
    )
}

/// What a client on this connection is told to dial, by its next request: the host of both nodes, which must be the same.
pub fn told(client: &mut Client, proxy: &Proxy, cluster: &str) -> String {
    let answer = client.ask(VERSION, &MetadataRequest::default());
    assert_eq!(answer.brokers.len(), 2, "{answer:?}");
    for (id, broker) in (0..).zip(&answer.brokers) {
        assert_eq!(broker.port, i32::from(proxy.node(cluster, id).port()));
        assert_eq!(broker.host, answer.brokers[0].host);
    }
    answer.brokers[0].host.to_string()
}

/// A client that asks and is closed without an answer.
pub fn refused(address: SocketAddr) {
    let mut client = Client::connect(address);
    client.request(VERSION, &MetadataRequest::default());
    assert_eq!(client.rest().0, [0; 0]);
}

/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Whether a process may have mounts of its own.
pub fn can_mount() -> bool {
    available(&["unshare", "mount"]) && {
        let tried = Command::new("unshare")
            .args(["-rm", "mount", "-t", "tmpfs", "none", "/run"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
            || lacks("namespaces of users and mounts (unshare -rm)")
    }
}

/// What a pod does not go by, if something has set it.
pub const OTHERS: &str = "export KUBECONFIG=/nowhere HTTPS_PROXY=http://127.0.0.1:1";

/// A line for [`Proxy::start_by`]: this directory is where a pod finds its service account, and the API server is at this port of
/// 127.0.0.1.
pub fn in_pod(account: &Path, port: u16) -> String {
    in_pod_by(account, ("127.0.0.1", port), "exec \"$@\"")
}

/// The same with another name or address of the API server, and for another command.
pub fn in_pod_by(account: &Path, (host, port): (&str, u16), command: &str) -> String {
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p {ACCOUNT} && mount --bind '{}' {ACCOUNT} && {command}",
        account.display()
    );
    format!(
        "{OTHERS} KUBERNETES_SERVICE_HOST='{host}' KUBERNETES_SERVICE_PORT={port}; exec unshare -rm sh -c '{}' sh \"$@\"",
        script.replace('\'', "'\\''")
    )
}
