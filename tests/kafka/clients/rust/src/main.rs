//! The librdkafka client of the tests; the README beside the clients describes what each of them does.

mod ledger;
mod refused;
mod round_trip;
mod task;
mod traffic;

use task::Task;

fn main() {
    let task = Task::from_env();
    match std::env::args().nth(1).as_deref() {
        Some("round-trip") => round_trip::run(&task),
        Some("traffic") => traffic::run(&task),
        Some("refused") => refused::run(&task),
        _ => panic!("usage: PROGRAM round-trip|traffic|refused"),
    }
}
