//! With `advertised.fromService` Portolan's account may read one Service and watch it, and nothing else at all.

use crate::common::helm::Helm;
use crate::control_plane::{ControlPlane, shared};
use crate::kubectl::Kubectl;
use crate::releases::install;

/// What must be set to have the address read from the Service.
pub(crate) const FROM_SERVICE: [&str; 2] = [
    "kafka.bootstrapServers=kafka.kafka.svc:9092",
    "advertised.fromService=true",
];

/// A token such as the kubelet gets for a pod of the release.
pub(crate) fn token(kubectl: &Kubectl, namespace: &str) -> String {
    let namespace = format!("--namespace={namespace}");
    let token = kubectl.run(&["create", "token", "portolan", &namespace, "--duration=1h"]);
    token.trim().to_owned()
}

/// A namespace with the chart in it and nothing else.
pub(crate) fn released(cluster: &ControlPlane, namespace: &str) -> Option<()> {
    cluster.admin().strict_namespace(namespace);
    install(cluster, Helm::Three, namespace, &FROM_SERVICE)
}

#[test]
fn the_account_may_read_its_service_and_nothing_else() {
    let Some(cluster) = shared() else { return };
    let namespace = "one-service";
    if released(&cluster, namespace).is_none() {
        return;
    }
    let admin = cluster.admin();
    let portolan = cluster.with_token(&token(&admin, namespace));
    let service = format!("/api/v1/namespaces/{namespace}/services");
    let read = portolan.run(&["get", "--raw", &format!("{service}/portolan")]);
    assert!(read.contains("\"kind\":\"Service\""), "{read}");
    // A watch of a second, as Portolan's.
    let only = "fieldSelector=metadata.name%3Dportolan&watch=true&timeoutSeconds=1";
    let watched = portolan.run(&["get", "--raw", &format!("{service}?{only}")]);
    assert!(watched.contains("\"type\":\"ADDED\""), "{watched}");
    for path in [
        service.clone(),
        format!("{service}?fieldSelector=metadata.name%3Dportolan"),
        format!("{service}?watch=true&timeoutSeconds=1"),
        format!(
            "{service}?fieldSelector=metadata.name%3Dportolan-admin&watch=true&timeoutSeconds=1"
        ),
        format!("{service}/portolan-admin"),
        format!("{service}/portolan/status"),
        "/api/v1/namespaces/default/services/kubernetes".to_owned(),
        "/api/v1/services".to_owned(),
        format!("/api/v1/namespaces/{namespace}/configmaps/portolan"),
        format!("/api/v1/namespaces/{namespace}/secrets"),
    ] {
        let refused = portolan.try_run(&["get", "--raw", &path]);
        let said = refused.expect_err(&path);
        assert!(
            said.contains("(Forbidden)")
                && said.contains("system:serviceaccount:one-service:portolan"),
            "{path}: {said}"
        );
    }
    let namespace = format!("--namespace={namespace}");
    let patch = [
        "patch",
        "service",
        "portolan",
        &namespace,
        "--type=merge",
        "--patch={\"spec\":{\"type\":\"ClusterIP\"}}",
    ];
    let said = portolan.try_run(&patch).expect_err("it may not");
    assert!(
        said.contains("cannot patch resource \"services\""),
        "{said}"
    );
}
