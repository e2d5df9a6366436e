//! A picture for a report: throughput as bars, latency as a curve over the percentiles, proxied beside direct. One file, with
//! nothing in it that is fetched from elsewhere.

use std::fmt::Write;

use super::chart::{Axis, Curve, put_axes, put_curve};
use super::{Report, time};
use crate::commands::bench::measure::Measured;
use crate::commands::bench::plan::{Side, Workload};
use crate::commands::bench::rounds::WorkloadResult;

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 32.0;
/// Above the first workload.
const HEAD: f64 = 128.0;
/// For each workload.
const ROW: f64 = 300.0;
/// Where bars begin and end.
const BARS: (f64, f64) = (MARGIN + 64.0, 400.0);
/// Where curves begin and end.
const CURVES: (f64, f64) = (500.0, WIDTH - MARGIN);
/// Characters of the parameters in a line.
const LINE: usize = 130;

impl Report<'_> {
    /// The picture.
    pub(in crate::commands::bench) fn svg(&self) -> String {
        let results = self.results.workloads.iter();
        let results: Vec<_> = results.filter(|result| !result.rounds.is_empty()).collect();
        let height = HEAD + ROW * results.len() as f64 + MARGIN;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#222\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        self.put_head(&mut out);
        for (n, result) in results.into_iter().enumerate() {
            put_workload(&mut out, result, HEAD + ROW * n as f64);
        }
        out.push_str("</svg>\n");
        out
    }

    fn put_head(&self, out: &mut String) {
        let title = match &self.plan.direct {
            None => format!("Kafka through {}", self.plan.proxied.address),
            Some(direct) => format!(
                "Kafka through {} and straight to {}",
                self.plan.proxied.address, direct.address
            ),
        };
        let _ = writeln!(
            out,
            "<text x=\"{MARGIN}\" y=\"42\" font-size=\"20\" font-weight=\"bold\">{}</text>",
            escaped(&shortened(&title, 80))
        );
        let about = format!("portolan bench, {}: {}", self.date(), self.parameters());
        for (n, line) in lines(&about, LINE).iter().enumerate() {
            let y = 66.0 + 18.0 * n as f64;
            let line = escaped(line);
            let _ = writeln!(
                out,
                "<text x=\"{MARGIN}\" y=\"{y}\" font-size=\"12\" fill=\"#555\">{line}</text>"
            );
        }
    }
}

fn put_workload(out: &mut String, result: &WorkloadResult, top: f64) {
    let sides: Vec<(Side, Measured)> = [Side::Proxied, Side::Direct]
        .into_iter()
        .filter_map(|side| Some((side, result.all(side)?)))
        .collect();
    let _ = writeln!(
        out,
        "<line x1=\"{MARGIN}\" y1=\"{top}\" x2=\"{}\" y2=\"{top}\" stroke=\"#ddd\"/>\n\
         <text x=\"{MARGIN}\" y=\"{}\" font-size=\"16\" font-weight=\"bold\">{}</text>",
        WIDTH - MARGIN,
        top + 28.0,
        result.workload
    );
    put_bars(out, result, &sides, top);
    put_latencies(out, &sides, top);
}

fn put_bars(out: &mut String, result: &WorkloadResult, sides: &[(Side, Measured)], top: f64) {
    let (unit, of): (_, fn(&Measured) -> f64) = match result.workload {
        Workload::Ping => ("requests/s", Measured::requests_per_second),
        _ => ("MB/s", Measured::megabytes_per_second),
    };
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"{}\" fill=\"#555\">{unit}</text>",
        top + 62.0
    );
    let most = sides.iter().map(|(_, m)| of(m)).fold(0.0, f64::max);
    let mut y = top + 78.0;
    for (side, measured) in sides {
        let value = of(measured);
        let length = match most > 0.0 {
            true => (BARS.1 - BARS.0) * value / most,
            false => 0.0,
        };
        let shown = match result.workload {
            Workload::Ping => format!("{value:.0}"),
            _ => format!("{value:.1}"),
        };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{side}</text>\n\
             <rect x=\"{}\" y=\"{y}\" width=\"{length:.1}\" height=\"34\" rx=\"2\" fill=\"{}\"/>",
            BARS.0 - 8.0,
            y + 22.0,
            BARS.0,
            colour(*side),
        );
        // On the bar where it has room, else behind it.
        let (x, fill) = match length > 90.0 {
            true => (BARS.0 + 10.0, "#fff"),
            false => (BARS.0 + length + 8.0, "#222"),
        };
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{}\" fill=\"{fill}\" font-weight=\"bold\">{shown}</text>",
            y + 22.0
        );
        y += 46.0;
    }
    y += 14.0;
    for line in ratios(result) {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{y:.1}\">{}</text>",
            BARS.0,
            escaped(&line)
        );
        y += 20.0;
    }
    for (side, measured) in sides {
        if measured.failed() + measured.unsent > 0 {
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{y:.1}\" fill=\"#b00020\">{side}: {} errors, {} requests unsent</text>",
                BARS.0,
                measured.failed(),
                measured.unsent
            );
            y += 20.0;
        }
    }
}

