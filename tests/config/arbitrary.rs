//! Configurations of every kind that is accepted, as text.

use std::net::Ipv4Addr;

use proptest::prelude::*;

/// How clients come to the nodes of a cluster.
#[derive(Clone, Copy, Debug)]
struct Doors {
    ports: bool,
    sni: bool,
    /// They are told the host that they dialled, and there is no other.
    dialled: bool,
}

/// One cluster with arbitrary values. Its ports are in a range of its own, `n` of 10.
pub fn cluster(n: u16) -> impl Strategy<Value = String> {
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
    let doors = (any::<bool>(), any::<bool>(), any::<bool>());
    let doors = doors.prop_map(|(ports, sni, dialled)| Doors {
        ports: ports || !sni,
        sni,
        dialled: dialled && (ports || !sni),
    });
    let rest = (clients(), tls(), upstream_tls(), any::<bool>());
    (name, host, servers, listen, words, nodes, doors, rest).prop_map(
        move |(name, host, servers, listen, (unknown, fetch), nodes, doors, rest)| {
            let (clients, tls, upstream_tls, has_tls) = rest;
            let name = format!("\"c{n}{name}\"");
            let mut text = format!(
                "[clusters.{name}]\nbootstrap_servers = {servers:?}\nlisten_address = \"{listen}\"\n{clients}\n\
                 unknown_apis = \"{unknown}\"\nfetch_endpoints = \"{fetch}\"\n"
            );
            if doors.ports {
                let advertised = first + 500;
                text += &format!(
                    "bootstrap_port = {first}\nbootstrap_advertised_port = {advertised}\n"
                );
                text += &match doors.dialled {
                    true => "advertise = \"dialled\"\n".to_owned(),
                    false => format!("advertised_host = \"{host}\"\n"),
                };
            }
            if doors.sni {
                text += &format!(
                    "[clusters.{name}.sni]\nport = {}\nbootstrap_host = \"c{n}.test\"\nnode_host = \"c{n}-{{node_id}}.test\"\n",
                    first + 999
                );
            }
            if doors.sni || doors.dialled || has_tls {
                text += &format!("[clusters.{name}.tls]\n{tls}\n");
            }
            if let Some(keys) = upstream_tls {
                text += &format!("[clusters.{name}.upstream_tls]\n{keys}\n");
            }
            for (e, (id, more, gap, address, is_moved)) in nodes.into_iter().enumerate() {
                // Entries of a cluster share neither ids nor ports.
                let id = e as i32 * 2000 + id;
                let port = first + 60 * e as u16 + gap;
                text += &format!(
                    "[[clusters.{name}.nodes]]\nids = \"{id}-{},{}\"\n{address}\n",
                    id + more,
                    id + more + 1
                );
                if doors.ports {
                    text += &format!("port = {port}\n");
                }
                if doors.ports && is_moved {
                    text += &format!("advertised_port = {}\n", port + 500);
                }
            }
            text
        },
    )
}

fn clients() -> impl Strategy<Value = String> {
    let network = || {
        prop_oneof![
            any::<(u32, u8)>().prop_map(|(ip, length)| format!(
                "{}/{}",
                Ipv4Addr::from_bits(ip & 0xffff_ff00),
                24 + length % 9
            )),
            (0..=0xffffu16).prop_map(|n| format!("2001:db8:{n:x}::/48")),
            any::<u32>().prop_map(|ip| Ipv4Addr::from_bits(ip).to_string()),
        ]
    };
    let networks = move |least| prop::collection::vec(network(), least..4);
    let header = prop_oneof![
        Just("proxy_protocol = \"off\"".to_owned()),
        networks(1).prop_map(|from| format!(
            "proxy_protocol = \"optional\"\nproxy_protocol_from = {from:?}"
        )),
        networks(1).prop_map(|from| format!(
            "proxy_protocol = \"required\"\nproxy_protocol_from = {from:?}"
        )),
    ];
    (header, networks(0), networks(0))
        .prop_map(|(header, allow, deny)| format!("{header}\nallow = {allow:?}\ndeny = {deny:?}"))
}

