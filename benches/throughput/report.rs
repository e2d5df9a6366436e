//! The tables on standard output, in Markdown that can be pasted.

use std::fmt::Write;

use crate::cases::Case;
use crate::goals::{self, Base, Measure};
use crate::handshakes;
use crate::measured::Measured;
use crate::passes;
use crate::results::{Ratio, Results, Verdict};
use crate::routes::{Route, RouteId};
use crate::tls::{self, Legs};

/// Everything, as one text.
pub fn markdown(measured: &Measured, verdicts: &[Verdict]) -> String {
    let results = Results::new(&measured.runs);
    let mut text = String::new();
    head(&mut text, measured);
    routes(&mut text, &measured.routes);
    if !measured.runs.is_empty() {
        absolutes(&mut text, measured, &results);
        relatives(&mut text, measured, &results);
        judged(&mut text, measured, verdicts);
        handshakes::table(&mut text, &results);
    }
    passes::calls(&mut text, measured);
    passes::footprints(&mut text, measured, &results);
    failed(&mut text, &measured.faults);
    text
}

/// What went wrong, if anything did.
pub fn failed(text: &mut String, faults: &[String]) {
    if !faults.is_empty() {
        text.push_str("\n### What failed\n\n");
        for fault in faults {
            let _ = writeln!(text, "- {fault}");
        }
    }
}

fn head(text: &mut String, measured: &Measured) {
    let machine = &measured.machine;
    let _ = writeln!(
        text,
        "`{}` (seed {}, {} rounds of {} s) on {}, {} CPUs, {:.0} GiB, Linux {}, load average {:.2} before and {:.2} after; tree {}",
        machine.command,
        measured.seed,
        measured.rounds,
        measured.seconds,
        machine.processor,
        machine.cpus,
        machine.memory_gib,
        machine.kernel,
        machine.load_before,
        measured.load_after,
        machine.commit,
    );
    let place = match measured.pinned {
        true => "The proxy has one CPU, client and broker share another.",
        false => "Proxy, client and broker share all CPUs.",
    };
    let _ = writeln!(
        text,
        "{place} CPU is the proxy's own, unless it says otherwise; GB is 10^9 bytes of requests and answers, and 1 MB in the name of a case is 2^20 bytes. Ratios are of the same round: median (least..most)."
    );
    if measured.cases.iter().any(|case| case.legs != Legs::None) {
        let _ = writeln!(text, "Cases with TLS use {}.", tls::ABOUT);
    }
}

fn routes(text: &mut String, routes: &[Route]) {
    text.push_str("\n| route | what | version |\n|---|---|---|\n");
    for route in routes {
        let version = match &route.program {
            Ok(_) => route.version.clone(),
            Err(reason) => format!("**absent**: {reason}"),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {version} |",
            route.id.name(),
            route.id.about()
        );
    }
}

fn absolutes(text: &mut String, measured: &Measured, results: &Results) {
    text.push_str(
        "\n### Medians\n\n| case | route | CPU | with endpoints | MB/s (requests/s) | of direct | p50 us | p99 us | added p50 | added p99 |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for case in &measured.cases {
        for route in measured.routes.iter().filter(|route| route.is_present()) {
            absolute_row(text, case, route.id, results);
        }
    }
}

fn absolute_row(text: &mut String, case: &Case, id: RouteId, results: &Results) {
    let unit = case.unit;
    let name = &case.name;
    let Some(endpoints) = results.median(name, id, |run| run.endpoint_price(unit)) else {
        return;
    };
    let median = |value: &dyn Fn(&crate::rounds::Run) -> f64| results.median(name, id, value);
    let own = median(&|run| run.proxy_price(unit));
    let sum = median(&|run| run.proxy_price(unit) + run.endpoint_price(unit));
    let (own, sum) = match id {
        RouteId::Direct => (None, Some(endpoints)),
        _ => (own, sum),
    };
    let rate = median(&|run| run.frames_per_second());
    let direct = results.median(name, RouteId::Direct, |run| run.frames_per_second());
    let of_direct = rate.zip(direct).map(|(rate, direct)| rate / direct);
    let megabytes = median(&|run| run.megabytes_per_second());
    let added = |value: &dyn Fn(&crate::rounds::Run) -> f64| match id {
        RouteId::Direct => None,
        _ => results.added(name, id, value),
    };
    let _ = writeln!(
        text,
        "| {name} | {} | {} {} | {} | {} ({}) | {} | {} | {} | {} | {} |",
        id.name(),
        figure(own),
        match own {
            Some(_) => unit.label().trim_start_matches("CPU "),
            None => "",
        },
        figure(sum),
        figure(megabytes),
        figure(rate),
        figure(of_direct),
        figure(median(&|run| run.p50_us)),
        figure(median(&|run| run.p99_us)),
        figure(added(&|run| run.p50_us)),
        figure(added(&|run| run.p99_us)),
    );
}

fn relatives(text: &mut String, measured: &Measured, results: &Results) {
    let mut bases = vec![
        goals::H,
        goals::A,
        Base::Route(RouteId::HaproxyOff),
        Base::Route(RouteId::Nginx),
        goals::G,
    ];
    if has_relay(measured) {
        bases.push(goals::R);
    }
    text.push_str("\n### CPU of portolan, relative to the others\n\n| case |");
    for base in &bases {
        let _ = write!(text, " / {} |", base.label());
    }
    let _ = writeln!(text, "\n|---{}|", "|---".repeat(bases.len()));
    for case in &measured.cases {
        let _ = write!(text, "| {} |", case.name);
        for base in &bases {
            let ratio = results.ratio(case, Measure::Cpu, RouteId::Portolan, *base);
            let _ = write!(
                text,
                " {} |",
                ratio.map_or("-".into(), |r| spread(r.into()))
            );
        }
        text.push('\n');
    }
}

fn judged(text: &mut String, measured: &Measured, verdicts: &[Verdict]) {
    text.push_str("\n### Goals\n\n");
    let has_relay = has_relay(measured);
    let mut columns = vec!["case", "measure", "relative to", "measured"];
    if has_relay {
        text.push_str(
            "Beside what was measured of portolan stands what R makes of the same goal: one that R misses as well is more than this way of \
             writing a proxy gives on this machine.\n\n",
        );
        columns.push("R");
    }
    columns.extend(["must", "stretch", "holds"]);
    let _ = writeln!(text, "| {} |", columns.join(" | "));
    let _ = writeln!(text, "{}|", "|---".repeat(columns.len()));
    for verdict in verdicts {
        let ratio = |ratio: Option<Ratio>| ratio.map_or("-".to_owned(), spread);
        let relay = match has_relay {
            true => format!(" {} |", ratio(verdict.relay)),
            false => String::new(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |{relay} {:.2} | {} | {} |",
            verdict.case,
            verdict.measure,
            verdict.base,
            ratio(verdict.ratio),
            verdict.must,
            verdict.stretch.map_or("-".into(), |s| format!("{s:.2}")),
            verdict.holds,
        );
    }
}

fn has_relay(measured: &Measured) -> bool {
    let mut routes = measured.routes.iter();
    routes.any(|route| route.id == RouteId::Relay)
}

fn spread(ratio: Ratio) -> String {
    let Ratio {
        median,
        least,
        most,
        ..
    } = ratio;
    format!("{median:.2} ({least:.2}..{most:.2})")
}

/// Three digits that mean something.
pub fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}
