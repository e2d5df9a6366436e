//! Somebody who asks without a pause, at every node's port, who is there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;

use crate::wire::Wire;

/// A resource that is a broker, in Kafka's numbers.
const BROKER: i8 = 4;

/// Asks until it is dropped.
pub struct WhoIsThere {
    is_over: Arc<AtomicBool>,
    heard: Arc<Mutex<Heard>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    /// How often the right one answered at each port.
    right: BTreeMap<i32, u64>,
    /// What others said.
    wrong: Vec<String>,
}

impl WhoIsThere {
    /// Asks at the ports of these nodes.
    pub fn ask_at(nodes: &[(i32, (Ipv4Addr, u16))]) -> Self {
        let (is_over, heard) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Heard>>::default());
        let threads = nodes.iter().map(|&(id, address)| {
            let (is_over, heard) = (is_over.clone(), heard.clone());
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = ask(id, address);
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    match answer {
                        Some(Ok(())) => *heard.right.entry(id).or_default() += 1,
                        Some(Err(words)) => heard.wrong.push(format!("node {id}: {words}")),
                        // It is away.
                        None => {}
                    }
                    drop(heard);
                    thread::sleep(Duration::from_millis(50));
                }
            })
        });
        WhoIsThere {
            threads: threads.collect(),
            is_over,
            heard,
        }
    }

    /// How often the right one answered at a node's port so far.
    pub fn right(&self, id: i32) -> u64 {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.right.get(&id).copied().unwrap_or(0)
    }

    /// Fails if anybody else ever answered.
    pub fn assert_always_right(&self) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(heard.wrong.is_empty(), "{:#?}", heard.wrong);
    }
}

impl Drop for WhoIsThere {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Asks over a new connection for the configuration of this node, which every other one refuses to tell. `None`: nobody answers.
pub fn ask(id: i32, address: (Ipv4Addr, u16)) -> Option<Result<(), String>> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(id.to_string().into())
        .with_configuration_keys(Some(vec!["node.id".into()]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = Wire::connect(address).ok()?.ask(&request, 4).ok()?;
    let result = answer.results.first()?;
    Some(match result.error_code {
        0 => Ok(()),
        code => Err(format!("error {code}: {:?}", result.error_message)),
    })
}