/// How the two ways compare, in words.
fn ratios(result: &WorkloadResult) -> Vec<String> {
    let ratio = |of: &dyn Fn(&Measured) -> Option<f64>| result.ratio(of);
    let mut lines = Vec::new();
    if let Some(ratio) = ratio(&|m| Some(m.requests_per_second())) {
        lines.push(format!("throughput proxied / direct: {ratio:.2}"));
    }
    let latencies = [("p50", 0.5), ("p99", 0.99)];
    let latencies = latencies.map(|(name, quantile)| {
        let ratio = ratio(&|m| m.latency_at(quantile))?;
        Some(format!("{name} {ratio:.2}"))
    });
    let latencies: Vec<String> = latencies.into_iter().flatten().collect();
    if !latencies.is_empty() {
        let latencies = latencies.join(", ");
        lines.push(format!("latency proxied / direct: {latencies}"));
    }
    if !lines.is_empty() {
        lines.push(format!("medians of {} rounds", result.rounds.len()));
    }
    lines
}

fn put_latencies(out: &mut String, sides: &[(Side, Measured)], top: f64) {
    let curves = sides.iter().filter_map(|(side, measured)| {
        let points = points(measured)?;
        Some(Curve {
            name: side.to_string(),
            colour: colour(*side),
            points,
        })
    });
    let curves: Vec<Curve> = curves.collect();
    let (left, right) = CURVES;
    if curves.is_empty() {
        let _ = writeln!(
            out,
            "<text x=\"{left}\" y=\"{}\" fill=\"#555\">no latency: with acks 0 there are no answers</text>",
            top + 62.0
        );
        return;
    }
    let _ = writeln!(
        out,
        "<text x=\"{left}\" y=\"{}\" fill=\"#555\">latency by percentile</text>",
        top + 28.0
    );
    let values = || curves.iter().flat_map(|curve| &curve.points);
    let nines = values().map(|(nines, _)| *nines).fold(1.0, f64::max);
    let lowest = values().map(|(_, us)| *us).fold(f64::INFINITY, f64::min);
    let highest = values().map(|(_, us)| *us).fold(0.0, f64::max);
    let x = Axis::linear((0.0, nines), (left, right));
    let y = Axis::logarithmic((lowest, highest), (top + ROW - 44.0, top + 46.0));
    put_axes(out, &x, &y, &time);
    for (n, curve) in curves.iter().enumerate() {
        put_curve(out, curve, &x, &y);
        let x = right - 150.0 + 80.0 * n as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\"/>\n<text x=\"{}\" y=\"{}\">{}</text>",
            top + 18.0,
            curve.colour,
            x + 17.0,
            top + 28.0,
            curve.name
        );
    }
}

/// Latencies in microseconds over the number of nines: 1 is 90 %, 2 is 99 %. As far as there are requests to say so.
fn points(measured: &Measured) -> Option<Vec<(f64, f64)>> {
    const STEPS: u32 = 20;
    measured.latency_at(0.5)?;
    let most = (measured.requests as f64).log10().clamp(1.0, 5.0);
    let steps = (most * f64::from(STEPS)) as u32;
    let point = |step| {
        let nines = f64::from(step) / f64::from(STEPS);
        let quantile = 1.0 - 10f64.powf(-nines);
        Some((nines, measured.latency_at(quantile)?.max(1.0)))
    };
    (0..=steps).map(point).collect()
}

fn colour(side: Side) -> &'static str {
    match side {
        Side::Proxied => "#0b6e99",
        Side::Direct => "#c8641b",
    }
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no other control characters, not even escaped.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Broken between words.
fn lines(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines
            .last()
            .is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > most);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&\"\u{1b}c"), "a&lt;b&gt;&amp;&quot; c");
    }

    #[test]
    fn long_text_is_cut_or_broken_between_words() {
        assert_eq!(shortened("kafka.example.com", 6), "kafka…");
        assert_eq!(lines("one two three", 7), ["one two", "three"]);
        assert_eq!(lines("seventeen", 3), ["seventeen"]);
    }
}
