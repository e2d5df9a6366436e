//! Durations, sizes, counts, words and listening addresses.

use std::time::Duration;

use portolan::config::Rate;

use crate::{LEAST, config, least_with, refused};

const DURATION: &str = "write a whole number with a unit (ms, s, m, h), such as \"30s\"";
const SIZE: &str = "write a whole number with a unit (B, KiB, MiB, GiB) or of bytes, from 1KiB to";

fn in_table(table: &str, line: &str) -> String {
    format!("{LEAST}[{table}]\n{line}\n")
}

/// The words for a key of a table that stands in line 8.
fn value_refused(table: &str, key: &str, value: &str) -> String {
    let words = refused(&in_table(table, &format!("{key} = {value}")));
    let head = format!("line 8: {table}.{key}: ");
    words
        .strip_prefix(&head)
        .unwrap_or_else(|| panic!("{words}"))
        .to_owned()
}

#[test]
fn durations_have_a_whole_number_and_a_unit() {
    for (written, milliseconds) in [
        ("1ms", 1),
        ("30s", 30_000),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("15 s", 15_000),
        ("8784h", 366 * 24 * 3_600_000),
    ] {
        let config = config(&in_table("timeouts", &format!("connect = \"{written}\"")));
        assert_eq!(config.timeouts.connect, Duration::from_millis(milliseconds));
    }
}

#[test]
fn durations_with_another_unit_or_none_are_refused() {
    for (written, problem) in [
        ("30", "30 has no unit"),
        ("-5", "-5 has no unit"),
        ("\"30\"", "\"30\" is no duration"),
        ("\"\"", "\"\" is no duration"),
        ("\"s\"", "\"s\" is no duration"),
        ("\"-5s\"", "\"-5s\" is no duration"),
        ("\"+5s\"", "\"+5s\" is no duration"),
        ("\"1.5s\"", "\"1.5s\" is no duration"),
        ("\"5 sec\"", "\"5 sec\" is no duration"),
        ("\"5S\"", "\"5S\" is no duration"),
        ("\"1d\"", "\"1d\" is no duration"),
        ("\"1us\"", "\"1us\" is no duration"),
        ("\"1m30s\"", "\"1m30s\" is no duration"),
        ("\"256KiB\"", "\"256KiB\" is no duration"),
        ("1.5", "a number with a fraction where a duration is wanted"),
        ("false", "a boolean where a duration is wanted"),
        ("\"off\"", "\"off\" is no duration"),
        ("\"8785h\"", "\"8785h\" is more than a year"),
        (
            "\"99999999999999999999h\"",
            "\"99999999999999999999h\" is more than a year",
        ),
    ] {
        assert_eq!(
            value_refused("timeouts", "connect", written),
            format!("{problem}\n    {DURATION}")
        );
    }
}

#[test]
fn a_duration_is_0_only_where_that_means_something() {
    assert_eq!(
        value_refused("timeouts", "connect", "\"0s\""),
        "it must be more than 0\n    write a time that is enough, such as \"30s\""
    );
    assert_eq!(
        value_refused("timeouts", "idle", "\"0s\""),
        "it must be more than 0\n    write a time that is enough, such as \"30s\", or \"off\""
    );
    let config = config(&in_table("drain", "lame_duck = \"0s\"\ngrace = \"0s\""));
    assert_eq!(config.drain.lame_duck, Duration::ZERO);
    assert_eq!(config.drain.grace, Duration::ZERO);
}

#[test]
fn off_turns_a_duration_off_where_it_can_be_off() {
    let config = config(&in_table("timeouts", "idle = \"10m\"\nkeepalive = \"off\""));
    assert_eq!(config.timeouts.idle, Some(Duration::from_secs(600)));
    assert_eq!(config.timeouts.keepalive, None);
    assert_eq!(
        value_refused("timeouts", "keepalive", "false"),
        format!("a boolean where a duration is wanted\n    {DURATION}, or \"off\"")
    );
}

#[test]
fn keepalive_is_what_the_kernel_takes() {
    for written in ["1s", "32767s", "9h"] {
        config(&in_table("timeouts", &format!("keepalive = {written:?}")));
    }
    for written in ["1ms", "999ms", "32768s", "10h"] {
        assert_eq!(
            value_refused("timeouts", "keepalive", &format!("{written:?}")),
            format!(
                "\"{written}\" is out of range\n    write a time from \"1s\" to \"9h\", such as \"60s\", or \"off\""
            )
        );
    }
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    for (written, bytes) in [
        ("1024", 1024),
        ("0x400", 1024),
        ("\"1024B\"", 1024),
        ("\"1KiB\"", 1 << 10),
        ("\"2 MiB\"", 2 << 20),
        ("\"1GiB\"", 1 << 30),
        ("\"2kB\"", 2_000),
        ("\"2KB\"", 2_000),
        ("\"3MB\"", 3_000_000),
        ("\"1GB\"", 1_000_000_000),
        ("2147483647", i32::MAX as u32),
    ] {
        let config = config(&in_table("limits", &format!("request_bytes = {written}")));
        assert_eq!(config.limits.request_bytes, bytes, "{written}");
    }
}

