//! Which keys there are, table by table.

/// One table of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its header, as it stands in the file.
    pub header: &'static str,
    /// The keys and tables in it.
    pub keys: &'static [&'static str],
}

/// The file as a whole.
pub const ROOT: Table = Table {
    header: "",
    keys: &[
        "clusters", "admin", "dns", "limits", "timeouts", "drain", "health", "runtime", "log",
    ],
};

/// A cluster.
pub const CLUSTER: Table = Table {
    header: "[clusters.<name>]",
    keys: &[
        "bootstrap_servers",
        "advertised_host",
        "advertised_from_service",
        "advertise",
        "listen_address",
        "bootstrap_port",
        "bootstrap_advertised_port",
        "proxy_protocol",
        "proxy_protocol_from",
        "allow",
        "deny",
        "unknown_apis",
        "fetch_endpoints",
        "nodes",
        "sni",
        "tls",
        "upstream_tls",
    ],
};

/// Some nodes of a cluster.
pub const NODES: Table = Table {
    header: "[[clusters.<name>.nodes]]",
    keys: &["ids", "port", "advertised_port", "address"],
};

/// One port for all nodes of a cluster.
pub const SNI: Table = Table {
    header: "[clusters.<name>.sni]",
    keys: &["port", "advertised_port", "bootstrap_host", "node_host"],
};

/// TLS towards clients.
pub const TLS: Table = Table {
    header: "[clusters.<name>.tls]",
    keys: &[
        "certificate",
        "key",
        "client_ca",
        "client_auth",
        "min_version",
        "crl",
        "ticket_keys",
    ],
};

/// TLS towards brokers.
pub const UPSTREAM_TLS: Table = Table {
    header: "[clusters.<name>.upstream_tls]",
    keys: &["ca", "certificate", "key", "server_name"],
};

/// The admin listener.
pub const ADMIN: Table = Table {
    header: "[admin]",
    keys: &["listen", "allowed_hosts"],
};

/// Name resolution.
pub const DNS: Table = Table {
    header: "[dns]",
    keys: &["servers", "hosts_file"],
};

/// Bounds on what a peer may make this process hold.
pub const LIMITS: Table = Table {
    header: "[limits]",
    keys: &[
        "connections",
        "connections_per_client",
        "connection_rate_per_client",
        "tls_handshakes",
        "in_flight",
        "request_bytes",
        "response_rewrite_bytes",
        "sasl_bytes",
    ],
};

/// Bounds on how long a peer may make no progress.
pub const TIMEOUTS: Table = Table {
    header: "[timeouts]",
    keys: &[
        "connect",
        "tls_handshake",
        "first_bytes",
        "stalled_write",
        "idle",
        "max_connection_age",
        "keepalive",
    ],
};

/// How the process goes away.
pub const DRAIN: Table = Table {
    header: "[drain]",
    keys: &["lame_duck", "grace"],
};

/// How brokers are probed.
pub const HEALTH: Table = Table {
    header: "[health]",
    keys: &["interval"],
};

/// Threads, and how they move bytes.
pub const RUNTIME: Table = Table {
    header: "[runtime]",
    keys: &["threads", "splice"],
};

/// Logging.
pub const LOG: Table = Table {
    header: "[log]",
    keys: &["level", "format"],
};

/// Every table.
pub const TABLES: [&Table; 14] = [
    &ROOT,
    &CLUSTER,
    &NODES,
    &SNI,
    &TLS,
    &UPSTREAM_TLS,
    &ADMIN,
    &DNS,
    &LIMITS,
    &TIMEOUTS,
    &DRAIN,
    &HEALTH,
    &RUNTIME,
    &LOG,
];
