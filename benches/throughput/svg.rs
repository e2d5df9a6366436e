//! A picture: for each case a panel with one bar for each route, and for the latency cases one with p50 and p99.

use std::fmt::Write;

use crate::cases::{Case, Load};
use crate::measured::Measured;
use crate::report::figure;
use crate::results::Results;
use crate::routes::RouteId;

const COLUMNS: usize = 3;
const PANEL_WIDTH: f64 = 380.0;
const ROW: f64 = 19.0;
const LABEL: f64 = 118.0;
/// Room for the figure behind the longest bar.
const FIGURE: f64 = 92.0;
const TITLE: f64 = 30.0;
const GAP: f64 = 22.0;
const HEAD: f64 = 96.0;

/// One bar: a value, and a fainter one behind it.
struct Bar {
    id: RouteId,
    value: f64,
    behind: Option<f64>,
    text: String,
}

struct Panel {
    title: String,
    bars: Vec<Bar>,
}

/// The whole document.
pub fn picture(measured: &Measured) -> String {
    let results = Results::new(&measured.runs);
    let mut panels = Vec::new();
    for case in &measured.cases {
        panels.extend(price(case, &results));
    }
    for case in measured.cases.iter().filter(|case| tells_latency(case)) {
        panels.extend(latency(case, &results));
    }
    let most = panels.iter().map(|panel| panel.bars.len()).max();
    let height = TITLE + most.unwrap_or(0) as f64 * ROW + GAP;
    let rows = panels.len().div_ceil(COLUMNS);
    let width = COLUMNS as f64 * (PANEL_WIDTH + GAP) + GAP;
    let total = HEAD + rows as f64 * height + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" width=\"{width}\" height=\"{total}\" \
         font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let machine = &measured.machine;
    line(
        &mut svg,
        (GAP, 30.0),
        18,
        "#1b1f24",
        "What a proxy costs: shorter is better",
    );
    let below = format!(
        "Medians of {} interleaved rounds, one thread each; {}, {} CPUs, Linux {}; 1 GB is 10^9 bytes of requests and answers",
        measured.rounds, machine.processor, machine.cpus, machine.kernel
    );
    line(&mut svg, (GAP, 52.0), 12, "#57606a", &below);
    let absent = measured.routes.iter().filter(|route| !route.is_present());
    let absent: Vec<&str> = absent.map(|route| route.id.name()).collect();
    let absent = match absent.is_empty() {
        true => String::new(),
        false => format!("; absent: {}", absent.join(", ")),
    };
    let below = format!("Of two figures in a panel the darker bar is the first{absent}");
    line(&mut svg, (GAP, 70.0), 12, "#57606a", &below);
    for (n, panel) in panels.iter().enumerate() {
        let x = GAP + (n % COLUMNS) as f64 * (PANEL_WIDTH + GAP);
        let y = HEAD + (n / COLUMNS) as f64 * height;
        draw(&mut svg, panel, x, y);
    }
    svg.push_str("</svg>\n");
    svg
}

fn price(case: &Case, results: &Results) -> Option<Panel> {
    let bars = RouteId::ALL.into_iter().filter_map(|id| {
        if id == RouteId::Direct {
            return None;
        }
        let value = results.median(&case.name, id, |run| run.proxy_price(case.unit))?;
        Some(Bar {
            id,
            value,
            behind: None,
            text: figure(Some(value)),
        })
    });
    panel(format!("{}, {}", case.name, case.unit.label()), bars)
}

fn latency(case: &Case, results: &Results) -> Option<Panel> {
    let bars = RouteId::ALL.into_iter().filter_map(|id| {
        let p50 = results.median(&case.name, id, |run| run.p50_us)?;
        let p99 = results.median(&case.name, id, |run| run.p99_us)?;
        Some(Bar {
            id,
            value: p50,
            behind: Some(p99),
            text: format!("{} / {}", figure(Some(p50)), figure(Some(p99))),
        })
    });
    panel(format!("{}, p50 / p99 us", case.name), bars)
}

fn panel(title: String, bars: impl Iterator<Item = Bar>) -> Option<Panel> {
    let bars: Vec<Bar> = bars.collect();
    (!bars.is_empty()).then_some(Panel { title, bars })
}

/// A saturated bulk transfer has the latency of its own queue.
fn tells_latency(case: &Case) -> bool {
    case.shape.interval.is_some()
        || matches!(case.load, Load::Ping | Load::Connect | Load::Reconnect)
}

fn draw(svg: &mut String, panel: &Panel, x: f64, y: f64) {
    line(svg, (x, y + 16.0), 13, "#1b1f24", &panel.title);
    let longest = |bar: &Bar| bar.behind.unwrap_or(bar.value).max(bar.value);
    let most = panel
        .bars
        .iter()
        .map(longest)
        .fold(f64::MIN_POSITIVE, f64::max);
    let room = PANEL_WIDTH - LABEL - FIGURE;
    for (n, bar) in panel.bars.iter().enumerate() {
        let top = y + TITLE + n as f64 * ROW;
        let text = top + 11.5;
        let scaled = |value: f64| (value / most * room).max(1.0);
        let colour = colour(bar.id);
        line(svg, (x, text), 11, "#57606a", bar.id.name());
        if let Some(behind) = bar.behind {
            rectangle(svg, (x + LABEL, top), scaled(behind), colour, 0.35);
        }
        rectangle(svg, (x + LABEL, top), scaled(bar.value), colour, 1.0);
        let end = x + LABEL + scaled(longest(bar)) + 5.0;
        line(svg, (end, text), 11, "#1b1f24", &bar.text);
    }
}

fn colour(id: RouteId) -> &'static str {
    match id {
        RouteId::Direct => "#8c959f",
        RouteId::Portolan => "#0969da",
        RouteId::PortolanNoSplice => "#80b3ee",
        RouteId::HaproxyForced => "#bc4c00",
        RouteId::HaproxyAuto => "#e58a3c",
        RouteId::HaproxyOff => "#f2c08f",
        RouteId::Nginx => "#2da44e",
        RouteId::KafkaProxy => "#8250df",
        RouteId::Relay => "#bf3989",
    }
}

fn rectangle(svg: &mut String, (x, y): (f64, f64), width: f64, colour: &str, opacity: f64) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"{colour}\" fill-opacity=\"{opacity}\"/>",
        ROW - 5.0
    );
}

fn line(svg: &mut String, (x, y): (f64, f64), size: u32, colour: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\">{text}</text>"
    );
}
