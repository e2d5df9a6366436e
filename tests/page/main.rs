//! The status page in a real browser: the proxy's own page, asking a /status that the scenarios in this directory make up.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod headers;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::broker::{Broker, Received};
use common::cache::{cached, fingerprint, run_tool};
use common::proxy::Proxy;
use common::tools::available;

/// Seconds after which a scenario counts as hung; each step of it has 30 of its own.
const MOST_SECONDS: &str = "300";

/// One test for each line: its name is that of a scenario, which is a function in one of the files beside this one.
macro_rules! scenarios {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            run(stringify!($name), &[]);
        }
    )*};
}

scenarios! {
    shows_status
    states_differ_in_three_ways
    hostile_names_are_inert
    an_address_of_a_service_that_is_not_known_is_told
    two_hundred_nodes_are_shown
    numbers_change
    a_route_goes_down_and_up
    other_troubles_are_told
    the_proxy_goes_away_and_returns
    what_cannot_be_read_is_told
    a_phone_needs_no_sideways_scrolling
    light_and_dark_are_legible
    the_keyboard_pauses_and_resumes
    a_screen_reader_hears_changes_only
    motion_can_be_turned_off
    without_scripts_it_says_where_to_look
}

/// Without any made-up answer: a real proxy, whose only broker goes away.
#[test]
fn a_real_proxy_tells_of_its_broker() {
    if !tools() {
        return;
    }
    let mut broker = Broker::answering(|request: &Received| Some(request.answer_bytes(&[0; 6])));
    let proxy = in_front_of(broker.address());
    drive(&proxy, "a_real_proxy_tells_of_its_broker", &["up"]);
    broker.stop();
    drive(&proxy, "a_real_proxy_tells_of_its_broker", &["down"]);
}

/// The picture of the README can be made, and is small. `PORTOLAN_SCREENSHOT=1` puts it where the README has it.
#[test]
fn screenshot() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("status.png");
    if !run("screenshot", &[file.to_str().unwrap()]) {
        return;
    }
    let picture = fs::read(&file).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "it is a picture");
    if std::env::var_os("PORTOLAN_SCREENSHOT").is_some_and(|value| value == "1") {
        fs::write(root().join("examples/status.png"), picture).unwrap();
    }
}

/// Runs a scenario with the page of a real proxy, whose broker is nobody. False: a tool is missing, which was said.
fn run(scenario: &str, more: &[&str]) -> bool {
    let there = tools();
    if there {
        drive(&proxy(), scenario, more);
    }
    there
}

fn tools() -> bool {
    available(&["node", "npm", "chromium"])
}

fn drive(proxy: &Proxy, scenario: &str, more: &[&str]) {
    let profile = tempfile::tempdir().unwrap();
    let mut node = Command::new("timeout");
    node.args(["--kill-after", "10", MOST_SECONDS, "node"])
        .arg(sources().join("run.mjs"))
        .arg(scenario)
        .arg(format!("http://{}/", proxy.admin()))
        .arg(on_path("chromium"))
        .arg(packages())
        .arg(profile.path())
        .args(more);
    run_tool(&mut node);
}

/// A proxy that serves the page.
pub(crate) fn proxy() -> Proxy {
    in_front_of("127.0.0.1:1".parse().unwrap())
}

/// A proxy of one broker.
fn in_front_of(broker: SocketAddr) -> Proxy {
    Proxy::start(&format!(
        "[clusters.main]\n\
         bootstrap_servers = [\"{broker}\"]\n\
         advertised_host = \"kafka.example.com\"\n\
         listen_address = \"127.0.0.1\"\n\
         bootstrap_port = 0\n\
         [[clusters.main.nodes]]\n\
         ids = \"0\"\n\
         port = 0\n\
         address = \"{broker}\"\n\
         [health]\n\
         interval = \"100ms\"\n"
    ))
}

/// Where the packages are that drive the browser.
fn packages() -> PathBuf {
    let files = ["package.json", "package-lock.json"];
    let texts = files.map(|file| fs::read_to_string(sources().join(file)).unwrap());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    cached(&format!("page/{}", fingerprint(&texts)), |dir| {
        for file in files {
            fs::copy(sources().join(file), dir.join(file)).unwrap();
        }
        let mut npm = Command::new("timeout");
        npm.args(["900", "npm", "ci", "--ignore-scripts"])
            .args(["--no-audit", "--no-fund"]);
        run_tool(npm.current_dir(dir));
    })
}

fn on_path(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(tool))
        .find(|file| file.is_file())
        .expect("it is available")
}

fn sources() -> PathBuf {
    root().join("tests/page")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
