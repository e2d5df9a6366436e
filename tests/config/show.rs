//! `config show`: what is understood, written so that it reads back to the same.

use portolan::config::{Config, ParseOptions};
use proptest::prelude::*;

use crate::arbitrary::{cluster, rest};
use crate::{LEAST, config};

#[test]
fn what_is_shown_of_the_least_file_has_every_key() {
    assert_eq!(
        config(LEAST).to_toml(),
        "\
[clusters.main]
bootstrap_servers         = [\"kafka:9092\"]
advertised_host           = \"kafka.example.com\"
advertise                 = \"configured\"
listen_address            = \"0.0.0.0\"
bootstrap_port            = 9092
bootstrap_advertised_port = 9092
proxy_protocol            = \"off\"
proxy_protocol_from       = []
allow                     = []
deny                      = []
unknown_apis              = \"hide\"
fetch_endpoints           = \"neutralise\"

[[clusters.main.nodes]]
ids             = \"0-2\"
port            = 9093
advertised_port = 9093

[admin]
listen        = \"127.0.0.1:9644\"
allowed_hosts = []

[dns]
servers    = []
hosts_file = \"\"

[limits]
connections                = \"auto\"
connections_per_client     = \"off\"
connection_rate_per_client = \"off\"
tls_handshakes             = 1024
in_flight                  = 1024
request_bytes              = \"100MiB\"
response_rewrite_bytes     = \"1MiB\"
sasl_bytes                 = \"512KiB\"

[timeouts]
connect            = \"5s\"
tls_handshake      = \"10s\"
first_bytes        = \"30s\"
stalled_write      = \"60s\"
idle               = \"off\"
max_connection_age = \"off\"
keepalive          = \"60s\"

[drain]
lame_duck = \"0s\"
grace     = \"30s\"

[health]
interval = \"5s\"

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
    for path in ["config/minimal.toml", "config/full.toml", "config/tls.toml"] {
        let read = Config::from_file(path.as_ref(), &ParseOptions::default());
        let read = read.expect("it is accepted");
        assert_eq!(config(&read.to_toml()), read, "{path}");
    }
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
            "advertised_port", "address", "bootstrap_advertised_port", "advertise", "sni", "tls", "upstream_tls",
            "proxy_protocol", "proxy_protocol_from", "allow", "deny",
        ]),
        value in prop_oneof!["\"[ -~]{0,20}\"", "-?[0-9]{1,20}", "\\[[0-9]{0,3}\\]", "\\{a = 1\\}", "[0-9]{4}-01-01"],
    ) {
        let text = crate::least_with(&format!("{key} = {value}"));
        if let Err(faults) = Config::from_toml(&text, &ParseOptions::default()) {
            prop_assert!(!faults.0.is_empty(), "{}", text);
        }
    }
}
