//! What was written -> what is true: reads a TOML file into a [`Config`] and reports every fault at once.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::cluster::{self, Claims};
use super::fault::Faults;
use super::reader::{Reader, Section, Unfit};
use super::{Config, Dns, Drain, Health, Limits, Log, LogFormat, LogLevel, Runtime, Timeouts};
use super::{address, keys, value};

/// What else may be written, beside what the file's format says.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions {
    /// Port 0, which lets the operating system choose: for tests.
    pub allow_port_zero: bool,
}

/// More than any configuration has; what is longer is something else.
const LONGEST_FILE: u64 = 16 << 20;

const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9644);

impl Config {
    /// Reads a file; `-` is standard input.
    pub fn from_file(path: &Path, options: &ParseOptions) -> Result<Self, Faults> {
        let text = read_text(path)?;
        Self::from_toml(&text, options)
    }

    /// Reads TOML text.
    pub fn from_toml(text: &str, options: &ParseOptions) -> Result<Self, Faults> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader::new(text);
        for error in &errors {
            let line = error.span().map(|span| reader.line(span.start));
            let content = line.and_then(|line| text.lines().nth(line - 1));
            let remedy = match content.map(str::trim) {
                None | Some("") => "write TOML: [table], key = value".to_owned(),
                Some(content) => format!("correct: {content}"),
            };
            reader.fault("", line, format!("not TOML: {}", error.message()), remedy);
        }
        if !errors.is_empty() {
            return Err(reader.into_faults());
        }
        let root = reader.root(document.get_ref());
        let config = read_config(&mut reader, &root, *options);
        if reader.faults.is_empty() {
            return Ok(config);
        }
        Err(reader.into_faults())
    }
}

fn read_text(path: &Path) -> Result<String, Faults> {
    let shown = match path == Path::new("-") {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(LONGEST_FILE).read_to_end(&mut bytes),
        false => std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut bytes)),
    };
    let example = "give the path of a configuration file; config/minimal.toml is one to start from";
    let read =
        read.map_err(|error| Faults::whole(format!("cannot read {shown}: {error}"), example))?;
    if read as u64 == LONGEST_FILE {
        return Err(Faults::whole(format!("{shown} has no end"), example));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        Faults::whole(
            format!("{shown} is not UTF-8 from line {line} on"),
            "save it as UTF-8 text",
        )
    })
}

fn read_config(reader: &mut Reader<'_>, root: &Section<'_>, options: ParseOptions) -> Config {
    reader.known(root, &keys::ROOT);
    let mut claims = Claims::new(options);
    let section = reader.section(root, "admin");
    reader.known(&section, &keys::ADMIN);
    let admin = reader.get_or(&section, "listen", value::listen, Some(DEFAULT_ADMIN));
    if let Some(listen) = admin {
        claims.admin(reader, &section, listen);
    }
    let admin_hosts = reader.list(
        &section,
        "allowed_hosts",
        address::admin_host,
        "portolan.example.com",
    );
    let admin_hosts = admin_hosts.unwrap_or_default().into_iter();
    let clusters = cluster::read_all(reader, root, &mut claims);
    Config {
        clusters,
        admin,
        admin_hosts: admin_hosts.map(|host| host.value).collect(),
        dns: read_dns(reader, root),
        limits: read_limits(reader, root),
        timeouts: read_timeouts(reader, root),
        drain: read_drain(reader, root),
        health: read_health(reader, root),
        runtime: read_runtime(reader, root),
        log: read_log(reader, root),
    }
}

fn read_dns(reader: &mut Reader<'_>, root: &Section<'_>) -> Dns {
    let section = reader.section(root, "dns");
    reader.known(&section, &keys::DNS);
    let servers = reader.list(&section, "servers", value::name_server, "10.96.0.10:53");
    Dns {
        servers: servers
            .into_iter()
            .flatten()
            .map(|server| server.value)
            .collect(),
        hosts_file: reader
            .get(&section, "hosts_file", value::text)
            .filter(|path| !path.is_empty())
            .map(Into::into),
    }
}

