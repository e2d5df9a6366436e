//! The table of handshakes, in Markdown: what the cases that connect tell together.

use std::fmt::Write;

use crate::cases::{CONNECT, TLS_CONNECT, TLS_RECONNECT, Unit};
use crate::report::figure;
use crate::results::Results;
use crate::rounds::Run;
use crate::routes::RouteId;

/// CPU of a connection with one ping, and of the handshake in it.
pub fn table(text: &mut String, results: &Results) {
    let price = |run: &Run| run.proxy_price(Unit::PerRequest);
    let rows: Vec<RouteId> = RouteId::ALL
        .into_iter()
        .filter(|id| *id != RouteId::Direct)
        .filter(|id| {
            let of = |case| results.median(case, *id, price);
            of(TLS_CONNECT).or(of(TLS_RECONNECT)).is_some()
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    text.push_str(
        "\n### Handshakes\n\nCPU of the proxy for a connection with one ping, in microseconds; the handshake alone is what it costs beyond the \
         same in plaintext.\n\n\
         | route | plaintext | full | resumed | full handshake alone | a second and core | resumed alone | a second and core |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for id in rows {
        let total = |case| figure(results.median(case, id, price));
        let alone = |case| {
            let cost = results.beyond(case, CONNECT, id, price);
            (figure(cost), figure(cost.and_then(per_second)))
        };
        let (full, resumed) = (alone(TLS_CONNECT), alone(TLS_RECONNECT));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            id.name(),
            total(CONNECT),
            total(TLS_CONNECT),
            total(TLS_RECONNECT),
            full.0,
            full.1,
            resumed.0,
            resumed.1,
        );
    }
}

/// How many things of so many microseconds a core does in a second.
fn per_second(microseconds: f64) -> Option<f64> {
    (microseconds > 0.0).then(|| 1e6 / microseconds)
}
