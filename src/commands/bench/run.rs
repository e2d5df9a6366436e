//! One workload on one way for some time: connections spread over threads, which start together.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

use super::load::Load;
use super::measure::Measured;
use super::targets::{self, Targets};
use super::worker::Worker;
use crate::commands::client::Error;
use crate::commands::client::connection::MORE_FILES;

/// What a thread tells.
enum Told {
    /// All its connections are ready.
    Ready,
    /// What they measured.
    Done(Box<Measured>),
    /// Why they cannot go on.
    Failed(String),
}

/// Runs the load to its end. Dropping this ends it early.
pub(super) async fn run(load: &Arc<Load>) -> Result<Measured, String> {
    let targets = targets::find(&load.leg, &load.topic).await;
    let targets = Arc::new(targets.map_err(|error| error.to_string())?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(load.connections);
    // Nothing yet, then the moment to start; the sender going away means to stop.
    let (start, started) = watch::channel(None);
    let (tell, mut told) = mpsc::unbounded_channel();
    for first in 0..threads {
        let indices: Vec<usize> = (first..load.connections).step_by(threads).collect();
        let (load, targets) = (load.clone(), targets.clone());
        let (started, tell) = (started.clone(), tell.clone());
        let thread = std::thread::Builder::new().name("bench".into());
        let body = move || {
            let told = match thread_main(&load, &targets, &indices, started, &tell) {
                Ok(Some(measured)) => Told::Done(Box::new(measured)),
                // Whoever stopped it does not listen any more.
                Ok(None) => return,
                Err(error) => Told::Failed(error),
            };
            let _ = tell.send(told);
        };
        thread
            .spawn(body)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
    }
    drop(tell);
    let mut ready = 0;
    let mut all = Measured::new()?;
    let mut done = 0;
    while done < threads {
        match told.recv().await {
            Some(Told::Ready) => {
                ready += 1;
                if ready == threads {
                    let _ = start.send(Some(Instant::now()));
                }
            }
            Some(Told::Done(measured)) => {
                all.add_parallel(&measured);
                done += 1;
            }
            Some(Told::Failed(error)) => return Err(error),
            None => return Err("a thread ended without a result".into()),
        }
    }
    if load.rate.is_some() {
        // Less was not asked for.
        all.elapsed = all.elapsed.max(load.duration);
    }
    Ok(all)
}

/// Runs some of the connections; `None` where it was stopped.
fn thread_main(
    load: &Arc<Load>,
    targets: &Arc<Targets>,
    indices: &[usize],
    mut started: watch::Receiver<Option<Instant>>,
    tell: &mpsc::UnboundedSender<Told>,
) -> Result<Option<Measured>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut stopped = started.clone();
    let measured = Rc::new(RefCell::new(Measured::new()?));
    let working = async {
        let mut opening = JoinSet::new();
        for &index in indices {
            let worker = Worker::new(load.clone(), index, measured.clone())
                .map_err(|error| format!("cannot make a timer: {error}\n    {MORE_FILES}"))?;
            let targets = targets.clone();
            opening.spawn_local(async move {
                let session = worker.open(&targets).await.map_err(in_words)?;
                Ok::<_, String>((worker, session))
            });
        }
        let mut ready = Vec::new();
        while let Some(opened) = opening.join_next().await {
            ready.push(opened.map_err(|error| error.to_string())??);
        }
        let _ = tell.send(Told::Ready);
        let Ok(Some(start)) = started.wait_for(Option::is_some).await.map(|start| *start) else {
            return Ok::<_, String>(());
        };
        let mut tasks = JoinSet::new();
        for (worker, session) in ready {
            tasks.spawn_local(worker.work(session, start));
        }
        while let Some(ended) = tasks.join_next().await {
            ended
                .map_err(|error| error.to_string())?
                .map_err(in_words)?;
        }
        Ok(())
    };
    let local = LocalSet::new();
    let finished = local.block_on(&runtime, async {
        tokio::select! {
            outcome = working => Some(outcome),
            () = sender_gone(&mut stopped) => None,
        }
    });
    // Those that run on would hold what was measured.
    drop(local);
    match finished {
        None => Ok(None),
        Some(outcome) => {
            outcome?;
            let measured = measured.borrow().clone();
            Ok(Some(measured))
        }
    }
}

async fn sender_gone(stopped: &mut watch::Receiver<Option<Instant>>) {
    while stopped.changed().await.is_ok() {}
}

fn in_words(error: Error) -> String {
    error.to_string()
}
