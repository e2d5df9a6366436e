//! Three embedded brokers, Portolan in front of them, and a client that knows one address: the whole idea in one run.
//!
//! `cargo run --release --example quickstart` stays up for you to try; with `-- --once` it ends by itself, non-zero if
//! anything failed. `-- --port N` uses the ports N to N+3 instead of 9092 to 9095.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portolan::config::{Config, ParseOptions};
use portolan::logging;
use portolan::server::Server;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::util::Timeout;

const BROKERS: i32 = 3;
const MESSAGES: u64 = 100_000;
const TOPIC: &str = "quickstart";
const PATIENCE: Duration = Duration::from_secs(60);

const USAGE: &str = "\
Usage: cargo run --release --example quickstart -- [--once] [--port N]
  --once    end when everything went through, non-zero if anything failed
  --port N  use the ports N to N+3 (default: 9092 to 9095)";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            tell(&format!("{error}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    if arguments.help {
        say(USAGE);
        return ExitCode::SUCCESS;
    }
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("\nThe quickstart failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard output. False where nobody reads it any more (`| head`), which `println!` would panic at.
fn say(line: &str) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}

/// Writes a line to standard error, if anybody reads it.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

struct Arguments {
    help: bool,
    once: bool,
    port: u16,
}

impl Arguments {
    fn parse() -> Result<Self, Failure> {
        let mut parsed = Arguments {
            help: false,
            once: false,
            port: 9092,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" | "-h" => parsed.help = true,
                "--once" => parsed.once = true,
                "--port" => {
                    let value = words.next().ok_or("--port needs a number")?;
                    parsed.port = value
                        .parse()
                        .ok()
                        .filter(|port| (1024..=65_000).contains(port))
                        .ok_or("--port takes a number from 1024 to 65000")?;
                }
                unknown => return Err(format!("unknown argument {unknown}").into()),
            }
        }
        Ok(parsed)
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let step = Step::begin("Starting three embedded brokers");
    // The brokers live in this process, on random ports of the loopback interface.
    let brokers = MockCluster::new(BROKERS)?;
    let internal = brokers.bootstrap_servers();
    step.done();

    let config = config(&internal, arguments.port);
    let parsed = Config::from_toml(&config, &ParseOptions::default()).map_err(|e| e.to_string())?;
    logging::start(&parsed.log);
    let other = 10_000 + arguments.port % 50_000;
    let server = Server::bind(parsed).await.map_err(|error| {
        format!(
            "{error}\n\nIs a Kafka broker running here? Other ports will do as well:\n\n    \
             cargo run --release --example quickstart -- --port {other}"
        )
    })?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let external = format!("127.0.0.1:{}", arguments.port);
    let indented: String = config.lines().map(|line| format!("\n    {line}")).collect();
    say(&format!(
        "\nPortolan runs with this configuration:\n{indented}"
    ));
    let address = external.clone();
    tokio::task::spawn_blocking(move || demonstrate(&internal, &address)).await??;

    if !arguments.once {
        let has_reader = say(&format!(
            "\nEverything stays up. In another terminal, if you have kcat:\n\n    \
             kcat -b {external} -L\n    \
             echo hello | kcat -b {external} -t {TOPIC} -P\n    \
             kcat -b {external} -t {TOPIC} -C -o -5 -e\n\nCtrl-C ends it."
        ));
        // Nobody would know that it stays up.
        if has_reader {
            tokio::signal::ctrl_c().await?;
        }
    }
    let _ = stop.send(());
    serving.await??;
    say("\nAll of it went through one address. Good-bye.");
    Ok(())
}

fn config(internal: &str, port: u16) -> String {
    let servers: Vec<String> = internal.split(',').map(|s| format!("\"{s}\"")).collect();
    format!(
        "[clusters.quickstart]\n\
         bootstrap_servers = [{}]\n\
         advertised_host   = \"127.0.0.1\"\n\
         listen_address    = \"127.0.0.1\"\n\
         bootstrap_port    = {port}\n\
         \n\
         [[clusters.quickstart.nodes]]\n\
         ids  = \"1-{BROKERS}\"\n\
         port = {}\n\
         \n\
         [admin]\n\
         listen = \"\"\n\
         \n\
         [log]\n\
         level = \"warn\"\n",
        servers.join(", "),
        port + 1,
    )
}

