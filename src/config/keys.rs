//! Which keys there are, table by table: those that this version reads, and those that it does not read yet.

/// One table of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its header, as it stands in the file.
    pub header: &'static str,
    /// The keys and tables in it.
    pub keys: &'static [&'static str],
    /// Keys that a later version will read, and what is so until then.
    pub later: &'static [(&'static str, &'static str)],
}

/// The file as a whole.
pub const ROOT: Table = Table {
    header: "",
    keys: &[
        "clusters", "admin", "dns", "limits", "timeouts", "drain", "runtime", "log",
    ],
    later: &[],
};

/// A cluster.
pub const CLUSTER: Table = Table {
    header: "[clusters.<name>]",
    keys: &[
        "bootstrap_servers",
        "advertised_host",
        "listen_address",
        "bootstrap_port",
        "bootstrap_advertised_port",
        "unknown_apis",
        "fetch_endpoints",
        "nodes",
    ],
    later: &[
        ("advertise", "clients are always told advertised_host"),
        ("sni", "each node has a port of its own, see nodes[].port"),
        ("tls", "clients connect in plaintext"),
        ("upstream_tls", "brokers are connected to in plaintext"),
        (
            "proxy_protocol",
            "the load balancer must not send PROXY protocol headers",
        ),
        (
            "proxy_protocol_from",
            "the load balancer must not send PROXY protocol headers",
        ),
        ("allow", "let the load balancer or a firewall do it"),
        ("deny", "let the load balancer or a firewall do it"),
    ],
};

/// Some nodes of a cluster.
pub const NODES: Table = Table {
    header: "[[clusters.<name>.nodes]]",
    keys: &["ids", "port", "advertised_port", "address"],
    later: &[],
};

/// The admin listener.
pub const ADMIN: Table = Table {
    header: "[admin]",
    keys: &["listen"],
    later: &[],
};

/// Name resolution.
pub const DNS: Table = Table {
    header: "[dns]",
    keys: &["servers", "hosts_file"],
    later: &[],
};

/// Bounds on what a peer may make this process hold.
pub const LIMITS: Table = Table {
    header: "[limits]",
    keys: &[
        "connections",
        "in_flight",
        "request_bytes",
        "response_rewrite_bytes",
        "sasl_bytes",
    ],
    later: &[
        (
            "connections_per_client",
            "limits.connections bounds all clients together",
        ),
        (
            "connection_rate_per_client",
            "limits.connections bounds all clients together",
        ),
    ],
};

/// Bounds on how long a peer may make no progress.
pub const TIMEOUTS: Table = Table {
    header: "[timeouts]",
    keys: &[
        "connect",
        "first_bytes",
        "stalled_write",
        "idle",
        "keepalive",
    ],
    later: &[
        ("tls_handshake", "there is no TLS yet"),
        (
            "max_connection_age",
            "a connection lives as long as its client uses it",
        ),
    ],
};

/// How the process goes away.
pub const DRAIN: Table = Table {
    header: "[drain]",
    keys: &["grace"],
    later: &[("lame_duck", "the ports close as soon as SIGTERM comes")],
};

/// Threads, and how they move bytes.
pub const RUNTIME: Table = Table {
    header: "[runtime]",
    keys: &["threads", "splice"],
    later: &[],
};

/// Logging.
pub const LOG: Table = Table {
    header: "[log]",
    keys: &["level", "format"],
    later: &[],
};

/// Every table.
pub const TABLES: [&Table; 10] = [
    &ROOT, &CLUSTER, &NODES, &ADMIN, &DNS, &LIMITS, &TIMEOUTS, &DRAIN, &RUNTIME, &LOG,
];