/// A path with whatever may stand in it.
fn file() -> impl Strategy<Value = String> {
    "[ -~\u{e9}]{1,12}".prop_map(|path| toml::Value::from(path).to_string())
}

fn tls() -> impl Strategy<Value = String> {
    let of_clients = prop_oneof![
        Just("client_auth = \"none\"".to_owned()),
        file().prop_map(|ca| format!("client_ca = {ca}")),
        (file(), file()).prop_map(|(ca, crl)| format!(
            "client_ca = {ca}\ncrl = {crl}\nclient_auth = \"optional\""
        )),
    ];
    let version = prop_oneof![Just("1.2"), Just("1.3")];
    let tickets = prop_oneof![Just("\"\"".to_owned()), file()];
    (file(), file(), of_clients, version, tickets).prop_map(
        |(certificate, key, of_clients, version, tickets)| {
            format!(
                "certificate = {certificate}\nkey = {key}\n{of_clients}\nmin_version = \"{version}\"\nticket_keys = {tickets}"
            )
        },
    )
}

fn upstream_tls() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some(String::new())),
        file().prop_map(|ca| Some(format!("ca = {ca}\nserver_name = \"b-{{node_id}}.test\""))),
        (file(), file()).prop_map(|(certificate, key)| Some(format!(
            "certificate = {certificate}\nkey = {key}"
        ))),
    ]
}

/// Everything but clusters.
pub fn rest() -> impl Strategy<Value = String> {
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
    let unit = prop_oneof![Just("s"), Just("m"), Just("h")];
    let per_client = (1..1000u32, unit, any::<bool>()).prop_map(|(n, unit, is_on)| match is_on {
        true => format!(
            "connections_per_client = {n}\nconnection_rate_per_client = \"{n}/{unit}\"\ntls_handshakes = {n}"
        ),
        false => "connections_per_client = \"off\"\nconnection_rate_per_client = \"off\"".to_owned(),
    });
    let text = "[ -~\u{e9}\t\n]{0,12}";
    let server = prop_oneof![Just("10.0.0.1"), Just("10.0.0.1:5353"), Just("[::1]:53")];
    (
        (
            prop_oneof![Just(""), Just("127.0.0.1:9644"), Just("[::]:9000")],
            prop::collection::vec("\\.?[a-z]{1,8}\\.[a-z]{1,8}", 0..3),
        ),
        (prop::collection::vec(server, 0..3), text),
        (count(), 1..100_000u32, size(), size(), size(), per_client),
        (time(), time(), time(), time_or_off(), keepalive, time(), time_or_off()),
        ((time(), time()), time_or_off(), count(), prop::bool::ANY),
        (
            prop_oneof![Just("error"), Just("warn"), Just("info"), Just("debug"), Just("trace")],
            prop_oneof![Just("text"), Just("json")],
        ),
    )
        .prop_map(|((admin, names), (servers, hosts), limits, times, ((lame_duck, grace), interval, threads, splice), (level, format))| {
            format!(
                "[admin]\nlisten = \"{admin}\"\nallowed_hosts = {names:?}\n[dns]\nservers = {servers:?}\nhosts_file = {}\n\
                 [limits]\nconnections = {}\nin_flight = {}\nrequest_bytes = {}\nresponse_rewrite_bytes = {}\n\
                 sasl_bytes = {}\n{}\n[timeouts]\nconnect = \"{}\"\nfirst_bytes = \"{}\"\nstalled_write = \"{}\"\n\
                 idle = \"{}\"\nkeepalive = \"{}\"\ntls_handshake = \"{}\"\n\
                 max_connection_age = \"{}\"\n[drain]\nlame_duck = \"{lame_duck}\"\ngrace = \"{grace}\"\n[health]\ninterval = \"{interval}\"\n[runtime]\nthreads = {threads}\nsplice = {splice}\n\
                 [log]\nlevel = \"{level}\"\nformat = \"{format}\"\n",
                toml::Value::from(hosts),
                limits.0, limits.1, limits.2, limits.3, limits.4, limits.5,
                times.0, times.1, times.2, times.3, times.4, times.5, times.6,
            )
        })
}