#[test]
fn sizes_with_another_unit_or_out_of_range_are_refused() {
    for (written, problem) in [
        ("-1", "-1 is no size"),
        ("\"1024\"", "\"1024\" is no size"),
        ("\"1.5MiB\"", "\"1.5MiB\" is no size"),
        ("\"-1KiB\"", "\"-1KiB\" is no size"),
        ("\"1 megabyte\"", "\"1 megabyte\" is no size"),
        ("\"1MiBs\"", "\"1MiBs\" is no size"),
        ("\"30s\"", "\"30s\" is no size"),
        ("true", "a boolean is no size"),
        ("0", "0 is out of range"),
        ("1023", "1023 is out of range"),
        ("2147483648", "2147483648 is out of range"),
        ("\"2GiB\"", "\"2GiB\" is out of range"),
        (
            "\"99999999999999999999GiB\"",
            "\"99999999999999999999GiB\" is out of range",
        ),
    ] {
        assert_eq!(
            value_refused("limits", "request_bytes", written),
            format!("{problem}\n    {SIZE} 2047MiB, such as \"256KiB\"")
        );
    }
}

#[test]
fn what_a_connection_may_hold_in_memory_has_a_lower_bound() {
    for key in ["response_rewrite_bytes", "sasl_bytes"] {
        config(&in_table("limits", &format!("{key} = \"256MiB\"")));
        assert_eq!(
            value_refused("limits", key, "\"257MiB\""),
            format!("\"257MiB\" is out of range\n    {SIZE} 256MiB, such as \"256KiB\"")
        );
    }
}

#[test]
fn absurd_counts_are_refused() {
    for (table, key, value, most) in [
        ("limits", "connections", "0", "1000000, or \"auto\""),
        ("limits", "connections", "1000001", "1000000, or \"auto\""),
        (
            "limits",
            "connections_per_client",
            "0",
            "1000000, or \"off\"",
        ),
        ("limits", "tls_handshakes", "0", "1000000"),
        ("limits", "in_flight", "0", "100000"),
        ("limits", "in_flight", "9223372036854775807", "100000"),
        ("runtime", "threads", "-2", "1024, or \"auto\""),
        ("runtime", "threads", "1025", "1024, or \"auto\""),
    ] {
        assert_eq!(
            value_refused(table, key, value),
            format!("{value} is out of range\n    write a number from 1 to {most}")
        );
    }
    assert_eq!(
        value_refused("limits", "connections", "\"many\""),
        "a string where a number is wanted\n    write a number from 1 to 1000000, or \"auto\""
    );
    assert_eq!(
        value_refused("limits", "in_flight", "\"auto\""),
        "a string where a number is wanted\n    write a number from 1 to 100000"
    );
}

#[test]
fn limits_of_each_client_are_off_or_a_number() {
    let limits = |line: &str| config(&in_table("limits", line)).limits;
    assert_eq!(limits("").connections_per_client, None);
    let off = limits("connections_per_client = \"off\"");
    assert_eq!(off.connections_per_client, None);
    let ten = limits("connections_per_client = 10");
    assert_eq!(ten.connections_per_client, Some(10));
    assert_eq!(
        value_refused("limits", "connections_per_client", "\"auto\""),
        "a string where a number is wanted\n    write a number from 1 to 1000000, or \"off\""
    );
}

#[test]
fn a_rate_is_a_number_for_each_second_minute_or_hour() {
    let rate = |written: &str| {
        let line = format!("connection_rate_per_client = \"{written}\"");
        let limits = config(&in_table("limits", &line)).limits;
        limits.connection_rate_per_client
    };
    assert_eq!(rate("off"), None);
    for (written, count, seconds) in [
        ("20/s", 20, 1),
        ("600/m", 600, 60),
        ("1/h", 1, 3600),
        ("1000000 / s", 1_000_000, 1),
    ] {
        let per = Duration::from_secs(seconds);
        assert_eq!(
            rate(written),
            Some(Rate {
                connections: count,
                per
            }),
            "{written}"
        );
    }
    for (written, problem) in [
        ("20", "20 is no rate"),
        ("\"20\"", "\"20\" is no rate"),
        ("\"20/\"", "\"20/\" is no rate"),
        ("\"/s\"", "\"/s\" is no rate"),
        ("\"-1/s\"", "\"-1/s\" is no rate"),
        ("\"0.5/s\"", "\"0.5/s\" is no rate"),
        ("\"20/d\"", "\"20/d\" is no rate"),
        ("\"20/10s\"", "\"20/10s\" is no rate"),
        ("\"20s\"", "\"20s\" is no rate"),
        ("\"auto\"", "\"auto\" is no rate"),
        ("true", "a boolean is no rate"),
        ("\"0/s\"", "\"0/s\" is out of range"),
        ("\"1000001/s\"", "\"1000001/s\" is out of range"),
        (
            "\"99999999999999999999/h\"",
            "\"99999999999999999999/h\" is out of range",
        ),
    ] {
        assert_eq!(
            value_refused("limits", "connection_rate_per_client", written),
            format!(
                "{problem}\n    write a whole number from 1 to 1000000 for each second, minute or hour, such as \"20/s\" or \
                 \"600/m\", or \"off\""
            )
        );
    }
}

