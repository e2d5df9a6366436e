//! How many bytes the kernel passes on without a copy, by the proxy's own counters.

use crate::common::client::Client;
use crate::common::proxy::{Proxy, splices, wait_until};
use crate::load::Load;
use crate::setup::Setup;

const SPLICED: &str = "portolan_spliced_bytes_total";
const COPIED: &str = "portolan_copied_bytes_total";

const EXCHANGES: usize = 60;

/// Of all bytes in both directions.
const LEAST_SPLICED: f64 = 0.95;

#[test]
fn nearly_all_bytes_of_large_frames_are_spliced() {
    if !splices() {
        return;
    }
    let loads = [
        ("produce 1 MiB", Load::produce(1 << 20)),
        ("produce 64 KiB", Load::produce(64 << 10)),
        ("fetch 1 MiB", Load::fetch(1, 1 << 20)),
        ("fetch 64 KiB", Load::fetch(1, 64 << 10)),
        ("fetch 6 x 1 MiB", Load::fetch(6, 1 << 20)),
        ("fetch 6 x 64 KiB", Load::fetch(6, 64 << 10)),
    ];
    let mut few = Vec::new();
    for (what, load) in &loads {
        let (spliced, copied) = moved(load, &Setup::with);
        let share = spliced / (spliced + copied);
        println!("{what}: {:.2} % spliced", 100.0 * share);
        if share < LEAST_SPLICED {
            few.push(format!("{what}: {spliced} spliced, {copied} copied"));
        }
    }
    assert!(
        few.is_empty(),
        "less than {LEAST_SPLICED} spliced: {few:#?}"
    );
}

#[test]
fn no_byte_is_spliced_where_that_is_turned_off() {
    for load in [Load::produce(1 << 20), Load::fetch(6, 64 << 10)] {
        let (spliced, copied) = moved(&load, &|broker| match splices() {
            true => Setup::with(broker).section("[runtime]\nsplice = false"),
            false => Setup::with(broker),
        });
        assert_eq!((spliced, copied), (0.0, load.bytes(EXCHANGES) as f64));
    }
}

/// Bytes that were spliced and copied. Every byte of a frame that passes is counted once.
fn moved(load: &Load, setup: &dyn Fn(&crate::common::broker::Broker) -> Setup) -> (f64, f64) {
    let broker = load.broker();
    let proxy = setup(&broker).start();
    let counted = |proxy: &Proxy| (proxy.metric(SPLICED), proxy.metric(COPIED));
    assert_eq!(counted(&proxy), (0.0, 0.0));
    let mut client = Client::connect(proxy.node("main", 0));
    load.run(&mut client, EXCHANGES);
    let all = load.bytes(EXCHANGES) as f64;
    wait_until("every byte to be counted", || {
        let (spliced, copied) = counted(&proxy);
        spliced + copied >= all
    });
    let (spliced, copied) = counted(&proxy);
    assert_eq!(spliced + copied, all);
    proxy.assert_calm();
    (spliced, copied)
}
