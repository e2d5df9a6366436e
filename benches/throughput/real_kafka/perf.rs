//! Kafka's own perf-test tools: how they are called and what they say.

use std::process::Stdio;

use crate::parse;
use crate::process;

/// One call of a tool, without the route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Produce {
        record_size: u64,
        acks: &'static str,
    },
    /// Of a topic that was filled before, with batches of this size.
    Consume { record_size: u64, batch: u64 },
}

/// The default of Kafka's producers.
const DEFAULT_BATCH: u64 = 16_384;

impl Work {
    /// All of them: 14.
    pub fn all() -> Vec<Work> {
        let sizes = [100, 1024, 10 * 1024, 100 * 1024];
        let produce = sizes
            .into_iter()
            .flat_map(|record_size| ["1", "all"].map(|acks| Work::Produce { record_size, acks }));
        let consume = sizes.map(|record_size| Work::Consume {
            record_size,
            batch: DEFAULT_BATCH,
        });
        let batches = [(1024, 64 * 1024), (1024, 256 * 1024)]
            .map(|(record_size, batch)| Work::Consume { record_size, batch });
        produce.chain(consume).chain(batches).collect()
    }

    pub fn name(&self) -> String {
        match self {
            Work::Produce { record_size, acks } => {
                format!("produce {}, acks {acks}", size_name(*record_size))
            }
            Work::Consume { record_size, batch } => format!(
                "consume {} in batches of {}",
                size_name(*record_size),
                size_name(*batch)
            ),
        }
    }

    pub fn is_produce(&self) -> bool {
        matches!(self, Work::Produce { .. })
    }

    pub fn record_size(&self) -> u64 {
        match self {
            Work::Produce { record_size, .. } | Work::Consume { record_size, .. } => *record_size,
        }
    }

    /// The topic that a consumer reads.
    pub fn filled_topic(&self) -> Option<String> {
        match self {
            Work::Produce { .. } => None,
            Work::Consume { record_size, batch } => {
                Some(own_topic(&format!("filled-{record_size}-{batch}")))
            }
        }
    }

    /// Whether it fetches batches of at least 64 KiB, which are to be spliced.
    pub fn has_large_batches(&self) -> bool {
        let largest = match self {
            Work::Produce { .. } => 0,
            Work::Consume { record_size, batch } => *batch.max(record_size),
        };
        largest >= 64 * 1024
    }
}

/// A name that no topic of brokers that are not ours has, nor one that an interrupted invocation left.
pub fn own_topic(purpose: &str) -> String {
    format!("portolan-bench-{}-{purpose}", std::process::id())
}

fn size_name(size: u64) -> String {
    match size {
        1024.. => format!("{} KiB", size / 1024),
        _ => format!("{size} B"),
    }
}

/// The tools of a class path.
pub struct Tools<'a> {
    pub jars: &'a str,
}

impl Tools<'_> {
    /// Produces and returns megabytes (2^20) in a second.
    pub fn produce(
        &self,
        bootstrap: &str,
        topic: &str,
        records: u64,
        record_size: u64,
        properties: &[&str],
    ) -> Result<f64, String> {
        let (records, record_size) = (records.to_string(), record_size.to_string());
        let mut arguments = vec![
            "--bootstrap-server",
            bootstrap,
            "--topic",
            topic,
            "--num-records",
            &records,
            "--record-size",
            &record_size,
            "--throughput",
            "-1",
        ];
        if !properties.is_empty() {
            arguments.push("--command-property");
            arguments.extend(properties);
        }
        let text = self.run("ProducerPerformance", &arguments)?;
        parse::producer_rate(&text).ok_or_else(|| format!("no rate in: {text}"))
    }

    /// Consumes and returns megabytes (2^20) in a second, without the time to join the group.
    pub fn consume(&self, bootstrap: &str, topic: &str, records: u64) -> Result<f64, String> {
        let records = records.to_string();
        let arguments = [
            "--bootstrap-server",
            bootstrap,
            "--topic",
            topic,
            "--num-records",
            &records,
            "--hide-header",
            "--timeout",
            "30000",
        ];
        let text = self.run("ConsumerPerformance", &arguments)?;
        parse::consumer_rate(&text).ok_or_else(|| format!("no rate in: {text}"))
    }

    fn run(&self, class: &str, arguments: &[&str]) -> Result<String, String> {
        // The clients' own timeouts end them where nothing moves.
        let output = process::tied_to_us("java".as_ref())
            .args(["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .args(["-cp", self.jars, &format!("org.apache.kafka.tools.{class}")])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("java: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(text),
            false => {
                let errors = String::from_utf8_lossy(&output.stderr);
                Err(format!("{class} ended with {}: {errors}", output.status))
            }
        }
    }
}
