//! Hostile bytes: nothing panics, loops, or allocates by a length that is not there, and no frame that we pass on makes a
//! client dial an address that is not ours.

use std::collections::BTreeMap;

use portolan::port_map::{NodeId, NodePort, PortMap};
use portolan::protocol::api::WholeResponse;

use crate::arbitrary::port_map;
use crate::drive;
use crate::lenient;
use crate::mutations::{Random, at_offset};
use crate::samples::{self, LEAK, Sample, Treatment};

const ADVERTISED: &str = "proxy.example";

/// Peak memory of this test binary. A length from the wire that reached an allocation would ask for gigabytes.
const MOST_RESIDENT_KIB: u64 = 1 << 20;

#[test]
fn the_lenient_reader_finds_every_address_before_the_rewrite_and_only_ours_after_it() {
    let ports = ports();
    for sample in samples::all() {
        let leaks = leaks(&sample.frame).count();
        let said = lenient::hosts(sample.api_key, sample.version, &sample.frame);
        assert_eq!(said, vec![LEAK.as_bytes(); leaks], "{sample:?}");
        assert!(check(&sample, &sample.frame, &ports), "{sample:?}");
    }
}

#[test]
fn no_length_at_any_offset_leaks_an_address_or_allocates_by_it() {
    let ports = ports();
    let (mut tried, mut passed) = (0, 0);
    for sample in samples::all() {
        for at in 0..sample.frame.len() {
            for frame in at_offset(&sample.frame, at) {
                tried += 1;
                passed += u32::from(check(&sample, &frame, &ports));
            }
        }
    }
    assert!(tried > 50_000 && passed > 1_000, "{passed} of {tried}");
    assert_resident();
}

#[test]
fn no_random_mutation_leaks_an_address_or_allocates_by_a_length() {
    let ports = ports();
    let samples = samples::all();
    let mut passed = 0;
    let mut random = Random::new(0x9092);
    const TRIED: usize = 100_000;
    for n in 0..TRIED {
        let sample = &samples[n % samples.len()];
        let frame = random.mutate(&sample.frame);
        passed += usize::from(check(sample, &frame, &ports));
    }
    assert!(passed > TRIED / 100, "{passed} of {TRIED}");
    assert_resident();
}

#[test]
fn a_frame_that_ends_early_is_malformed_at_every_offset() {
    let ports = ports();
    for sample in samples::all() {
        let needed = match (sample.treatment, sample.api_key) {
            (_, 0 | 1) => sample.frame.len(),
            // From the count of the endpoints on everything is covered by a tag of three bytes and more.
            (Treatment::Walk(_), _) => leaks(&sample.frame).next().expect("an address") - 2,
            // Behind the last address nothing is looked at any more.
            _ => leaks(&sample.frame).last().expect("an address"),
        };
        // The correlation id is always there (`ResponsePrefix`).
        for cut in 4..needed {
            let frame = &sample.frame[..cut];
            let treated = match sample.treatment {
                // Where opaque bytes pass unseen, an end too near behind them passes as well.
                Treatment::Walk(kind) => {
                    drive::walked(kind, sample.version, frame, &ports, &[50], false).map(drop)
                }
                _ => sample.treat(frame, &ports).map(drop),
            };
            assert!(treated.is_err(), "cut at {cut}: {sample:?}");
        }
    }
}

#[test]
fn tags_whose_size_is_not_that_of_their_content_are_refused() {
    // A client that knows the tag reads its content and ignores its size: what we take for data, it takes for fields.
    let ports = ports();
    let mut refused = 0;
    for sample in samples::all().iter().filter(|sample| sample.api_key == 1) {
        // Tag, size, and the first byte of the content.
        for header in [[0, 13, 0], [1, 9, 0xff], [2, 13, 0xff]] {
            let at = sample.frame.windows(3).position(|bytes| bytes == header);
            let at = at.expect("a partition's tag");
            let end = at + 2 + usize::from(header[1]);
            let mut longer = sample.frame.clone();
            longer[at + 1] += 1;
            longer.insert(end, 0);
            let mut shorter = sample.frame.clone();
            shorter[at + 1] -= 1;
            shorter.remove(end - 1);
            for frame in [longer, shorter] {
                assert!(sample.treat(&frame, &ports).is_err(), "{header:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn api_versions_answers_of_any_bytes_are_rewritten_or_refused() {
    let ports = ports();
    let good = b"\0\0\0\x01\0\0\x03\0\x03\0\0\0\x0d\0\0\x12\0\0\0\x04\0\0\0\0\0\0";
    let mut random = Random::new(18);
    for version in 0..=4 {
        for at in 0..good.len() {
            for frame in at_offset(good, at) {
                let _ = drive::whole(WholeResponse::ApiVersions, version, &frame, &ports);
            }
        }
        for _ in 0..2_000 {
            let frame = random.mutate(good);
            let _ = drive::whole(WholeResponse::ApiVersions, version, &frame, &ports);
        }
    }
    assert_resident();
}

/// Whether our code lets the frame pass; then a client must find no address but ours in what it gets.
fn check(sample: &Sample, frame: &[u8], ports: &PortMap) -> bool {
    let Ok(told) = sample.treat(frame, ports) else {
        return false;
    };
    for host in lenient::hosts(sample.api_key, sample.version, &told) {
        assert!(
            host.is_empty() || host == ADVERTISED.as_bytes(),
            "a client would dial {:?} after {:?} {}:\n  got  {frame:02x?}\n  told {told:02x?}",
            String::from_utf8_lossy(&host),
            sample.treatment,
            sample.version,
        );
    }
    true
}

/// Where the addresses begin.
fn leaks(frame: &[u8]) -> impl Iterator<Item = usize> {
    let windows = frame.windows(LEAK.len()).enumerate();
    windows
        .filter(|(_, bytes)| *bytes == LEAK.as_bytes())
        .map(|(at, _)| at)
}

/// Nodes 0 to 2; 7 is outside.
fn ports() -> PortMap {
    let node = |id: u16| {
        let port = NodePort {
            bound: 9093 + id,
            advertised: 9093 + id,
        };
        (NodeId(id.into()), port)
    };
    port_map(ADVERTISED, BTreeMap::from([node(0), node(1), node(2)]))
}

fn assert_resident() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak
        .and_then(|text| text.trim().strip_suffix(" kB"))
        .unwrap();
    let peak: u64 = peak.trim().parse().unwrap();
    assert!(peak < MOST_RESIDENT_KIB, "{peak} KiB");
}
