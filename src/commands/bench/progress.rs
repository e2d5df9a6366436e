//! One line on the terminal that says how far it is. Nothing at all where standard error is none.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::load::Load;
use super::plan::{Plan, Workload};

const EVERY: Duration = Duration::from_millis(200);
/// Characters of the bar.
const WIDTH: usize = 20;

/// The line.
pub(super) struct Bar {
    /// `None` draws nothing.
    style: Option<Style>,
    begin: Instant,
    whole: Duration,
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Coloured,
}

impl Bar {
    pub(super) fn new(plan: &Plan) -> Self {
        let style = match io::stderr().is_terminal() {
            false => None,
            // As no-color.org has it: any value that is not empty.
            true if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => {
                Some(Style::Plain)
            }
            true => Some(Style::Coloured),
        };
        Bar {
            style,
            begin: Instant::now(),
            whole: plan.whole_time(),
        }
    }

    /// Draws while something runs, and takes the line away afterwards.
    pub(super) async fn during<T>(
        &mut self,
        load: &Load,
        label: &str,
        running: impl Future<Output = T>,
    ) -> T {
        let Some(style) = self.style else {
            return running.await;
        };
        // Also where this is dropped in the middle.
        let _clear = Clear;
        let mut running = std::pin::pin!(running);
        let mut ticks = tokio::time::interval(EVERY);
        let (mut before, mut since) = (amount(load), Instant::now());
        loop {
            tokio::select! {
                outcome = &mut running => return outcome,
                _ = ticks.tick() => {}
            }
            let seconds = since.elapsed().as_secs_f64();
            let now = amount(load);
            let speed = match seconds > 0.0 {
                true => (now - before) / seconds,
                false => 0.0,
            };
            (before, since) = (now, Instant::now());
            self.draw(style, load, label, speed);
        }
    }

    fn draw(&self, style: Style, load: &Load, label: &str, speed: f64) {
        let share = self.begin.elapsed().as_secs_f64() / self.whole.as_secs_f64();
        let full = ((share.clamp(0.0, 1.0)) * WIDTH as f64) as usize;
        let done = "#".repeat(full);
        let left = "-".repeat(WIDTH - full);
        let speed = match load.workload {
            Workload::Ping => format!("{speed:.0} requests/s"),
            _ => format!("{speed:.1} MB/s"),
        };
        let text = format!("{:7} {label:11} {:7} {speed}", load.workload, load.leg.side);
        let line = match style {
            Style::Plain => format!("\r[{done}{left}] {text:<50}"),
            Style::Coloured => format!("\r\u{1b}[36m[{done}{left}]\u{1b}[0m {text:<50}"),
        };
        show(&line);
    }
}

/// Overwrites the line with nothing.
struct Clear;

impl Drop for Clear {
    fn drop(&mut self) {
        show(&format!("\r{:width$}\r", "", width = WIDTH + 53));
    }
}

/// Requests or megabytes so far, whatever tells more.
fn amount(load: &Load) -> f64 {
    match load.workload {
        Workload::Ping => load.progress.requests.load(Ordering::Relaxed) as f64,
        _ => load.progress.bytes.load(Ordering::Relaxed) as f64 / 1e6,
    }
}

fn show(text: &str) {
    // A terminal that is gone wants no progress.
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
