//! What is counted is what is scraped.

use std::time::Duration;

use super::*;
use crate::port_map::NodeId;

#[test]
fn every_series_is_there_at_zero_from_the_start() {
    let apis = [
        (0, "Produce"),
        (3, "Metadata"),
        (12, "Heartbeat"),
        (52, "Vote"),
    ];
    let metrics = Metrics::new(&apis, &["client_closed"], 2).unwrap();
    let routes = [Route::Bootstrap, Route::Node(NodeId(1001))].map(Door::from);
    metrics.cluster("main", &routes).unwrap();
    let text = metrics.render().unwrap();
    for series in [
        r#"portolan_connections{cluster="main",route="bootstrap"} 0"#,
        r#"portolan_connections_total{cluster="main",route="node-1001"} 0"#,
        r#"portolan_connection_ends_total{cluster="main",reason="client_closed"} 0"#,
        r#"portolan_requests_total{api="Produce",cluster="main"} 0"#,
        r#"portolan_requests_total{api="unknown",cluster="main"} 0"#,
        r#"portolan_addresses_rewritten_total{api="Metadata",cluster="main"} 0"#,
        r#"portolan_unmapped_nodes_total{cluster="main"} 0"#,
        r#"portolan_upstream_connect_failures_total{cluster="main",node="1001",reason="refused"} 0"#,
        r#"portolan_bytes_total{cluster="main",direction="response"} 0"#,
        r#"portolan_node_bytes_total{cluster="main",direction="request",node="1001"} 0"#,
        r#"portolan_node_bytes_total{cluster="main",direction="response",node="bootstrap"} 0"#,
        r#"portolan_in_flight{cluster="main"} 0"#,
        r#"portolan_request_seconds_bucket{api="Produce",cluster="main",le="0.0005"} 0"#,
        r#"portolan_request_seconds_bucket{api="unknown",cluster="main",le="+Inf"} 0"#,
        r#"portolan_request_seconds_sum{api="Metadata",cluster="main"} 0"#,
        r#"portolan_proxy_seconds_bucket{cluster="main",le="0.000005"} 0"#,
        r#"portolan_proxy_seconds_count{cluster="main"} 0"#,
        "portolan_accept_errors_total 0",
    ] {
        assert!(text.contains(series), "{series} is missing in\n{text}");
    }
    assert!(text.contains(r#"portolan_requests_total{api="Heartbeat""#));
    let between_brokers = r#"portolan_request_seconds_count{api="Vote""#;
    assert!(!text.contains(between_brokers), "it is not let through");
    for family in ["addresses_rewritten_total", "endpoints_neutralised_total"] {
        let heartbeat = format!(r#"portolan_{family}{{api="Heartbeat""#);
        assert!(!text.contains(&heartbeat), "it carries no addresses");
    }
}

#[test]
fn what_threads_count_is_added_up() {
    let metrics = Metrics::new(&[(0, "Produce"), (3, "Metadata")], &["client_closed"], 2);
    let metrics = metrics.unwrap();
    let node = Route::Node(NodeId(7));
    let clusters = ["a", "b"].map(|name| {
        let cluster = metrics.cluster(name, &[Route::Bootstrap.into()]).unwrap();
        // One that a reload adds.
        metrics.add_doors(&cluster, name, &[node.into()]);
        cluster
    });
    std::thread::scope(|scope| {
        for worker in [Some(0), Some(1), None] {
            let clusters = &clusters;
            scope.spawn(move || {
                if let Some(worker) = worker {
                    count_as_worker(worker);
                }
                for cluster in clusters {
                    cluster.connection_opened(Route::Bootstrap);
                    for (route, bytes) in [(Route::Bootstrap, 100), (node, 30)] {
                        let of_node = cluster.node_bytes(route).unwrap();
                        of_node.request(bytes);
                        of_node.response(1);
                    }
                    cluster.rewritten(3, 2);
                    cluster.rewritten(0, 0);
                    cluster.endpoints_neutralised(4711, 5);
                    cluster.answered(3, Duration::from_millis(2));
                    cluster.answered(4711, Duration::from_secs(60));
                    cluster.frames_passed(Duration::from_micros(20), 3);
                }
            });
        }
    });
    // Opened on other threads than it is closed on.
    clusters[1].connection_closed(Route::Bootstrap, "client_closed");
    let text = metrics.render().unwrap();
    for series in [
        r#"portolan_connections{cluster="a",route="bootstrap"} 3"#,
        r#"portolan_connections{cluster="b",route="bootstrap"} 2"#,
        r#"portolan_connections_total{cluster="b",route="bootstrap"} 3"#,
        r#"portolan_connection_ends_total{cluster="a",reason="client_closed"} 0"#,
        r#"portolan_connection_ends_total{cluster="b",reason="client_closed"} 1"#,
        r#"portolan_bytes_total{cluster="a",direction="request"} 390"#,
        r#"portolan_bytes_total{cluster="b",direction="response"} 6"#,
        r#"portolan_node_bytes_total{cluster="b",direction="request",node="7"} 90"#,
        r#"portolan_addresses_rewritten_total{api="Metadata",cluster="a"} 6"#,
        r#"portolan_request_seconds_bucket{api="Metadata",cluster="a",le="0.001"} 0"#,
        r#"portolan_request_seconds_bucket{api="Metadata",cluster="a",le="0.0025"} 3"#,
        r#"portolan_request_seconds_sum{api="Metadata",cluster="a"} 0.006"#,
        r#"portolan_request_seconds_bucket{api="unknown",cluster="b",le="30"} 0"#,
        r#"portolan_request_seconds_bucket{api="unknown",cluster="b",le="+Inf"} 3"#,
        r#"portolan_proxy_seconds_bucket{cluster="b",le="0.00001"} 0"#,
        r#"portolan_proxy_seconds_bucket{cluster="b",le="0.000025"} 9"#,
    ] {
        assert!(text.contains(series), "{series} is missing in\n{text}");
    }
    for line in [
        "# HELP portolan_connections Client connections that are open.",
        "# TYPE portolan_connections gauge",
        "# TYPE portolan_bytes_total counter",
        "# TYPE portolan_request_seconds histogram",
    ] {
        assert_eq!(text.matches(line).count(), 1, "{line} in\n{text}");
    }
}

#[test]
fn counting_reaches_the_text() {
    let metrics = Metrics::new(&[(0, "Produce")], &["client_closed"], 2).unwrap();
    let cluster = metrics.cluster("main", &[Route::Bootstrap.into()]).unwrap();
    cluster.connection_opened(Route::Bootstrap);
    cluster.request(0);
    cluster.request(4711);
    cluster.connection_closed(Route::Bootstrap, "client_closed");
    let text = metrics.render().unwrap();
    for series in [
        r#"portolan_connections{cluster="main",route="bootstrap"} 0"#,
        r#"portolan_connections_total{cluster="main",route="bootstrap"} 1"#,
        r#"portolan_connection_ends_total{cluster="main",reason="client_closed"} 1"#,
        r#"portolan_requests_total{api="Produce",cluster="main"} 1"#,
        r#"portolan_requests_total{api="unknown",cluster="main"} 1"#,
    ] {
        assert!(text.contains(series), "{series} is missing in\n{text}");
    }
}

#[test]
fn the_status_is_told_the_same_numbers_as_a_scrape() {
    // Fetch is not to be counted; Vote is not let through, and has no times of its own.
    let apis = [(0, "Produce"), (1, "Fetch"), (52, "Vote")];
    let metrics = Metrics::new(&apis, &["client_closed"], 1).unwrap();
    let node = Route::Node(NodeId(7));
    let doors = [Route::Bootstrap.into(), node.into(), Door::Sni];
    let cluster = metrics.cluster("main", &doors).unwrap();
    let other = metrics.cluster("other", &[node.into()]).unwrap();
    for _ in 0..3 {
        cluster.connection_opened(node);
    }
    cluster.connection_opened(Door::Sni);
    cluster.connection_opened(Door::Sni);
    cluster.connection_moved(Door::Sni, node.into());
    cluster.connection_closed(node, "client_closed");
    other.connection_opened(node);
    let bytes = cluster.node_bytes(node).unwrap();
    bytes.request(10);
    bytes.response(20);
    let expected = RouteCounts {
        connections: 3,
        connections_total: 4,
        request_bytes: 10,
        response_bytes: 20,
    };
    assert_eq!(cluster.counts(node), expected);
    assert_eq!(cluster.counts(Route::Bootstrap), RouteCounts::default());
    assert_eq!(
        cluster.counts(Route::Node(NodeId(8))),
        RouteCounts::default()
    );
    assert_eq!(metrics.open_connections(), 3 + 1 + 1);
    for (api, seconds) in [(0, 1), (0, 2), (1, 100), (52, 4), (4711, 8)] {
        cluster.answered(api, Duration::from_secs(seconds));
    }
    let took = |seconds, count| Took { seconds, count };
    assert_eq!(cluster.brokers_took(&[1]), took(15.0, 4));
    assert_eq!(cluster.brokers_took(&[]), took(115.0, 5));
    cluster.frames_passed(Duration::from_millis(500), 4);
    assert_eq!(cluster.frames_took(), took(2.0, 4));
    metrics.reloaded(true);
    metrics.reloaded(false);
    metrics.reloaded(false);
    assert_eq!(metrics.reloads(), (1, 2));
    let text = metrics.render().unwrap();
    for series in [
        r#"portolan_connections{cluster="main",route="node-7"} 3"#,
        r#"portolan_connections_total{cluster="main",route="node-7"} 4"#,
        r#"portolan_node_bytes_total{cluster="main",direction="response",node="7"} 20"#,
        r#"portolan_request_seconds_sum{api="unknown",cluster="main"} 12"#,
        r#"portolan_config_reloads_total{result="failure"} 2"#,
    ] {
        assert!(text.contains(series), "{series} is missing in\n{text}");
    }
}
