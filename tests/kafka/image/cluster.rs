//! A cluster of Kubernetes that has Kafka, and room for two pods of the chart: that of its Deployment, and that of `helm test`.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::client::Program;
use crate::cluster::Cluster;
use crate::common::command::Outcome;
use crate::common::image::Image;
use crate::common::kubelet::{Objects, Pod, Sandbox};
use crate::common::proxy::{Proxy, wait_until};
use crate::kubernetes::Pods;
use crate::kubernetes::chart::{Chart, NAMESPACE};
use crate::kubernetes::machine::Machine;
use crate::kubernetes::node::{BRIDGE, CLUSTER_DNS, GATEWAY, NDOTS, pod_address, resolv_conf};
use crate::kubernetes::outside::{BALANCER, NAME, Outside};
use crate::toolchain::KAFKA_4;

/// Where Portolan's pod is.
pub const PORTOLAN: Ipv4Addr = pod_address(100);

/// Where the pod of `helm test` is.
const TEST: Ipv4Addr = pod_address(101);

/// Brokers in their pods, clients outside, and what the chart's pods need before they are there.
pub struct World {
    pub outside: Outside,
    pub brokers: Cluster,
    pub java: Program,
    image: &'static Image,
    /// The sandboxes of the pods: their networks and host names.
    portolan: Machine,
    test: Machine,
}

/// A release that runs.
pub struct Release {
    /// First, so that it ends before what it stands on.
    pub proxy: Proxy,
    pub pod: Pod,
}

impl World {
    pub fn start(image: &'static Image, java: Program) -> Self {
        let ids = [0, 1, 2];
        let brokers = Cluster::start_in_pods(KAFKA_4, &ids, Pods::start(&ids));
        let outside = Outside::start();
        let machine = |name: &str, address: Ipv4Addr| {
            let hosts = format!("{address} {name}");
            let mut machine = Machine::start(name, &hosts, &resolv_conf(NDOTS));
            machine.connect_to_bridge(BRIDGE, address, GATEWAY);
            machine
        };
        let portolan = machine("portolan", PORTOLAN);
        outside.connect_to(&portolan);
        let test = machine("portolan-test", TEST);
        // As the cluster's own DNS does it, and external-dns; and kube-proxy, which leads to the pod what is for its balancer.
        let service = format!("portolan.{NAMESPACE}.svc.cluster.local");
        brokers.pods().name(&service, PORTOLAN);
        brokers.pods().name(NAME, BALANCER);
        test.run(&format!("ip route add {BALANCER} via {PORTOLAN}"));
        World {
            outside,
            brokers,
            java,
            image,
            portolan,
            test,
        }
    }

    /// Starts the pod of the Deployment. The objects are those that volumes are made of.
    pub fn install(&self, chart: &Chart, objects: &Objects) -> Release {
        let sandbox = sandbox("portolan", &self.portolan, PORTOLAN);
        let pod = Pod::new(self.image, chart.rendered().pod(), objects, &sandbox);
        let pod = pod.expect("runc and root were there");
        Release {
            proxy: pod.start(),
            pod,
        }
    }

    /// Runs the pod of `helm test` to its end.
    pub fn helm_test(&self, chart: &Chart, objects: &Objects) -> Outcome {
        let sandbox = sandbox("portolan-test", &self.test, TEST);
        let pod = chart.rendered().object("Pod/portolan-test");
        let pod = Pod::new(self.image, pod, objects, &sandbox);
        let output = pod.expect("runc and root were there").container().run();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Outcome {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

fn sandbox(name: &str, machine: &Machine, address: Ipv4Addr) -> Sandbox {
    Sandbox {
        name: name.to_owned(),
        namespace: NAMESPACE.to_owned(),
        address,
        process: Some(machine.pid()),
        name_server: CLUSTER_DNS,
        // Where nobody is: none of these pods asks it.
        api_server: SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 1), 443),
        token: String::new(),
    }
}

impl Release {
    /// Waits until the kubelet would send it clients, and fails if it would start it anew.
    pub fn assert_is_alive_and_ready(&self) {
        let container = &self.pod.spec.containers[0];
        let readiness = container.readiness_probe.as_ref().expect("a probe");
        wait_until("readiness", || self.pod.likes(readiness));
        let liveness = container.liveness_probe.as_ref().expect("a probe");
        assert!(self.pod.likes(liveness), "{}", self.proxy.log_text());
    }

    /// Ends it as the kubelet does, in the time that the pod says.
    pub fn assert_drains(&mut self) {
        let status = self.pod.end(&mut self.proxy);
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(0), "{}", self.proxy.log_text());
        let log = self.proxy.log_text();
        assert!(self.proxy.log_has("drained"), "{log}");
    }
}
