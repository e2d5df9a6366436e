//! Keys that are not known, not known here, not known yet, and tables that are none.

use portolan::config::keys::{self, TABLES};

use crate::{LEAST, least_with, refused};

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    for (line, nearest) in [
        ("listen_adress = \"0.0.0.0\"", "listen_address"),
        ("bootstrap-port = 9092", "bootstrap_port"),
        ("unknown_api = \"hide\"", "unknown_apis"),
        ("fetch_endpoint = \"cap\"", "fetch_endpoints"),
        ("proxy_protocl = \"off\"", "proxy_protocol"),
        ("upstream-tls = {}", "upstream_tls"),
    ] {
        let words = refused(&least_with(line));
        let key = line.split(' ').next().unwrap_or_default();
        assert_eq!(
            words,
            format!("line 2: clusters.main.{key}: unknown key\n    did you mean `{nearest}`?")
        );
    }
}

#[test]
fn a_key_with_a_dot_as_kafka_has_it_is_refused_with_the_one_that_is_meant() {
    for (line, meant) in [
        ("bootstrap.port = 9092", "bootstrap_port"),
        ("listen.address = \"0.0.0.0\"", "listen_address"),
    ] {
        let key = line.split('.').next().unwrap_or_default();
        assert_eq!(
            refused(&least_with(line)),
            format!("line 2: clusters.main.{key}: unknown key\n    write `{meant}`, without a dot")
        );
    }
}

#[test]
fn an_unknown_key_that_resembles_nothing_is_told_what_there_is() {
    assert_eq!(
        refused(&format!("{LEAST}[drain]\nqqq = 1\n")),
        "line 8: drain.qqq: unknown key\n    take it out; the keys here are lame_duck, grace"
    );
}

#[test]
fn an_unknown_table_is_refused() {
    assert_eq!(
        refused(&format!("{LEAST}[timeout]\nidle = \"1s\"\n")),
        "line 7: timeout: unknown key\n    did you mean `timeouts`?"
    );
}

#[test]
fn a_known_key_in_the_wrong_table_is_sent_to_the_right_one() {
    assert_eq!(
        refused(&format!("{LEAST}[admin]\nlevel = \"info\"\n")),
        "line 8: admin.level: unknown key here\n    it belongs below [log]"
    );
    assert_eq!(
        refused(&least_with("address = \"kafka:9092\"")),
        "line 2: clusters.main.address: unknown key here\n    \
         it belongs below [[clusters.<name>.nodes]]"
    );
    assert_eq!(
        refused(&least_with("client_ca = \"ca.crt\"")),
        "line 2: clusters.main.client_ca: unknown key here\n    \
         it belongs below [clusters.<name>.tls]"
    );
    assert_eq!(
        refused(&format!("{LEAST}[tls]\n")),
        "line 7: tls: unknown key here\n    it belongs below [clusters.<name>]"
    );
    assert_eq!(
        refused(&least_with("timeouts = {}")),
        "line 2: clusters.main.timeouts: unknown key here\n    \
         [timeouts] is a table of its own: take it out of this one"
    );
}

#[test]
fn something_else_where_a_table_belongs_is_one_fault() {
    assert_eq!(
        refused(&format!("log = \"info\"\n{LEAST}")),
        "line 1: log: a string where a table is wanted\n    write [log] and its keys below it"
    );
    assert_eq!(
        refused("clusters = 1\n"),
        "line 1: clusters: a number where a table is wanted\n    \
         write [clusters] and its keys below it"
    );
    assert_eq!(
        refused("[clusters]\nmain = true\n"),
        "line 2: clusters.main: a boolean where a table is wanted\n    \
         write [clusters.main] and its keys below it"
    );
}

#[test]
fn a_cluster_name_may_have_letters_digits_hyphens_underscores_and_dots() {
    let named = |name: &str| LEAST.replace("clusters.main", &format!("clusters.{name}"));
    for name in ["a", "Orders-2_eu", "\"eu.orders\"", &"x".repeat(63)] {
        crate::config(&named(name));
    }
    for name in ["\"a b\"", "\"\"", "\"caf\u{e9}\"", "\"a\\nb\"", "'{\"}'"] {
        let words = refused(&named(name));
        assert!(
            words.contains(
                ": the name does not do for logs and metrics\n    \
                 use letters, digits, '-', '_' and '.', at most 63 of them"
            ),
            "{words}"
        );
    }
    refused(&named(&"x".repeat(64)));
}

#[test]
fn the_path_of_a_key_is_quoted_where_toml_wants_it() {
    let text = LEAST
        .replace("clusters.main", "clusters.\"eu.orders\"")
        .replace("ids", "idz");
    assert!(
        refused(&text).contains("clusters.\"eu.orders\".nodes[0].idz: unknown key"),
        "{}",
        refused(&text)
    );
}

#[test]
fn the_tables_of_the_root_are_described() {
    for name in keys::ROOT.keys {
        let found = TABLES
            .iter()
            .any(|table| table.header.trim_start_matches('[').starts_with(name));
        assert!(found, "{name}");
    }
}