#[test]
fn a_switch_is_true_or_false() {
    assert_eq!(
        value_refused("runtime", "splice", "\"on\""),
        "a string where true or false is wanted\n    write it like true, without quotes"
    );
}

#[test]
fn a_word_is_one_of_its_choices() {
    assert_eq!(
        value_refused("log", "level", "\"warning\""),
        "\"warning\" is not a choice here\n    \
         write one of \"error\", \"warn\", \"info\", \"debug\", \"trace\""
    );
    assert_eq!(
        value_refused("log", "format", "true"),
        "a boolean is not a choice here\n    write one of \"text\", \"json\""
    );
    assert_eq!(
        refused(&least_with("unknown_apis = \"drop\"")),
        "line 2: clusters.main.unknown_apis: \"drop\" is not a choice here\n    \
         write one of \"hide\", \"forward\""
    );
    assert_eq!(
        refused(&least_with("fetch_endpoints = \"keep\"")),
        "line 2: clusters.main.fetch_endpoints: \"keep\" is not a choice here\n    \
         write one of \"neutralise\", \"cap\""
    );
}

#[test]
fn listening_addresses_are_ip_addresses() {
    assert_eq!(
        value_refused("admin", "listen", "\"localhost:9644\""),
        "\"localhost:9644\" is no address to listen on\n    \
         write IP:PORT such as \"127.0.0.1:9644\" or \"0.0.0.0:9644\", or \"\" to turn it off"
    );
    assert_eq!(
        value_refused("admin", "listen", "\"127.0.0.1:0\""),
        "port 0 would be another port after each start\n    write a port from 1 to 65535"
    );
    assert_eq!(
        refused(&least_with("listen_address = \"eth0\"")),
        "line 2: clusters.main.listen_address: \"eth0\" is no IP address\n    \
         write an IP address such as \"0.0.0.0\", or \"::\" for both families"
    );
    let off = config(&in_table("admin", "listen = \"\""));
    assert_eq!(off.admin, None);
    let six = config(&in_table("admin", "listen = \"[::]:9000\""));
    assert_eq!(six.admin.map(|address| address.port()), Some(9000));
}

#[test]
fn names_of_the_admin_listener_are_names_or_domains() {
    let hosts = "allowed_hosts = [\"Portolan.example.com\", \".corp.example\"]";
    let config = config(&in_table("admin", hosts));
    assert_eq!(
        config.admin_hosts,
        ["portolan.example.com", ".corp.example"]
    );
    for (bad, problem) in [
        ("", "\"\" is no name"),
        (".", "\".\" is no name"),
        ("*.example.com", "has an asterisk"),
        (".com", "\".com\" is everybody's"),
        ("10.0.0.1", "\"10.0.0.1\" is an IP address"),
        ("example.com:9644", "\"example.com:9644\" has a port"),
        ("http://example.com", "\"http://example.com\" is a URL"),
        ("..example.com", "has nothing between two dots"),
        ("a b", "does not belong into a host name"),
    ] {
        let words = refused(&in_table("admin", &format!("allowed_hosts = [{bad:?}]")));
        let begin = "line 8: admin.allowed_hosts[0]: ";
        assert!(
            words.starts_with(begin) && words.contains(problem),
            "{words}"
        );
    }
}

#[test]
fn name_servers_have_port_53_unless_another_is_given() {
    let config = config(&in_table(
        "dns",
        "servers = [\"10.96.0.10\", \"[2001:db8::53]:5353\", \"::1\"]",
    ));
    let servers: Vec<String> = config.dns.servers.iter().map(ToString::to_string).collect();
    assert_eq!(
        servers,
        ["10.96.0.10:53", "[2001:db8::53]:5353", "[::1]:53"]
    );
    for bad in ["dns.example.com", "10.96.0.10:0", ""] {
        assert_eq!(
            refused(&in_table(
                "dns",
                &format!("servers = [\"10.96.0.10\", \"{bad}\"]")
            )),
            format!(
                "line 8: dns.servers[1]: \"{bad}\" is no name server's address\n    \
                 write IP or IP:PORT, such as \"10.96.0.10:53\""
            )
        );
    }
    assert_eq!(
        value_refused("dns", "servers", "\"10.96.0.10\""),
        "a string where a list of strings is wanted\n    write it like [\"10.96.0.10:53\"]"
    );
}
