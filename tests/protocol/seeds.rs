//! Writes the samples where the fuzz targets look for inputs to begin with.

use std::fs;
use std::path::Path;

use crate::samples::{self, Sample, Treatment};

/// cargo test --test protocol -- --ignored seeds
#[test]
#[ignore = "writes to fuzz/corpus"]
fn seeds_for_the_fuzz_targets_are_written() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for target in ["answers", "pieces"] {
        fs::create_dir_all(corpus.join(target)).unwrap();
    }
    for (n, sample) in samples::all().iter().enumerate() {
        let answer = [&[answers_choice(sample)], sample.frame.as_slice()].concat();
        fs::write(corpus.join(format!("answers/sample-{n}")), answer).unwrap();
        let pieces = [&[pieces_choice(sample), 7], sample.frame.as_slice()].concat();
        fs::write(corpus.join(format!("pieces/sample-{n}")), pieces).unwrap();
    }
}

/// How `fuzz_targets/answers.rs` reads its first byte.
fn answers_choice(sample: &Sample) -> u8 {
    let choice = match (sample.treatment, sample.api_key) {
        (Treatment::Head, _) => sample.version,
        (_, 10) => 14 + sample.version,
        (_, 60) => 21 + sample.version,
        (Treatment::Whole(_), 0) => 14 + sample.version,
        (Treatment::Whole(_), 79) => 27 + sample.version,
        (_, 1) => 14 + sample.version,
        (_, 78) => 33,
        (_, 0) if sample.version < 13 => 34,
        (_, 0) => 35,
        _ => 36,
    };
    choice as u8
}

/// How `fuzz_targets/pieces.rs` reads its first byte.
fn pieces_choice(sample: &Sample) -> u8 {
    match sample.api_key {
        3 => sample.version as u8,
        1 => 14,
        78 => 15,
        0 => 16,
        _ => 17,
    }
}
