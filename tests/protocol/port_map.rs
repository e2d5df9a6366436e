//! The port map: a pure function of the node id, built from arbitrary `[[nodes]]` entries.

use std::collections::{BTreeMap, BTreeSet};

use portolan::config::{BrokerAddress, Config, NodeAddress, ParseOptions, VirtualCluster};
use portolan::port_map::{NodeId, NodePort, PortMap, Route};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::arbitrary::cases;

/// An entry of the configuration: ids in the order in which they are written, and ports that are its own.
#[derive(Clone, Debug)]
struct Entry {
    ids: Vec<i32>,
    port: u16,
    advertised_port: Option<u16>,
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn the_nth_id_of_an_entry_has_the_entrys_port_plus_n(entries in entries()) {
        let cluster = parse(&entries);
        let mut expected = BTreeMap::new();
        for entry in &entries {
            for (n, id) in entry.ids.iter().enumerate() {
                let bound = entry.port + n as u16;
                let advertised = entry.advertised_port.unwrap_or(entry.port) + n as u16;
                expected.insert(NodeId(*id), NodePort { bound, advertised });
            }
        }
        let map: BTreeMap<_, _> = cluster.ports.as_ref().unwrap().nodes().collect();
        prop_assert_eq!(&map, &expected);
        for (id, port) in expected {
            prop_assert!(cluster.ports.as_ref().unwrap().contains(id));
            let address = cluster.ports.as_ref().unwrap().advertised(id).unwrap();
            prop_assert_eq!((address.host, address.port), ("kafka.example.com", port.advertised));
            prop_assert_eq!(cluster.ports.as_ref().unwrap().route(port.bound), Some(Route::Node(id)));
        }
        prop_assert_eq!(cluster.ports.as_ref().unwrap().route(9092), Some(Route::Bootstrap));
    }

    #[test]
    fn no_two_routes_share_a_port(entries in entries()) {
        let ports = parse(&entries).ports.unwrap();
        let mut bound = BTreeSet::from([ports.bootstrap().bound]);
        let mut advertised = BTreeSet::from([ports.bootstrap().advertised]);
        for (id, port) in ports.nodes() {
            prop_assert!(bound.insert(port.bound), "node {} on {}", id, port.bound);
            prop_assert!(advertised.insert(port.advertised), "node {}", id);
        }
    }

    #[test]
    fn a_nodes_port_does_not_depend_on_the_order_of_entries_nor_on_other_entries(
        entries in entries(),
        seed in any::<prop::sample::Index>(),
    ) {
        let all = parse(&entries).ports.unwrap();
        let mut turned = entries.clone();
        turned.rotate_left(seed.index(entries.len()));
        let turned = parse(&turned).ports.unwrap();
        prop_assert!(all.nodes().eq(turned.nodes()));
        let alone = parse(&[seed.get(&entries).clone()]).ports.unwrap();
        for (id, port) in alone.nodes() {
            let same = all.nodes().find(|(other, _)| *other == id);
            prop_assert_eq!(same, Some((id, port)));
        }
    }

    #[test]
    fn a_node_outside_the_map_has_no_address(entries in entries(), id in any::<i32>()) {
        let ports = parse(&entries).ports.unwrap();
        let inside = entries.iter().any(|entry| entry.ids.contains(&id));
        prop_assert_eq!(ports.contains(NodeId(id)), inside);
        prop_assert_eq!(ports.advertised(NodeId(id)).is_some(), inside);
    }

    #[test]
    fn templates_are_filled_with_the_id_and_its_place_in_the_entry(entries in entries()) {
        let cluster = parse(&entries);
        for entry in &entries {
            for (ordinal, id) in entry.ids.iter().enumerate() {
                let host = format!("b-{ordinal}.pool-{id}.internal");
                let address = NodeAddress::Configured(BrokerAddress { host, port: 9092 });
                prop_assert_eq!(&cluster.nodes[&NodeId(*id)], &address);
            }
        }
    }

    #[test]
    fn ports_that_are_taken_twice_are_refused_with_both_routes(
        nodes in btree_map(0..1000i32, (9090..9096u16, 9090..9096u16), 0..5),
    ) {
        let bootstrap = NodePort { bound: 9092, advertised: 9092 };
        let nodes: BTreeMap<_, _> = nodes
            .into_iter()
            .map(|(id, (bound, advertised))| (NodeId(id), NodePort { bound, advertised }))
            .collect();
        let (mut bound, mut advertised) = (BTreeSet::from([9092]), BTreeSet::from([9092]));
        let distinct = nodes
            .values()
            .all(|port| bound.insert(port.bound) & advertised.insert(port.advertised));
        match PortMap::new(Some("h"), bootstrap, nodes.clone()) {
            Ok(map) => {
                prop_assert!(distinct);
                prop_assert!(map.nodes().eq(nodes));
            }
            Err(taken) => {
                prop_assert!(!distinct);
                let has = |route| match route {
                    Route::Bootstrap => taken.port == 9092,
                    Route::Node(id) => {
                        [nodes[&id].bound, nodes[&id].advertised].contains(&taken.port)
                    }
                };
                prop_assert!(has(taken.first) && has(taken.second), "{:?}", taken);
                prop_assert_ne!(taken.first, taken.second);
            }
        }
    }
}

/// Entries whose ids and ports do not meet: entry n has the ids n * 1000 and up, and the ports 10000 + n * 100 and up.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let ids = vec(0..999i32, 1..20).prop_map(|mut ids| {
        ids.sort_unstable();
        ids.dedup();
        ids
    });
    // Written backwards, the ids get their ports in that order.
    let ids = (ids, any::<bool>()).prop_map(|(mut ids, backwards)| {
        if backwards {
            ids.reverse();
        }
        ids
    });
    vec((ids, any::<bool>()), 1..5).prop_map(|entries| {
        let numbered = entries.into_iter().enumerate();
        numbered
            .map(|(n, (ids, shifted))| Entry {
                ids: ids.into_iter().map(|id| id + n as i32 * 1000).collect(),
                port: 10_000 + n as u16 * 100,
                advertised_port: shifted.then_some(30_000 + n as u16 * 100),
            })
            .collect()
    })
}

fn parse(entries: &[Entry]) -> VirtualCluster {
    let mut toml = "[clusters.main]\nbootstrap_servers = [\"b:9092\"]\nadvertised_host = \"kafka.example.com\"\n".to_owned();
    for entry in entries {
        let advertised = entry.advertised_port;
        let advertised = advertised.map(|port| format!("advertised_port = {port}\n"));
        toml += &format!(
            "[[clusters.main.nodes]]\nids = \"{}\"\nport = {}\n{}address = \"b-{{ordinal}}.pool-{{node_id}}.internal:9092\"\n",
            written(&entry.ids),
            entry.port,
            advertised.unwrap_or_default(),
        );
    }
    let config = Config::from_toml(&toml, &ParseOptions::default());
    let mut config = config.unwrap_or_else(|faults| panic!("{faults:?}\n{toml}"));
    config.clusters.remove("main").unwrap()
}

/// As a list, neighbours as ranges.
fn written(ids: &[i32]) -> String {
    let mut ranges: Vec<(i32, i32)> = Vec::new();
    for &id in ids {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == id => *last = id,
            _ => ranges.push((id, id)),
        }
    }
    let words = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}
