//! What came out of the perf-test tools, in Markdown and as JSON.

use std::fmt::Write;

use serde_json::json;

use super::{Outcome, Run};
use crate::machine;
use crate::report::{failed, figure};
use crate::routes::RouteId;
use crate::statistics::{median, ratios};

/// The proxy as people configure it by default, to which CPU is compared.
const BASE: RouteId = RouteId::HaproxyOff;

/// What portolan is to reach, in the columns of the summary.
const GOALS: &str =
    "| **goal** of portolan | >= 0.95 | >= 1.00 | <= 0.70 | <= 1.1 | <= 0.6 | < 8 |";

/// Everything, as one text.
pub fn markdown(outcome: &Outcome) -> String {
    let mut text = String::new();
    let machine = &outcome.machine;
    let _ = writeln!(
        text,
        "`{}` (seed {}, {} rounds, about {} MB a run): {}, six partitions, {} CPUs shared by all ({}), Linux {}, load average {:.2} before; tree {}\n",
        machine.command,
        outcome.seed,
        outcome.rounds,
        outcome.megabytes,
        outcome.brokers,
        machine.cpus,
        machine.processor,
        machine.kernel,
        machine.load_before,
        machine.commit,
    );
    summary(&mut text, outcome);
    cases(&mut text, outcome);
    spliced(&mut text, outcome);
    failed(&mut text, &outcome.faults);
    text
}

fn summary(text: &mut String, outcome: &Outcome) {
    let _ = writeln!(
        text,
        "| route | throughput / direct (median, least) | throughput / {0} | proxy CPU / {0} (median) | produce CPU s/GB | consume CPU s/GB | RSS idle, after MiB |\n|---|---|---|---|---|---|---|",
        BASE.name()
    );
    for route in &outcome.routes {
        if let Err(reason) = &route.program {
            let _ = writeln!(
                text,
                "| {} | **absent**: {reason} | | | | | |",
                route.id.name()
            );
            continue;
        }
        let id = route.id;
        let throughput = |base| {
            let pairs = pairs(outcome, "", id, base, |run| run.megabytes_per_second);
            ratios(pairs)
        };
        let cpu = ratios(pairs(outcome, "", id, BASE, |run| run.cpu_seconds));
        let direct = throughput(RouteId::Direct).map_or("-".to_owned(), |spread| {
            format!("{:.2}, {:.2}", spread.median, spread.least)
        });
        let resident = outcome.resident.iter().find(|(route, ..)| *route == id);
        let resident = resident.map_or("-".to_owned(), |(_, before, after)| {
            let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
            format!("{:.1}, {:.1}", mebibytes(*before), mebibytes(*after))
        });
        let is_proxy = id != RouteId::Direct;
        let price = |produce| price(outcome, id, produce).filter(|_| is_proxy);
        let _ = writeln!(
            text,
            "| {} | {direct} | {} | {} | {} | {} | {resident} |",
            id.name(),
            figure(throughput(BASE).map(|spread| spread.median)),
            figure(cpu.map(|spread| spread.median).filter(|_| is_proxy)),
            figure(price(true)),
            figure(price(false)),
        );
    }
    let _ = writeln!(text, "{GOALS}");
}

/// Values of two routes in the same round and case, of the cases whose names begin like this.
fn pairs(
    outcome: &Outcome,
    case: &str,
    id: RouteId,
    base: RouteId,
    value: impl Fn(&Run) -> f64,
) -> Vec<(f64, f64)> {
    let mine = outcome.runs.iter();
    let mine = mine.filter(|run| run.id == id && run.case.starts_with(case));
    let pairs = mine.filter_map(|run| {
        let mut others = outcome.runs.iter();
        let other = others
            .find(|other| other.id == base && other.round == run.round && other.case == run.case)?;
        Some((value(run), value(other)))
    });
    pairs.collect()
}

/// CPU seconds for 10^9 bytes of records: all cases of a kind together, so that each byte counts the same.
fn price(outcome: &Outcome, id: RouteId, produce: bool) -> Option<f64> {
    let kind = |run: &&Run| run.id == id && run.case.starts_with("produce") == produce;
    let (mut seconds, mut gigabytes) = (0.0, 0.0);
    for run in outcome.runs.iter().filter(kind) {
        seconds += run.cpu_seconds;
        gigabytes += run.gigabytes;
    }
    (gigabytes > 0.0).then(|| seconds / gigabytes)
}

fn cases(text: &mut String, outcome: &Outcome) {
    text.push_str("\n| case | route | MiB/s (median) | / direct | CPU s/GB (median) |\n|---|---|---|---|---|\n");
    for work in &outcome.works {
        let name = work.name();
        for route in outcome.routes.iter().filter(|route| route.is_present()) {
            let id = route.id;
            let of = |value: &dyn Fn(&Run) -> f64| {
                let runs = outcome.runs.iter();
                let runs = runs.filter(|run| run.id == id && run.case == name);
                median(&runs.map(value).collect::<Vec<f64>>())
            };
            let rates = pairs(outcome, &name, id, RouteId::Direct, |run| {
                run.megabytes_per_second
            });
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} |",
                id.name(),
                figure(of(&|run| run.megabytes_per_second)),
                figure(ratios(rates).map(|spread| spread.median)),
                figure(
                    of(&|run| run.cpu_seconds / run.gigabytes).filter(|_| id != RouteId::Direct)
                ),
            );
        }
    }
}

/// How portolan moved what consumers fetched.
fn spliced(text: &mut String, outcome: &Outcome) {
    text.push_str("\nSpliced of all bytes, by portolan's own counters: ");
    let counted: Vec<String> = outcome
        .works
        .iter()
        .filter_map(|work| {
            let name = work.name();
            let runs = outcome.runs.iter();
            let runs = runs.filter(|run| run.id == RouteId::Portolan && run.case == name);
            let shares = runs.filter_map(|run| {
                let (spliced, copied) = (run.spliced_bytes?, run.copied_bytes?);
                Some(spliced / (spliced + copied) * 100.0)
            });
            let share = median(&shares.collect::<Vec<f64>>())?;
            let goal = if work.has_large_batches() {
                " (goal 95 %)"
            } else {
                ""
            };
            Some(format!("{name} {share:.1} %{goal}"))
        })
        .collect();
    match counted.is_empty() {
        true => text.push_str("absent, this build does not count them.\n"),
        false => {
            let _ = writeln!(text, "{}.", counted.join("; "));
        }
    }
}

/// The same as JSON, with every run.
pub fn document(outcome: &Outcome) -> String {
    let routes = outcome.routes.iter().map(|route| {
        json!({
            "name": route.id.name(),
            "version": route.version,
            "absent": route.program.as_ref().err(),
        })
    });
    let resident = outcome.resident.iter().map(|(id, before, after)| {
        json!({"route": id.name(), "idle_bytes": before, "after_bytes": after})
    });
    let document = json!({
        "machine": outcome.machine,
        "load_after": machine::load(),
        "seed": outcome.seed,
        "rounds": outcome.rounds,
        "megabytes": outcome.megabytes,
        "brokers": outcome.brokers,
        "routes": routes.collect::<Vec<_>>(),
        "runs": outcome.runs,
        "resident": resident.collect::<Vec<_>>(),
        "faults": outcome.faults,
    });
    format!("{document:#}\n")
}
