//! How many system calls a large frame costs: that is what a proxy's time goes to once it copies nothing.

use crate::common::client::Client;
use crate::common::proxy::splices;
use crate::load::Load;
use crate::setup::Setup;
use crate::strace::Trace;

const FRAME_BYTES: usize = 1 << 20;
const FRAMES: usize = 200;

/// The most for one frame of 1 MiB, its answer or request and everything else that the process does meanwhile.
const MOST_PER_FRAME: f64 = 20.0;

/// How the kernel cuts a stream into pieces depends on what else the machine does, so the best of these counts.
const RUNS: usize = 3;

#[test]
fn a_produced_frame_of_1_mib_costs_few_system_calls() {
    assert_few_calls("produce", &Load::produce(FRAME_BYTES));
}

#[test]
fn a_fetched_frame_of_1_mib_costs_few_system_calls() {
    assert_few_calls("fetch", &Load::fetch(1, FRAME_BYTES));
}

fn assert_few_calls(what: &str, load: &Load) {
    if !splices() {
        return;
    }
    let broker = load.broker();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.node("main", 0));
    load.run(&mut client, 20);
    let mut seen = Vec::new();
    for _ in 0..RUNS {
        let Some(trace) = Trace::attach(proxy.pid()) else {
            return;
        };
        load.run(&mut client, FRAMES);
        let calls = trace.calls();
        let all: u64 = calls.values().sum();
        let per_frame = all as f64 / FRAMES as f64;
        println!("{what}: {per_frame:.1} system calls a frame: {calls:?}");
        if per_frame <= MOST_PER_FRAME {
            return;
        }
        seen.push(calls);
    }
    panic!("{what}: more than {MOST_PER_FRAME} system calls a frame, of {FRAMES}: {seen:?}");
}
