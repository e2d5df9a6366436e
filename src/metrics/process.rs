//! The metrics of the process as a whole, read at each scrape.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{AtomicF64, GenericCounter};
use prometheus::{Gauge, IntCounter, IntGauge, Registry};

use crate::transport::{buffer, moved};

/// What the operating system knows of this process, and how many buffers are in use.
#[derive(Debug)]
pub(super) struct Process {
    buffers: IntGauge,
    open_fds: IntGauge,
    max_fds: IntGauge,
    resident_bytes: IntGauge,
    cpu_seconds: GenericCounter<AtomicF64>,
    copied_bytes: IntCounter,
    spliced_bytes: IntCounter,
}

/// What a process has of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessCounts {
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many there may be.
    pub max_fds: u64,
    /// Resident memory.
    pub resident_bytes: u64,
}

impl Process {
    /// Registers the gauges.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let cpu_seconds = GenericCounter::new(
            "process_cpu_seconds_total",
            "User and system time of this process in seconds.",
        )?;
        registry.register(Box::new(cpu_seconds.clone()))?;
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let start = Gauge::new(
            "process_start_time_seconds",
            "When this process started, in seconds since 1970.",
        )?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        start.set(now.unwrap_or_default().as_secs_f64());
        registry.register(Box::new(start))?;
        Ok(Process {
            buffers: gauge(
                "portolan_buffers",
                "Buffers that hold bytes on their way; an idle connection has none.",
            )?,
            open_fds: gauge("portolan_open_fds", "Open file descriptors.")?,
            max_fds: gauge("portolan_max_fds", "The limit of open file descriptors.")?,
            resident_bytes: gauge("process_resident_memory_bytes", "Resident memory in bytes.")?,
            cpu_seconds,
            copied_bytes: counter(
                "portolan_copied_bytes_total",
                "Bytes that were passed on through buffers of this process.",
            )?,
            spliced_bytes: counter(
                "portolan_spliced_bytes_total",
                "Bytes that the kernel passed on from socket to socket, without a copy.",
            )?,
        })
    }

    /// What was read now.
    pub(super) fn counts(&self) -> ProcessCounts {
        self.read();
        let number = |gauge: &IntGauge| u64::try_from(gauge.get()).unwrap_or(0);
        ProcessCounts {
            open_fds: number(&self.open_fds),
            max_fds: number(&self.max_fds),
            resident_bytes: number(&self.resident_bytes),
        }
    }

    /// Reads what the system knows; on systems without /proc the values stay zero.
    pub(super) fn read(&self) {
        self.buffers.set(buffer::lent());
        let moved = moved::total();
        let grow = |counter: &IntCounter, to: u64| counter.inc_by(to.saturating_sub(counter.get()));
        grow(&self.copied_bytes, moved.copied);
        grow(&self.spliced_bytes, moved.spliced);
        if let Ok(fds) = fs::read_dir("/proc/self/fd") {
            self.open_fds.set(fds.count() as i64);
        }
        self.max_fds.set(crate::limits::max_fds() as i64);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse::<i64>().ok());
        self.resident_bytes.set(kilobytes.unwrap_or(0) * 1024);
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Fields 14 and 15, in ticks of 10 ms; the name in field 2 may have spaces but ends at the last parenthesis.
        let fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let ticks: f64 = fields
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        let grown = ticks / 100.0 - self.cpu_seconds.get();
        self.cpu_seconds.inc_by(grown.max(0.0));
    }
}