fn demonstrate(internal: &str, external: &str) -> Result<(), Failure> {
    let step = Step::begin("Asking for the brokers, directly and through Portolan");
    let direct = told(internal)?;
    let proxied = told(external)?;
    step.done();
    let port: u16 = external.rsplit(':').next().unwrap_or_default().parse()?;
    say("\n  port    leads to     which advertises        and clients are told");
    say(&format!("  {port:<7} bootstrap    (any broker)"));
    for ((node, inside), (_, outside)) in direct.iter().zip(&proxied) {
        let port = i32::from(port) + node;
        say(&format!(
            "  {port:<7} node {node:<7} {inside:<23} {outside}"
        ));
    }
    say("");
    let expected: BTreeSet<(i32, String)> = (1..=BROKERS)
        .map(|node| (node, format!("127.0.0.1:{}", i32::from(port) + node)))
        .collect();
    if proxied != expected {
        return Err(format!("the client was told {proxied:?} instead of {expected:?}").into());
    }
    let produced = produce(external)?;
    let consumed = consume(external)?;
    say(&format!(
        "\n  {MESSAGES} messages of 100 bytes through {external}, each of which arrived once:\n  \
         produced  {produced:>9.0} messages per second\n  \
         consumed  {consumed:>9.0} messages per second"
    ));
    Ok(())
}

/// What a client that asks at `bootstrap` is told about the brokers.
fn told(bootstrap: &str) -> Result<BTreeSet<(i32, String)>, Failure> {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let metadata = client
        .fetch_metadata(None, PATIENCE / 6)
        .map_err(|error| format!("{bootstrap} does not tell its brokers: {error}"))?;
    Ok(metadata
        .brokers()
        .iter()
        .map(|b| (b.id(), format!("{}:{}", b.host(), b.port())))
        .collect())
}

fn produce(bootstrap: &str) -> Result<f64, Failure> {
    let step = Step::begin("Producing through the one address");
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "200000")
        .create()?;
    let begin = Instant::now();
    for number in 0..MESSAGES {
        let key = number.to_string();
        let value = format!("{number:0100}");
        let record = BaseRecord::to(TOPIC).key(&key).payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
        step.count.store(number, Ordering::Relaxed);
    }
    producer.flush(Timeout::After(PATIENCE))?;
    step.done();
    Ok(MESSAGES as f64 / begin.elapsed().as_secs_f64())
}

fn consume(bootstrap: &str) -> Result<f64, Failure> {
    let step = Step::begin("Consuming in a group (a new one waits 3 s for members)");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "quickstart")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[TOPIC])?;
    let mut missing: BTreeSet<u64> = (0..MESSAGES).collect();
    let deadline = Instant::now() + PATIENCE;
    // The first message ends the wait for the group to form, which is the brokers' and not the proxy's.
    let mut begin = Instant::now();
    while !missing.is_empty() {
        if Instant::now() > deadline {
            return Err(format!("{} messages did not arrive", missing.len()).into());
        }
        let Some(message) = consumer.poll(Duration::from_millis(200)) else {
            continue;
        };
        let message = message?;
        if missing.len() as u64 == MESSAGES {
            begin = Instant::now();
        }
        let number: u64 = String::from_utf8_lossy(message.payload().unwrap_or_default()).parse()?;
        if !missing.remove(&number) {
            return Err(format!("message {number} arrived twice").into());
        }
        step.count
            .store(MESSAGES - missing.len() as u64, Ordering::Relaxed);
    }
    step.done();
    Ok(MESSAGES as f64 / begin.elapsed().as_secs_f64())
}

/// The count of a step that is over.
const OVER: u64 = u64::MAX;

/// A line on standard error that shows that something is going on.
struct Step {
    name: &'static str,
    count: Arc<AtomicU64>,
    painter: Option<std::thread::JoinHandle<()>>,
}

impl Step {
    fn begin(name: &'static str) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let shown = count.clone();
        let painter = std::io::stderr().is_terminal().then(|| {
            std::thread::spawn(move || {
                for frame in ["-", "\\", "|", "/"].iter().cycle() {
                    let amount = match shown.load(Ordering::Relaxed) {
                        OVER => return,
                        0 => String::new(),
                        n => format!(" {n}"),
                    };
                    eprint!("\r{frame} {name} ...{amount}  ");
                    let _ = std::io::stderr().flush();
                    std::thread::sleep(Duration::from_millis(80));
                }
            })
        });
        Step {
            name,
            count,
            painter,
        }
    }

    fn done(mut self) {
        self.finish();
        tell(&format!("{}: done", self.name));
    }

    fn finish(&mut self) {
        self.count.store(OVER, Ordering::Relaxed);
        if let Some(painter) = self.painter.take() {
            let _ = painter.join();
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.finish();
    }
}
