//! Node ids and `[[nodes]]` entries.

use portolan::port_map::{NodeId, Route};

use crate::{LEAST, config, least_with, refused};

fn ids_refused(ids: &str) -> String {
    let words = refused(&least_with(&format!("ids = {ids}")));
    let head = "line 5: clusters.main.nodes[0].ids: ";
    words
        .strip_prefix(head)
        .unwrap_or_else(|| panic!("{words}"))
        .to_owned()
}

#[test]
fn ids_are_a_range_or_a_list_and_get_ports_in_the_order_as_written() {
    for (ids, expected) in [
        ("\"0-2\"", vec![(0, 9093), (1, 9094), (2, 9095)]),
        ("\"7\"", vec![(7, 9093)]),
        ("7", vec![(7, 9093)]),
        ("0x10", vec![(16, 9093)]),
        (
            "\" 1001 - 1002 , 3 \"",
            vec![(3, 9095), (1001, 9093), (1002, 9094)],
        ),
        ("\"2147483647\"", vec![(i32::MAX, 9093)]),
    ] {
        let config = config(&least_with(&format!("ids = {ids}")));
        let ports = config.clusters["main"].ports.as_ref().unwrap().nodes();
        let ports: Vec<_> = ports.map(|(id, port)| (id.0, port.bound)).collect();
        assert_eq!(ports, expected, "{ids}");
    }
}

#[test]
fn what_is_no_id_is_refused() {
    let like = "write a range or a list such as \"0-9\" or \"100-104,200\"";
    for (ids, words) in [
        ("", "\"\" is no node id or range"),
        ("0-", "\"0-\" is no node id or range"),
        ("-1", "\"-1\" is no node id or range"),
        ("+1", "\"+1\" is no node id or range"),
        ("0..9", "\"0..9\" is no node id or range"),
        ("1,2,", "\"\" in \"1,2,\" is no node id or range"),
        ("0-2-4", "\"0-2-4\" is no node id or range"),
        ("2147483648", "\"2147483648\" is no node id or range"),
        ("all", "\"all\" is no node id or range"),
    ] {
        assert_eq!(
            ids_refused(&format!("\"{ids}\"")),
            format!("{words}\n    {like}")
        );
    }
    assert_eq!(
        ids_refused("-1"),
        format!("\"-1\" is no node id or range\n    {like}")
    );
    assert_eq!(
        ids_refused("[0, 1]"),
        "a list where node ids are wanted\n    \
         write a string with a range or a list such as \"0-9\" or \"100-104,200\""
    );
}

#[test]
fn a_range_that_runs_backwards_is_turned_round() {
    assert_eq!(
        ids_refused("\"9-0\""),
        "\"9-0\" runs backwards\n    write \"0-9\""
    );
}

#[test]
fn an_id_stands_once_in_an_entry() {
    assert_eq!(
        ids_refused("\"0-4,3\""),
        "id 3 stands in it twice\n    name each id once"
    );
}

#[test]
fn an_id_stands_in_one_entry_only() {
    let text = format!("{LEAST}[[clusters.main.nodes]]\nids = \"2\"\nport = 9200\n");
    assert_eq!(
        refused(&text),
        "line 8: clusters.main.nodes[1].ids: node 2 stands in clusters.main.nodes[0].ids already\n    \
         each node has one port: take it out of one of them"
    );
    let text = format!("{LEAST}[[clusters.main.nodes]]\nids = \"1-3\"\nport = 9200\n");
    assert_eq!(
        refused(&text),
        "line 8: clusters.main.nodes[1].ids: node 1 and 1 more stand in clusters.main.nodes[0].ids already\n    \
         each node has one port: take it out of one of them"
    );
}

#[test]
fn an_id_may_stand_in_several_clusters() {
    let other = LEAST
        .replace("clusters.main", "clusters.other")
        .replace("9093", "9193")
        .replace("[[", "bootstrap_port = 9192\n[[");
    assert_eq!(config(&format!("{LEAST}{other}")).clusters.len(), 2);
}

#[test]
fn more_ids_than_ports_are_refused_without_listing_them() {
    for ids in ["0-2147483647", "0-65535", "0-40000,50000-90000"] {
        assert_eq!(
            ids_refused(&format!("\"{ids}\"")),
            format!(
                "\"{ids}\" has more ids than there are ports\n    \
                 name only the ids that brokers have or may get"
            )
        );
    }
}

#[test]
fn several_entries_make_one_map() {
    let text = format!(
        "{LEAST}[[clusters.main.nodes]]\nids = \"1000-1001\"\nport = 9200\nadvertised_port = 30200\n"
    );
    let main = &config(&text).clusters["main"];
    let expected = [
        (0, 9093, 9093),
        (1, 9094, 9094),
        (2, 9095, 9095),
        (1000, 9200, 30200),
        (1001, 9201, 30201),
    ];
    let ports: Vec<_> = main
        .ports
        .as_ref()
        .unwrap()
        .nodes()
        .map(|(id, port)| (id.0, port.bound, port.advertised))
        .collect();
    assert_eq!(ports, expected);
    assert_eq!(
        main.ports.as_ref().unwrap().route(9201),
        Some(Route::Node(NodeId(1001)))
    );
}

#[test]
fn nodes_are_a_list_of_tables() {
    let head = LEAST.split("[[").next().unwrap_or_default();
    let words = |nodes: &str| refused(&format!("{head}{nodes}"));
    assert_eq!(
        words("[clusters.main.nodes]\nids = \"0-2\"\nport = 9093\n"),
        "line 4: clusters.main.nodes: a table where a list of tables is wanted\n    \
         write [[clusters.main.nodes]], with two brackets"
    );
    let example = "    [[clusters.main.nodes]]\n    ids = \"0-9\"\n    port = 9093";
    assert_eq!(
        words("nodes = \"0-2\"\n"),
        format!(
            "line 4: clusters.main.nodes: a string where a list of tables is wanted\n    write:\n{example}"
        )
    );
    assert_eq!(
        words("nodes = []\n"),
        format!(
            "line 4: clusters.main.nodes: the list is empty: no node has a port\n    write:\n{example}"
        )
    );
    assert_eq!(
        words("nodes = [3]\n"),
        "line 4: clusters.main.nodes[0]: a number where a table is wanted\n    \
         write [[clusters.main.nodes]] and its keys below it"
    );
    assert_eq!(
        words(""),
        format!("line 1: clusters.main.nodes: missing: no node has a port\n    add:\n{example}")
    );
    config(&format!(
        "{head}nodes = [{{ ids = \"0-2\", port = 9093 }}]\n"
    ));
}

#[test]
fn an_entry_needs_ids_and_a_port() {
    let head = LEAST.split("ids").next().unwrap_or_default();
    assert_eq!(
        refused(head),
        "line 4: clusters.main.nodes[0].ids: missing\n    add: ids = \"0-9\"\n\
         line 4: clusters.main.nodes[0].port: missing\n    add: port = 9093\n    \
         or one port for all nodes, by TLS server name: [clusters.main.sni]"
    );
}
