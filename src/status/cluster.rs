//! One virtual cluster in `/status`.

use std::time::SystemTime;

use kafka_protocol::messages::ApiKey;
use serde::Serialize;

use super::json::days_until;
use super::service::{Audience, Service, ServiceStatus};
use crate::calendar::{rfc3339, utc};
use crate::config::{NodeAddress, VirtualCluster};
use crate::port_map::{NodePort, PortMap, Route};
use crate::session::Cluster;
use crate::upstream::health::Known;

/// Requests that brokers answer only when there is something to say: for records, or for the other members of a group.
const WAITING: [i16; 5] = [
    ApiKey::Fetch as i16,
    ApiKey::ShareFetch as i16,
    ApiKey::JoinGroup as i16,
    ApiKey::SyncGroup as i16,
    ApiKey::ConsumerGroupHeartbeat as i16,
];

/// A virtual cluster.
#[derive(Debug, Serialize)]
pub(super) struct ClusterStatus {
    name: String,
    advertised_host: Option<String>,
    service: Option<Service>,
    reachable: Option<bool>,
    routes: Vec<RouteStatus>,
    unmapped: Vec<Unmapped>,
    clients: Vec<Client>,
    certificates: Vec<Certificate>,
    latency: Latency,
}

#[derive(Debug, Serialize)]
struct RouteStatus {
    route: String,
    node: Option<i32>,
    bound: Option<u16>,
    advertised: Option<String>,
    sni: Option<String>,
    broker: Option<String>,
    state: &'static str,
    since: Option<String>,
    last_error: Option<LastError>,
    connections: u64,
    connections_total: u64,
    request_bytes: u64,
    response_bytes: u64,
}

#[derive(Debug, Serialize)]
struct LastError {
    at: String,
    reason: &'static str,
    message: String,
}

/// A broker outside the port map.
#[derive(Debug, Serialize)]
struct Unmapped {
    node: i32,
    address: String,
    last_seen: String,
    remedy: String,
}

#[derive(Debug, Serialize)]
struct Client {
    name: String,
    version: String,
    connections_total: u64,
}

#[derive(Debug, Serialize)]
struct Certificate {
    side: &'static str,
    until: String,
    days_left: i64,
}

/// How long so many requests took in all: at the brokers, and here. Without those in which brokers wait on purpose.
#[derive(Debug, Serialize)]
struct Latency {
    requests: u64,
    broker_seconds: f64,
    proxy_seconds: f64,
}

impl ClusterStatus {
    pub(super) fn of(
        config: &VirtualCluster,
        cluster: &Cluster,
        service: Option<&ServiceStatus>,
    ) -> Self {
        ClusterStatus {
            name: cluster.name.clone(),
            advertised_host: cluster.host().map(str::to_owned),
            service: service.map(|service| Service::of(service, Audience::of(config))),
            reachable: cluster.reachable(),
            routes: routes(config, cluster),
            unmapped: unmapped(cluster),
            clients: clients(cluster),
            certificates: certificates(cluster),
            latency: latency(cluster),
        }
    }
}

fn routes(config: &VirtualCluster, cluster: &Cluster) -> Vec<RouteStatus> {
    let routes = cluster.routes();
    routes
        .map(|route| route_status(route, config, cluster))
        .collect()
}

fn route_status(route: Route, config: &VirtualCluster, cluster: &Cluster) -> RouteStatus {
    let port = cluster.ports.as_ref().and_then(|map| port_of(map, route));
    let told = |map: &PortMap| {
        let port = port_of(map, route)?.advertised;
        Some(format!("{}:{port}", bracketed(map.host_of(route)?)))
    };
    let broker = match route {
        Route::Bootstrap => {
            let servers = config.bootstrap_servers.iter();
            Some(
                servers
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        }
        Route::Node(id) => match config.nodes.get(&id) {
            Some(NodeAddress::Configured(address)) => Some(address.to_string()),
            _ => cluster.upstream.address(id).map(|a| a.to_string()),
        },
    };
    let counts = cluster.metrics.counts(route);
    let Known {
        state,
        since,
        last_failure,
        ..
    } = cluster.upstream.health().of(route);
    RouteStatus {
        node: match route {
            Route::Bootstrap => None,
            Route::Node(id) => Some(id.0),
        },
        bound: port.map(|port| port.bound),
        advertised: cluster.ports.as_ref().and_then(told),
        sni: cluster.sni.as_ref().and_then(told),
        broker,
        state: state.word(),
        since: since.map(utc),
        last_error: last_failure.map(|(at, failure)| LastError {
            at: utc(at),
            reason: failure.reason,
            message: failure.message,
        }),
        connections: counts.connections,
        connections_total: counts.connections_total,
        request_bytes: counts.request_bytes,
        response_bytes: counts.response_bytes,
        route: route.to_string(),
    }
}

fn port_of(map: &PortMap, route: Route) -> Option<NodePort> {
    match route {
        Route::Bootstrap => Some(map.bootstrap()),
        Route::Node(id) => map.node(id),
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

fn unmapped(cluster: &Cluster) -> Vec<Unmapped> {
    let seen = cluster.unmapped();
    seen.into_iter()
        .map(|(broker, last_seen)| Unmapped {
            node: broker.node_id.0,
            address: format!("{}:{}", bracketed(&broker.host), broker.port),
            last_seen: utc(last_seen),
            remedy: cluster.advice(&broker),
        })
        .collect()
}

fn clients(cluster: &Cluster) -> Vec<Client> {
    let seen = cluster.metrics.client_software().into_iter();
    seen.map(|software| Client {
        name: software.name.to_string(),
        version: software.version.to_string(),
        connections_total: software.connections_total,
    })
    .collect()
}

fn certificates(cluster: &Cluster) -> Vec<Certificate> {
    let shown = cluster
        .tls
        .as_deref()
        .map(|tls| ("client", tls.not_after()));
    let own = cluster.upstream.tls().and_then(|own| own.not_after());
    let all = shown.into_iter().chain(own.map(|end| ("broker", end)));
    all.map(|(side, end)| Certificate {
        side,
        until: rfc3339(u64::try_from(end).unwrap_or(0)),
        days_left: days_until(end, SystemTime::now()),
    })
    .collect()
}

fn latency(cluster: &Cluster) -> Latency {
    let brokers = cluster.metrics.brokers_took(&WAITING);
    let frames = cluster.metrics.frames_took();
    // Frames are requests and answers, each by itself, and those of all apis.
    let of_exchange = 2.0 * frames.seconds / frames.count.max(1) as f64;
    Latency {
        requests: brokers.count,
        broker_seconds: brokers.seconds,
        proxy_seconds: of_exchange * brokers.count as f64,
    }
}