fn read_limits(reader: &mut Reader<'_>, root: &Section<'_>) -> Limits {
    let section = reader.section(root, "limits");
    reader.known(&section, &keys::LIMITS);
    Limits {
        connections: reader.get_or(&section, "connections", value::connections, None),
        connections_per_client: reader.get_or(
            &section,
            "connections_per_client",
            value::connections_or_off,
            None,
        ),
        connection_rate_per_client: reader.get_or(
            &section,
            "connection_rate_per_client",
            value::rate_or_off,
            None,
        ),
        tls_handshakes: reader.get_or(&section, "tls_handshakes", value::handshakes, 1024),
        in_flight: reader.get_or(&section, "in_flight", value::in_flight, 1024),
        // socket.request.max.bytes of a broker.
        request_bytes: reader.get_or(&section, "request_bytes", value::frame_size, 100 << 20),
        response_rewrite_bytes: reader.get_or(
            &section,
            "response_rewrite_bytes",
            value::held_size,
            1 << 20,
        ),
        // sasl.server.max.receive.size of a broker.
        sasl_bytes: reader.get_or(&section, "sasl_bytes", value::held_size, 512 << 10),
    }
}

fn read_timeouts(reader: &mut Reader<'_>, root: &Section<'_>) -> Timeouts {
    let section = reader.section(root, "timeouts");
    reader.known(&section, &keys::TIMEOUTS);
    let seconds = Duration::from_secs;
    let minute = Some(seconds(60));
    Timeouts {
        connect: reader.get_or(&section, "connect", value::duration, seconds(5)),
        tls_handshake: reader.get_or(&section, "tls_handshake", value::duration, seconds(10)),
        first_bytes: reader.get_or(&section, "first_bytes", value::duration, seconds(30)),
        stalled_write: reader.get_or(&section, "stalled_write", value::duration, seconds(60)),
        idle: reader.get_or(&section, "idle", value::duration_or_off, None),
        max_connection_age: reader.get_or(
            &section,
            "max_connection_age",
            value::duration_or_off,
            None,
        ),
        keepalive: reader.get_or(&section, "keepalive", value::keepalive, minute),
    }
}

fn read_drain(reader: &mut Reader<'_>, root: &Section<'_>) -> Drain {
    let section = reader.section(root, "drain");
    reader.known(&section, &keys::DRAIN);
    let duration = value::duration_or_zero;
    Drain {
        lame_duck: reader.get_or(&section, "lame_duck", duration, Duration::ZERO),
        grace: reader.get_or(&section, "grace", duration, Duration::from_secs(30)),
    }
}

fn read_health(reader: &mut Reader<'_>, root: &Section<'_>) -> Health {
    let section = reader.section(root, "health");
    reader.known(&section, &keys::HEALTH);
    let default = Some(Duration::from_secs(5));
    Health {
        interval: reader.get_or(&section, "interval", value::probes, default),
    }
}

fn read_runtime(reader: &mut Reader<'_>, root: &Section<'_>) -> Runtime {
    let section = reader.section(root, "runtime");
    reader.known(&section, &keys::RUNTIME);
    Runtime {
        threads: reader.get_or(&section, "threads", value::threads, None),
        splice: reader.get_or(&section, "splice", value::boolean, true),
    }
}

fn read_log(reader: &mut Reader<'_>, root: &Section<'_>) -> Log {
    let section = reader.section(root, "log");
    reader.known(&section, &keys::LOG);
    Log {
        level: reader.get_or(&section, "level", log_level, LogLevel::Info),
        format: reader.get_or(&section, "format", log_format, LogFormat::Text),
    }
}

fn log_level(value: &DeValue<'_>) -> Result<LogLevel, Unfit> {
    value::choice(value, &LogLevel::WORDS)
}

fn log_format(value: &DeValue<'_>) -> Result<LogFormat, Unfit> {
    value::choice(value, &LogFormat::WORDS)
}
