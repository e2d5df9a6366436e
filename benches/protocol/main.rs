//! What the protocol room costs, and counting: `cargo bench --bench protocol [NAME]`.
//!
//! Each case is what a session does with one frame (or one buffer of frames), with inputs that kafka-protocol encoded.
//! `elements` are frames, brokers, coordinators or partitions, whichever the case is about.
//!
//! Times depend on the machine. Instruction counts hardly do: with `--test` each case runs once, inside [`once`], so that
//! `valgrind --tool=callgrind --toggle-collect='*once*'` counts that alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark fails by panicking"
)]

mod counting;
mod messages;
mod rewrites;
mod walks;

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    walks::prefixes(&mut criterion);
    walks::acks(&mut criterion);
    walks::fetch(&mut criterion);
    walks::metadata_topics(&mut criterion);
    rewrites::metadata_head(&mut criterion);
    rewrites::find_coordinator(&mut criterion);
    rewrites::api_versions(&mut criterion);
    rewrites::produce(&mut criterion);
    counting::exchange(&mut criterion);
    counting::scrape(&mut criterion);
    criterion.final_summary();
}

/// One case. `bytes` and `elements` are what one run of `work` handles.
fn case<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    bytes: usize,
    elements: usize,
    mut work: impl FnMut() -> T,
) {
    group.throughput(Throughput::ElementsAndBytes {
        elements: elements as u64,
        bytes: bytes as u64,
    });
    // What is kept between runs, as an output buffer, has its size from here on.
    black_box(work());
    group.bench_function(name, |bencher| bencher.iter(|| once(&mut work)));
}

#[inline(never)]
fn once<T>(work: &mut impl FnMut() -> T) -> T {
    black_box(work())
}
