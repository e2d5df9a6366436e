//! What the environment asks for.

use std::env::var;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// How long a step may take before the program gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The task.
pub struct Task {
    pub topic: String,
    pub records: usize,
    pub brokers: Option<Vec<String>>,
    /// How many times its usual load a producer of traffic writes.
    pub burst: usize,
    acks: String,
    group: String,
    connection: ClientConfig,
}

impl Task {
    /// Reads it; a missing variable ends the program.
    pub fn from_env() -> Self {
        let must = |name: &str| var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let mut connection = ClientConfig::new();
        connection.set("bootstrap.servers", must("BOOTSTRAP"));
        let (mechanism, ca) = (var("SASL_MECHANISM").ok(), var("TLS_CA").ok());
        let protocol = match (&mechanism, &ca) {
            (None, None) => "PLAINTEXT",
            (None, Some(_)) => "SSL",
            (Some(_), None) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        };
        connection.set("security.protocol", protocol);
        if let Some(mechanism) = mechanism {
            connection
                .set("sasl.mechanism", mechanism)
                .set("sasl.username", must("SASL_USERNAME"))
                .set("sasl.password", must("SASL_PASSWORD"));
        }
        if let Some(ca) = ca {
            connection.set("ssl.ca.location", ca);
        }
        if let Ok(certificate) = var("TLS_CERTIFICATE") {
            connection
                .set("ssl.certificate.location", certificate)
                .set("ssl.key.location", must("TLS_KEY"));
        }
        Task {
            topic: must("TOPIC"),
            group: must("GROUP"),
            burst: var("BURST").map_or(1, |text| text.parse().expect("a number")),
            acks: var("ACKS").unwrap_or("all".to_owned()),
            records: var("RECORDS").map_or(1000, |text| text.parse().expect("a number of records")),
            brokers: var("EXPECT_BROKERS")
                .ok()
                .map(|text| text.split(',').map(str::to_owned).collect()),
            connection,
        }
    }

    /// How to reach the cluster.
    pub fn connection(&self) -> ClientConfig {
        self.connection.clone()
    }

    /// How a producer is made.
    pub fn producer(&self) -> ClientConfig {
        let mut config = self.connection();
        let idempotent = (self.acks == "all").to_string();
        config
            .set("enable.idempotence", idempotent)
            .set("acks", &self.acks);
        config
    }

    /// A member of the group, subscribed to the topic.
    pub fn consumer(&self) -> BaseConsumer {
        let mut config = self.connection();
        config
            .set("group.id", &self.group)
            .set("auto.offset.reset", "earliest")
            // A topic that was just created may not be known to every broker yet.
            .set("topic.metadata.refresh.interval.ms", "1000");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        consumer.subscribe(&[&self.topic]).expect("a subscription");
        consumer
    }
}
