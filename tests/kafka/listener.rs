//! The listeners of every node, and what its configuration says about them.

use std::fmt::Write;
use std::net::Ipv4Addr;

/// The user of every SASL mechanism, and its password.
pub const USER: (&str, &str) = ("alice", "alice-secret");

/// After how long brokers want to hear credentials again on the listener [`Listener::Reauth`].
const REAUTH_MS: u32 = 3000;

/// The listeners that brokers advertise by names from inside the cluster. Each is a port that is the same on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// No SASL.
    Plaintext,
    /// PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER.
    Sasl,
    /// The same, and sessions end after [`REAUTH_MS`] unless clients authenticate again.
    Reauth,
    /// TLS. Brokers ask for a certificate, and do without one.
    Ssl,
    /// TLS. Brokers refuse whoever has no certificate of the cluster's authority.
    Mtls,
    /// TLS, and in it the mechanisms of [`Listener::Sasl`].
    SaslSsl,
}

/// The listener for what the tests themselves have to do: advertised by address, no SASL.
pub const DIRECT_PORT: u16 = 9096;

impl Listener {
    const ALL: [Listener; 6] = [
        Listener::Plaintext,
        Listener::Sasl,
        Listener::Reauth,
        Listener::Ssl,
        Listener::Mtls,
        Listener::SaslSsl,
    ];

    /// The same on every node.
    pub fn port(self) -> u16 {
        match self {
            Listener::Plaintext => 9092,
            Listener::Sasl => 9094,
            Listener::Reauth => 9095,
            Listener::Ssl => 9097,
            Listener::Mtls => 9098,
            Listener::SaslSsl => 9099,
        }
    }

    /// Whether clients must speak TLS.
    pub fn has_tls(self) -> bool {
        matches!(self.protocol(), "SSL" | "SASL_SSL")
    }

    fn name(self) -> &'static str {
        match self {
            Listener::Plaintext => "CLIENTS",
            Listener::Sasl => "SASL",
            Listener::Reauth => "REAUTH",
            Listener::Ssl => "SSL",
            Listener::Mtls => "MTLS",
            Listener::SaslSsl => "SASLSSL",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Listener::Plaintext => "PLAINTEXT",
            Listener::Sasl | Listener::Reauth => "SASL_PLAINTEXT",
            Listener::Ssl | Listener::Mtls => "SSL",
            Listener::SaslSsl => "SASL_SSL",
        }
    }

    /// What is its own.
    fn properties(self) -> String {
        let prefix = format!("listener.name.{}", self.name().to_lowercase());
        match self {
            Listener::Plaintext => String::new(),
            Listener::Sasl | Listener::SaslSsl => sasl(&prefix),
            Listener::Reauth => {
                let reauth = format!("{prefix}.connections.max.reauth.ms={REAUTH_MS}\n");
                sasl(&prefix) + &reauth
            }
            Listener::Ssl => format!("{prefix}.ssl.client.auth=requested\n"),
            Listener::Mtls => format!("{prefix}.ssl.client.auth=required\n"),
        }
    }
}

/// The lines about listeners for a node with this address and this internal name, which also has this listener for controllers.
pub fn properties(address: Ipv4Addr, internal: &str, controller: &str) -> String {
    let mut text = String::new();
    let mut listeners = format!("CONTROLLER://{controller},DIRECT://{address}:{DIRECT_PORT}");
    let mut advertised = format!("DIRECT://{address}:{DIRECT_PORT}");
    let mut protocols = "CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT".to_owned();
    for listener in Listener::ALL {
        let (name, port) = (listener.name(), listener.port());
        let _ = write!(listeners, ",{name}://{address}:{port}");
        let _ = write!(advertised, ",{name}://{internal}:{port}");
        let _ = write!(protocols, ",{name}:{}", listener.protocol());
        text.push_str(&listener.properties());
    }
    let _ = writeln!(
        text,
        "listeners={listeners}\nadvertised.listeners={advertised}\nlistener.security.protocol.map={protocols}"
    );
    text
}

fn sasl(prefix: &str) -> String {
    let (user, password) = USER;
    let module = "org.apache.kafka.common.security";
    format!(
        "{prefix}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
         {prefix}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_{user}=\"{password}\";\n\
         {prefix}.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         {prefix}.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         {prefix}.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";\n"
    )
}
