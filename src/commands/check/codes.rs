//! Everything that can be found: a stable code, how bad it is, what it means, and what to do about it.
//!
//! In the texts `{who}` is "node 1" or "the bootstrap", `{node}` its id, `{host}` and `{port}` its advertised address.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Clients fail.
    Fault,
    /// Clients may fail, or will.
    Warning,
    /// What could not be looked at.
    Info,
}

impl Severity {
    /// As it is told.
    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Fault => "fault",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// One kind of finding.
#[derive(Debug)]
pub(super) struct Code {
    /// Stable: programs may look for it.
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) means: &'static str,
    pub(super) remedy: &'static str,
}

macro_rules! codes {
    ($($id:ident $name:literal $severity:ident $means:literal $remedy:literal)*) => {
        $(
            pub(super) const $id: Code = Code {
                name: $name,
                severity: Severity::$severity,
                means: $means,
                remedy: $remedy,
            };
        )*
        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[&Code] = &[$(&$id),*];
    };
}

codes! {
    // Names and addresses.
    NAME_DOES_NOT_RESOLVE "name-does-not-resolve" Fault
        "clients here cannot find {who}: no name server that this machine asks knows {host}"
        "add a DNS record for {host}, or advertise a name that has one: advertised_host in Portolan's configuration, advertised.listeners at a broker"
    INTERNAL_NAME_LEAKED "internal-name-leaked" Fault
        "clients are told the name that {who} has inside its own network, where they are not"
        "behind Portolan: bootstrap from its port, and give node {node} a port in [[clusters.<name>.nodes]]; else set advertised.listeners of {who} to a name that clients can resolve"
    ADVERTISED_WILDCARD "advertised-wildcard" Fault
        "{host} means \"every address of this machine\": each client would dial itself"
        "set advertised.listeners of {who} to its own name (listeners may stay {host}); with Portolan set advertised_host"
    ADVERTISED_LOOPBACK "advertised-loopback" Fault
        "{host} is each client's own machine: it works at the broker and nowhere else"
        "set advertised.listeners of {who} to a name that clients can reach; with Portolan set advertised_host"
    PRIVATE_ADDRESS "private-address" Warning
        "clients on the internet cannot reach a private address; it works from here because this machine is inside, by VPN for example"
        "advertise a public name: advertised_host in Portolan's configuration, advertised.listeners at a broker; fine if all clients are inside"
    SAME_ADDRESS "same-address" Fault
        "clients cannot tell these brokers apart: requests for one arrive at the other"
        "give each broker a port or a name of its own: [[clusters.<name>.nodes]] in Portolan's configuration, advertised.listeners at the brokers"
    // Ports.
    PORT_REFUSED "port-refused" Fault
        "the machine is there, and nothing listens at port {port}: it is not in the load balancer or the Service, or the process behind it is down"
        "add port {port} to the Service or the load balancer (`portolan map --output service` prints them all), and look whether {who} runs"
    PORT_SILENT "port-silent" Fault
        "something drops the packets: a firewall, a security group or a network policy, or nobody has this address"
        "open {port} from here in firewalls and security groups, and compare the load balancer's ports with `portolan map`"
    HOST_UNREACHABLE "host-unreachable" Fault
        "this machine has no way to that address"
        "look at routes, VPN and address family (IPv6?), or advertise an address that clients can reach"
    ADDRESS_UNREACHABLE "address-unreachable" Warning
        "the name has several addresses, and clients that take a bad one first wait or fail"
        "remove the address from the DNS record of {host}, or make {who} listen there too"
    BROKER_DOWN "broker-down" Fault
        "it accepts connections and closes them without an answer: a proxy or a balancer whose broker is down or refuses it"
        "look whether {who} runs and whether what stands before it reaches it: Portolan's log names the broker's address and the error"
    NO_ANSWER "no-answer" Fault
        "it accepts connections and says nothing: the process hangs, is overloaded, or is no broker"
        "look at {who}: its log, its load, a proxy before it whose broker does not answer; or give a longer --timeout"
    CONNECTION_CLOSED "connection-closed" Fault
        "it answered ApiVersions, so it is a broker, and then closed the connection"
        "its log says why: look there, at its authorizer, and at limits of connections"
    NOT_KAFKA "not-kafka" Fault
        "whatever listens at port {port} is no Kafka broker, or not one that we understand"
        "give the port of a Kafka listener; at a load balancer look where {port} is forwarded to"
    API_VERSIONS_TOO_OLD "api-versions-too-old" Fault
        "clients of today do not speak to a broker that old, nor does this command"
        "upgrade {who} to Kafka 2.1 or newer"
    // TLS.
    TLS_ON_PLAINTEXT_PORT "tls-on-plaintext-port" Fault
        "the client speaks TLS, and the port does not"
        "see that a Kafka listener is there; leave --tls out (security.protocol=PLAINTEXT or SASL_PLAINTEXT in clients), use the port of the TLS listener, or give Portolan's cluster a `tls` table"
    PLAINTEXT_ON_TLS_PORT "plaintext-on-tls-port" Fault
        "the client does not speak TLS, and the port does"
        "add --tls (security.protocol=SSL or SASL_SSL in clients), or use the port of the plaintext listener"
    TLS_FAILED "tls-failed" Fault
        "there is no encrypted connection, and so none at all"
        "look at the listener's TLS settings (protocol versions, cipher suites, key); with Portolan its log says why"
    SERVER_NAME_UNKNOWN "server-name-unknown" Fault
        "the port tells brokers apart by the TLS server name, and does not know this one"
        "dial by a name that it knows (bootstrap_host and node_host of Portolan's `sni` table), and leave --tls-server-name out"
    CERTIFICATE_OTHER_NAME "certificate-other-name" Fault
        "clients verify the name that they dial, and it is not in the certificate"
        "issue a certificate with the name {host} (subjectAltName), or advertise a name that it has"
    CERTIFICATE_EXPIRED "certificate-expired" Fault
        "clients refuse it"
        "renew it, or set this machine's clock if that is wrong"
    CERTIFICATE_NOT_YET_VALID "certificate-not-yet-valid" Fault
        "clients refuse it until then"
        "set the clocks: this machine's, and that of the authority that issued it"
    CERTIFICATE_UNKNOWN_CA "certificate-unknown-ca" Fault
        "the certificate is not by an authority that is trusted here, or an intermediate certificate is missing"
        "give --tls-ca the certificate of the authority (ssl.truststore.location in clients); let the server send its intermediates"
    CERTIFICATE_INVALID "certificate-invalid" Fault
        "clients refuse it"
        "issue another one for {who}: of version 3, for servers, not the authority's own"
    CERTIFICATE_EXPIRES_SOON "certificate-expires-soon" Warning
        "clients will refuse it from then on"
        "renew it in time"
    CLIENT_CERTIFICATE_DEMANDED "client-certificate-demanded" Fault
        "the port wants to see a certificate of the client (mTLS)"
        "give --tls-cert and --tls-key (ssl.keystore.location in clients), or set client_auth = \"none\" in Portolan's `tls` table, ssl.client.auth at a broker"
    CLIENT_CERTIFICATE_REFUSED "client-certificate-refused" Fault
        "the port does not accept the certificate of --tls-cert"
        "use one that is valid and by an authority in Portolan's client_ca or in the broker's ssl.truststore.location"
    // SASL.
    SASL_WANTED "sasl-wanted" Fault
        "the listener lets nobody in without a user"
        "give --sasl-mechanism, --sasl-username and a password (sasl.mechanism and sasl.jaas.config in clients)"
    SASL_NOT_WANTED "sasl-not-wanted" Fault
        "the listener is without SASL"
        "leave --sasl-mechanism out, or use the port of the SASL listener"
    SASL_REFUSED "sasl-refused" Fault
        "the user, the password or the token is wrong, or the user is not known at {who}"
        "check --sasl-username, the password or token, and whether this user exists for this mechanism"
    SASL_MECHANISM_NOT_OFFERED "sasl-mechanism-not-offered" Fault
        "the listener has other mechanisms"
        "give --sasl-mechanism one of those, or add this one to sasl.enabled.mechanisms of {who}"
    SASL_SERVER_UNPROVEN "sasl-server-unproven" Fault
        "whoever answers does not know this user's password: it may not be a broker"
        "do not trust this address with a password until you know what it is"
    // The cluster.
    NO_BROKERS "no-brokers" Fault
        "clients are told of no broker at all"
        "behind Portolan: give each node id a port in [[clusters.<name>.nodes]]; else look whether the brokers are registered"
    NODE_NOT_IN_MAP "node-not-in-map" Fault
        "the cluster has this node, and clients are not told its address: what it leads cannot be used"
        "give id {node} a port, or with `sni` a name: [[clusters.<name>.nodes]] in Portolan's configuration, and the Service; without Portolan give its listener the same name as the others'"
    NODE_DOWN "node-down" Fault
        "the node holds replicas and is not among the brokers that are up"
        "start node {node}; if it is up, look whether it reaches its controllers"
    WRONG_BROKER "wrong-broker" Fault
        "requests for node {node} arrive at another broker: two ports are swapped, or a balancer sends {port} to any of them"
        "let {host}:{port} lead to node {node} alone: compare `portolan map` with the Service's ports, or advertised.listeners with what stands before the brokers"
    OTHER_CLUSTER "other-cluster" Fault
        "the port leads to a broker of another cluster"
        "let {host}:{port} lead to node {node} of this cluster: look at the Service's ports and at bootstrap_servers"
    ADDRESSES_DIFFER "addresses-differ" Fault
        "clients are sent elsewhere by the next answer: some of them past the proxy, or to another listener"
        "let every port lead to the same listener of the brokers, behind Portolan to Portolan itself and not past it; all replicas of Portolan need one configuration"
    BROKERS_DIFFER "brokers-differ" Warning
        "a broker comes or goes, or replicas of a proxy have different maps"
        "look again in a minute; if it stays, compare the configurations of all replicas of Portolan"
    LEADER_UNREACHABLE "leader-unreachable" Fault
        "nobody here can write to or read from these partitions"
        "mend what is said of node {node}"
    PARTITIONS_WITHOUT_LEADER "partitions-without-leader" Fault
        "nobody can write to or read from these partitions: all their replicas are down or out of sync, or on nodes outside the map"
        "start the brokers that hold their replicas"
    // What could not be looked at.
    IDENTITY_NOT_PROVEN "identity-not-proven" Info
        "whether {host}:{port} leads to node {node} and no other is not known"
        "allow this user to describe a topic, or DescribeConfigs of the cluster; a new broker leads partitions after a while"
    PARTITIONS_NOT_SEEN "partitions-not-seen" Info
        "which node leads what is not known"
        "allow this user to describe topics"
    BROKERS_NOT_LOOKED_AT "brokers-not-looked-at" Info
        "this command looks at a thousand brokers"
        "look at the others from their own machines"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_in_small_letters_and_says_what_to_do() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ALL {
            let is_kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(code.name.chars().all(is_kebab), "{}", code.name);
            assert!(seen.insert(code.name), "{} twice", code.name);
            assert!(!code.means.is_empty() && !code.remedy.is_empty());
        }
    }
}
