//! The key in a configuration, and what commands make of it.

use std::process::{Command, Output};

use portolan::config::{Config, ParseOptions, ServiceName};

const LEAST: &str = "\
[clusters.main]
bootstrap_servers = [\"kafka:9092\"]
advertised_from_service = \"kafka/portolan\"
[[clusters.main.nodes]]
ids = 0
port = 9093
";

fn read(text: &str) -> Result<Config, String> {
    Config::from_toml(text, &ParseOptions::default()).map_err(|faults| faults.to_string())
}

#[test]
fn a_service_has_a_name_and_may_have_a_namespace() {
    let of = |text: &str| {
        let config = read(&LEAST.replace("kafka/portolan", text)).unwrap();
        let main = &config.clusters["main"];
        assert_eq!(main.advertised_host, None);
        // And is shown as it was read.
        assert_eq!(read(&config.to_toml()), Ok(config.clone()));
        main.advertised_from_service.clone().unwrap()
    };
    let name = |namespace: Option<&str>, name: &str| ServiceName {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    assert_eq!(of("kafka/portolan"), name(Some("kafka"), "portolan"));
    assert_eq!(of("portolan"), name(None, "portolan"));
    for wrong in [
        "", "/", "a/", "/b", "a/b/c", "Kafka/lb", "-a/b", "lb.kafka", "a b",
    ] {
        let faults = read(&LEAST.replace("kafka/portolan", wrong)).unwrap_err();
        assert!(
            faults.starts_with(&format!(
                "line 3: clusters.main.advertised_from_service: \"{wrong}\" is no Service"
            )),
            "{faults}"
        );
    }
}

#[test]
fn two_clusters_of_one_service_share_no_port() {
    let other = LEAST.replace("main", "other").replace(
        "[[",
        "bootstrap_port = 9192\nlisten_address = \"127.0.0.2\"\n[[",
    );
    let first = LEAST.replace("[[", "listen_address = \"127.0.0.1\"\n[[");
    let faults = read(&(first + &other)).unwrap_err();
    assert!(
        faults.contains("port 9093 is advertised at the Service kafka/portolan by clusters.main.nodes[0].port already"),
        "{faults}"
    );
}

/// What is said of two clusters with the same ports and these Services.
fn two(first: &str, second: &str) -> Result<(), String> {
    let of = |name: &str, service: &str, address: &str| {
        let text = LEAST
            .replace("main", name)
            .replace("kafka/portolan", service);
        text.replace("[[", &format!("listen_address = \"{address}\"\n[["))
    };
    read(&(of("main", first, "127.0.0.1") + &of("other", second, "127.0.0.2"))).map(drop)
}

#[test]
fn only_what_is_called_the_same_is_certainly_one_service() {
    for service in ["kafka/portolan", "portolan"] {
        let faults = two(service, service).unwrap_err();
        assert!(
            faults.contains(&format!(
                "port 9093 is advertised at the Service {service} by clusters.main.nodes[0].port already"
            )),
            "{faults}"
        );
    }
    for (first, second) in [
        ("kafka/portolan", "other/portolan"),
        ("portolan", "other"),
        // The pod's own namespace may be another one.
        ("kafka/portolan", "portolan"),
        ("portolan", "kafka/portolan"),
    ] {
        assert_eq!(two(first, second), Ok(()), "{first} {second}");
    }
}

fn portolan(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.args(arguments).output().expect("it runs")
}

#[test]
fn the_port_table_names_the_service_and_the_version_the_feature() {
    let directory = tempfile::tempdir().unwrap();
    let file = crate::write(directory.path(), "portolan.toml", LEAST);
    let file = file.display().to_string();
    let text = |output: Output| String::from_utf8(output.stdout).unwrap();
    let table = text(portolan(&["map", &file]));
    assert!(
        table.contains("  (Service kafka/portolan):9093  "),
        "{table}"
    );
    let rows = text(portolan(&["map", "--output", "json", &file]));
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows[1]["advertised_from_service"], "kafka/portolan");
    assert_eq!(rows[1]["advertised_host"], serde_json::Value::Null);
    let version = text(portolan(&["--version"]));
    assert!(version.contains(", kubernetes"), "{version}");
}

#[test]
fn without_a_file_a_flag_says_the_same() {
    let flags = [
        "run",
        "--bootstrap-servers",
        "kafka:9092",
        "--nodes",
        "0",
        "--advertised-from-service",
    ];
    let refused = |service: &str, more: &[&str]| {
        let output = portolan(&[&flags[..], &[service], more].concat());
        assert_eq!(output.status.code(), Some(78));
        String::from_utf8(output.stderr).unwrap()
    };
    let both = refused("kafka/lb", &["--advertised-host", "kafka.example.com"]);
    assert!(
        both.contains("--advertised-from-service: it stands in the place of advertised_host, which is there, too"),
        "{both}"
    );
    let wrong = refused("Kafka", &[]);
    assert!(
        wrong.contains("--advertised-from-service: \"Kafka\" is no Service"),
        "{wrong}"
    );
    let flag = refused("kafka/lb", &["--node-port", "0"]);
    assert!(!flag.contains("advertised"), "{flag}");
}
