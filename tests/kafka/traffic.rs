//! Clients that produce and consume without a pause while something is done to their cluster: nothing may be lost, nothing may
//! come twice (but by the client's own doing), and no client may be told an internal name.

use serde_json::{Value, json};

use crate::client::Program;
use crate::cluster::{Cluster, Listener};
use crate::front::Front;
use crate::running::Traffic;

/// What the proxy logs of a client that ends in the middle of a handshake, as one may where connections are made all the time.
pub const HUNG_UP: &str = "session ended: TLS handshake: the client hung up";

/// The traffic of all programs.
pub struct Load {
    running: Vec<(String, Traffic)>,
}

/// What a program said in the end.
pub struct Finished {
    /// The topic that it wrote and read.
    pub topic: String,
    /// Its result.
    pub result: Value,
    /// What it wrote to stderr.
    pub words: String,
}

/// Lets all programs produce and consume through one proxy, each in a topic of its own that has this prefix, while `disturb`
/// does something to the cluster. Returns the front when all clients have stopped and everything about their records was checked.
pub fn under_traffic(
    cluster: &Cluster,
    prefix: &str,
    programs: &[Program],
    disturb: impl FnOnce(&Cluster, &Load),
) -> Front {
    let front = Front::start(cluster, Listener::Plaintext);
    under_traffic_through(&front, cluster, prefix, programs, disturb);
    front
}

/// The same through a front that is there already. Returns what each client said in the end.
pub fn under_traffic_through(
    front: &Front,
    cluster: &Cluster,
    prefix: &str,
    programs: &[Program],
    disturb: impl FnOnce(&Cluster, &Load),
) -> Vec<Value> {
    let start = |(n, program): (usize, &Program)| {
        let topic = format!("{prefix}-{n}");
        cluster.create_topic(&topic, 6);
        let traffic = program.start_traffic(front, &topic, None);
        (topic, traffic)
    };
    let load = Load::new(programs.iter().enumerate().map(start).collect());
    load.goes_on();
    disturb(cluster, &load);
    load.goes_on();
    let mut results = Vec::new();
    for (finished, program) in load.finish().into_iter().zip(programs) {
        finished.assert_nothing_twice(cluster, program);
        results.push(finished.result);
    }
    front.assert_no_leak();
    front.assert_understood();
    results
}

impl Finished {
    /// Fails if something stands in the topic twice that the program did not write again of its own accord.
    pub fn assert_nothing_twice(&self, cluster: &Cluster, program: &Program) {
        let Finished { topic, result, .. } = self;
        let name = program.name();
        if program.writes_again() {
            assert_once_in_an_epoch(cluster, topic, name);
        } else {
            assert_eq!(result["duplicates"], json!([]), "{name}: {result}");
        }
    }
}

/// A client that asks for a new epoch numbers its records anew, so that brokers cannot know those that they have already. But
/// nothing between the two may write a record twice under one epoch.
fn assert_once_in_an_epoch(cluster: &Cluster, topic: &str, name: &str) {
    for (record, mut epochs) in cluster.stored(topic) {
        let copies = epochs.len();
        epochs.sort_unstable();
        epochs.dedup();
        assert_eq!(copies, epochs.len(), "{name}: {record} under {epochs:?}");
    }
}

impl Load {
    /// Of programs that run already, each with its topic.
    pub fn new(running: Vec<(String, Traffic)>) -> Self {
        Load { running }
    }

    /// Stops all programs. Each got back all that was acknowledged, and gave nothing up.
    pub fn finish(self) -> Vec<Finished> {
        let finish = |(topic, traffic): (String, Traffic)| {
            let name = traffic.name().to_owned();
            let (result, words) = traffic.finish_with_words();
            eprintln!("{name}: {result}\n{words}");
            for wrong in ["missing", "failed"] {
                assert_eq!(result[wrong], json!([]), "{name}: {wrong} in {result}");
            }
            assert_eq!(result["acked"], result["received"], "{name}: {result}");
            Finished {
                topic,
                result,
                words,
            }
        };
        self.running.into_iter().map(finish).collect()
    }

    /// The topics that are written and read.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.running.iter().map(|(topic, _)| topic.as_str())
    }

    /// Waits until every program had some hundred more records acknowledged and received.
    pub fn goes_on(&self) {
        let goals = self
            .running
            .iter()
            .map(|(_, traffic)| traffic.received() + 300);
        let goals: Vec<u64> = goals.collect();
        for ((_, traffic), goal) in self.running.iter().zip(goals) {
            traffic.wait_for(goal);
        }
    }
}
