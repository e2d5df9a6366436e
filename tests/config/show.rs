//! `config show`: what is understood, written so that it reads back to the same.

use portolan::config::{Config, ParseOptions};
use proptest::prelude::*;

use crate::{LEAST, config};

#[test]
fn what_is_shown_of_the_least_file_has_every_key() {
    assert_eq!(
        config(LEAST).to_toml(),
        "\
[clusters.main]
bootstrap_servers         = [\"kafka:9092\"]
advertised_host           = \"kafka.example.com\"
listen_address            = \"0.0.0.0\"
bootstrap_port            = 9092
bootstrap_advertised_port = 9092
unknown_apis              = \"hide\"
fetch_endpoints           = \"neutralise\"

[[clusters.main.nodes]]
ids             = \"0-2\"
port            = 9093
advertised_port = 9093

[admin]
listen = \"127.0.0.1:9644\"

[dns]
servers    = []
hosts_file = \"\"

[limits]
connections            = \"auto\"
in_flight              = 1024
request_bytes          = \"100MiB\"
response_rewrite_bytes = \"1MiB\"
sasl_bytes             = \"512KiB\"

[timeouts]
connect       = \"5s\"
first_bytes   = \"30s\"
stalled_write = \"60s\"
idle          = \"off\"
keepalive     = \"60s\"

[drain]
grace = \"30s\"

[runtime]
threads = \"auto\"
splice  = true

[log]
level  = \"info\"
format = \"text\"
"
    );
}

#[test]
fn the_files_of_the_tree_read_back_to_the_same() {
    for path in ["config/minimal.toml", "config/full.toml"] {
        let read = Config::from_file(path.as_ref(), &ParseOptions::default());
        let read = read.expect("it is accepted");
        assert_eq!(config(&read.to_toml()), read, "{path}");
    }
}

/// One cluster with arbitrary values. Its ports are in a range of its own, `n` of 10.
fn cluster(n: u16) -> impl Strategy<Value = String> {
    let first = 10_000 + n * 1_000;
    let name = prop_oneof!["[a-z][a-z0-9_-]{0,8}", "[a-z]{1,4}\\.[a-z]{1,4}"];
    let host = prop_oneof![
        "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}",
        Just("192.0.2.7".to_owned()),
        Just("[2001:db8::7]".to_owned())
    ];
    let servers = prop::collection::vec("[a-z]{1,8}:[1-9][0-9]{0,3}", 1..4);
    let listen = prop_oneof![Just("0.0.0.0"), Just("::"), Just("127.0.0.3")];
    let words = (
        prop_oneof![Just("hide"), Just("forward")],
        prop_oneof![Just("neutralise"), Just("cap")],
    );
    let address = prop_oneof![
        Just(String::new()),
        Just("address = \"k-{node_id}.svc:9092\"".to_owned()),
        Just("address = \"b-{ordinal}.svc:9092\"".to_owned())
    ];
    let nodes = (0..1000i32, 0..50i32, 1..9u16, address, any::<bool>());
    let nodes = prop::collection::vec(nodes, 1..4);
    (name, host, servers, listen, words, nodes).prop_map(
        move |(name, host, servers, listen, (unknown, fetch), nodes)| {
            let name = format!("\"c{n}{name}\"");
            let mut text = format!(
                "[clusters.{name}]\nbootstrap_servers = {servers:?}\nadvertised_host = \"{host}\"\n\
                 listen_address = \"{listen}\"\nbootstrap_port = {first}\nbootstrap_advertised_port = {}\n\
                 unknown_apis = \"{unknown}\"\nfetch_endpoints = \"{fetch}\"\n",
                first + 500
            );
            for (e, (id, more, gap, address, is_moved)) in nodes.into_iter().enumerate() {
                // Entries of a cluster share neither ids nor ports.
                let id = e as i32 * 2000 + id;
                let port = first + 60 * e as u16 + gap;
                text += &format!(
                    "[[clusters.{name}.nodes]]\nids = \"{id}-{},{}\"\nport = {port}\n{address}\n",
                    id + more,
                    id + more + 1
                );
                if is_moved {
                    text += &format!("advertised_port = {}\n", port + 500);
                }
            }
            text
        },
    )
}

fn rest() -> impl Strategy<Value = String> {
    let time = || {
        prop_oneof![
            (1..100_000u64).prop_map(|ms| format!("{ms}ms")),
            Just("7m".to_owned())
        ]
    };
    let time_or_off = || prop_oneof![time(), Just("off".to_owned())];
    let keepalive = prop_oneof![
        (1_000..100_000u64).prop_map(|ms| format!("{ms}ms")),
        Just("off".to_owned())
    ];
    let size = || prop_oneof![1024..100_000_000u32, (1..1000u32).prop_map(|kib| kib << 10)];
    let count = || {
        prop_oneof![
            Just("\"auto\"".to_owned()),
            (1..1000u32).prop_map(|n| n.to_string())
        ]
    };
    let text = "[ -~\u{e9}\t\n]{0,12}";
    let server = prop_oneof![Just("10.0.0.1"), Just("10.0.0.1:5353"), Just("[::1]:53")];
    (
        prop_oneof![Just(""), Just("127.0.0.1:9644"), Just("[::]:9000")],
        (prop::collection::vec(server, 0..3), text),
        (count(), 1..100_000u32, size(), size(), size()),
        (time(), time(), time(), time_or_off(), keepalive),
        (time(), count(), prop::bool::ANY),
        (
            prop_oneof![Just("error"), Just("warn"), Just("info"), Just("debug"), Just("trace")],
            prop_oneof![Just("text"), Just("json")],
        ),
    )
        .prop_map(|(admin, (servers, hosts), limits, times, (grace, threads, splice), (level, format))| {
            format!(
                "[admin]\nlisten = \"{admin}\"\n[dns]\nservers = {servers:?}\nhosts_file = {}\n\
                 [limits]\nconnections = {}\nin_flight = {}\nrequest_bytes = {}\nresponse_rewrite_bytes = {}\n\
                 sasl_bytes = {}\n[timeouts]\nconnect = \"{}\"\nfirst_bytes = \"{}\"\nstalled_write = \"{}\"\n\
                 idle = \"{}\"\nkeepalive = \"{}\"\n[drain]\ngrace = \"{grace}\"\n[runtime]\nthreads = {threads}\nsplice = {splice}\n\
                 [log]\nlevel = \"{level}\"\nformat = \"{format}\"\n",
                toml::Value::from(hosts),
                limits.0, limits.1, limits.2, limits.3, limits.4,
                times.0, times.1, times.2, times.3, times.4,
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_is_shown_so_that_it_reads_back_to_the_same(
        first in cluster(0), second in cluster(1), rest in rest()
    ) {
        let read = config(&format!("{first}{second}{rest}"));
        let shown = read.to_toml();
        prop_assert_eq!(&config(&shown), &read, "{}", shown);
        prop_assert_eq!(config(&shown).to_toml(), shown);
    }

    #[test]
    fn no_text_whatever_makes_the_reader_panic_or_refuse_without_a_reason(text in "\\PC{0,40}(\n\\PC{0,40}){0,6}") {
        if let Err(faults) = Config::from_toml(&text, &ParseOptions::default()) {
            prop_assert!(!faults.0.is_empty());
        }
    }

    #[test]
    fn no_value_whatever_of_any_key_is_refused_without_a_reason(
        key in prop::sample::select(vec![
            "bootstrap_servers", "advertised_host", "listen_address", "bootstrap_port", "nodes", "ids", "port",
            "advertised_port", "address", "bootstrap_advertised_port",
        ]),
        value in prop_oneof!["\"[ -~]{0,20}\"", "-?[0-9]{1,20}", "\\[[0-9]{0,3}\\]", "\\{a = 1\\}", "[0-9]{4}-01-01"],
    ) {
        let text = crate::least_with(&format!("{key} = {value}"));
        if let Err(faults) = Config::from_toml(&text, &ParseOptions::default()) {
            prop_assert!(!faults.0.is_empty(), "{}", text);
        }
    }
}
